package integration_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/gossip"
)

// A → B, A → C: whoever was not pushed M gets it by comparing, and that ends. A
// node here pushes to all neighbours that take a type, so C is not chosen by not
// being there yet. It is a neighbour of B, too, with whom it compares at once
// (ContinueMongering 1), finds the same, and leaves it at that.
func TestPeerster_1_05_ContinueMongering(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 3, func(_ int, cfg *node.Config) {
			cfg.ContinueMongering, cfg.AntiEntropy, cfg.Heartbeat = 1, 0, 0
		})
		var listeners []*node.Listener
		for i := range c.Len() {
			listeners = append(listeners, listen(t, c, i, dataType))
		}
		addPeer(c, 0, 1)
		pass(5 * time.Second)
		m := c.Announce(0, dataType, []byte("M"))
		pass(5 * time.Second)
		addPeer(c, 0, 2)
		addPeer(c, 1, 2)
		pass(time.Minute)
		for i, l := range listeners {
			if got := heard(l); !slices.Equal(got, []string{"M"}) {
				t.Errorf("node %d was told %q", i, got)
			}
		}
		// C is told by A or by B, whoever compared first, and by one of them only.
		carried := c.Frames(func(f integration.Frame) bool {
			r := f.Rumor()
			return f.Node == 2 && r != nil && r.ID == m.ID
		})
		if len(carried) != 1 || carried[0].Dir != in || carried[0].Kind() != "fill" {
			t.Errorf("C got M as %v", carried)
		}
		// No comparison of the three takes more than two messages each way.
		for _, pair := range [][2]int{{0, 1}, {0, 2}, {1, 2}} {
			steps := 0
			for _, f := range between(c, pair[0], pair[1], 0) {
				if s, ok := f.Message.(*gossip.Sync); ok && s.Group == gossip.GroupOf(dataType) {
					steps++
				}
			}
			if steps > 12 { // when the link came up, and once more for the news
				t.Errorf("nodes %d and %d compared in %d steps", pair[0], pair[1], steps)
			}
		}
		quiet(t, c)

		// In the triangle a rumor costs each link at most one push each way, with
		// its receipt, and once it is known which of them are not needed, less.
		for i, most := range []int{8, 8, 7, 7} {
			n := c.Announce(0, dataType, fmt.Append(nil, i))
			pass(time.Minute)
			frames := 0
			for j := range c.Len() {
				for _, s := range story(c, j, n.ID) {
					if s.dir == out {
						frames++
					}
				}
			}
			if frames > most {
				t.Errorf("rumor %d took %d messages, at most %d", i, frames, most)
			}
		}
		quiet(t, c)
	})
}

// quiet fails if nodes say anything in a minute but that they are there.
func quiet(t *testing.T, c *integration.Cluster) {
	t.Helper()
	from := c.Age()
	pass(time.Minute)
	said := c.Frames(func(f integration.Frame) bool { return f.At > from && f.Kind() != "ping" && f.Kind() != "pong" })
	if len(said) > 0 {
		t.Errorf("afterwards nodes go on: %v", said)
	}
}

// A → B, A → C, without repair: who was not chosen sees literally nothing. Here
// it is the data types that choose, and C takes another.
func TestPeerster_1_06_NotChosen(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 3, func(_ int, cfg *node.Config) {
			cfg.ContinueMongering, cfg.AntiEntropy, cfg.Heartbeat = 0, 0, 0
		})
		a, b, other := listen(t, c, 0, dataType), listen(t, c, 1, dataType), listen(t, c, 2, dataType+1)
		addPeer(c, 0, 1)
		addPeer(c, 0, 2)
		pass(5 * time.Second)
		from := c.Age()
		m := c.Announce(0, dataType, []byte("M"))
		pass(time.Minute)
		if got := heard(a); !slices.Equal(got, []string{"M"}) {
			t.Errorf("A was told %q", got)
		}
		if got := heard(b); !slices.Equal(got, []string{"M"}) {
			t.Errorf("B was told %q", got)
		}
		if got := heard(other); len(got) > 0 {
			t.Errorf("C was told %q", got)
		}
		if said := between(c, 2, 0, from); len(said) > 0 {
			t.Errorf("C and A said %v", said)
		}
		// C is not cut off: what it asks for it gets.
		late := listen(t, c, 2, dataType)
		pass(5 * time.Second)
		if got := heard(late); !slices.Equal(got, []string{"M"}) || len(story(c, 2, m.ID)) == 0 {
			t.Errorf("having asked for the type C was told %q", got)
		}
	})
}

// A → B → C, B starts late: what A and C said to nobody is kept and comes to all
// three, once, within ten rounds of anti-entropy, while A and C never meet.
func TestPeerster_1_07_CatchUp(t *testing.T) {
	for _, order := range []string{"A first", "C first"} {
		t.Run(order, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				const round = 50 * time.Millisecond
				c := peersters(t, 3, func(_ int, cfg *node.Config) { cfg.AntiEntropy = round })
				c.Node(1).Stop()
				a, z := listen(t, c, 0, dataType), listen(t, c, 2, dataType)
				for i, text := range map[int]string{0: "M1", 2: "M2"} {
					if m := c.Announce(i, dataType, []byte(text)); m.Neighbours != 0 {
						t.Errorf("node %d pushed to %d neighbours", i, m.Neighbours)
					}
				}
				pass(time.Minute)
				c.Node(1).Start()
				b := listen(t, c, 1, dataType)
				began := make(map[int]time.Duration)
				ends := []int{0, 2}
				if order == "C first" {
					slices.Reverse(ends)
				}
				for _, i := range ends {
					addPeer(c, i, 1)
					began[i] = c.Age()
				}
				pass(10 * round)
				for i, l := range []*node.Listener{a, b, z} {
					got := heard(l)
					slices.Sort(got)
					if !slices.Equal(got, []string{"M1", "M2"}) {
						t.Errorf("node %d was told %q within %v", i, got, 10*round)
					}
				}
				if met := c.Frames(func(f integration.Frame) bool { return f.Node == 0 && f.Peer == 2 }); len(met) > 0 {
					t.Errorf("A and C have met: %v", met)
				}
			})
		})
	}
}

// A → B, A → C, and neither ever replies, in one of three ways. A pushes M to both,
// which are two attempts at different neighbours; each is late, and then A stops:
// it does not push M again to who may have it, gives the silent links up after
// 15 s, and its own module and a neighbour that is alive have been told at once.
func TestPeerster_1_08_AckTimeout(t *testing.T) {
	for name, manners := range map[string]func(*stranger, gossip.PeerID, gossip.Message){
		"reads and never replies": silent,
		"resets": func(s *stranger, from gossip.PeerID, m gossip.Message) {
			if isEvent(m) {
				s.links.Hangup(from, "for the test", true)
			}
		},
		"accepts and stops reading": func(s *stranger, _ gossip.PeerID, m gossip.Message) {
			if isEvent(m) {
				<-s.released
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) { neverAnswered(t, 500*time.Millisecond, manners, name != "resets") })
		})
	}
}

// The same with ack timeout 0: A waits for ever, and nobody is late.
func TestPeerster_1_09_NoAck(t *testing.T) {
	virtually(t, func(t *testing.T) { neverAnswered(t, 0, silent, true) })
}

func isEvent(m gossip.Message) bool {
	p, ok := m.(*gossip.Push)
	return ok && p.Rumor.Kind == gossip.KindEvent
}

// stays says that a silent link is there for as long as A leaves it, and not again and again.
func neverAnswered(t *testing.T, ackTimeout time.Duration, manners func(*stranger, gossip.PeerID, gossip.Message), stays bool) {
	c := peersters(t, 2, func(_ int, cfg *node.Config) {
		cfg.AckTimeout, cfg.AntiEntropy, cfg.Heartbeat = ackTimeout, 0, 0
	})
	a, alive := listen(t, c, 0, dataType), listen(t, c, 1, dataType)
	addPeer(c, 0, 1)
	var mute []*stranger
	for range 2 {
		s := guest(t, c, manners, dataType)
		s.link(addressOf(c, 0))
		mute = append(mute, s)
		defer close(s.released)
	}
	pass(time.Second)
	before := count(c, 0, "late_receipts") // of presences, to which there is no answer either
	m := c.Announce(0, dataType, []byte("M"))
	pass(100 * time.Millisecond)
	for i, l := range []*node.Listener{a, alive} {
		if got := heard(l); !slices.Equal(got, []string{"M"}) {
			t.Errorf("node %d was told %q in the first 100 ms", i, got)
		}
	}
	pass(14 * time.Second) // soon the links are given up
	to := func(f integration.Frame) bool {
		return f.Node == 0 && f.Dir == out && f.Peer < 0 && f.Names(gossip.RumorID(m.ID))
	}
	if pushed := c.Frames(to); len(pushed) != 2 {
		t.Errorf("A sent M %d times to its silent neighbours: %v", len(pushed), pushed)
	}
	for i, s := range mute {
		got := 0
		s.mu.Lock()
		for _, ev := range s.events {
			if r := rumorOf(ev); r != nil && r.ID == m.ID {
				got++
			}
		}
		s.mu.Unlock()
		if got > 1 {
			t.Errorf("silent neighbour %d got M %d times", i, got)
		}
	}
	late := uint64(2)
	if ackTimeout == 0 {
		late = 0
	}
	if n := count(c, 0, "late_receipts") - before; stays && n != late {
		t.Errorf("%d receipts are late, want %d", n, late)
	}
	pass(5 * time.Minute) // in which A tries now and then whether they are better
	if pushed := c.Frames(func(f integration.Frame) bool { return to(f) && f.Kind() == "push" }); len(pushed) > 2 {
		t.Errorf("A goes on pushing M: %v", pushed)
	}
	ended := count(c, 0, "dead_links") + count(c, 0, "ended_slow") + count(c, 0, "ended_reset") + count(c, 0, "ended_peer")
	if ended < 2 {
		t.Errorf("A has ended %d links, two neighbours were silent", ended)
	}
	if got := heard(alive); len(got) > 0 {
		t.Errorf("B was told again: %q", got)
	}
}

// The way to an origin is the neighbour that first brought its latest rumor: an
// older one that comes later does not change it, nor one that came before, nor
// one that is forged. Neighbours are who their links say, so nobody can be
// claimed as a relay.
func TestPeerster_1_13_RoutingUpdate(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 2, func(_ int, cfg *node.Config) { cfg.AntiEntropy, cfg.Heartbeat = 0, 0 })
		origin, end := c.Node(0), c.Node(1)
		listen(t, c, 0, dataType)
		told := listen(t, c, 1, dataType)
		x, y := guest(t, c, nil, dataType), guest(t, c, nil, dataType)
		for _, s := range []*stranger{x, y} {
			s.link(addressOf(c, 0))
			s.link(addressOf(c, 1))
		}
		var m []*gossip.Rumor
		for i := range 4 {
			text := fmt.Sprint("M", i)
			c.Announce(0, dataType, []byte(text))
			m = append(m, x.awaitRumor(text, func(r *gossip.Rumor) bool { return string(r.Payload) == text }))
		}
		presence := x.awaitRumor("a presence", func(r *gossip.Rumor) bool {
			return r.Kind == gossip.KindPresence && r.Origin == gossip.PeerID(origin.ID())
		})
		forged := seal(t, y.id, gossip.Header{Kind: gossip.KindEvent, DataType: dataType,
			Origin: gossip.PeerID(origin.ID()), Epoch: m[0].Epoch, Seq: m[3].Seq + 1}, []byte("forged"), 0)
		for i, step := range []struct {
			by      *stranger
			r       *gossip.Rumor
			verdict gossip.Verdict
			via     *stranger
		}{
			{x, presence, gossip.VerdictNew, x},
			{y, m[1], gossip.VerdictNew, y}, // newer
			{x, m[0], gossip.VerdictNew, y}, // new, but older
			{x, m[1], gossip.VerdictDuplicate, y},
			{x, m[2], gossip.VerdictNew, x}, // newer
			{y, m[2], gossip.VerdictDuplicate, x},
			{y, forged, gossip.VerdictInvalid, x},
			{y, m[3], gossip.VerdictNew, y},
		} {
			got := step.by.tell(end.ID(), step.r)
			if got == gossip.VerdictElsewhere || got == gossip.VerdictKnown {
				got = gossip.VerdictDuplicate // they differ in what becomes of the link
			}
			if got != step.verdict {
				t.Errorf("step %d: the verdict is %d, want %d", i, got, step.verdict)
			}
			var via []peer.ID
			for _, r := range end.Running().Routes() {
				if r.Origin == origin.ID() {
					via = append(via, r.Via)
				}
			}
			if !slices.Equal(via, []peer.ID{step.via.host.ID()}) {
				t.Errorf("step %d: the route is by %v, want %v", i, via, step.via.host.ID())
			}
		}
		if got := heard(told); !slices.Equal(got, []string{"M1", "M0", "M2", "M3"}) {
			t.Errorf("the module was told %q", got)
		}
	})
}
