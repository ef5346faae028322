package integration_test

import (
	"testing"
	"testing/synctest"
	"time"

	"hearsay/integration"
)

// Nodes that have just met count each other at once, and doubt it. The doubt passes by
// itself, when news of more would have come.
func TestSizeSettles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const nodes, settle = 3, 3 * time.Second // joinsSettle of package gossip
		c := integration.New(t, nodes, integration.WithoutAPI())
		for i := range nodes {
			c.AwaitMembers(i, nodes)
		}
		for i := range nodes {
			if all, deviation := c.Node(i).Running().EstimateSize(); all != nodes || deviation == 0 || deviation > nodes-1 {
				t.Errorf("node %d estimates %v ± %v at first, want %d and some doubt", i, all, deviation, nodes)
			}
		}
		time.Sleep(settle)
		for i := range nodes {
			if all, deviation := c.Node(i).Running().EstimateSize(); all != nodes || deviation != 0 {
				t.Errorf("node %d estimates %v ± %v %v later, want %d ± 0", i, all, deviation, settle, nodes)
			}
		}
	})
}
