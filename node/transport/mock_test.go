package transport

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"

	"hearsay/node/gossip"
)

// newMock makes nodes in an in-memory network in which all are linked, and
// which knows neither deadlines nor reset codes.
func newMock(t *testing.T, n int, opts ...option) (mocknet.Mocknet, []*node) {
	t.Helper()
	mn, err := mocknet.FullMeshLinked(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mn.Close() })
	var nodes []*node
	for _, h := range mn.Hosts() {
		nodes = append(nodes, newNode(t, h, opts...))
	}
	return mn, nodes
}

// TestMesh: eight nodes dial each other, in pairs from both sides, and end with
// one link per pair.
func TestMesh(t *testing.T) {
	_, nodes := newMock(t, 8)
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b {
				a.Dial(b.id)
			}
		}
	}
	for _, a := range nodes {
		up := map[gossip.PeerID]bool{}
		for len(up) < len(nodes)-1 {
			ev := a.await("links to everybody", func(ev gossip.Event) bool { _, ok := ev.(gossip.LinkUp); return ok })
			if p := ev.(gossip.LinkUp).Peer; up[p] {
				t.Fatalf("a second link to %s", peer.ID(p))
			} else {
				up[p] = true
			}
		}
	}
	// A push to everybody is one message, shared.
	m := &gossip.Push{Rumor: newRumor(t, 1, 1024), Hops: 1}
	for _, b := range nodes[1:] {
		nodes[0].Send(b.id, m, false)
	}
	for _, b := range nodes[1:] {
		if got := awaitMsg[*gossip.Push](b, nodes[0].id); got.Rumor.ID != m.Rumor.ID {
			t.Error("another rumor")
		}
	}
	for _, a := range nodes {
		if n := len(a.Links()); n != len(nodes)-1 {
			t.Errorf("%d links", n)
		}
		if n := a.count(func(ev gossip.Event) bool { _, ok := ev.(gossip.LinkDown); return ok }); n != 0 {
			t.Errorf("%d links went down", n)
		}
	}
}

// TestMockFarewell: leaving works where streams have no deadlines.
func TestMockFarewell(t *testing.T) {
	_, nodes := newMock(t, 4)
	a := nodes[0]
	for _, b := range nodes[1:] {
		a.Dial(b.id)
		b.awaitUp(a.id)
		a.awaitUp(b.id)
		for i := range 100 {
			a.Send(b.id, &gossip.Push{Rumor: newRumor(t, uint64(i+1), 1024)}, false)
		}
		a.Send(b.id, &gossip.Bye{Reason: gossip.ByeLeaving}, true)
	}
	if err := a.Farewell(t.Context()); err != nil {
		t.Error(err)
	}
	for _, b := range nodes[1:] {
		awaitMsg[*gossip.Bye](b, a.id)
		b.awaitDown(a.id)
		if n := received[*gossip.Push](b); n != 100 {
			t.Errorf("%d rumors", n)
		}
	}
}

// TestMockStuck: where streams have no deadlines, time-outs hold all the same.
func TestMockStuck(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	mn, err := mocknet.FullMeshLinked(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mn.Close() })
	hosts := mn.Hosts()
	a, stuck, other := newNode(t, hosts[0], withTiming(quick)), newNode(t, hosts[1], withGate(gate)), newNode(t, hosts[2], withNetwork("other"))
	t.Cleanup(func() { close(gate) })
	a.Dial(stuck.id)
	a.awaitUp(stuck.id)
	for range 200 {
		a.Send(stuck.id, &gossip.Push{Rumor: newRumor(t, 1, 10_000)}, false)
	}
	a.awaitDown(stuck.id)
	if f := a.Failure(stuck.id); f.Err != errSlow {
		t.Errorf("%v", f.Err)
	}
	a.Dial(other.id)
	a.awaitFailed(other.id)
	start := time.Now()
	a.Close()
	if d := time.Since(start); d > time.Second {
		t.Errorf("Close took %v", d)
	}
}

// TestSlowLink: messages over a link with latency arrive in order.
func TestSlowLink(t *testing.T) {
	mn, nodes := newMock(t, 2)
	mn.LinksBetweenPeers(nodes[0].host.ID(), nodes[1].host.ID())[0].SetOptions(mocknet.LinkOptions{Latency: 20 * time.Millisecond})
	a, b := nodes[0], nodes[1]
	a.Dial(b.id)
	a.awaitUp(b.id)
	b.awaitUp(a.id)
	for i := range uint64(100) {
		a.Send(b.id, &gossip.Ping{Number: i}, false)
	}
	for i := range uint64(100) {
		if m := awaitMsg[*gossip.Ping](b, a.id); m.Number != i {
			t.Fatalf("ping %d in place of %d", m.Number, i)
		}
	}
}
