package transport

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
)

// TestHangup: what was queued before an orderly end is read on all lanes; of
// a cut only what was urgent.
func TestHangup(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t), withTiming(unpaced))
	introduce(a.host, b.host)
	for round := range 20 {
		b.forget()
		a.Dial(b.id)
		a.awaitUp(b.id)
		b.awaitUp(a.id)
		now := round%2 == 1
		for i := range uint64(50) {
			a.Send(b.id, &gossip.Ping{Number: i}, false)
		}
		if !now {
			a.Send(b.id, &gossip.PeerList{Records: []gossip.PeerRecord{selfRecord(t, b.host)}}, false)
		}
		a.Send(b.id, &gossip.Bye{Reason: gossip.ByeMisbehaved}, now)
		a.Hangup(b.id, "for the test", now)
		if a.Send(b.id, &gossip.Ping{}, false) {
			t.Error("a message after the end was dropped for want of room")
		}
		a.awaitDown(b.id)
		b.awaitDown(a.id)
		byes, lists, pings := received[*gossip.Bye](b), received[*gossip.PeerList](b), received[*gossip.Ping](b)
		if byes != 1 || !now && (lists != 1 || pings != 50) {
			t.Fatalf("round %d, now=%v: %d goodbyes, %d lists and %d pings arrived; %v, %v",
				round, now, byes, lists, pings, a.Failure(b.id).Err, b.Failure(a.id).Err)
		}
		if now {
			awaitUnconnected(t, a.host, b.host)
			awaitUnconnected(t, b.host, a.host)
		} else if a.host.Network().Connectedness(b.host.ID()) != network.Connected {
			t.Fatalf("round %d: an orderly end closes the connection", round)
		}
	}
}

// TestHangupAfterEnd: who has ended the link itself before it is hung up on loses its
// connection, too, and it is known where it was although it may have closed that itself.
func TestHangupAfterEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*stranger, *node, network.Stream){
		"the link":       func(_ *stranger, _ *node, st network.Stream) { st.Reset() },
		"the connection": func(s *stranger, n *node, _ network.Stream) { s.host.Network().ClosePeer(n.host.ID()) },
		"by a violation": func(_ *stranger, _ *node, st network.Stream) { st.Write([]byte{0}) },
	} {
		at := make(chan ma.Multiaddr, 1)
		n := newNode(t, newHost(t), func(c *Config, _ *timing, n *node) {
			emit := c.Emit
			c.Emit = func(ev gossip.Event) {
				if down, ok := ev.(gossip.LinkDown); ok {
					at <- n.Addr(down.Peer)
					n.Hangup(down.Peer, "for the test", true)
				}
				emit(ev)
			}
		})
		s := newStranger(t)
		st := s.link(n, 1)
		end(s, n, st)
		if got, want := awaited(t, at, "the link does not end"), st.Conn().LocalMultiaddr(); got == nil || !got.Equal(want) {
			t.Errorf("it ends %s: it was at %v, want %v", name, got, want)
		}
		awaitUnconnected(t, n.host, s.host)
	}
}

// TestFarewell: the goodbye arrives in 20 of 20 leaves, from an idle link and
// from behind a backlog, although the host closes right after.
func TestFarewell(t *testing.T) {
	t.Parallel()
	for _, backlog := range []int{0, 200} {
		t.Run(fmt.Sprintf("backlog=%dKiB", backlog), func(t *testing.T) {
			t.Parallel()
			others := []*node{newNode(t, newHost(t)), newNode(t, newHost(t))}
			for round := range 20 {
				a := newNode(t, newHost(t))
				for _, b := range others {
					connect(t, a, b)
				}
				for i := range backlog {
					for _, b := range others {
						a.Send(b.id, &gossip.Push{Rumor: newRumor(t, uint64(i+1), 1024)}, false)
					}
				}
				for _, b := range others {
					a.Send(b.id, &gossip.Bye{Reason: gossip.ByeLeaving}, true)
				}
				if err := a.Farewell(t.Context()); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				a.Close()
				a.host.Close()
				for _, b := range others {
					awaitMsg[*gossip.Bye](b, a.id)
					b.awaitDown(a.id)
					if n := received[*gossip.Push](b); n != backlog {
						t.Errorf("round %d: %d of %d rumors of the backlog arrived", round, n, backlog)
					}
					b.forget()
				}
			}
		})
	}
}

// TestFarewellCrossed: a neighbour that opens a lane while the other leaves reads
// all that was queued for it, the goodbye too.
func TestFarewellCrossed(t *testing.T) {
	t.Parallel()
	const backlog = 100
	gate, opened := make(chan struct{}), make(chan struct{})
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t), withGate(gate), func(c *Config, _ *timing, _ *node) {
		c.Trace = func(way Direction, _ gossip.PeerID, m gossip.Message) {
			if _, ok := m.(*gossip.Sync); ok && way == Out {
				close(opened)
			}
		}
	})
	connect(t, a, b)
	for i := range backlog {
		a.Send(b.id, &gossip.Push{Rumor: newRumor(t, uint64(i+1), 1024)}, false)
	}
	a.Send(b.id, &gossip.Bye{Reason: gossip.ByeLeaving}, true)
	left := make(chan error, 1)
	go func() { left <- a.Farewell(t.Context()) }()
	awaited(t, a.ending(b), "the link does not begin to end")
	b.Send(a.id, &gossip.Sync{}, false)
	awaited(t, opened, "the lane is not opened")
	close(gate)
	if err := awaited(t, left, "the farewell does not end"); err != nil {
		t.Error(err)
	}
	awaitMsg[*gossip.Bye](b, a.id)
	b.awaitDown(a.id)
	if n := received[*gossip.Push](b); n != backlog {
		t.Errorf("%d of %d rumors arrived: %v", n, backlog, b.Failure(a.id).Err)
	}
}

// TestFarewellDrains: a link that was being written out when this node leaves is, too.
func TestFarewellDrains(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t), withGate(gate))
	connect(t, a, b)
	a.Send(b.id, &gossip.Bye{Reason: gossip.ByeFull}, false)
	a.Send(b.id, &gossip.Ping{Number: 1}, false)
	a.Hangup(b.id, "full", false)
	// b reads nothing, so a cannot know that it has read.
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Farewell(over); err == nil {
		t.Error("it was not awaited")
	}
	close(gate)
}

// ending is closed when the link to another node, which is there, begins to end.
func (n *node) ending(of *node) <-chan struct{} {
	n.Transport.mu.Lock()
	defer n.Transport.mu.Unlock()
	return n.remotes[of.host.ID()].link.ending
}

// TestFarewellBounded: a neighbour that does not read does not hold up a leave,
// nor the others' goodbyes; after it, nothing goes on.
func TestFarewellBounded(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	a, stuck, fine := newNode(t, newHost(t)), newNode(t, newHost(t), withGate(gate)), newNode(t, newHost(t))
	t.Cleanup(func() { close(gate) })
	connect(t, a, stuck)
	connect(t, a, fine)
	for !a.Send(stuck.id, &gossip.Push{Rumor: newRumor(t, 1, 1024)}, false) {
	}
	for _, b := range []*node{stuck, fine} {
		a.Send(b.id, &gossip.Bye{Reason: gossip.ByeLeaving}, true)
	}
	start := time.Now()
	err := a.Farewell(t.Context())
	if d := time.Since(start); d > 4*time.Second {
		t.Errorf("the leave took %v", d)
	}
	if err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("%v", err)
	}
	awaitMsg[*gossip.Bye](fine, a.id)

	introduce(fine.host, a.host)
	fine.Dial(a.id)
	fine.awaitFailed(a.id)
	a.Dial(fine.id)
	if after := a.count(func(ev gossip.Event) bool { _, ok := ev.(gossip.LinkUp); return ok }); after != 2 {
		t.Errorf("%d links came up", after)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Farewell(ctx); err != nil {
		t.Errorf("a second farewell: %v", err)
	}
}

// TestRestart: a peer that crashed comes back while its old link still seems to
// be up. The core is told of the end of the old one and then of the new one.
func TestRestart(t *testing.T) {
	t.Parallel()
	a := newNode(t, newHost(t))
	key := newKey(t)
	before := newNode(t, newHost(t, libp2p.Identity(key)))
	connect(t, a, before)
	pingpong(t, a, before)

	after := newNode(t, newHost(t, libp2p.Identity(key)))
	introduce(after.host, a.host)
	after.Dial(a.id)
	after.awaitUp(a.id)
	a.awaitDown(after.id)
	if a.awaitUp(after.id).Dialled {
		t.Error("nobody dialled here")
	}
	pingpong(t, a, after)
	if f := a.Failure(after.id); f.Err != errReplaced {
		t.Errorf("%v", f.Err)
	}
	if n := len(a.Links()); n != 1 {
		t.Errorf("%d links", n)
	}
	before.awaitDown(a.id)
}

// TestRelic: a peer that crashed comes back while the old connection, which had
// no link, still seems to be up. The answer must not go down that one.
func TestRelic(t *testing.T) {
	tm := defaultTiming
	tm.relic = time.Millisecond
	a := newNode(t, newHost(t), withTiming(tm))
	key := newKey(t)
	dead := newStranger(t, libp2p.Identity(key))
	// Streams make the old connection the preferred one.
	arrived := make(chan struct{}, 100)
	for id, p := range protocols {
		a.host.SetStreamHandler(p, func(s network.Stream) {
			arrived <- struct{}{}
			a.accept(laneID(id), s)
		})
	}
	dead.open(a, syncLane, hello(t, 7, 0))
	dead.open(a, peersLane, hello(t, 7, 0))
	for range 2 {
		awaited(t, arrived, "the streams do not arrive")
	}
	time.Sleep(2 * tm.relic) // the difference in age

	alive := newNode(t, newHost(t, libp2p.Identity(key)))
	introduce(alive.host, a.host)
	alive.Dial(a.id)
	alive.awaitUp(a.id)
	a.awaitUp(alive.id)
	pingpong(t, a, alive)
}

// TestConnectionLost: the end of the connection is the end of the link.
func TestConnectionLost(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
	connect(t, a, b)
	a.host.Network().ClosePeer(b.host.ID())
	a.awaitDown(b.id)
	b.awaitDown(a.id)
	a.Dial(b.id)
	a.awaitUp(b.id)
	b.awaitUp(a.id)
	pingpong(t, a, b)
}

// TestCloseFreesEverything: after Close no event comes and nothing is left; the
// check for goroutines is in TestMain.
func TestCloseFreesEverything(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
	connect(t, a, b)
	introduce(b.host, a.host)
	silent := newStranger(t)
	introduce(a.host, silent.host)
	a.Dial(silent.id()) // a dial under way
	a.Send(b.id, &gossip.PeersRequest{}, false)
	a.Close()
	n := a.total()
	b.awaitDown(a.id)
	a.Dial(b.id)
	a.Hangup(b.id, "", true)
	if a.Send(b.id, &gossip.Ping{}, false) || len(a.Links()) != 0 {
		t.Error("there is still a link")
	}
	b.Dial(a.id)
	b.awaitFailed(a.id)
	if now := a.total(); now != n {
		t.Errorf("%d events came after Close", now-n)
	}
	a.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.remotes) != 0 {
		t.Errorf("%d peers are kept", len(a.remotes))
	}
}
