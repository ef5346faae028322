package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// wrapped is a core that something is done to.
type wrapped struct {
	Core
	after func(now time.Time, ev gossip.Event, out *gossip.Actions, from int)
}

func (w wrapped) Handle(now time.Time, ev gossip.Event, out *gossip.Actions) {
	from := len(*out)
	w.Core.Handle(now, ev, out)
	w.after(now, ev, out, from)
}

// TestBrokenCoreIsNoticed: a core that tells twice, tells what is forged, or
// uses a number twice makes the check fail.
func TestBrokenCoreIsNoticed(t *testing.T) {
	for broken, do := range map[string]func(a gossip.Action, out *gossip.Actions){
		"twice": func(a gossip.Action, out *gossip.Actions) {
			if d, ok := a.(gossip.Deliver); ok {
				*out = append(*out, d)
			}
		},
		"nobody published": func(a gossip.Action, out *gossip.Actions) {
			if d, ok := a.(gossip.Deliver); ok {
				forged := *d.Rumor
				forged.ID[3]++
				*out = append(*out, gossip.Deliver{Module: d.Module, Rumor: &forged})
			}
		},
		"does not take": func(a gossip.Action, out *gossip.Actions) {
			if d, ok := a.(gossip.Deliver); ok {
				*out = append(*out, gossip.Deliver{Module: 5, Rumor: d.Rumor})
			}
		},
		"uses epoch": func(a gossip.Action, out *gossip.Actions) {
			if s, ok := a.(gossip.Seal); ok {
				again, err := gossip.NewRumor(s.Rumor.Header, []byte("another"))
				if err == nil && s.Rumor.Kind == gossip.KindEvent {
					*out = append(*out, gossip.Seal{Rumor: again})
				}
			}
		},
	} {
		n := spread(1, 10, 4, 10, func(c *Config) {
			c.Wrap = func(i int, core Core) Core {
				if i != 7 {
					return core
				}
				return wrapped{core, func(_ time.Time, _ gossip.Event, out *gossip.Actions, from int) {
					for _, a := range (*out)[from:] {
						do(a, out)
					}
				}}
			}
		})
		v := n.Violations()
		if len(v) == 0 || !strings.Contains(v[0].Error(), broken) || !strings.Contains(v[0].Error(), "node 7") {
			t.Errorf("%q is not noticed: %v", broken, v)
		}
	}
}

// cooked is a core whose books never agree.
type cooked struct{ Core }

func (cooked) Check() error { return errors.New("cooked books") }

// TestBrokenBooksAreNoticed: so are books that disagree, a signature that is
// lost on the way, and a rumor that goes back to where it came from.
func TestBrokenBooksAreNoticed(t *testing.T) {
	for broken, wrap := range map[string]func(c Core) Core{
		"cooked books": func(c Core) Core { return cooked{c} },
		"without a valid signature": func(c Core) Core {
			return wrapped{c, func(_ time.Time, _ gossip.Event, out *gossip.Actions, from int) {
				for i, a := range (*out)[from:] {
					if d, ok := a.(gossip.Deliver); ok {
						bare := *d.Rumor
						bare.Signature = nil
						(*out)[from+i] = gossip.Deliver{Module: d.Module, Rumor: &bare}
					}
				}
			}}
		},
		"which it came from": func(c Core) Core {
			return wrapped{c, func(_ time.Time, ev gossip.Event, out *gossip.Actions, _ int) {
				if r, ok := ev.(gossip.Received); ok {
					if p, ok := r.Msg.(*gossip.Push); ok && p.Rumor.Kind == gossip.KindEvent {
						*out = append(*out, gossip.Send{To: r.From, Msg: p})
					}
				}
			}}
		},
	} {
		n := spread(1, 10, 4, 10, func(c *Config) {
			c.Check = 10
			c.Wrap = func(i int, core Core) Core {
				if i != 7 {
					return core
				}
				return wrap(core)
			}
		})
		v := n.Violations()
		if len(v) == 0 || !strings.Contains(v[0].Error(), broken) || !strings.Contains(v[0].Error(), "node 7") {
			t.Errorf("%q is not noticed: %v", broken, v)
		}
	}
}

// TestOneLostMessageIsNoticed: one push that vanishes is a rumor lost if nothing
// compares, and none if something does.
func TestOneLostMessageIsNoticed(t *testing.T) {
	for _, repair := range []bool{false, true} {
		lost := 0
		n := spread(1, 2, 4, 1, func(c *Config) {
			if !repair {
				c.Core.AntiEntropy, c.Core.AckTimeout = 0, 0
			}
			c.Drop = func(_, _ int, m gossip.Message) bool {
				p, push := m.(*gossip.Push)
				if push && p.Rumor.Kind == gossip.KindEvent {
					lost++
					return lost == 1
				}
				return false
			}
		})
		if lost != 1 {
			t.Fatalf("%d pushes, want one, which is lost", lost)
		}
		if got := len(n.Missing()); repair && got != 0 || !repair && got != 1 {
			t.Errorf("repair %v: %d deliveries are missing", repair, got)
		}
	}
}

// hostile passes nothing on, replays what it heard, forges, asks for what does
// not exist, offers what does not exist, and names peers that do not exist.
func hostile(seed uint64, core Core) Core {
	rng := rand.New(rand.NewPCG(seed, 7))
	var heard []*gossip.Rumor
	var peers []gossip.PeerID
	id := func() (id gossip.RumorID) {
		for i := range id {
			id[i] = byte(rng.Uint32())
		}
		return id
	}
	return wrapped{core, func(_ time.Time, ev gossip.Event, out *gossip.Actions, from int) {
		kept := (*out)[:from]
		for _, a := range (*out)[from:] {
			s, send := a.(gossip.Send)
			if !send {
				kept = append(kept, a)
				continue
			}
			switch m := s.Msg.(type) {
			case *gossip.Push:
				if m.Hops > 1 {
					continue // of others
				}
			case *gossip.Fill, *gossip.Have:
				continue
			}
			kept = append(kept, a)
		}
		*out = kept
		switch ev := ev.(type) {
		case gossip.LinkUp:
			peers = append(peers, ev.Peer)
		case gossip.Received:
			if p, ok := ev.Msg.(*gossip.Push); ok && len(heard) < 200 {
				heard = append(heard, p.Rumor)
			}
		}
		if len(peers) == 0 || rng.IntN(4) > 0 {
			return
		}
		group := []gossip.Group{7, gossip.GroupPresence, 9}[rng.IntN(3)]
		var msg gossip.Message
		switch rng.IntN(10) {
		case 0, 1, 2:
			if len(heard) == 0 {
				return
			}
			msg = &gossip.Push{Rumor: heard[rng.IntN(len(heard))], Hops: 1}
		case 3:
			if len(heard) == 0 || rng.IntN(20) > 0 {
				return
			}
			forged := *heard[rng.IntN(len(heard))]
			forged.Seq += 1000
			again, err := gossip.NewRumor(forged.Header, forged.Payload)
			if err != nil {
				return
			}
			again.Signature = forged.Signature
			msg = &gossip.Push{Rumor: again, Hops: 1}
		case 4:
			msg = &gossip.Have{Group: group, IDs: []gossip.ShortID{id().Short(), id().Short()}}
		case 5:
			msg = &gossip.Graft{Group: group, IDs: []gossip.ShortID{id().Short()}}
		case 6:
			msg = &gossip.Want{Group: group, IDs: []gossip.RumorID{id(), id()}}
		case 7:
			msg = &gossip.Sync{Group: group, Ranges: []gossip.Range{
				{End: gossip.Point{Created: rng.Int64(), ID: id()}, Mode: gossip.RangeIDs, IDs: []gossip.RumorID{id()}},
				{Mode: gossip.RangeFingerprint, Fingerprint: gossip.Fingerprint{1}},
			}}
		case 8:
			msg = &gossip.PeerList{Records: []gossip.PeerRecord{{Peer: gossip.PeerID(fmt.Sprint(rng.Uint64())), Seq: 1}}}
		case 9:
			msg = &gossip.Interests{Types: [][]uint16{{7}, {}, {7, 9}}[rng.IntN(3)]}
		}
		*out = append(*out, gossip.Send{To: peers[rng.IntN(len(peers))], Msg: msg})
	}}
}

// TestHostileNodes: one in five nodes is hostile; the others tell each other
// everything, once, and take nobody for gone.
func TestHostileNodes(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 10)) {
		const nodes = 30
		bad := func(i int) bool { return i%5 == 4 }
		n := spread(seed, nodes, 6, 0, func(c *Config) {
			c.Hostile = bad
			c.Wrap = func(i int, core Core) Core {
				if bad(i) {
					return hostile(seed, core)
				}
				return core
			}
		})
		for i := range nodes {
			n.Publish(i, 7, 0, fmt.Append(nil, i))
			n.Run(100 * time.Millisecond)
		}
		n.Run(time.Minute)
		for _, err := range n.Violations() {
			t.Errorf("seed %d: %v", seed, err)
		}
		for _, p := range n.rumors {
			for i, nd := range n.nodes {
				if _, told := p.told[module{uint32(i), nd.run, 1}]; !told && !bad(i) && !bad(p.from.index) {
					t.Errorf("seed %d: what node %d published was not told at node %d", seed, p.from.index, i)
				}
			}
		}
		for i := range nodes {
			st, err := n.Status(i)
			if err != nil {
				t.Fatal(err)
			}
			if len(st.Members) != nodes && !bad(i) {
				t.Errorf("seed %d: node %d knows %d members", seed, i, len(st.Members))
			}
		}
	}
}
