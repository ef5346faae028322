package gossip

import (
	"fmt"
	"testing"
)

// What may never have been here takes no link out of the shared tree when its number comes
// again. Else who signs two rumors with
// one number, and tells one to each half of a network, would cut the halves apart.
func TestNeverHerePrunesNothing(t *testing.T) {
	run := func(epoch uint64) func(*Header) { return func(h *Header) { h.Epoch = epoch } }
	for name, c := range map[string]struct {
		before func(n *tnode)
		again  *Rumor
		want   Verdict
	}{
		"what came by a push": {func(n *tnode) {
			n.push("B", rumorOf(t, "Z", 1, "one"))
		}, rumorOf(t, "Z", 1, "one"), VerdictDuplicate},
		"another of its number": {func(n *tnode) {
			n.push("B", rumorOf(t, "Z", 1, "one"))
		}, rumorOf(t, "Z", 1, "two"), VerdictKnown},
		"one of many of its number": {func(n *tnode) {
			n.push("B", rumorOf(t, "Z", 1, "one"))
			n.push("B", rumorOf(t, "Z", 1, "two"))
		}, rumorOf(t, "Z", 1, "three"), VerdictKnown},
		"another when no more can be remembered to equivocate": {func(n *tnode) {
			for i := range maxTwofaced {
				n.s.twofaced[PeerID(fmt.Sprint("o", i))] = twofaced{at: n.w.now}
			}
			n.push("B", rumorOf(t, "Z", 1, "one"))
		}, rumorOf(t, "Z", 1, "two"), VerdictKnown},
		"another when its origin has had its turn": {func(n *tnode) {
			n.push("B", rumorOf(t, "Z", 1, "one"))
			n.s.intake.turns["Z"] = &allowance{at: n.w.now}
			n.s.links["C"].meter.rumors = allowance{at: n.w.now}
		}, rumorOf(t, "Z", 1, "two"), VerdictKnown},
		"one of a run that is closed": {func(n *tnode) {
			for i := range uint64(maxRuns + 1) {
				n.push("B", rumorOf(t, "Z", 1, fmt.Sprint(i), run(i+2)))
			}
		}, rumorOf(t, "Z", 1, "old", run(1)), VerdictKnown},
		"one that is gone again": {func(n *tnode) {
			n.s.windows.mark(rumorOf(t, "Z", 1, "one"))
		}, rumorOf(t, "Z", 1, "one"), VerdictDuplicate},
		"one that is gone again, of who equivocated by another number": {func(n *tnode) {
			n.push("B", rumorOf(t, "Z", 1, "one"))
			n.push("B", rumorOf(t, "Z", 1, "two"))
			n.s.windows.mark(rumorOf(t, "Z", 2, "gone"))
		}, rumorOf(t, "Z", 2, "gone"), VerdictDuplicate},
		"one of many of its number, that are gone again": {func(n *tnode) {
			n.push("B", rumorOf(t, "Z", 1, "one"))
			n.push("B", rumorOf(t, "Z", 1, "two"))
			n.s.store.remove(n.s.store.numbers[number{origin{"Z", 1}, 1}])
		}, rumorOf(t, "Z", 1, "three"), VerdictKnown},
		"one of which the ID was given": {func(n *tnode) {
			r := rumorOf(t, "Z", 1, "gone")
			n.s.windows.mark(r)
			n.recv("B", &Fill{r, 1})
		}, rumorOf(t, "Z", 1, "gone"), VerdictKnown},
	} {
		t.Run(name, func(t *testing.T) {
			n := alone(t)
			n.module(1, 7)
			n.up("B", 7)
			n.up("C", 7)
			c.before(n)
			accepted := n.s.count.Accepted
			v := n.push("C", c.again)
			if v != c.want || n.s.links["C"].lazy[7] != (c.want == VerdictDuplicate) {
				t.Errorf("verdict %d, want %d; pruned: %v", v, c.want, n.s.links["C"].lazy[7])
			}
			if n.s.count.Accepted != accepted {
				t.Error("it is taken for new")
			}
			if err := n.s.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}
