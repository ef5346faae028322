package transport

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"go.uber.org/goleak"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The UPnP client of libp2p, which no test uses, starts this on import.
		goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// quick has short times for tests in which a peer misbehaves.
var quick = timing{
	greet:  time.Second,
	frame:  300 * time.Millisecond,
	flush:  300 * time.Millisecond,
	drain:  500 * time.Millisecond,
	urgent: 200 * time.Millisecond,
	churn:  20 * time.Millisecond,
	relic:  5 * time.Second,
}

// unpaced lets a peer begin links as fast as it likes.
var unpaced = func() timing { tm := defaultTiming; tm.churn = 0; return tm }()

func newKey(t testing.TB) crypto.PrivKey {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newHost is a real host on a loopback port.
func newHost(t testing.TB, opts ...libp2p.Option) host.Host {
	t.Helper()
	opts = append([]libp2p.Option{
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.DisableRelay(),
		libp2p.DisableIdentifyAddressDiscovery(),
	}, opts...)
	h, err := libp2p.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// node is a transport whose events are kept for the test to look at.
type node struct {
	*Transport
	t    testing.TB
	host host.Host
	id   gossip.PeerID

	mu     sync.Mutex
	events []gossip.Event
	more   chan struct{}
	gate   chan struct{} // Emit of a Received waits for it, unless nil
	next   int           // events that the test has looked at
}

type option func(*Config, *timing, *node)

func withTiming(tm timing) option    { return func(_ *Config, t *timing, _ *node) { *t = tm } }
func withNetwork(name string) option { return func(c *Config, _ *timing, _ *node) { c.Network = name } }
func withGate(gate chan struct{}) option {
	return func(_ *Config, _ *timing, n *node) { n.gate = gate }
}

func newNode(t testing.TB, h host.Host, opts ...option) *node {
	t.Helper()
	n := &node{t: t, host: h, id: gossip.PeerID(h.ID()), more: make(chan struct{})}
	cfg := Config{Host: h, Network: "test", Agent: "tester/1", Emit: n.emit}
	tm := defaultTiming
	for _, o := range opts {
		o(&cfg, &tm, n)
	}
	tr, err := newTransport(cfg, tm)
	if err != nil {
		t.Fatal(err)
	}
	n.Transport = tr
	t.Cleanup(func() { tr.Close() })
	return n
}

func (n *node) emit(ev gossip.Event) {
	if _, ok := ev.(gossip.Received); ok && n.gate != nil {
		<-n.gate
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, ev)
	close(n.more)
	n.more = make(chan struct{})
}

// await returns the next event for which is returns true, and skips those before it.
func (n *node) await(what string, is func(gossip.Event) bool) gossip.Event {
	n.t.Helper()
	deadline := time.After(patience)
	for {
		n.mu.Lock()
		for n.next < len(n.events) {
			ev := n.events[n.next]
			n.next++
			if is(ev) {
				n.mu.Unlock()
				return ev
			}
		}
		more := n.more
		n.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			n.mu.Lock()
			defer n.mu.Unlock()
			n.Transport.mu.Lock()
			defer n.Transport.mu.Unlock()
			n.t.Fatalf("waited for %s; events: %s; failures: %v", what, show(n.events), n.failures)
		}
	}
}

// awaited waits until a channel is closed or has something, and fails with what is
// wrong if that does not come.
func awaited[T any](t testing.TB, c <-chan T, wrong string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal(wrong)
	}
	return v
}

// changed is closed at the next event.
func (n *node) changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.more
}

func show(events []gossip.Event) string {
	var b bytes.Buffer
	for i, ev := range events {
		if i > 20 {
			fmt.Fprintf(&b, " … %d in all", len(events))
			break
		}
		switch ev := ev.(type) {
		case gossip.Received:
			fmt.Fprintf(&b, " received %T", ev.Msg)
		default:
			fmt.Fprintf(&b, " %T", ev)
		}
	}
	return b.String()
}

func (n *node) awaitUp(p gossip.PeerID) gossip.LinkUp {
	n.t.Helper()
	return n.await("LinkUp", func(ev gossip.Event) bool { up, ok := ev.(gossip.LinkUp); return ok && up.Peer == p }).(gossip.LinkUp)
}

func (n *node) awaitDown(p gossip.PeerID) {
	n.t.Helper()
	n.await("LinkDown", func(ev gossip.Event) bool { down, ok := ev.(gossip.LinkDown); return ok && down.Peer == p })
}

func (n *node) awaitFailed(p gossip.PeerID) {
	n.t.Helper()
	n.await("DialFailed", func(ev gossip.Event) bool { f, ok := ev.(gossip.DialFailed); return ok && f.Peer == p })
}

// awaitMsg returns the next message of p that is of the same type as like.
func awaitMsg[M gossip.Message](n *node, p gossip.PeerID) M {
	n.t.Helper()
	var like M
	return n.await(fmt.Sprintf("a %T", like), func(ev gossip.Event) bool {
		r, ok := ev.(gossip.Received)
		if !ok || r.From != p {
			return false
		}
		_, ok = r.Msg.(M)
		return ok
	}).(gossip.Received).Msg.(M)
}

func (n *node) count(is func(gossip.Event) bool) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := 0
	for _, ev := range n.events {
		if is(ev) {
			c++
		}
	}
	return c
}

func (n *node) total() int { return n.count(func(gossip.Event) bool { return true }) }

// received counts the messages of one type.
func received[M gossip.Message](n *node) int {
	return n.count(func(ev gossip.Event) bool {
		r, ok := ev.(gossip.Received)
		if ok {
			_, ok = r.Msg.(M)
		}
		return ok
	})
}

// forget lets a node begin with no events.
func (n *node) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events, n.next = nil, 0
}

// introduce tells a host how to reach another.
func introduce(a, b host.Host) {
	a.Peerstore().AddAddrs(b.ID(), b.Addrs(), peerstore.PermanentAddrTTL)
}

// reach connects two hosts, on a busy machine not always at once.
func reach(t testing.TB, a, b host.Host) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		err := a.Connect(context.Background(), peer.AddrInfo{ID: b.ID()})
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		a.Network().(*swarm.Swarm).Backoff().Clear(b.ID())
	}
}

// awaitUnconnected waits until a host has no connection to another.
func awaitUnconnected(t testing.TB, a, b host.Host) {
	t.Helper()
	sub, err := a.EventBus().Subscribe(new(event.EvtPeerConnectednessChanged))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	deadline := time.After(patience)
	for a.Network().Connectedness(b.ID()) == network.Connected {
		select {
		case <-sub.Out():
		case <-deadline:
			t.Fatal("still connected")
		}
	}
}

// connect makes a link from a to b.
func connect(t testing.TB, a, b *node) {
	t.Helper()
	introduce(a.host, b.host)
	a.Dial(b.id)
	if !a.awaitUp(b.id).Dialled {
		t.Error("the dialling side does not know that it dialled")
	}
	if b.awaitUp(a.id).Dialled {
		t.Error("the dialled side thinks that it dialled")
	}
}

// pingpong sends a ping each way and waits for its arrival.
func pingpong(t testing.TB, a, b *node) {
	t.Helper()
	for _, x := range []struct{ from, to *node }{{a, b}, {b, a}} {
		number := uint64(time.Now().UnixNano())
		x.from.Send(x.to.id, &gossip.Ping{Number: number}, false)
		x.to.await("the ping", func(ev gossip.Event) bool {
			r, ok := ev.(gossip.Received)
			if !ok || r.From != x.from.id {
				return false
			}
			p, ok := r.Msg.(*gossip.Ping)
			return ok && p.Number == number
		})
	}
}

// newRumor is a rumor with size bytes of payload and that number.
func newRumor(t testing.TB, seq uint64, size int) *gossip.Rumor {
	t.Helper()
	r, err := gossip.NewRumor(gossip.Header{Network: "test", Kind: gossip.KindEvent, Origin: "somebody", Epoch: 1, Seq: seq, Created: 1, Expires: 2}, make([]byte, size))
	if err != nil {
		t.Fatal(err)
	}
	r.Signature = bytes.Repeat([]byte{1}, 64)
	return r
}

// stranger is a peer without a transport: a test writes what it likes.
type stranger struct {
	t    testing.TB
	host host.Host
	// streams are those that others open, by protocol.
	streams map[string]chan network.Stream
}

func newStranger(t testing.TB, opts ...libp2p.Option) *stranger {
	t.Helper()
	s := &stranger{t: t, host: newHost(t, opts...), streams: map[string]chan network.Stream{}}
	for _, p := range protocols {
		c := make(chan network.Stream, 1000)
		s.streams[string(p)] = c
		s.host.SetStreamHandler(p, func(st network.Stream) { c <- st })
	}
	return s
}

func (s *stranger) id() gossip.PeerID { return gossip.PeerID(s.host.ID()) }

// open opens a stream to a node and writes bytes on it.
func (s *stranger) open(n *node, id laneID, content ...[]byte) network.Stream {
	s.t.Helper()
	introduce(s.host, n.host)
	reach(s.t, s.host, n.host)
	st, err := s.host.NewStream(context.Background(), n.host.ID(), protocols[id])
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { st.Reset() })
	for _, c := range content {
		if _, err := st.Write(c); err != nil {
			s.t.Fatal(err)
		}
	}
	return st
}

// hello is a frame that suits the nodes of these tests.
func hello(t testing.TB, session, answers uint64) []byte {
	t.Helper()
	b, err := wire.AppendHello(nil, wire.Hello{Version: 1, Network: "test", Agent: "stranger", Session: session, Answers: answers})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// helloOf is one that tells a clock and the work that is asked for.
func helloOf(t testing.TB, clock time.Time, work uint32) []byte {
	t.Helper()
	b, err := wire.AppendHello(nil, wire.Hello{Version: 1, Network: "test", Session: 1, Time: uint64(clock.UnixMilli()), Work: work})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func frame(t testing.TB, m gossip.Message) []byte {
	t.Helper()
	b, err := wire.AppendFrame(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// link makes a link with a node by offering a session. It returns the stream
// that it writes to.
func (s *stranger) link(n *node, session uint64) network.Stream {
	s.t.Helper()
	st := s.open(n, gossipLane, hello(s.t, session, 0))
	n.awaitUp(s.id())
	return st
}

// awaitEnd waits until a stream is reset or closed by the other side.
func awaitEnd(t testing.TB, s network.Stream) error {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	for b := make([]byte, 4096); ; {
		if _, err := s.Read(b); err != nil {
			if ne, ok := err.(interface{ Timeout() bool }); ok && ne.Timeout() {
				t.Fatal("the stream does not end")
			}
			return err
		}
	}
}
