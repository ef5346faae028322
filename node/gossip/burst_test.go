package gossip

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// town is n nodes that carry states, on a ring with as many other links, each of its
// own delay of 5 to 25 ms.
func town(t testing.TB, seed uint64, n int) (*world, *rand.Rand) {
	w, rng := newWorld(t), rand.New(rand.NewPCG(seed, 9))
	for i := range n {
		w.add(PeerID(rune('A'+i)), carry, func(c *Config) { c.Rand = rand.New(rand.NewPCG(seed, uint64(i))) })
	}
	delays := make(map[[2]PeerID]time.Duration)
	w.delay = func(from, to PeerID) time.Duration {
		ends := [2]PeerID{min(from, to), max(from, to)}
		if delays[ends] == 0 {
			delays[ends] = 5*time.Millisecond + time.Duration(rng.Int64N(int64(20*time.Millisecond)))
		}
		return delays[ends]
	}
	for i := range n {
		w.link(w.nodes[i].id, w.nodes[(i+1)%n].id)
		for range 3 {
			if j := rng.IntN(n); j != i {
				w.link(w.nodes[i].id, w.nodes[j].id)
			}
		}
	}
	w.wait(7 * time.Second)
	return w, rng
}

// After two nodes spoke at once, and after ten did, what one says alone is everywhere as
// soon as the tree allows, and nobody has to ask for it. Without sparing links that both
// rumors need it takes twelve times as long at the 90th percentile.
func TestTreesOutliveBursts(t *testing.T) {
	for _, speakers := range []int{2, 10} {
		var took []time.Duration
		said := 0
		var copies, deliveries uint64
		for seed := range uint64(10) {
			w, rng := town(t, seed+1, 20)
			say := func(i int) {
				said++
				w.nodes[i].publish(0, fmt.Sprint("word ", said), asState(fmt.Sprint("key ", said%50)))
			}
			for range 5 {
				for _, i := range rng.Perm(len(w.nodes))[:speakers] {
					say(i)
					w.wait(3 * time.Millisecond)
				}
				w.wait(7 * time.Second)
				began, last, told := w.now, w.now, 0
				w.watch = func(_ *tnode, a Action) {
					if _, ok := a.(Carried); ok {
						last, told = w.now, told+1
					}
				}
				dup := w.sum(duplicates)
				say(rng.IntN(len(w.nodes)))
				w.wait(7 * time.Second)
				w.watch = nil
				if told != len(w.nodes)-1 {
					t.Fatalf("%d of %d others were told", told, len(w.nodes)-1)
				}
				took = append(took, last.Sub(began))
				copies += w.sum(duplicates) - dup
				deliveries += uint64(told)
			}
		}
		slices.Sort(took)
		p90, worst := took[len(took)*9/10], took[len(took)-1]
		twice := float64(copies) / float64(deliveries)
		t.Logf("after %2d at once: p90 %v, worst %v; %.2f duplicates a delivery", speakers, p90, worst, twice)
		if p90 > 120*time.Millisecond || worst > 600*time.Millisecond {
			t.Errorf("after %d rumors at once one alone takes %v, at worst %v", speakers, p90, worst)
		}
		if twice > 1 { // flooding has five
			t.Errorf("after %d rumors at once one alone has %.2f duplicates a delivery", speakers, twice)
		}
	}
}

// Two nodes push each other the same rumor, and at the same time one of them is on its
// way to bring another: the link is pruned, and taken back by both.
func TestPrunedWayIsTakenBack(t *testing.T) {
	n := alone(t, carry)
	n.do(LinkUp{Peer: "B"})
	n.recv("B", &Interests{Carries: true})
	n.do(LinkUp{Peer: "C"})
	n.recv("C", &Interests{Carries: true})
	first := rumorOf(t, "Z", 1, "first", stateKeyed("a"))
	n.push("B", first)
	if v := n.push("C", first); v != VerdictDuplicate || !n.s.links["C"].lazy[GroupState] {
		t.Fatalf("the duplicate is answered %v", v)
	}
	second := rumorOf(t, "Y", 1, "second", stateKeyed("a"))
	if v := n.push("C", second); v != VerdictNew || n.s.links["C"].lazy[GroupState] {
		t.Errorf("what came by the pruned link is answered %v, and the link stays pruned", v)
	}
	// The other end: pruned by a verdict, taken back by the next.
	n.mute["B"] = true
	n.forget()
	n.publish(0, "own", asState("b"))
	n.publish(0, "other", asState("c"))
	mustEqual(t, "pushed", pushedTo(n, "B"), []string{"own", "other"})
	n.recv("B", &Receipt{[]Verdict{VerdictDuplicate}})
	if !n.s.links["B"].lazy[GroupState] {
		t.Error("a duplicate at the other end prunes nothing")
	}
	n.recv("B", &Receipt{[]Verdict{VerdictNew}})
	if n.s.links["B"].lazy[GroupState] {
		t.Error("what was new at the other end leaves the link pruned")
	}
}
