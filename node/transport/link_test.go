package transport

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

func TestHandshake(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
	connect(t, a, b)
	pingpong(t, a, b)
	for _, x := range []struct{ n, other *node }{{a, b}, {b, a}} {
		links := x.n.Links()
		if len(links) != 1 {
			t.Fatalf("%d links", len(links))
		}
		l := links[0]
		if l.Peer != x.other.id || l.Agent != "tester/1" || l.RemoteAddr == "" || l.Since.IsZero() || l.Dialled != (x.n == a) || l.Relayed {
			t.Errorf("%+v", l)
		}
		if !x.n.host.ConnManager().IsProtected(x.other.host.ID(), LinkTag) {
			t.Error("the connection is not protected")
		}
	}
	a.Hangup(b.id, "enough", false)
	a.awaitDown(b.id)
	b.awaitDown(a.id)
	for _, n := range []*node{a, b} {
		if len(n.Links()) != 0 {
			t.Errorf("%+v", n.Links())
		}
	}
	if a.host.ConnManager().IsProtected(b.host.ID(), LinkTag) {
		t.Error("the connection is still protected")
	}
	if f := a.Failure(b.id); f.Err == nil || f.Err.Error() != "enough" || f.At.IsZero() {
		t.Errorf("%+v", f)
	}
	if f := b.Failure(a.id); f.Err != errEnded {
		t.Errorf("%+v", f)
	}
	// And again over the same connection.
	a.Dial(b.id)
	a.awaitUp(b.id)
	b.awaitUp(a.id)
	pingpong(t, a, b)
	if n := a.Stats().Ended["hangup"]; n != 1 {
		t.Errorf("%d links ended by hangup", n)
	}
}

// TestEveryMessage sends one of each kind both ways: all arrive as they were,
// over three streams in each direction, and are counted and traced.
func TestEveryMessage(t *testing.T) {
	var mu sync.Mutex
	traced := map[string]int{}
	trace := func(c *Config, _ *timing, _ *node) {
		c.Trace = func(d Direction, p gossip.PeerID, m gossip.Message) {
			mu.Lock()
			defer mu.Unlock()
			traced[fmt.Sprintf("%v %T", d, m)]++
		}
	}
	a, b := newNode(t, newHost(t), trace), newNode(t, newHost(t))
	connect(t, a, b)
	r := newRumor(t, 1, 100)
	id := gossip.RumorID{1, 2, 3}
	messages := []gossip.Message{
		&gossip.Interests{Types: []uint16{1, 2}}, &gossip.Push{Rumor: r, Hops: 1}, &gossip.Receipt{Verdicts: []gossip.Verdict{gossip.VerdictBusy}},
		&gossip.Ping{Number: 1}, &gossip.Pong{Number: 1}, &gossip.Bye{Reason: gossip.ByeFull},
		&gossip.Sync{Group: 1, Ranges: []gossip.Range{{Mode: gossip.RangeIDs, IDs: []gossip.RumorID{id}}}},
		&gossip.Want{Group: 1, IDs: []gossip.RumorID{id}}, &gossip.Fill{Rumor: r, Hops: 2},
		&gossip.PeersRequest{}, &gossip.PeerList{Records: []gossip.PeerRecord{selfRecord(t, a.host)}},
		&gossip.Have{Group: 1, IDs: []gossip.ShortID{id.Short()}}, &gossip.Graft{Group: 1, IDs: []gossip.ShortID{id.Short()}},
	}
	for _, x := range []struct{ from, to *node }{{a, b}, {b, a}} {
		for _, m := range messages {
			if x.from.Send(x.to.id, m, false) {
				t.Fatalf("%T was dropped", m)
			}
			got := x.to.await(fmt.Sprintf("a %T", m), func(ev gossip.Event) bool {
				r, ok := ev.(gossip.Received)
				return ok && r.From == x.from.id
			}).(gossip.Received).Msg
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", m) && !samePush(got, m) {
				t.Errorf("sent %+v, received %+v", m, got)
			}
		}
	}
	for _, c := range a.host.Network().Conns() {
		n := 0
		for _, s := range c.GetStreams() {
			if strings.HasPrefix(string(s.Protocol()), "/hearsay/") {
				n++
			}
		}
		if n != 6 {
			t.Errorf("%d streams, want 3 each way", n)
		}
	}
	for kind, name := range kindNames {
		for what, c := range map[string]Count{"sent": a.Stats().Sent[name], "received": a.Stats().Received[name]} {
			if c.Messages != 1 || c.Bytes < 2 {
				t.Errorf("%s %s: %+v", what, name, c)
			}
		}
		if k, _ := classify(messages[kind]); k != kind {
			t.Errorf("%T is of kind %d", messages[kind], k)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(traced) != 2*kinds {
		t.Errorf("traced: %v", traced)
	}
}

func samePush(a, b gossip.Message) bool {
	rumor := func(m gossip.Message) (gossip.Rumor, uint8) {
		switch m := m.(type) {
		case *gossip.Push:
			return *m.Rumor, m.Hops
		case *gossip.Fill:
			return *m.Rumor, m.Hops
		}
		return gossip.Rumor{}, 0
	}
	ra, ha := rumor(a)
	rb, hb := rumor(b)
	rb.PublicKey, ra.PublicKey = nil, nil
	return ha == hb && ha > 0 && reflect.DeepEqual(ra, rb)
}

// TestBothDial: when both sides dial at the same moment there is one link, and
// it works, whether they are connected already or not.
func TestBothDial(t *testing.T) {
	t.Parallel()
	for _, connected := range []bool{true, false} {
		t.Run(fmt.Sprintf("connected=%v", connected), func(t *testing.T) {
			t.Parallel()
			for range 8 {
				a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
				introduce(a.host, b.host)
				introduce(b.host, a.host)
				if connected {
					reach(t, a.host, b.host)
				}
				var wg sync.WaitGroup
				start := make(chan struct{})
				wg.Go(func() { <-start; a.Dial(b.id) })
				wg.Go(func() { <-start; b.Dial(a.id) })
				close(start)
				wg.Wait()
				a.awaitUp(b.id)
				b.awaitUp(a.id)
				pingpong(t, a, b)
				pingpong(t, b, a)
				for _, n := range []*node{a, b} {
					if len(n.Links()) != 1 {
						t.Errorf("%d links", len(n.Links()))
					}
				}
				a.Close()
				b.Close()
			}
		})
	}
}

// TestOtherNetwork: peers of another network are refused, and both sides can say why.
func TestOtherNetwork(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t), withNetwork("another"))
	introduce(a.host, b.host)
	a.Dial(b.id)
	a.awaitFailed(b.id)
	if f := a.Failure(b.id); f.Err != ErrNetwork {
		t.Errorf("the dialler knows: %v", f.Err)
	}
	if f := b.Failure(a.id); !errors.Is(f.Err, ErrNetwork) || !strings.Contains(f.Err.Error(), `"test"`) {
		t.Errorf("the dialled knows: %v", f.Err)
	}
	if n := b.Stats().Ended["other_network"]; n != 1 {
		t.Errorf("%d refused", n)
	}
	if n := b.total(); n != 0 {
		t.Errorf("the core of the dialled heard of it")
	}
}

func TestDialFails(t *testing.T) {
	t.Parallel()
	a := newNode(t, newHost(t), withTiming(quick))
	nobody := newHost(t)
	introduce(a.host, nobody) // no transport there
	a.Dial(gossip.PeerID(nobody.ID()))
	a.awaitFailed(gossip.PeerID(nobody.ID()))

	gone := newHost(t)
	introduce(a.host, gone)
	gone.Close()
	a.Dial(gossip.PeerID(gone.ID()))
	a.awaitFailed(gossip.PeerID(gone.ID()))

	unknown, _ := peer.IDFromPublicKey(newKey(t).GetPublic())
	a.Dial(gossip.PeerID(unknown))
	a.awaitFailed(gossip.PeerID(unknown))

	other := newHost(t)
	a.host.Peerstore().AddAddrs(unknown, other.Addrs(), peerstore.PermanentAddrTTL)
	a.Dial(gossip.PeerID(unknown))
	a.awaitFailed(gossip.PeerID(unknown))
	if f := a.Failure(gossip.PeerID(unknown)); !strings.Contains(f.Err.Error(), "peer id mismatch") {
		t.Errorf("%v", f.Err)
	}

	a.Dial(a.id)
	a.awaitFailed(a.id)

	silent := newStranger(t)
	introduce(a.host, silent.host)
	a.Dial(silent.id())
	a.awaitFailed(silent.id())
	if f := a.Failure(silent.id()); f.Err != errNoAnswer {
		t.Errorf("%v", f.Err)
	}
	awaitUnconnected(t, a.host, silent.host) // to a peer that does not answer
	if len(a.Links()) != 0 {
		t.Errorf("%+v", a.Links())
	}
}

// absent is a node that knows a peer which is not there, and what has it come back.
func absent(t *testing.T) (a *node, p gossip.PeerID, back func() host.Host) {
	t.Helper()
	a = newNode(t, newHost(t))
	key := newKey(t)
	h := newHost(t, libp2p.Identity(key))
	addrs := h.Addrs()
	introduce(a.host, h)
	h.Close()
	return a, gossip.PeerID(h.ID()), func() host.Host {
		return newHost(t, libp2p.Identity(key), libp2p.ListenAddrs(addrs...))
	}
}

// TestDialBackoff: the swarm's own pause after a failed dial does not make a
// later dial fail.
func TestDialBackoff(t *testing.T) {
	t.Parallel()
	a, p, back := absent(t)
	a.Dial(p)
	a.awaitFailed(p)
	b := newNode(t, back())
	a.Dial(p)
	a.awaitUp(p)
	b.awaitUp(a.id)
}

// TestProbeBackoff: neither does it make a probe fail.
func TestProbeBackoff(t *testing.T) {
	t.Parallel()
	a, p, back := absent(t)
	a.Probe(p)
	a.awaitFailed(p)
	back()
	a.Probe(p)
	a.await("Reached", func(ev gossip.Event) bool {
		switch ev := ev.(type) {
		case gossip.Reached:
			return ev.Peer == p
		case gossip.DialFailed:
			t.Fatalf("%v", a.Failure(p).Err)
		}
		return false
	})
}

// TestNothingOfBefore: until the driver has handled LinkDown the link does not make way
// for another of the peer, so that what it sends on the one that has ended reaches nobody.
func TestNothingOfBefore(t *testing.T) {
	t.Parallel()
	ended, handled := make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() { close(ended); <-handled })
	a := newNode(t, newHost(t), func(c *Config, _ *timing, _ *node) {
		emit := c.Emit
		c.Emit = func(ev gossip.Event) {
			if _, ok := ev.(gossip.LinkDown); ok {
				hold()
			}
			emit(ev)
		}
	})
	b := newNode(t, newHost(t))
	release := sync.OnceFunc(func() { close(handled) })
	t.Cleanup(release) // before the transport is closed, which waits for Emit
	connect(t, a, b)
	b.Hangup(a.id, "test", true)
	awaited(t, ended, "the link does not end")
	a.Transport.mu.Lock()
	if rem := a.remotes[b.host.ID()]; rem == nil || rem.link == nil || rem.link.stage != over {
		t.Error("it has made way before the driver knew of its end")
	}
	a.Transport.mu.Unlock()
	b.Dial(a.id)
	release()
	a.awaitDown(b.id)
	a.awaitUp(b.id)
	b.awaitUp(a.id)
}

// TestOrder: messages arrive in order and none is missing, urgent ones go first.
func TestOrder(t *testing.T) {
	gate := make(chan struct{})
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t), withGate(gate))
	connect(t, a, b)
	const n = 4000
	for i := range uint64(n) {
		if a.Send(b.id, &gossip.Ping{Number: i}, false) {
			t.Fatalf("ping %d was dropped", i)
		}
	}
	close(gate)
	for i := range uint64(n) {
		if p := awaitMsg[*gossip.Ping](b, a.id); p.Number != i {
			t.Fatalf("ping %d came as number %d", p.Number, i)
		}
	}
}

// TestStuckReader: a peer that does not read costs a bounded queue and then its
// link, and nobody else anything.
func TestStuckReader(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	tm := defaultTiming
	tm.flush = 2 * time.Second // what else is done here takes less than that on a busy machine, too
	a, stuck, fine := newNode(t, newHost(t), withTiming(tm)), newNode(t, newHost(t), withGate(gate)), newNode(t, newHost(t))
	t.Cleanup(func() { close(gate) })
	connect(t, a, stuck)
	connect(t, a, fine)
	m := &gossip.Push{Rumor: newRumor(t, 1, 1024), Hops: 1}
	limit := queueLimits[gossipLane]
	sent := 0
	for !a.Send(stuck.id, m, false) {
		if sent++; sent > 40_000 {
			t.Fatalf("%d messages, and none was dropped", sent)
		}
	}
	for _, l := range a.Links() {
		if l.Peer == stuck.id && (l.QueueLen > limit.messages || l.QueueBytes > limit.bytes || l.QueueLen < limit.messages/2) {
			t.Errorf("queue of %d messages, %d bytes", l.QueueLen, l.QueueBytes)
		}
	}
	if a.Stats().Dropped == 0 {
		t.Error("nothing counted as dropped")
	}
	if a.Send(stuck.id, &gossip.Bye{Reason: gossip.ByeLeaving}, true) {
		t.Error("no room for an urgent message")
	}
	start := time.Now()
	pingpong(t, a, fine)
	if d := time.Since(start); d > tm.flush {
		t.Errorf("another link took %v", d)
	}
	a.awaitDown(stuck.id)
	if f := a.Failure(stuck.id); f.Err != errSlow {
		t.Errorf("%v", f.Err)
	}
	pingpong(t, a, fine)
}

// TestBurst: a thousand rumors of 1 KiB, and as many of the largest as fit the
// queue, are taken at once and arrive.
func TestBurst(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
	connect(t, a, b)
	for seq := range uint64(1000) {
		if a.Send(b.id, &gossip.Push{Rumor: newRumor(t, seq+1, 1024)}, false) {
			t.Fatalf("rumor %d of 1 KiB was dropped", seq)
		}
	}
	for seq := range uint64(1000) {
		if m := awaitMsg[*gossip.Push](b, a.id); m.Rumor.Seq != seq+1 {
			t.Fatalf("rumor %d in place of %d", m.Rumor.Seq, seq+1)
		}
	}
	for seq := range uint64(60) {
		if a.Send(b.id, &gossip.Push{Rumor: newRumor(t, seq+1, gossip.MaxPayload)}, false) {
			t.Fatalf("rumor %d of 64 KiB was dropped", seq)
		}
	}
	for seq := range uint64(60) {
		if m := awaitMsg[*gossip.Push](b, a.id); m.Rumor.Seq != seq+1 || len(m.Rumor.Payload) != gossip.MaxPayload {
			t.Fatalf("rumor %d in place of %d", m.Rumor.Seq, seq+1)
		}
	}
}

func TestNew(t *testing.T) {
	h := newHost(t)
	emit := func(gossip.Event) {}
	for name, cfg := range map[string]Config{
		"no host":      {Network: "n", Emit: emit},
		"no taker":     {Network: "n", Host: h},
		"no network":   {Host: h, Emit: emit},
		"long network": {Host: h, Emit: emit, Network: strings.Repeat("n", gossip.MaxNetwork+1)},
		"long agent":   {Host: h, Emit: emit, Network: "n", Agent: strings.Repeat("n", wire.MaxAgent+1)},
	} {
		if tr, err := New(cfg); err == nil {
			t.Errorf("%s is accepted", name)
			tr.Close()
		}
	}
	tr, err := New(Config{Host: h, Emit: emit, Network: "n"})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}
