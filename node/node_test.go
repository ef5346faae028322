package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/identity"
	"hearsay/node/journal"
)

// startNode runs a node on loopback until the test ends; stop has it leave.
func startNode(t *testing.T, change func(*Config), opts ...Option) (n *Node, stop func()) {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Identity = id
	cfg.Listen = []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")}
	cfg.MDNS, cfg.Kademlia = false, false
	cfg.DifficultyBits = 4
	if change != nil {
		change(&cfg)
	}
	if n, err = New(cfg, opts...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	<-n.Ready()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the node does not stop")
		}
	}
	t.Cleanup(stop)
	return n, stop
}

// await waits until a watcher sees a change.
func await(t *testing.T, w *Watcher, what string, p peer.ID) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case ev := <-w.C():
			if ev.What == what && ev.Peer == p {
				return
			}
		case <-timeout:
			t.Fatalf("%v was not seen to be %s", p, what)
		}
	}
}

// awaitChange waits until f holds, and looks again whenever a watcher, which is older
// than the change, sees something happen.
func awaitChange(t *testing.T, w *Watcher, what string, f func() bool) {
	t.Helper()
	for timeout := time.After(time.Minute); !f(); {
		select {
		case <-w.C():
		case <-timeout:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func introduce(a, b *Node) {
	a.Introduce(peer.AddrInfo{ID: b.ID(), Addrs: b.Host().Addrs()})
	b.Introduce(peer.AddrInfo{ID: a.ID(), Addrs: a.Host().Addrs()})
}

func TestTwoNodesMeetTalkAndPart(t *testing.T) {
	a, _ := startNode(t, nil)
	b, stopB := startNode(t, nil)
	watchA, watchB := a.Watch(), b.Watch()
	introduce(a, b)
	await(t, watchA, "linked", b.ID())
	await(t, watchB, "linked", a.ID())
	await(t, watchA, "joined", b.ID())

	l, err := b.Listen([]uint16{7})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 3 {
		text := fmt.Sprintf("hello %d", i)
		if _, err := a.Announce(t.Context(), Announcement{DataType: 7, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		select {
		case r := <-l.C():
			if string(r.Data) != text || r.Origin != a.ID() || r.DataType != 7 {
				t.Fatalf("heard %+v", r)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("b heard nothing")
		}
	}

	stopB()
	await(t, watchA, "left", b.ID())
}

// meet waits until a node sees another as its neighbour.
func meet(t *testing.T, a, b *Node) {
	t.Helper()
	w := a.Watch()
	defer w.Close()
	for _, p := range a.Peers() {
		if p.ID == b.ID() && p.State == PeerNeighbour {
			return
		}
	}
	await(t, w, "linked", b.ID())
}

func TestPeersAreRememberedAcrossRestarts(t *testing.T) {
	a, _ := startNode(t, nil)
	dir := t.TempDir()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	stateful := func(c *Config) { c.Identity, c.StateDir = id, dir }
	b, stopB := startNode(t, stateful)
	introduce(a, b)
	meet(t, b, a)
	epoch := b.coreStatus().Epoch
	stopB()

	again, _ := startNode(t, stateful)
	meet(t, again, a) // nobody introduced them this time
	if e := again.coreStatus().Epoch; e <= epoch {
		t.Errorf("epoch %d after %d", e, epoch)
	}
	for _, p := range again.Peers() {
		if p.ID == a.ID() && p.Source != "remembered" {
			t.Errorf("found by %q", p.Source)
		}
	}
}

func TestFirstContactWithoutPeerID(t *testing.T) {
	a, _ := startNode(t, nil)
	port, err := a.Host().Addrs()[0].ValueForProtocol(multiaddr.P_TCP)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b, stop := startNode(t, func(c *Config) { c.Contacts, c.StateDir = []string{"127.0.0.1:" + port}, dir })
	meet(t, b, a)
	stop()
	j, err := journal.Open(filepath.Join(dir, JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	learnt, err := j.Contacts()
	if err != nil || learnt["127.0.0.1:"+port] != a.ID() {
		t.Errorf("remembered contacts: %v, %v", learnt, err)
	}
}

func TestNetworksDoNotMix(t *testing.T) {
	a, _ := startNode(t, nil)
	b, _ := startNode(t, func(c *Config) { c.Network = "another" })
	c, _ := startNode(t, nil)
	introduce(a, b)
	introduce(b, c)
	introduce(a, c)
	meet(t, a, c)
	// The dial to b has failed, or been refused, before the next one is due.
	deadline := time.After(20 * time.Second)
	for {
		for _, p := range a.Peers() {
			switch {
			case p.ID != b.ID():
			case p.State == PeerNeighbour:
				t.Fatal("nodes of different networks are neighbours")
			case strings.Contains(p.LastError, "another"):
				return
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("nobody says why %v is no neighbour: %+v", b.ID(), a.Peers())
		}
	}
}

func TestLeavingDoesNotWaitForHardWork(t *testing.T) {
	hard := func(c *Config) { c.DifficultyBits = 40 }
	a, _ := startNode(t, hard)
	b, stopB := startNode(t, hard)
	w := a.Watch()
	introduce(a, b)
	await(t, w, "linked", b.ID())
	began := time.Now()
	stopB()
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("leaving took %v", d)
	}
	await(t, w, "unlinked", b.ID())
}

func TestAnnounceRefusals(t *testing.T) {
	n, stop := startNode(t, nil)
	if _, err := n.Announce(t.Context(), Announcement{Data: make([]byte, 65528)}); err == nil || !strings.Contains(err.Error(), "65527") {
		t.Errorf("65528 bytes: %v", err)
	}
	if _, err := n.Announce(t.Context(), Announcement{Data: make([]byte, 65527)}); err != nil {
		t.Errorf("65527 bytes: %v", err)
	}
	stop()
	if _, err := n.Announce(t.Context(), Announcement{}); !errors.Is(err, ErrStopped) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := n.Listen([]uint16{1}); !errors.Is(err, ErrStopped) {
		t.Errorf("after the end: %v", err)
	}
	if st := n.Status(); st.ID != n.ID() {
		t.Errorf("the status after the end is %+v", st)
	}
}

func TestBadConfigurations(t *testing.T) {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	for word, change := range map[string]func(*Config){
		"identity":   func(c *Config) { c.Identity = nil },
		"difficulty": func(c *Config) { c.DifficultyBits = 41 },
		"network":    func(c *Config) { c.Network = "" },
		"degree":     func(c *Config) { c.Degree = 0 },
		"contact":    func(c *Config) { c.Contacts = []string{"http://192.0.2.1"} },
	} {
		cfg := DefaultConfig()
		cfg.Identity = id
		change(&cfg)
		n, err := New(cfg)
		if err == nil {
			n.Close()
			t.Errorf("bad %s is accepted", word)
		} else if !strings.Contains(err.Error(), word) {
			t.Errorf("bad %s gives %q", word, err)
		}
	}
}
