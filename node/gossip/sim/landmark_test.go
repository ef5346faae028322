package sim

import (
	"fmt"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// seldom has each of a network's rumors come from another origin, one every 100
// ms, and returns how far the last hop was, as a multiple of the shortest way, and
// how many duplicates there were for each delivery.
func seldom(n *Network, rumors int) (stretch, redundancy float64) {
	before, first := n.Stats(), len(n.Rumors())
	for k := range rumors {
		n.Publish((first+k)*61%n.Nodes(), 7, 0, fmt.Appendf(nil, "rumor %d", first+k))
		n.Run(100 * time.Millisecond)
	}
	n.Run(5 * time.Second)
	var hops, best float64
	for _, r := range n.Rumors()[first:] {
		hops, best = hops+float64(r.Hops), best+float64(r.BestHops)
	}
	return hops / best, n.Stats().Sub(before).Redundancy()
}

// TestLandmarks: in a network where everybody speaks seldom rumors take ways that
// are at most half as long again as the shortest, at a tree's price; by the tree
// that all share they are twice as long.
func TestLandmarks(t *testing.T) {
	aside(t)
	if scale > 1 {
		t.Skip("what is asked for needs more nodes, and the core has no goroutines")
	}
	for _, c := range []struct {
		push gossip.PushMode
		good bool
	}{{gossip.PushRooted, true}, {gossip.PushShared, false}} {
		// Of one network the shared tree may happen to be good.
		const networks = 2
		var stretch, redundancy float64
		for seed := range uint64(networks) {
			n := grown(1+seed, 120, 6, func(cfg *Config) { cfg.Paths, cfg.Silent, cfg.Core.Push = true, nil, c.push })
			seldom(n, 60) // the landmarks hear of it
			far, twice := seldom(n, 40)
			stretch, redundancy = stretch+far/networks, redundancy+twice/networks
			check(t, n)
		}
		t.Logf("push mode %d: last hop %.2f times the shortest way's, %.3f duplicates per delivery", c.push, stretch, redundancy)
		if good := stretch <= 1.5 && redundancy <= 0.05; good != c.good {
			t.Errorf("push mode %d: last hop %.2f times the shortest way's, %.3f duplicates per delivery", c.push, stretch, redundancy)
		}
	}
}

// TestLandmarksDie: of the nodes a third crash while rumors travel by landmarks'
// trees, landmarks among them, and others join; everybody hears everything.
func TestLandmarksDie(t *testing.T) {
	aside(t)
	if scale > 1 {
		t.Skip("what is asked for needs more nodes, and the core has no goroutines")
	}
	for seed := range uint64(campaign(t, 1)) {
		n := grown(seed, 120, 6, func(c *Config) { c.Silent = nil })
		seldom(n, 60)
		for i := range 40 {
			n.Crash(3 * i)
			n.Publish(3*i+1, 7, 0, fmt.Append(nil, "crash ", i))
			n.Run(50 * time.Millisecond)
		}
		n.Run(30 * time.Second)
		check(t, n)
		for i := range 40 {
			n.Restart(3*i, 0, i%2 == 0)
			n.Publish(3*i+2, 7, 0, fmt.Append(nil, "return ", i))
			n.Run(50 * time.Millisecond)
		}
		n.Run(30 * time.Second)
		check(t, n)
	}
}

// sinkhole says that it is next to every landmark, with their latest numbers, and
// pushes nothing.
type sinkhole struct{ Core }

func (s sinkhole) Handle(now time.Time, ev gossip.Event, out *gossip.Actions) {
	before := len(*out)
	s.Core.Handle(now, ev, out)
	kept := (*out)[:before]
	for _, a := range (*out)[before:] {
		if send, ok := a.(gossip.Send); ok {
			switch m := send.Msg.(type) {
			case *gossip.Push:
				if m.Rumor.Kind != gossip.KindPresence {
					continue
				}
			case *gossip.Have:
				lie := *m
				lie.Near = nil
				for _, d := range m.Near {
					d.Distance = 0
					lie.Near = append(lie.Near, d)
				}
				send.Msg = &lie
			}
			a = send
		}
		kept = append(kept, a)
	}
	*out = kept
}

// TestSinkholes: one node in ten draws all ways to landmarks to itself and hands on
// nothing. All others hear everything.
func TestSinkholes(t *testing.T) {
	aside(t)
	if scale > 1 {
		t.Skip("what is asked for needs more nodes, and the core has no goroutines")
	}
	hostile := func(i int) bool { return i%10 == 9 }
	n := grown(1, 120, 6, func(c *Config) {
		c.Silent, c.Hostile = nil, hostile
		c.Wrap = func(i int, core Core) Core {
			if hostile(i) {
				return sinkhole{core}
			}
			return core
		}
	})
	seldom(n, 60)
	began := n.Now()
	for k := range 60 {
		if i := k * 61 % 120; !hostile(i) {
			n.Publish(i, 7, 0, fmt.Append(nil, "by sinkholes ", k))
		}
		n.Run(100 * time.Millisecond)
	}
	n.Run(5 * time.Second)
	t.Logf("latency %v", n.Latency(began))
	check(t, n)
}

// TestSinkholesAmongFew: the same in a small network, where all have trees of their own.
// Who was drawn to a sinkhole finds out with the first rumors, and does not go there
// again for a while, whatever it says.
func TestSinkholesAmongFew(t *testing.T) {
	aside(t)
	if scale > 1 {
		t.Skip("the core has no goroutines")
	}
	hostile := func(i int) bool { return i%10 == 9 }
	for seed := range uint64(campaign(t, 2)) {
		n := grown(seed, 50, 6, func(c *Config) {
			c.Silent, c.Hostile = nil, hostile
			c.Wrap = func(i int, core Core) Core {
				if hostile(i) {
					return sinkhole{core}
				}
				return core
			}
		})
		var latency Distribution
		for minute := range 2 {
			began := n.Now()
			for k := range 200 {
				if i := k * 7 % 50; !hostile(i) {
					n.Publish(i, 7, 0, fmt.Append(nil, "by sinkholes ", minute, k))
				}
				n.Run(100 * time.Millisecond)
			}
			n.Run(5 * time.Second)
			latency = n.Latency(began)
			t.Logf("seed %d, %d s: %v", seed, 25*minute, latency)
		}
		if latency.P99 > 200*time.Millisecond {
			t.Errorf("seed %d: after 25 s one rumor in a hundred takes more than %v", seed, latency.P99)
		}
		check(t, n)
	}
}

// TestTreesOfFew: in a small network, where everybody has a tree, rumors take the
// shortest ways without duplicates. Over links of 20 ms those that come every 50 ms cut
// the tree that all share to pieces.
func TestTreesOfFew(t *testing.T) {
	aside(t)
	if scale > 1 {
		t.Skip("the core has no goroutines")
	}
	for seed := range uint64(campaign(t, 2)) {
		n := grown(seed, 50, 16, func(c *Config) { c.Paths, c.Silent, c.Latency = true, nil, 20*time.Millisecond })
		speak := func(rumors int) {
			for k := range rumors {
				n.Publish(k*7%50, 7, 0, fmt.Append(nil, "rumor ", len(n.Rumors()), k))
				n.Run(50 * time.Millisecond)
			}
		}
		speak(200)
		before, first := n.Stats(), len(n.Rumors())
		speak(200)
		n.Run(5 * time.Second)
		var hops, best float64
		for _, r := range n.Rumors()[first:] {
			hops, best = hops+float64(r.Hops), best+float64(r.BestHops)
		}
		t.Logf("seed %d: last hop %.2f times the shortest way's, %.4f duplicates per delivery", seed, hops/best, n.Stats().Sub(before).Redundancy())
		if twice := n.Stats().Sub(before).Redundancy(); hops > 1.1*best || twice > 0.03 {
			t.Errorf("seed %d: last hop %.2f times the shortest way's, %.4f duplicates per delivery", seed, hops/best, twice)
		}
		check(t, n)
	}
}
