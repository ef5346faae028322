package sim

import (
	"fmt"
	"testing"
	"time"
)

// TestRareType: a few nodes that take a data type, among many that do not, find
// each other, although nobody else would relay for them.
func TestRareType(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 3)) {
		const nodes, takers = 100, 6
		n := New(Config{Seed: seed, Nodes: nodes, Core: core(6), Latency: 20 * time.Millisecond, Contacts: 3})
		for i := range nodes {
			n.Start(i, time.Duration(i)*10*time.Millisecond)
		}
		n.Run(20 * time.Second)
		for i := range takers {
			n.Subscribe(i*nodes/takers, 1, 4711, true)
		}
		n.Run(5 * time.Second)
		for i := range takers {
			n.Publish(i*nodes/takers, 4711, 0, fmt.Appendf(nil, "rare %d", i))
		}
		n.Run(5 * time.Second)
		check(t, n)
	}
}

// TestSilentTakers: most of those that say they take a rare type hand nothing on.
// Those that do hear of each other all the same, from who does not take it itself,
// too, because they go on looking when they have takers enough.
func TestSilentTakers(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 3)) {
		const nodes = 60
		takes := func(i int) bool { return i%5 < 2 }
		silent := func(i int) bool { return i%5 == 1 } // 12 of 24 takers
		n := New(Config{
			Seed: seed, Nodes: nodes, Core: core(6), Latency: 20 * time.Millisecond, Contacts: 3,
			Hostile: silent, Wrap: Byzantine(seed, Withhold, silent),
		})
		for i := range nodes {
			n.Start(i, time.Duration(i)*10*time.Millisecond)
		}
		n.Run(20 * time.Second)
		for i := range nodes {
			if takes(i) {
				n.Subscribe(i, 1, 4711, true)
			}
		}
		n.Run(2 * time.Minute)
		for i := range nodes {
			if !silent(i) {
				n.Publish(i, 4711, 0, fmt.Appendf(nil, "rare %d", i))
			}
		}
		for range 20 {
			if n.Run(30 * time.Second); len(n.Missing()) == 0 && len(n.Components(4711)) == 1 {
				break
			}
		}
		check(t, n)
		if p := n.Components(4711); len(p) != 1 {
			t.Errorf("seed %d: the takers are in parts %v", seed, p)
		}
	}
}
