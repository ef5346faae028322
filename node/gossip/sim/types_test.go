package sim

import (
	"fmt"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// TestThreeTakersAmongMany: a data type has three takers, far apart among 200
// nodes that take another one. Within five seconds of their start a rumor of each
// has reached the other two (and the module beside it).
func TestThreeTakersAmongMany(t *testing.T) {
	for seed := range uint64(campaign(t, 2)) {
		nodes := 200 / scale
		n := New(Config{Seed: seed, Nodes: nodes, Core: core(6), Latency: 20 * time.Millisecond, Contacts: 1})
		takers := []int{nodes - 3, nodes - 2, nodes - 1}
		for i := range nodes - 3 {
			n.Start(i, time.Duration(i)*10*time.Millisecond)
			n.Subscribe(i, 1, 7, true)
		}
		n.Run(20 * time.Second)
		for _, i := range takers {
			n.Subscribe(i, 1, 4711, true)
			n.Start(i, 0)
		}
		n.Run(time.Second) // until each has an identity to sign with and somebody to tell
		for _, i := range takers {
			n.Announce(i, gossip.Publish{Kind: gossip.KindEvent, DataType: 4711, Payload: fmt.Appendf(nil, "rare %d", i)})
		}
		n.Run(4 * time.Second)
		check(t, n)
		told, last := n.Stats().Deliveries, time.Second+n.LastDelivery()
		t.Logf("seed %d: %d deliveries, the last %v after the start", seed, told, last)
		if told != 9 || last > 5*time.Second {
			t.Errorf("seed %d: told %d times, want 9 within 5 s", seed, told)
		}
	}
}
