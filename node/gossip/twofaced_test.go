package gossip

import (
	"fmt"
	"strings"
	"testing"
	"time"
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

// Of two versions of a state with one number the first is kept, also while it waits for votes.
// After them the other one is remembered, so that it is not fetched again and again.
func TestTwinOfHeldState(t *testing.T) {
	n := alone(t)
	n.subscribe(1, true, 7)
	n.up("B", 7)
	n.up("C", 7)
	state := func(h *Header) { h.Kind, h.Key = KindState, "k" }
	first := rumorOf(t, "Z", 1, "first", state)
	n.push("B", first)
	twin := rumorOf(t, "Z", 1, "twin", state)
	n.push("C", twin)
	if n.s.count.Equivocations != 1 {
		t.Errorf("%d equivocations are counted", n.s.count.Equivocations)
	}
	n.forget()
	n.do(Vote{1, first.ID, true})
	mustEqual(t, "pushed", pushedTo(n, "C"), []string{"first"})
	for range 2 {
		if e := n.s.store.entries[first.ID]; e == nil || e.state != kept {
			t.Errorf("what was voted for is here as %+v", e)
		}
		n.recv("C", &Fill{twin, 1})
	}
	if e := n.s.store.entries[twin.ID]; e == nil || e.state != refused {
		t.Errorf("the other one is here as %+v", e)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// The other version of a state that modules refused is the proof, and stays that when the
// first comes again by a comparison.
func TestTwinOfRefusedState(t *testing.T) {
	n := alone(t)
	n.subscribe(1, true, 7)
	for _, p := range []PeerID{"B", "C", "D"} {
		n.up(p, 7)
	}
	first, twin := mood(t, 1, "first"), mood(t, 1, "twin")
	n.push("B", first)
	n.do(Vote{1, first.ID, false})
	n.push("C", twin)
	n.recv("B", &Fill{first, 1})
	n.forget()
	n.recv("D", &Want{7, []RumorID{twin.ID}})
	mustEqual(t, "given", filledTo(n, "D"), []string{"twin"})
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// What is only remembered takes no version of a state the place that waits for votes.
func TestHeldStateStaysWhenALaterOneIsRemembered(t *testing.T) {
	n := alone(t)
	n.subscribe(1, true, 7)
	n.up("B", 7)
	n.up("C", 7)
	waits, seen := mood(t, 5, "waits"), mood(t, 7, "seen")
	n.push("B", waits)
	n.s.windows.mark(seen)
	for _, want := range []entryState{held, kept} {
		n.recv("C", &Fill{seen, 1})
		if e := n.s.store.entries[waits.ID]; e == nil || e.state != want {
			t.Errorf("the version before is here as %+v, want it in state %d", e, want)
		}
		if got := n.s.store.entries[seen.ID] != nil; got != (want == kept) {
			t.Errorf("the later one is remembered: %v, the one before being in state %d", got, want)
		}
		n.do(Vote{1, waits.ID, true})
		if err := n.s.Check(); err != nil {
			t.Error(err)
		}
	}
}

// The number of two rumors counts as seen until both have expired, whichever came first.
func TestNumberOutlivesTwins(t *testing.T) {
	for _, fill := range []bool{false, true} {
		n := alone(t)
		n.module(1, 7)
		n.up("B", 7)
		n.up("C", 7)
		short := func(h *Header) { h.Expires = h.Created + time.Minute.Milliseconds() }
		n.push("B", rumorOf(t, "Z", 1, "first", short))
		twin := rumorOf(t, "Z", 1, "twin")
		if fill { // after the first has expired, so nothing proves that there were two
			n.wait(time.Minute)
			n.recv("C", &Fill{twin, 1})
		} else {
			n.push("C", twin)
		}
		n.wait(2*MaxSkew + time.Minute + 2*windowPause)
		if n.s.store.entries[twin.ID] == nil {
			t.Fatal("the other one is not remembered")
		}
		if v := n.push("C", rumorOf(t, "Z", 1, "third")); v != VerdictKnown {
			t.Errorf("a third one of the number gets verdict %d", v)
		}
		mustEqual(t, "told", n.told(1), []string{"first"})
		if err := n.s.Check(); err != nil {
			t.Error(err)
		}
	}
}

// Whose equivocations cannot be remembered any more costs no signature.
func TestFullTableChecksNoTwins(t *testing.T) {
	verifier := &asked{}
	n := alone(t, func(c *Config) { c.Verifier = verifier })
	n.module(1, 7)
	n.up("B", 7)
	for i := range maxTwofaced + 1 {
		o := PeerID(fmt.Sprint("o", i))
		n.recv("B", &Push{Rumor: rumorOf(t, o, 1, "one"), Hops: 1})
		verifier.whose = nil
		n.recv("B", &Push{Rumor: rumorOf(t, o, 1, "two"), Hops: 1})
		if got := len(verifier.whose); (got == 1) != (i < maxTwofaced) {
			t.Fatalf("at the %d. origin that equivocates %d signatures are checked", i+1, got)
		}
	}
	n.wait(twofacedMemory - time.Minute) // what was said lives for an hour
	n.s.twofaced["o0"] = twofaced{at: n.w.now.Add(-twofacedMemory)}
	n.recv("B", &Push{Rumor: rumorOf(t, "new", 1, "one"), Hops: 1})
	n.recv("B", &Push{Rumor: rumorOf(t, "new", 1, "two"), Hops: 1})
	if n.s.twofaced["new"].at.IsZero() || len(n.s.twofaced) != maxTwofaced {
		t.Error("there is no room for a new one when an old one is forgotten")
	}
}

// What a neighbour may not tell any more is not looked at to remember its ID, or as a
// proof, either.
func TestNothingIsLookedAtBeyondTheIntake(t *testing.T) {
	verifier := &asked{}
	n := alone(t, func(c *Config) { c.Verifier, c.CacheSize = verifier, 1 })
	n.module(1, 7)
	n.up("B", 7)
	n.push("B", presenceOf(t, "Z", 1, Presence{}))
	seen := rumorOf(t, "Z", 2, "seen")
	n.s.windows.mark(seen)
	n.push("B", rumorOf(t, "Z", 3, "one"))
	n.s.intake.turns["Z"] = &allowance{at: n.w.now}
	n.s.links["B"].meter.rumors = allowance{at: n.w.now}
	verifier.whose = nil
	n.recv("B", &Fill{seen, 1})
	n.recv("B", &Push{Rumor: rumorOf(t, "Z", 3, "two"), Hops: 1})
	if got := len(verifier.whose); got != 0 {
		t.Errorf("%d signatures are checked", got)
	}
	n.wait(time.Second)
	n.recv("B", &Fill{seen, 1})
	n.recv("B", &Push{Rumor: rumorOf(t, "Z", 3, "two"), Hops: 1})
	if got := len(verifier.whose); got != 2 || n.s.store.entries[seen.ID] == nil || n.s.count.Equivocations != 1 {
		t.Errorf("a second later %d signatures are checked, and %d equivocations noticed", got, n.s.count.Equivocations)
	}
}
