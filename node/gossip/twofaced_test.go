package gossip

import (
	"fmt"
	"strings"
	"testing"
)

// Proofs of equivocation are kept whole up to so many bytes, and for so long; of those
// before only the IDs.
func TestProofsAreBounded(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	for _, p := range []PeerID{"B", "C", "D"} {
		n.up(p, 7)
	}
	const many, size = 100, 60_000
	long := func(h *Header) { h.Expires = h.Created + MaxLifetime.Milliseconds() }
	var twins []RumorID
	equivocate := func(i int) {
		o := PeerID(fmt.Sprint("o", i))
		n.recv("B", &Push{Rumor: rumorOf(t, o, 1, "one", long), Hops: 1})
		twin := rumorOf(t, o, 1, strings.Repeat("x", size), long)
		n.recv("C", &Push{Rumor: twin, Hops: 1})
		twins = append(twins, twin.ID)
	}
	given := func() int {
		n.forget()
		n.recv("D", &Want{7, twins})
		return len(sent[*Fill](n, "D"))
	}
	for i := range many {
		equivocate(i)
	}
	st := n.s.store
	if n.s.count.Equivocations != many || st.proofBytes > maxProofBytes || st.proofBytes < maxProofBytes*9/10 {
		t.Errorf("of %d equivocations there are %d bytes of proofs, at most %d", n.s.count.Equivocations, st.proofBytes, maxProofBytes)
	}
	if got := given(); got != maxProofBytes/size {
		t.Errorf("%d proofs are given, want as many as are kept, %d", got, maxProofBytes/size)
	}
	for _, id := range twins {
		if e := st.entries[id]; e == nil || e.state != refused {
			t.Fatalf("the ID of %v is forgotten", id)
		}
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
	n.wait(twofacedMemory)
	equivocate(many)
	if len(st.proofs) != 1 || st.proofBytes < size || st.proofBytes > 2*size {
		t.Errorf("an hour later there are %d proofs of %d bytes, want the latest", len(st.proofs), st.proofBytes)
	}
	n.wait(MaxLifetime)
	if st.proofBytes != 0 {
		t.Errorf("%d bytes of proofs outlive them", st.proofBytes)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// The other rumor of one number may be an old version of a state. Nothing that is older
// than the newest becomes new by it.
func TestOldTwinBringsNothingBack(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.up("C", 7)
	state := func(key string) func(*Header) {
		return func(h *Header) { h.Kind, h.Key = KindState, key }
	}
	n.push("B", rumorOf(t, "Z", 3, "first", state("a")))
	n.push("B", rumorOf(t, "Z", 5, "newest", state("k")))
	n.push("C", rumorOf(t, "Z", 3, "twin", state("k")))
	if n.s.count.Equivocations != 1 {
		t.Errorf("%d equivocations are counted", n.s.count.Equivocations)
	}
	if v := n.push("B", rumorOf(t, "Z", 4, "old", state("k"))); v != VerdictStale {
		t.Errorf("what was superseded before has verdict %d", v)
	}
	mustEqual(t, "told", n.told(1), []string{"first", "newest"})
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}
