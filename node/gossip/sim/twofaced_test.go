package sim

import (
	"fmt"
	"testing"
	"time"
)

// TestEquivocatorIsKnown: a node that tells each half of its neighbours another
// rumor under the same number is known for it everywhere two rounds of anti-entropy
// later, and nobody is told both.
func TestEquivocatorIsKnown(t *testing.T) {
	for seed := range uint64(campaign(t, 5)) {
		const nodes = 20
		bad := func(i int) bool { return i == nodes-1 }
		n := spread(seed, nodes, 6, 0, func(c *Config) {
			c.Hostile, c.Wrap = bad, Byzantine(seed, Equivocate, bad)
		})
		for i := range 10 {
			n.Publish(nodes-1, 7, 0, fmt.Append(nil, i))
			n.Run(100 * time.Millisecond)
		}
		n.Run(2 * core(6).AntiEntropy * 5 / 4)
		check(t, n)
		known := 0
		for i := range nodes - 1 {
			st, err := n.Status(i)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range st.Members {
				switch {
				case m.Twofaced.IsZero():
				case m.Peer == n.Peer(nodes-1):
					known++
				default:
					t.Errorf("seed %d: node %d says of an honest one that it equivocates", seed, i)
				}
			}
		}
		half := 0
		for _, i := range n.Neighbours(nodes - 1) {
			if odd(n.Peer(i)) {
				half++
			}
		}
		if both := half > 0 && half < len(n.Neighbours(nodes-1)); both && known < nodes-1 {
			t.Errorf("seed %d: %d of %d nodes know who equivocates", seed, known, nodes-1)
		}
	}
}
