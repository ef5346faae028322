package transport

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
)

// relayed are two nodes that know each other through a relay only, which allows so
// many bytes in each direction.
func relayed(t *testing.T, data int64) (a, b *node) {
	t.Helper()
	limits := relay.DefaultResources()
	limits.Limit = &relay.RelayLimit{Data: data, Duration: time.Minute}
	between := newHost(t, libp2p.EnableRelayService(relay.WithResources(limits)), libp2p.ForceReachabilityPublic())
	info := peer.AddrInfo{ID: between.ID(), Addrs: between.Addrs()}
	tm := defaultTiming
	tm.punch = 50 * time.Millisecond
	var hosts []host.Host
	for range 2 {
		h := newHost(t, libp2p.EnableRelay())
		if err := h.Connect(t.Context(), info); err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, h)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// The service begins a moment after its host.
	begun, err := between.EventBus().Subscribe(new(event.EvtLocalProtocolsUpdated))
	if err != nil {
		t.Fatal(err)
	}
	defer begun.Close()
	for !slices.Contains(between.Mux().Protocols(), proto.ProtoIDv2Hop) {
		select {
		case <-begun.Out():
		case <-ctx.Done():
			t.Fatal("the relay does not begin")
		}
	}
	if _, err := client.Reserve(ctx, hosts[1], info); err != nil {
		t.Fatal(err)
	}
	via := multiaddr.StringCast("/p2p/" + between.ID().String() + "/p2p-circuit")
	hosts[0].Peerstore().AddAddr(hosts[1].ID(), via, time.Hour)
	return newNode(t, hosts[0], withTiming(tm)), newNode(t, hosts[1], withTiming(tm))
}

func linkUp(n *node, of *node) gossip.LinkUp {
	n.t.Helper()
	return n.await("a link", func(ev gossip.Event) bool {
		up, ok := ev.(gossip.LinkUp)
		return ok && up.Peer == of.id
	}).(gossip.LinkUp)
}

// receivedUntilDown counts what a node receives until its link to another is over.
func receivedUntilDown(n *node, of *node) (count int) {
	n.t.Helper()
	n.await("the end of the link", func(ev gossip.Event) bool {
		if r, ok := ev.(gossip.Received); ok && r.From == of.id {
			count++
		}
		down, ok := ev.(gossip.LinkDown)
		return ok && down.Peer == of.id
	})
	return count
}

// rationed checks that one of two nodes, whichever noticed first, ended their link
// because of the relay's limits.
func rationed(t *testing.T, a, b *node) {
	t.Helper()
	if f, g := a.Failure(b.id), b.Failure(a.id); !errors.Is(f.Err, errRationed) && !errors.Is(g.Err, errRationed) {
		t.Errorf("it ended because %v, and %v", f.Err, g.Err)
	}
}

// A relayed link is known as one on both sides. It ends in order before the relay
// would cut it off: all that was taken for sending has been received.
func TestRelayedLinkEndsInOrder(t *testing.T) {
	a, b := relayed(t, 64<<10)
	a.Dial(b.id)
	if !linkUp(a, b).Relayed || !linkUp(b, a).Relayed {
		t.Fatal("the link is not known to be relayed")
	}
	if l := a.Links(); len(l) != 1 || !l[0].Relayed {
		t.Errorf("links %+v", l)
	}
	sent := 0
	for pace := time.NewTicker(20 * time.Millisecond); len(a.Links()) > 0; <-pace.C {
		if !a.Send(b.id, &gossip.Push{Rumor: newRumor(t, uint64(sent+1), 512), Hops: 1}, false) {
			sent++
		}
		if sent > 1000 {
			t.Fatal("the link never ends")
		}
	}
	got := receivedUntilDown(b, a)
	receivedUntilDown(a, b)
	if got < sent-1 { // the last one may have come just after the end
		t.Errorf("%d were sent and %d received", sent, got)
	}
	rationed(t, a, b)
	if sent < 40 || sent*512 > 64<<10 {
		t.Errorf("%d messages of 512 bytes were sent over a relay that allows 64 KiB", sent)
	}
}

// What would go beyond the relay's limit is not written: the link is over before.
func TestRelayedLinkIsNotOverrun(t *testing.T) {
	a, b := relayed(t, 64<<10)
	a.Dial(b.id)
	linkUp(a, b)
	linkUp(b, a)
	for i := range 200 {
		a.Send(b.id, &gossip.Push{Rumor: newRumor(t, uint64(i+1), 1<<10), Hops: 1}, false)
	}
	got := receivedUntilDown(b, a)
	receivedUntilDown(a, b)
	if got > 64 {
		t.Errorf("%d KiB went over a relay that allows 64", got)
	}
	rationed(t, a, b)
}

// When there is a direct connection, the relayed link gives way to one over that.
func TestRelayedLinkGivesWay(t *testing.T) {
	a, b := relayed(t, 1<<20)
	a.Dial(b.id)
	linkUp(a, b)
	linkUp(b, a)
	ctx := network.WithForceDirectDial(t.Context(), "as hole punching does")
	var direct []multiaddr.Multiaddr
	for _, addr := range b.host.Addrs() {
		if !strings.Contains(addr.String(), "p2p-circuit") {
			direct = append(direct, addr)
		}
	}
	if err := a.host.Connect(ctx, peer.AddrInfo{ID: b.host.ID(), Addrs: direct}); err != nil {
		t.Fatal(err)
	}
	receivedUntilDown(a, b)
	receivedUntilDown(b, a)
	a.Dial(b.id)
	if linkUp(a, b).Relayed || linkUp(b, a).Relayed {
		t.Error("the next link is relayed again")
	}
}

// A neighbour's clock and proof of work are told with the link.
func TestLinksTellClockAndWork(t *testing.T) {
	n := newNode(t, newHost(t))
	s := newStranger(t)
	s.open(n, gossipLane, helloOf(t, time.Now().Add(time.Hour), 17))
	n.awaitUp(s.id())
	l := n.Links()[0]
	if off := (l.Ahead - time.Hour).Abs(); !l.ToldTime || off > 10*time.Second || l.Work != 17 {
		t.Errorf("ahead by %v (%v), work %d", l.Ahead, l.ToldTime, l.Work)
	}
}
