package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// couple is two nodes that are linked and take one type.
func couple(t *testing.T, m LinkModel) *Network {
	n := New(Config{Seed: 1, Nodes: 2, Core: core(4), Latency: 20 * time.Millisecond, Contacts: 1, Links: m})
	for i := range 2 {
		n.Subscribe(i, 1, 7, false)
		n.Start(i, 0)
	}
	n.Run(4 * time.Second)
	if len(n.Neighbours(0)) != 1 {
		t.Fatal("the two are not linked")
	}
	return n
}

// TestBandwidth: a frame takes its size by the bandwidth, and those behind it wait.
func TestBandwidth(t *testing.T) {
	delay := 50 * time.Millisecond
	n := couple(t, LinkModel{Delay: Constant(delay), Bandwidth: 10_000})
	for range 3 {
		n.Publish(0, 7, 0, make([]byte, 10_000))
	}
	n.Run(5 * time.Second)
	for i, r := range n.Rumors() {
		size := FrameSize(&gossip.Push{Rumor: n.ordered[i].r, Hops: 1})
		want := delay + time.Duration(i+1)*time.Duration(size)*time.Second/10_000
		if off := r.Last - want; off < -time.Millisecond || off > 50*time.Millisecond {
			t.Errorf("rumor %d of %d bytes took %v, want %v", i, size, r.Last, want)
		}
	}
	check(t, n)
}

// TestLanesOvertake: what a slow lane holds up does not hold up the others, and
// within a lane nothing overtakes.
func TestLanesOvertake(t *testing.T) {
	var order []string
	n := couple(t, LinkModel{Delay: Constant(10 * time.Millisecond), Bandwidth: 10_000})
	n.cfg.Record = func(_, to int, m gossip.Message) { order = append(order, KindOf(m)) }
	n.Run(5 * time.Second) // pings that measure the round trip are over
	order = nil
	w := n.nodes[0].wires[n.nodes[1].id]
	for range 2 {
		n.send(w, &gossip.Want{Group: 9, IDs: make([]gossip.RumorID, 100)}, false)
	}
	n.send(w, &gossip.Interests{Types: []uint16{7, 8}}, false)
	n.send(w, &gossip.Interests{Types: []uint16{7}}, false)
	n.send(w, &gossip.Pong{Number: 99}, true)
	n.Run(time.Second)
	order = slices.DeleteFunc(order, func(kind string) bool { return kind != "want" && kind != "interests" && kind != "pong" })
	if want := []string{"want", "pong", "interests", "want", "interests"}; !slices.Equal(order, want) {
		t.Errorf("arrived: %v, want %v", order, want)
	}
}

// TestQueueOverflows: what a lane has no room for comes back to the core, which
// brings it later all the same.
func TestQueueOverflows(t *testing.T) {
	n := couple(t, LinkModel{Bandwidth: 5_000, Queue: 10_000})
	for range 20 {
		n.Publish(0, 7, 0, make([]byte, 2_000))
	}
	n.Run(3 * time.Minute)
	if n.Stats().SendsDropped == 0 {
		t.Error("nothing was dropped")
	}
	check(t, n)
}

// TestLossDelays: lost packets come late, and are not missing.
func TestLossDelays(t *testing.T) {
	n := couple(t, LinkModel{Loss: 0.3, Delay: Constant(10 * time.Millisecond)})
	for range 50 {
		n.Publish(0, 7, 0, make([]byte, 3_000))
		n.Run(time.Second)
	}
	n.Run(time.Minute)
	d := n.Latency(0)
	if s := n.Stats(); s.Resent < 50 || d.P50 < 200*time.Millisecond || d.Max > time.Minute {
		t.Errorf("%d packets were sent again, latency %v", s.Resent, d)
	}
	check(t, n)
}

// TestResets: links that break all the time are made again, and nothing is lost.
func TestResets(t *testing.T) {
	n := couple(t, LinkModel{Reset: 0.05})
	for range 50 {
		n.Publish(0, 7, 0, make([]byte, 100))
		n.Run(time.Second)
	}
	n.SetLinks(LinkModel{})
	n.Run(30 * time.Second)
	if n.Stats().Resets < 5 {
		t.Errorf("%d resets", n.Stats().Resets)
	}
	check(t, n)
}

// TestHalfOpen: nobody tells the neighbours of a node that vanished; their pings
// do. Who crashed is missed at once.
func TestHalfOpen(t *testing.T) {
	for _, vanish := range []bool{false, true} {
		n := couple(t, LinkModel{})
		if vanish {
			n.Vanish(0)
		} else {
			n.Crash(0)
		}
		n.Run(time.Second)
		if left := len(n.Neighbours(1)); (left == 1) != vanish {
			t.Errorf("vanished %v: a second later there are %d neighbours", vanish, left)
		}
		n.Run(30 * time.Second)
		if left := len(n.Neighbours(1)); left != 0 {
			t.Errorf("vanished %v: half a minute later there are %d neighbours", vanish, left)
		}
	}
}

// TestOneWay: with a one-way cut nothing comes from one side, and what it held
// arrives when the cut heals.
func TestOneWay(t *testing.T) {
	n := couple(t, LinkModel{})
	n.Partition(func(a, b int) bool { return a == 0 && b == 1 })
	n.Publish(0, 7, 0, []byte("held"))
	n.Publish(1, 7, 0, []byte("heard"))
	n.Run(2 * time.Second)
	if m := n.Missing(); len(m) != 1 {
		t.Errorf("missing while the cut lasts: %v", m)
	}
	n.Partition(nil)
	n.Run(time.Second)
	check(t, n)
}

// TestSlowNode: a node that needs a second for each event answers late, and is
// not lost.
func TestSlowNode(t *testing.T) {
	n := couple(t, LinkModel{})
	n.Slow(1, time.Second)
	n.Publish(0, 7, 0, []byte("news"))
	n.Run(900 * time.Millisecond)
	if len(n.Missing()) != 1 {
		t.Error("the slow node was told at once")
	}
	n.Run(10 * time.Second)
	check(t, n)
}

func TestDelays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var all []time.Duration
	for range 2000 {
		all = append(all, LogNormal(40*time.Millisecond, 0.5)(rng, 0, 1))
	}
	d := Distribute(all)
	if d.P50 < 37*time.Millisecond || d.P50 > 43*time.Millisecond || d.P95 < 80*time.Millisecond || d.P95 > 105*time.Millisecond {
		t.Errorf("log-normal with median 40 ms, sigma 0.5: %v", d)
	}
	plane := Plane(1, 100, 4, 5*time.Millisecond, 200*time.Millisecond)
	near := 0
	for a := range 100 {
		for b := range a {
			there, back := plane(rng, a, b), plane(rng, b, a)
			if there != back || there < 5*time.Millisecond {
				t.Fatalf("from %d to %d it is %v, back %v", a, b, there, back)
			}
			if there < 40*time.Millisecond {
				near++
			}
		}
	}
	if near < 600 || near > 3500 { // a quarter of 4,950 pairs share a region
		t.Errorf("%d of 4,950 pairs are near each other", near)
	}
}
