package discovery

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		childMain()
		return
	}
	os.Exit(m.Run())
}

// eventually waits for what other goroutines do on real sockets and files.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("not within 15 s: %s", what)
		case <-tick.C:
		}
	}
}

// newHost returns a host with as little as a node needs: TCP, Noise, yamux.
func newHost(t testing.TB, listen ...string) host.Host {
	t.Helper()
	h, err := minimalHost(listen...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func minimalHost(listen ...string) (host.Host, error) {
	return libp2p.New(
		libp2p.NoTransports, libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport), libp2p.DisableRelay(), libp2p.DisableMetrics(),
		libp2p.NoListenAddrs, libp2p.ListenAddrStrings(listen...),
	)
}

// running runs a Discovery until the test ends, and then checks that Run ends.
func running(t testing.TB, cfg Config) *Discovery {
	t.Helper()
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run does not end")
		}
	})
	return d
}

// connecting is a Found that connects to all that is found, and counts.
func connecting(h host.Host) (found func(Candidate), count func(peer.ID, Source) int) {
	var mu sync.Mutex
	seen := make(map[string]int)
	found = func(c Candidate) {
		mu.Lock()
		defer mu.Unlock()
		seen[string(c.Source)+string(c.Info.ID)]++
		go h.Connect(context.Background(), c.Info)
	}
	return found, func(id peer.ID, s Source) int {
		mu.Lock()
		defer mu.Unlock()
		return seen[string(s)+string(id)]
	}
}

func tcpPort(h host.Host) string {
	return fmt.Sprint(portOf(h.Network().ListenAddresses()[0]))
}

func noLeak(t testing.TB) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

func TestContactsMeet(t *testing.T) {
	noLeak(t)
	a, b := newHost(t, "/ip4/127.0.0.1/tcp/0"), newHost(t, "/ip4/127.0.0.1/tcp/0")
	learnt := make(chan peer.ID, 10)
	found, count := connecting(a)
	address := "localhost:" + tcpPort(b)
	d := running(t, Config{
		Host: a, Network: "test", Found: found,
		Contacts:      []Contact{mustContact(t, address), mustContact(t, address), mustContact(t, "127.0.0.1:"+tcpPort(a))},
		ContactLearnt: func(_ string, id peer.ID) { learnt <- id },
	})
	eventually(t, "connected, and the status says so", func() bool {
		s := d.Status().Contacts
		return s[0].State == ContactConnected && s[1].State == ContactSelf
	})
	if id := <-learnt; id != b.ID() || len(learnt) != 0 || count(b.ID(), SourceContact) == 0 {
		t.Errorf("learnt %v and %d more", id, len(learnt))
	}
	if s := d.Status().Contacts; len(s) != 2 || s[0].ID != b.ID() || s[0].Pinned || s[0].Address != address {
		t.Errorf("status: %+v", s)
	}
}

// Two nodes that are each other's contact ask each other at the same time.
func TestContactsOfEachOther(t *testing.T) {
	noLeak(t)
	a, b := newHost(t, "/ip4/127.0.0.1/tcp/0"), newHost(t, "/ip4/127.0.0.1/tcp/0")
	if b.ID() < a.ID() {
		a, b = b, a
	}
	dials, _ := connecting(a)
	one := running(t, Config{Host: a, Network: "test", Found: dials, Contacts: []Contact{mustContact(t, "127.0.0.1:"+tcpPort(b))}})
	other := running(t, Config{Host: b, Network: "test", Found: func(Candidate) {}, Contacts: []Contact{mustContact(t, "127.0.0.1:"+tcpPort(a))}})
	eventually(t, "both are connected and know it", func() bool {
		return one.Status().Contacts[0].State == ContactConnected && other.Status().Contacts[0].State == ContactConnected
	})
}

// A contact that comes up late is found although earlier dials failed: the
// swarm's back-off of 5 s and more is not in the way.
func TestAskIDAgainAndAgain(t *testing.T) {
	noLeak(t)
	a, b := newHost(t), newHost(t, "/ip4/127.0.0.1/tcp/0")
	at := b.Network().ListenAddresses()[0]
	do(t, b.Network().Close())
	for range 20 {
		if id, err := askID(t.Context(), a, at, nil); err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "backoff") {
			t.Fatalf("nobody listens, but got %v, %v", id, err)
		}
	}
	b = newHost(t, at.String())
	begin := time.Now()
	for range 20 {
		if id, err := askID(t.Context(), a, at, nil); err != nil || id != b.ID() {
			t.Fatalf("got %v, %v", id, err)
		}
	}
	t.Logf("%v per question", time.Since(begin)/20)
	if n := len(a.Peerstore().Peers()); n != 1 {
		t.Errorf("%d peers remembered, want this one alone: %v", n, a.Peerstore().Peers())
	}
	if n := len(a.Network().Conns()); n != 0 {
		t.Errorf("%d connections left", n)
	}
	// Who is already connected can be asked, too.
	do(t, a.Connect(t.Context(), peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}))
	if id, err := askID(t.Context(), a, at, nil); err != nil || id != b.ID() {
		t.Fatalf("got %v, %v", id, err)
	}
}

func TestLocalHostsMeet(t *testing.T) {
	noLeak(t)
	a, b := newHost(t, "/ip4/127.0.0.1/tcp/0"), newHost(t, "/ip4/0.0.0.0/tcp/0")
	folder := filepath.Join(t.TempDir(), "hearsay")
	for _, h := range []host.Host{a, b} {
		found, _ := connecting(h)
		running(t, Config{Host: h, Network: "test", Found: found, Local: true, LocalFolder: folder})
	}
	other := newHost(t, "/ip4/127.0.0.1/tcp/0")
	found, count := connecting(other)
	running(t, Config{Host: other, Network: "other", Found: found, Local: true, LocalFolder: folder})
	eventually(t, "a and b are connected", func() bool { return len(a.Network().ConnsToPeer(b.ID())) > 0 })
	if count(a.ID(), SourceLocal)+count(b.ID(), SourceLocal) != 0 {
		t.Error("nodes of different networks met")
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	h := newHost(t)
	found := func(Candidate) {}
	for says, cfg := range map[string]Config{
		"Host":         {Network: "x", Found: found},
		"Found":        {Network: "x", Host: h},
		"network name": {Network: "X", Host: h, Found: found},
		"ParseContact": {Network: "x", Host: h, Found: found, Contacts: make([]Contact, 1)},
		"too many":     {Network: "x", Host: h, Found: found, Contacts: make([]Contact, maxContacts+1)},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error with %q", err, says)
		}
	}
	d, err := New(Config{Network: "x", Host: h, Found: found})
	do(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	do(t, d.Run(ctx))
	if err := d.Run(ctx); err == nil {
		t.Error("Run can be called twice")
	}
}
