package node

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Two nodes run with one hostkey, each with a neighbour of its own: both say so,
// in words that name the cure.
func TestCopiedKeyIsSaid(t *testing.T) {
	// Who meets the neighbour of the other one takes its place there, and the two
	// are busy with that.
	apart := func(cfg *Config) { cfg.PeerExchange = false }
	a, _ := startNode(t, apart)
	b, _ := startNode(t, apart)
	c, _ := startNode(t, apart)
	twin, _ := startNode(t, func(cfg *Config) { apart(cfg); cfg.Identity = a.cfg.Identity })
	introduce(a, b)
	meet(t, a, b)
	introduce(b, c)
	meet(t, b, c)
	introduce(c, twin)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, n := range []*Node{a, twin} {
		for {
			if w := strings.Join(n.Status().Warnings, "\n"); strings.Contains(w, "Another node uses this node's hostkey") && strings.Contains(w, "hearsay key new") {
				break
			}
			select {
			case <-ctx.Done():
				t.Fatalf("warnings %q, %d proofs", n.Status().Warnings, n.Status().Counters["copy_proofs"])
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	if w := b.Status().Warnings; len(w) != 0 {
		t.Errorf("a third party warns of %q", w)
	}
}
