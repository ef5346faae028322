package sim

import (
	"fmt"
	"testing"
	"time"
)

// TestRareType: a few nodes that take a data type, among many that do not, find
// each other, although nobody else would relay for them.
func TestRareType(t *testing.T) {
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
