package transport

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

// TestBadGreeting: a stream that does not begin with a proper hello is reset,
// and the core hears nothing of it.
func TestBadGreeting(t *testing.T) {
	t.Parallel()
	n := newNode(t, newHost(t), withTiming(quick))
	streams, counts := map[string]network.Stream{}, map[string]uint64{}
	var strangers []*stranger
	other, err := wire.AppendHello(nil, wire.Hello{Version: 1, Network: "other", Session: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, reason string
		content      []byte
	}{
		{"a message first", "no_hello", frame(t, &gossip.Ping{})},
		{"rubbish", "no_hello", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"a length of 2^63", "no_hello", []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}},
		{"a length of 0", "no_hello", []byte{0}},
		{"a lying length", "no_hello", []byte{0xff, 0xff, 0x0f, 1, 2, 3}}, // and then nothing
		{"half a hello", "no_hello", hello(t, 1, 0)[:10]},
		{"another network", "other_network", other},
		{"an answer to nothing", "stale_stream", hello(t, 1, 99)},
	} {
		s := newStranger(t)
		streams[c.name] = s.open(n, gossipLane, c.content)
		counts[c.reason]++
		strangers = append(strangers, s)
	}
	// A stream that is closed before its hello, and lanes that have no link.
	s := newStranger(t)
	st := s.open(n, gossipLane, hello(t, 1, 0)[:5])
	st.CloseWrite()
	streams["closed"] = st
	counts["no_hello"]++
	for _, id := range []laneID{syncLane, peersLane} {
		streams[string(protocols[id])] = s.open(n, id, hello(t, 1, 0))
		counts["stale_stream"]++
	}
	for name, st := range streams {
		if err := awaitEnd(t, st); err == io.EOF {
			t.Errorf("%s: the stream was closed, not reset", name)
		}
	}
	for reason, want := range counts {
		if got := n.Stats().Ended[reason]; got != want {
			t.Errorf("%s: counted %d times, want %d", reason, got, want)
		}
	}
	if n.total() != 0 {
		t.Errorf("the core heard: %s", show(n.events))
	}
	if len(n.Links()) != 0 {
		t.Errorf("%+v", n.Links())
	}
	for _, s := range strangers {
		if len(s.streams[string(GossipProtocol)]) != 0 {
			t.Error("a bad greeting was answered")
		}
	}
}

// TestViolations: a neighbour that breaks the protocol is cut off at once, both
// directions, and the reason is counted and can be told.
func TestViolations(t *testing.T) {
	t.Parallel()
	n := newNode(t, newHost(t), withTiming(quick))
	malformedRumor := []byte{7, 0x1a, 5, 0x0a, 3, 1, 1, 'a'}
	huge := frame(t, &gossip.Push{Rumor: newRumor(t, 1, 60_000)})
	for i, c := range []struct {
		name, reason string
		content      []byte
	}{
		{"second hello", "frame", hello(t, 1, 0)},
		{"rubbish", "frame", []byte("\x10rubbish and more")},
		{"length 0", "frame", []byte{0}},
		{"length over the limit", "frame", []byte{0x81, 0x88, 0x10}},
		{"over-long length", "frame", []byte{0x80, 0x80, 0x80, 0x01}},
		{"malformed rumor", "rumor", malformedRumor},
		{"sync on the gossip lane", "lane", frame(t, &gossip.Sync{})},
		{"peer list on the gossip lane", "lane", frame(t, &gossip.PeerList{})},
		{"a frame that does not end", "stalled", frame(t, &gossip.Ping{Number: 1 << 40})[:3]},
		{"a large frame that does not end", "stalled", huge[:len(huge)-1]},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStranger(t)
			st := s.link(n, uint64(i+1))
			back := <-s.streams[string(GossipProtocol)]
			before := n.Stats().Ended[c.reason]
			if _, err := st.Write(append(frame(t, &gossip.Ping{Number: 7}), c.content...)); err != nil {
				t.Fatal(err)
			}
			if m := awaitMsg[*gossip.Ping](n, s.id()); m.Number != 7 {
				t.Errorf("%+v", m)
			}
			n.awaitDown(s.id())
			broke := n.count(func(ev gossip.Event) bool { return ev == gossip.Broke{Peer: s.id()} })
			if slow := c.reason == "stalled"; slow && broke != 0 || !slow && broke != 1 {
				t.Errorf("the core was told %d times that it broke the protocol", broke)
			}
			if err := awaitEnd(t, st); err == io.EOF {
				t.Error("the peer's stream was not reset")
			}
			if err := awaitEnd(t, back); err == io.EOF {
				t.Error("the node's stream was not reset")
			}
			if after := n.Stats().Ended[c.reason]; after != before+1 {
				t.Errorf("counted %d times: %v", after-before, n.Stats().Ended)
			}
			if n.Failure(s.id()).Err == nil {
				t.Error("no reason is known")
			}
			// It may come back and behave.
			s.link(n, 1000)
		})
	}
}

// TestSlowLoris: a frame that comes byte by byte ends the link after a while;
// an idle neighbour stays.
func TestSlowLoris(t *testing.T) {
	t.Parallel()
	n := newNode(t, newHost(t), withTiming(quick))
	idle, slow := newStranger(t), newStranger(t)
	idleStream := idle.link(n, 1)
	st := slow.link(n, 1)
	m := frame(t, &gossip.Push{Rumor: newRumor(t, 1, 1000)})
	start := time.Now()
	for _, b := range m {
		if _, err := st.Write([]byte{b}); err != nil {
			break
		}
		if time.Since(start) > patience {
			t.Fatal("it is never cut off")
		}
		time.Sleep(quick.frame / 20)
	}
	n.awaitDown(slow.id())
	if f := n.Failure(slow.id()); f.Err != errStalled {
		t.Errorf("%v", f.Err)
	}
	if d := time.Since(start); d < quick.frame {
		t.Errorf("cut off after %v already", d)
	}
	idleStream.Write(frame(t, &gossip.Ping{Number: 1}))
	awaitMsg[*gossip.Ping](n, idle.id())
}

// TestPartialWrite: a peer that reads too late gets whole frames and then a
// reset that says why, never a stream that seems to have ended well.
func TestPartialWrite(t *testing.T) {
	t.Parallel()
	n := newNode(t, newHost(t), withTiming(quick))
	s := newStranger(t)
	s.link(n, 1)
	back := <-s.streams[string(GossipProtocol)]
	for seq := range uint64(100) {
		n.Send(s.id(), &gossip.Push{Rumor: newRumor(t, seq+1, 20_000)}, false)
	}
	n.awaitDown(s.id())
	if f := n.Failure(s.id()); f.Err != errSlow {
		t.Errorf("%v", f.Err)
	}
	r := bufio.NewReader(back)
	if body, err := wire.ReadFrame(r); err != nil {
		// The reset was faster than this reader.
		checkSlow(t, err)
		return
	} else if _, err := wire.DecodeHello(body); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); ; seq++ {
		body, err := wire.ReadFrame(r)
		if err != nil {
			checkSlow(t, err)
			return
		}
		m, err := wire.Decode(body)
		if p, ok := m.(*gossip.Push); err != nil || !ok || p.Rumor.Seq != seq {
			t.Fatalf("%+v, %v", m, err)
		}
	}
}

func checkSlow(t *testing.T, err error) {
	t.Helper()
	var se *network.StreamError
	if !errors.As(err, &se) || se.ErrorCode != codeSlow || !se.Remote {
		t.Errorf("the stream ends with %v", err)
	}
}

// TestTalkingBack: the streams of this node are not for the peer to write on.
func TestTalkingBack(t *testing.T) {
	t.Parallel()
	n := newNode(t, newHost(t))
	s := newStranger(t)
	s.link(n, 1)
	back := <-s.streams[string(GossipProtocol)]
	back.Write([]byte("x"))
	n.awaitDown(s.id())
	if c := n.Stats().Ended["lane"]; c != 1 {
		t.Errorf("%v", n.Stats().Ended)
	}
}

// TestHalfLink: a peer that closes one of its sides has ended the link.
func TestHalfLink(t *testing.T) {
	t.Parallel()
	n := newNode(t, newHost(t), withTiming(quick))
	for name, end := range map[string]func(theirs, ours network.Stream){
		"closes its stream":   func(theirs, ours network.Stream) { theirs.CloseWrite() },
		"resets its stream":   func(theirs, ours network.Stream) { theirs.Reset() },
		"closes our stream":   func(theirs, ours network.Stream) { ours.Close() },
		"resets our stream":   func(theirs, ours network.Stream) { ours.Reset() },
		"closes in the frame": func(theirs, ours network.Stream) { theirs.Write([]byte{9}); theirs.CloseWrite() },
	} {
		s := newStranger(t)
		st := s.link(n, 1)
		end(st, <-s.streams[string(GossipProtocol)])
		n.awaitDown(s.id())
		awaitEnd(t, st)
		t.Logf("%s: %v", name, n.Failure(s.id()).Err)
	}
}

// TestManyStreams: a hundred streams of one peer on every protocol, silent or
// with a hello, leave a bounded number of goroutines and one link.
func TestManyStreams(t *testing.T) {
	n := newNode(t, newHost(t))
	fine := newNode(t, newHost(t))
	connect(t, n, fine)
	s := newStranger(t)
	s.link(n, 1)
	before := ownGoroutines()
	var all []network.Stream
	come := 0 // streams that the node is told of: only those that say something
	for i := range 100 {
		for id := range lanes {
			st, err := s.host.NewStream(t.Context(), n.host.ID(), protocols[id])
			if err != nil {
				continue
			}
			all = append(all, st)
			var says []byte
			switch {
			case i%2 == 0:
				says = []byte{20} // and no more
			case id != gossipLane:
				says = hello(t, 1, 0) // each in the place of the one before
			default:
				continue
			}
			if _, err := st.Write(says); err == nil {
				come++
			}
		}
	}
	ended := make(chan struct{}, len(all))
	for _, st := range all {
		st.SetReadDeadline(time.Now().Add(time.Minute))
		go func() {
			io.Copy(io.Discard, st)
			ended <- struct{}{}
		}()
	}
	for i := range come - maxGreeters - 2*int(lanes) {
		awaited(t, ended, fmt.Sprintf("only %d of %d streams have ended", i, come))
	}
	if more := ownGoroutines() - before; more > 16 {
		t.Errorf("%d goroutines more than before", more)
	}
	if c := n.Stats().Ended["too_many_streams"]; c == 0 {
		t.Errorf("%v", n.Stats().Ended)
	}
	pingpong(t, n, fine)
	if len(n.Links()) != 2 {
		t.Errorf("%d links", len(n.Links()))
	}
	for _, st := range all {
		st.Reset()
	}
}

// ownGoroutines counts the goroutines of all transports.
func ownGoroutines() (n int) {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		if bytes.Contains(stack, []byte("transport.(*Transport).")) || bytes.Contains(stack, []byte("transport.(*link).")) || bytes.Contains(stack, []byte("transport.(*lane).")) {
			n++
		}
	}
	return n
}

// TestEndlessOffers: a peer that offers new links without end gets them one
// after the other at a bounded pace.
func TestEndlessOffers(t *testing.T) {
	t.Parallel()
	tm := defaultTiming
	tm.churn = 100 * time.Millisecond
	n := newNode(t, newHost(t), withTiming(tm))
	s := newStranger(t)
	start := time.Now()
	s.link(n, 1)
	for i := range 30 {
		s.open(n, gossipLane, hello(t, uint64(i+2), 0))
	}
	n.awaitDown(s.id())
	n.awaitUp(s.id())
	ups := n.count(func(ev gossip.Event) bool { _, ok := ev.(gossip.LinkUp); return ok })
	if limit := 2 + int(time.Since(start)/tm.churn); ups > limit {
		t.Errorf("%d links in %v", ups, time.Since(start))
	}
}

// TestEndlessLinks: nor does it get them faster by ending each.
func TestEndlessLinks(t *testing.T) {
	t.Parallel()
	const links = 10
	tm := defaultTiming
	tm.churn = 100 * time.Millisecond
	n := newNode(t, newHost(t), withTiming(tm))
	s := newStranger(t)
	start := time.Now()
	for i := range links {
		s.link(n, uint64(i+1)).Reset()
		n.awaitDown(s.id())
	}
	if took, least := time.Since(start), (links-1)*tm.churn; took < least {
		t.Errorf("%d links in %v, expected at least %v", links, took, least)
	}
}

// TestLaneReplaced: a second stream for a lane takes the place of the first.
func TestLaneReplaced(t *testing.T) {
	n := newNode(t, newHost(t))
	s := newStranger(t)
	s.link(n, 1)
	first := s.open(n, syncLane, hello(t, 1, 0), frame(t, &gossip.Want{Group: 1}))
	if m := awaitMsg[*gossip.Want](n, s.id()); m.Group != 1 {
		t.Errorf("%+v", m)
	}
	s.open(n, syncLane, hello(t, 1, 0), frame(t, &gossip.Want{Group: 2}))
	if m := awaitMsg[*gossip.Want](n, s.id()); m.Group != 2 {
		t.Errorf("%+v", m)
	}
	awaitEnd(t, first)
	if len(n.Links()) != 1 {
		t.Error("the link has ended")
	}
}

// TestLanesReplaced: who opens a lane again and again keeps the last one that was taken,
// and this node keeps none of the others.
func TestLanesReplaced(t *testing.T) {
	n := newNode(t, newHost(t))
	s := newStranger(t)
	s.link(n, 1)
	want := func(g gossip.Group) []byte { return frame(t, &gossip.Want{Group: g}) }
	var last network.Stream
	for g := range gossip.Group(1 + maxReplaced) {
		last = s.open(n, syncLane, hello(t, 1, 0), want(g))
		if m := awaitMsg[*gossip.Want](n, s.id()); m.Group != g {
			t.Fatalf("%+v", m)
		}
	}
	awaitEnd(t, s.open(n, syncLane, hello(t, 1, 0)))
	if c := n.Stats().Ended["too_many_streams"]; c != 1 {
		t.Errorf("%v", n.Stats().Ended)
	}
	last.Write(want(99))
	if m := awaitMsg[*gossip.Want](n, s.id()); m.Group != 99 {
		t.Errorf("%+v", m)
	}
	n.Transport.mu.Lock()
	defer n.Transport.mu.Unlock()
	if kept := len(n.remotes[s.host.ID()].link.streams); kept != 3 { // two gossip lanes, and one
		t.Errorf("%d streams are kept", kept)
	}
}

// TestEarlyLane: a lane may overtake the gossip stream that its link is made
// with; of another session it is refused.
func TestEarlyLane(t *testing.T) {
	t.Parallel()
	n := newNode(t, newHost(t), withTiming(quick))
	s := newStranger(t)
	stale := s.open(n, peersLane, hello(t, 2, 0), frame(t, &gossip.PeersRequest{}))
	s.open(n, syncLane, hello(t, 1, 0), frame(t, &gossip.Want{Group: 1}))
	s.link(n, 1)
	awaitMsg[*gossip.Want](n, s.id())
	awaitEnd(t, stale)
	if received[*gossip.PeersRequest](n) != 0 {
		t.Error("a lane of another link was taken")
	}
}

// TestLaterVersion: kinds of message that this version does not know are
// ignored, so that a later one can be spoken to.
func TestLaterVersion(t *testing.T) {
	n := newNode(t, newHost(t))
	s := newStranger(t)
	unknown := append([]byte{8, 0xa2, 0x06, 5}, "later"...)
	st := s.link(n, 1)
	st.Write(bytes.Join([][]byte{unknown, unknown, frame(t, &gossip.Ping{Number: 5})}, nil))
	if m := awaitMsg[*gossip.Ping](n, s.id()); m.Number != 5 {
		t.Errorf("%+v", m)
	}
	if c := n.Stats().Unknown; c != 2 {
		t.Errorf("%d unknown", c)
	}
}

// TestPanic: a fault in handling one stream costs that link and no more.
func TestPanic(t *testing.T) {
	t.Parallel()
	n := newNode(t, newHost(t), func(c *Config, _ *timing, _ *node) {
		c.Trace = func(_ Direction, _ gossip.PeerID, m gossip.Message) {
			if p, ok := m.(*gossip.Ping); ok && p.Number == 666 {
				panic("for the test")
			}
		}
	})
	fine := newNode(t, newHost(t))
	connect(t, n, fine)
	s := newStranger(t)
	st := s.link(n, 1)
	st.Write(frame(t, &gossip.Ping{Number: 666}))
	n.awaitDown(s.id())
	// And in writing.
	s.link(n, 2)
	n.Send(s.id(), &gossip.Ping{Number: 666}, false)
	n.awaitDown(s.id())
	if got := n.Stats(); got.Panics != 2 || got.Ended["panic"] != 2 {
		t.Errorf("%d faults, %v", got.Panics, got.Ended)
	}
	if err := n.Failure(s.id()).Err; err == nil || !strings.Contains(err.Error(), "for the test") {
		t.Errorf("%v", err)
	}
	pingpong(t, n, fine)
}

// TestUnsendable: a message that the core should not have made is left out,
// and those around it arrive.
func TestUnsendable(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
	connect(t, a, b)
	a.Send(b.id, &gossip.Ping{Number: 1}, false)
	a.Send(b.id, &gossip.Interests{Types: []uint16{2, 1}}, false)
	a.Send(b.id, &gossip.Ping{Number: 2}, false)
	for want := range uint64(2) {
		if m := awaitMsg[*gossip.Ping](b, a.id); m.Number != want+1 {
			t.Errorf("%+v", m)
		}
	}
	if c := a.Stats().Unsendable; c != 1 || received[*gossip.Interests](b) != 0 {
		t.Errorf("%d unsendable", c)
	}
}

// TestFailuresBounded: strangers cannot fill the memory with their failures.
func TestFailuresBounded(t *testing.T) {
	n := newNode(t, newHost(t))
	for i := range 3 * maxFailures {
		n.Transport.mu.Lock()
		if !n.failed(peer.ID(fmt.Sprint("peer ", i)), io.EOF) {
			t.Error("a first failure is news")
		}
		if l := len(n.failures); l > maxFailures {
			t.Fatalf("%d failures", l)
		}
		n.Transport.mu.Unlock()
	}
}
