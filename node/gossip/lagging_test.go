package gossip

import (
	"testing"
	"time"
)

// What a node that was asleep or is slow thinks of itself and of others.

// A node that was held up does not accuse: it may be the one that did not
// answer. It looks again when it is well.
func TestLaggingNodeDoubtsItself(t *testing.T) {
	n := crowd(t, "C", "D", "E", "F", "Z")
	n.up("Z")
	n.wait(pingInterval)
	n.forget()
	n.w.now = n.w.now.Add(pingInterval + 10*time.Second) // without a tick
	n.do(LinkDown{"Z"})
	if st := n.s.Status(); st.Counters.Lags != 1 || !n.s.doubtsItself() {
		t.Fatalf("%d lags noticed", st.Counters.Lags)
	}
	n.wait(redialSpread)
	n.do(DialFailed{"Z"})
	n.wait(15 * time.Second)
	mustEqual(t, "changes while it doubts itself", n.changes("Z"), nil)
	n.wait(10 * time.Second)
	if got := n.dials(); len(got) < 2 || got[len(got)-1] != "Z" {
		t.Fatalf("dialled %v", got)
	}
	n.do(DialFailed{"Z"})
	mustEqual(t, "changes", n.changes("Z"), []PeerChange{PeerSuspected})
}

// Its neighbours' pongs may have come while it slept, and so may refutations.
func TestLaggingNodeReadsFirst(t *testing.T) {
	n := crowd(t, "C", "D", "E", "F", "X")
	n.up("Z")
	n.wait(pingInterval)
	n.mute["Z"] = true
	n.wait(pingInterval)
	n.forget()
	for _, by := range []PeerID{"C", "D", "E", "F"} {
		n.accuse(by, 2, "X", 1)
	}
	n.w.now = n.w.now.Add(20 * time.Second)
	n.do(Tick{})
	if len(actions[Hangup](n)) != 0 {
		t.Error("it takes for silent what it did not read")
	}
	mustEqual(t, "changes", n.changes("X"), []PeerChange{PeerSuspected})
	n.hear("X", 2, Presence{Refutes: true})
	mustEqual(t, "changes", n.changes("X"), []PeerChange{PeerSuspected, PeerBack})
	// Once, though: who lags for ever notices the dead all the same.
	for range 4 {
		n.w.now = n.w.now.Add(10 * time.Second)
		n.do(Tick{})
	}
	if got := actions[Hangup](n); len(got) != 1 || got[0].Peer != "Z" {
		t.Errorf("hangups %v", got)
	}
}
