package integration_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/gossip"
	"hearsay/node/transport"
	"hearsay/node/wire"
)

const (
	in  = transport.In
	out = transport.Out
)

// A → B, A broadcasts M: one push, one receipt, both are told once. M is not
// number 1, since a node's presence is a rumor, too; numbers have no gaps.
func TestPeerster_1_01_Broadcast(t *testing.T) {
	test := func(t *testing.T, c *integration.Cluster, wait func()) {
		a, b := listen(t, c, 0, dataType), listen(t, c, 1, dataType)
		c.AwaitInterest(0, dataType)
		c.AwaitInterest(1, dataType)
		awaitCompared(c, 0, 1)
		modules := c.Node(0).Running().Modules()
		own := 0
		announcer, err := modules.Open(func([32]byte, uint16, []byte) { own++ })
		if err == nil {
			err = modules.Subscribe(announcer, dataType)
		}
		if err == nil {
			err = modules.Announce(t.Context(), announcer, 0, dataType, []byte("M"))
		}
		if err != nil {
			t.Fatal(err)
		}
		var m *gossip.Rumor
		c.Await("the push of M", func() bool {
			for _, f := range c.Frames(nil) {
				if r := f.Rumor(); r != nil && r.Kind == gossip.KindEvent {
					m = r
				}
			}
			return m != nil && len(story(c, 0, m.ID)) > 0
		})
		next := c.Announce(0, dataType, []byte("N"))
		wait()
		for i, l := range []*node.Listener{a, b} {
			if got := heard(l); !slices.Equal(got, []string{"M", "N"}) {
				t.Errorf("node %d was told %q", i, got)
			}
			want := map[int]int{1 - i: 1 - i}
			if got := routes(c, i); !maps.Equal(got, want) {
				t.Errorf("node %d has routes %v, want %v", i, got, want)
			}
			if n := c.Node(i).Running().Status().Members; n != 2 {
				t.Errorf("node %d knows %d members", i, n)
			}
		}
		c.Stop(0, 1) // until the very end of the link
		if own != 1 {
			t.Errorf("the announcing module was told %d rumors, want N only", own)
		}
		for _, id := range []gossip.RumorID{m.ID, next.ID} {
			expectStory(t, c, 0, id, step{out, 1, "push"}, step{in, 1, "receipt: new"})
			expectStory(t, c, 1, id, step{in, 0, "push"}, step{out, 0, "receipt: new"})
		}
		var pushed []*gossip.Push
		presences := make(map[uint64]bool) // their numbers are of the same row
		for _, f := range between(c, 1, 0, 0) {
			switch p, ok := f.Message.(*gossip.Push); {
			case !ok:
			case p.Rumor.Kind == gossip.KindEvent:
				pushed = append(pushed, p)
			case p.Rumor.Origin == gossip.PeerID(c.Node(0).ID()):
				presences[p.Rumor.Seq] = true
			}
		}
		first, second := pushed[0], pushed[1]
		if first.Hops != 1 || first.Rumor.Origin != gossip.PeerID(c.Node(0).ID()) || string(first.Rumor.Payload) != "M" {
			t.Errorf("B got %q of %x after %d hops", first.Rumor.Payload, first.Rumor.Origin, first.Hops)
		}
		after := first.Rumor.Seq + 1
		for presences[after] {
			after++
		}
		if first.Rumor.Epoch == 0 || first.Rumor.Seq == 0 || second.Rumor.Seq != after || second.Rumor.Epoch != first.Rumor.Epoch {
			t.Errorf("M is %d.%d, the next one %d.%d", first.Rumor.Epoch, first.Rumor.Seq, second.Rumor.Epoch, second.Rumor.Seq)
		}
	}
	t.Run("mock network", func(t *testing.T) {
		virtually(t, func(t *testing.T) {
			c := peersters(t, 2, nil)
			addPeer(c, 0, 1)
			test(t, c, func() { pass(2 * time.Second) })
		})
	})
	t.Run("TCP", func(t *testing.T) {
		t.Parallel()
		c := peersters(t, 2, nil, integration.OverTCP())
		c.Connect(0, 1)
		test(t, c, func() {
			c.Await("the receipt for N", func() bool {
				return len(c.Frames(func(f integration.Frame) bool {
					r := f.Rumor()
					return r != nil && string(r.Payload) == "N" && len(story(c, 0, r.ID)) == 2
				})) > 0
			})
		})
	})
}

// A → B → C: C gets M from B and acknowledges to B; nothing goes back where it
// came from, and A and C never meet. Unlike in Peerster nodes know of all others
// by their presences, so B is an origin here, and A a route to C.
func TestPeerster_1_02_Relay(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 3, func(_ int, cfg *node.Config) { cfg.ContinueMongering = 0 })
		listeners := []*node.Listener{listen(t, c, 0, dataType), listen(t, c, 1, dataType), listen(t, c, 2, dataType)}
		addPeer(c, 0, 1)
		addPeer(c, 1, 2)
		pass(time.Minute)
		m := c.Announce(0, dataType, []byte("M"))
		pass(2 * time.Second)
		for i, l := range listeners {
			if got := heard(l); !slices.Equal(got, []string{"M"}) {
				t.Errorf("node %d was told %q", i, got)
			}
		}
		expectStory(t, c, 0, m.ID, step{out, 1, "push"}, step{in, 1, "receipt: new"})
		expectStory(t, c, 1, m.ID, step{in, 0, "push"}, step{out, 2, "push"}, step{out, 0, "receipt: new"}, step{in, 2, "receipt: new"})
		expectStory(t, c, 2, m.ID, step{in, 1, "push"}, step{out, 1, "receipt: new"})
		if met := c.Frames(func(f integration.Frame) bool { return f.Node == 0 && f.Peer == 2 }); len(met) > 0 {
			t.Errorf("A and C have met: %v", met)
		}
		for i, want := range []map[int]int{{1: 1, 2: 1}, {0: 0, 2: 2}, {0: 1, 1: 1}} {
			if got := routes(c, i); !maps.Equal(got, want) {
				t.Errorf("node %d has routes %v, want %v", i, got, want)
			}
		}
	})
}

// A → B, A compares every 500 ms, B never: A asks within 800 ms each time, also
// if there is nothing, B answers that its view is equal in 64 bytes at most, and
// nothing else is said. A Peerster answers equality with silence; here links
// are watched for silence, and one short answer tells the two apart.
func TestPeerster_1_03_AntiEntropy(t *testing.T) {
	virtually(t, func(t *testing.T) {
		const pause, window = 500 * time.Millisecond, 20 * time.Second
		c := peersters(t, 3, func(i int, cfg *node.Config) {
			cfg.Heartbeat, cfg.AntiEntropy = 0, 0
			if i == 0 {
				cfg.AntiEntropy = pause
			}
		})
		addPeer(c, 0, 1)
		addPeer(c, 1, 2) // which do not compare
		pass(10 * time.Second)
		began := c.Age()
		pass(window)
		log := between(c, 0, 1, began)
		for len(log) > 0 && log[0].Dir == in {
			log = log[1:] // of a round before
		}
		if len(log)%2 == 1 {
			log = log[:len(log)-1] // not answered yet
		}
		last, rounds := began, 0
		for i, f := range log {
			m, ok := f.Message.(*gossip.Sync)
			if !ok || m.Group != gossip.GroupPresence {
				t.Fatalf("A and B said %v", f)
			}
			frame, err := wire.AppendFrame(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			want, most := out, 100
			if i%2 == 1 {
				want, most = in, 64
				if len(m.Ranges) != 1 || m.Ranges[0].Mode != gossip.RangeSkip {
					t.Errorf("B answers %+v, its view is equal", m)
				}
			} else {
				if f.At-last > 800*time.Millisecond {
					t.Errorf("A asks %v after the last time", f.At-last)
				}
				last = f.At
				rounds++
			}
			if f.Dir != want || len(frame) > most {
				t.Errorf("message %d is %v, of %d bytes", i, f, len(frame))
			}
		}
		if least, most := int(window/(pause*5/4))-1, int(window/(pause*3/4))+1; rounds < least || rounds > most || len(log) != 2*rounds {
			t.Errorf("%d rounds and %d messages in %v", rounds, len(log), window)
		}
		if log := between(c, 1, 2, began); len(log) > 0 {
			t.Errorf("with anti-entropy off B and C said %v", log)
		}
	})
}

// A → B, A's heartbeat is 500 ms: presences arrive, the first one with the link,
// and are acknowledged like any rumor. They take numbers, and carry the node's
// record; no module is told. However short the heartbeat, four a second is the
// most.
func TestPeerster_1_04_Heartbeat(t *testing.T) {
	for name, beat := range map[string]struct{ heartbeat, least, most, watched time.Duration }{
		"500 ms": {500 * time.Millisecond, 375 * time.Millisecond, 625 * time.Millisecond, 9 * time.Second},
		// Of so many in a row neighbours put off all but the first twenty.
		"too short": {time.Millisecond, 250 * time.Millisecond, 260 * time.Millisecond, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				c := peersters(t, 2, func(i int, cfg *node.Config) {
					cfg.AntiEntropy, cfg.Heartbeat = 0, 0
					if i == 0 {
						cfg.Heartbeat = beat.heartbeat
					}
				})
				b := listen(t, c, 1, dataType)
				addPeer(c, 0, 1)
				linked := c.Age()
				pass(beat.watched)
				var last *gossip.Rumor
				var at time.Duration
				beats := 0
				for _, f := range c.Frames(func(f integration.Frame) bool { return f.Node == 1 && f.Dir == in }) {
					p, ok := f.Message.(*gossip.Push)
					if !ok {
						continue
					}
					r := p.Rumor
					said, err := gossip.ParsePresence(r.Payload)
					if err != nil || r.Kind != gossip.KindPresence || len(said.Record) == 0 || said.Left {
						t.Fatalf("A pushed %+v, %v", r.Header, err)
					}
					if last == nil && f.At > linked+100*time.Millisecond {
						t.Errorf("the first presence came %v after the link", f.At-linked)
					}
					if beats > 1 { // the first one waited for the link
						if r.Seq != last.Seq+1 || f.At-at < beat.least-5*time.Millisecond || f.At-at > beat.most+5*time.Millisecond {
							t.Errorf("presence %d came %v after presence %d", r.Seq, f.At-at, last.Seq)
						}
					}
					// The first one is also compared, and the last are not answered yet: in calm
					// times verdicts are gathered for 1.5 s.
					if beats > 0 && f.At < c.Age()-2*time.Second {
						expectStory(t, c, 1, r.ID, step{in, 0, "push"}, step{out, 0, "receipt: new"})
					}
					last, at, beats = r, f.At, beats+1
				}
				if least := int(beat.watched/beat.most) - 2; beats < least {
					t.Errorf("%d presences in %v", beats, beat.watched)
				}
				if got := heard(b); len(got) > 0 {
					t.Errorf("a module was told %q", got)
				}
			})
		})
	}
}
