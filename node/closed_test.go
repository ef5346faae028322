package node

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/health"
	"hearsay/node/identity"
)

// eventually waits until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !f() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within a minute: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func finding(n *Node, code health.Code) *health.Finding {
	fs := n.Findings()
	if i := slices.IndexFunc(fs, func(f health.Finding) bool { return f.Code == code }); i >= 0 {
		return &fs[i]
	}
	return nil
}

func lastError(n *Node, of peer.ID) string {
	for _, p := range n.Peers() {
		if p.ID == of {
			return p.LastError
		}
	}
	return ""
}

// Nodes with one key are neighbours. One with another key, or with none, is none,
// and is told why: in its findings and in what it says of the peer.
func TestClosedNetwork(t *testing.T) {
	t.Parallel()
	key, other := identity.NewNetworkKey(), identity.NewNetworkKey()
	with := func(k *identity.NetworkKey) func(*Config) { return func(c *Config) { c.NetworkKey = k } }
	a, _ := startNode(t, with(&key))
	b, _ := startNode(t, with(&key))
	introduce(a, b)
	meet(t, a, b)

	keyed, _ := startNode(t, with(&other))
	bare, _ := startNode(t, nil)
	named, _ := startNode(t, func(c *Config) { // knows the address, not who is there
		c.NetworkKey = &other
		c.Contacts = []string{a.Host().Addrs()[0].String()}
	})
	introduce(keyed, a)
	introduce(bare, a)
	for _, n := range []*Node{keyed, bare, named} {
		eventually(t, "the wrong key is found", func() bool { return finding(n, health.OtherNetworkKey) != nil })
		f := finding(n, health.OtherNetworkKey)
		who := a.ID().String()
		want := health.Warning
		switch n {
		case bare:
			want = health.Info
		case named:
			who = a.Host().Addrs()[0].String()
		}
		if f.Severity != want || !strings.Contains(f.Text, who) || !strings.Contains(f.Cure, "hearsay key show --network") {
			t.Errorf("it says %+v", f)
		}
		if got := lastError(n, a.ID()); n != named && !strings.Contains(got, "another network key (network_key) on one side") {
			t.Errorf("the peer's last error is %q", got)
		}
		if len(n.Host().Network().Peers()) != 0 {
			t.Error("it has a connection all the same")
		}
	}
	if st := a.Status(); st.Neighbours != 1 {
		t.Errorf("the closed network has %d neighbours", st.Neighbours)
	}
}

// Who is not on the list gets no connection, whichever side begins; who is taken
// off it loses the one it has, and who is put on it gets one.
func TestAllowedPeers(t *testing.T) {
	t.Parallel()
	stranger, _ := startNode(t, nil)
	friend, _ := startNode(t, nil)
	a, _ := startNode(t, func(c *Config) {
		c.Allow = []peer.ID{friend.ID()}
		c.Contacts = []string{friend.Host().Addrs()[0].String()} // without its ID
	})
	meet(t, a, friend) // so an unknown ID can be asked for

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	info := func(n *Node) peer.AddrInfo { return peer.AddrInfo{ID: n.ID(), Addrs: n.Host().Addrs()} }
	connected := func(of *Node) bool { return a.Host().Network().Connectedness(of.ID()) == network.Connected }
	if err := a.Host().Connect(ctx, info(stranger)); err == nil || connected(stranger) {
		t.Errorf("outbound: %v", err)
	}
	sub, err := stranger.Host().EventBus().Subscribe(new(event.EvtPeerConnectednessChanged))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	stranger.Host().Connect(ctx, info(a)) // may succeed on its side, for an instant
	for stranger.Host().Network().Connectedness(a.ID()) == network.Connected {
		select {
		case <-sub.Out():
		case <-ctx.Done():
			t.Fatal("the inbound connection is not closed")
		}
	}
	if f := finding(a, health.NotAllowed); f == nil || !strings.Contains(f.Text, stranger.ID().String()) || f.Severity != health.Info || connected(stranger) {
		t.Errorf("it says %+v", f)
	}

	w := a.Watch()
	defer w.Close()
	a.Allow([]peer.ID{stranger.ID()})
	awaitChange(t, w, "the friend of old is cut off", func() bool { return !connected(friend) && a.Status().Neighbours == 0 })
	introduce(a, stranger)
	meet(t, a, stranger)
	a.Allow(nil)
	introduce(a, friend)
	meet(t, a, friend)
}

// A neighbour that asks for another proof of work is noticed by both.
func TestOtherDifficultyIsFound(t *testing.T) {
	t.Parallel()
	a, _ := startNode(t, nil)
	b, _ := startNode(t, func(c *Config) { c.DifficultyBits = 6 })
	watchA, watchB := a.Watch(), b.Watch()
	introduce(a, b)
	for n, w := range map[*Node]*Watcher{a: watchA, b: watchB} {
		awaitChange(t, w, "the difficulties differ", func() bool { return finding(n, health.OtherDifficulty) != nil })
	}
	if f := finding(a, health.OtherDifficulty); !strings.Contains(f.Text, "proof of work of 4 leading zero bits, and "+b.ID().String()+" asks for 6 bits") {
		t.Errorf("it says %q", f.Text)
	}
}
