package gossip

import (
	"fmt"
	"testing"
	"time"
)

// Newcomers are given everything at once, also while another comparison is going on,
// and what was pushed to them meanwhile is not given again.
func TestNewcomersNeedNoTurn(t *testing.T) {
	n := alone(t)
	n.do(LinkUp{Peer: "B", Dialled: true})
	n.mute["B"] = true // and never answers
	for i := range 40 {
		n.push("B", presenceOf(t, PeerID(fmt.Sprint("Z", i)), 1, Presence{}))
	}
	for _, p := range []PeerID{"P", "Q"} {
		n.up(p)
	}
	n.push("B", presenceOf(t, "Y", 1, Presence{})) // it goes to P and Q
	for _, p := range []PeerID{"P", "Q"} {
		n.recv(p, &Sync{Group: GroupPresence, Ranges: []Range{{Mode: RangeIDs}}})
		if got := len(sent[*Fill](n, p)); got != 40 {
			t.Errorf("%s was given %d presences, want 40", p, got)
		}
		if got := sent[*Sync](n, p); len(got) != 1 || !allSkipped(got[0].Ranges) {
			t.Errorf("%s was answered %v, want that this was all", p, got)
		}
	}
}

// A node compares one group with one neighbour at a time, and no turn is lost
// when that neighbour goes.
func TestQueueGoesOnAfterLinkDown(t *testing.T) {
	w := newWorld(t)
	n := w.add("A")
	n.solo, n.mute = true, nil
	n.module(1, 7)
	dialled := func(p PeerID) {
		n.do(LinkUp{Peer: p, Dialled: true})
		n.recv(p, &Interests{Types: []uint16{7}})
	}
	dialled("B")
	dialled("C")
	if got := sent[*Sync](n, "C"); len(got) != 0 {
		t.Fatalf("compared with two at once")
	}
	n.do(LinkDown{"B"})
	n.wait(10 * time.Millisecond)
	if got := sent[*Sync](n, "C"); len(got) != 2 {
		t.Errorf("%d comparisons with C, want one of presences and one of type 7", len(got))
	}
	// Silence ends a comparison, too.
	dialled("D")
	n.wait(2 * syncPatience)
	if got := sent[*Sync](n, "D"); len(got) != 2 {
		t.Errorf("%d comparisons with D after C said nothing", len(got))
	}
}

// If both begin at once one of the two comparisons is dropped, and never both.
func TestCrossingOpenings(t *testing.T) {
	opening := &Sync{Group: 7, Ranges: []Range{{Mode: RangeFingerprint}}}
	n := alone(t)
	n.module(1, 7)
	n.up("Z", 7) // larger than this node, which therefore begins
	n.forget()
	n.recv("Z", opening)
	if got := sent[*Sync](n, "Z"); len(got) != 0 {
		t.Error("the smaller ID answers while its own opening is on its way")
	}
	// Z was busy when that came, and never answers it.
	n.wait(2 * syncPatience)
	if len(sent[*Sync](n, "Z")) == 0 {
		t.Error("neither of the two goes on")
	}

	n = alone(t)
	n.module(1, 7)
	n.up("A", 7)
	n.recv("A", opening) // this node has the larger ID: it answers
	n.wait(2 * syncPatience)
	n.s.links["A"].retry = true // and now has a reason to begin itself
	n.do(Tick{})
	n.wait(pingInterval)
	n.forget()
	n.recv("A", opening)
	if got := sent[*Sync](n, "A"); len(got) != 1 || got[0].Ranges[0].Mode != RangeIDs {
		t.Errorf("the larger ID does not answer: %v", got)
	}
}

// A node that is busy puts those off whose set differs, and begins with them when
// it has time. Equal sets need no turn: if they did, nodes would go on owing
// each other turns for ever.
func TestBusyComparison(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.publish(7, "x")
	n.up("N", 7) // this node begins with it, and waits
	n.up("O", 7)
	n.up("P", 7)
	n.s.syncs.by[7].queue = nil
	n.forget()
	mine := fingerprint(n.s.set(7, 0), Point{})
	n.recv("O", &Sync{Group: 7, Ranges: []Range{mine}})
	if got := sent[*Sync](n, "O"); len(got) != 1 || len(got[0].Ranges) != 1 || got[0].Ranges[0].Mode != RangeSkip {
		t.Errorf("an equal set is answered with %v", got)
	}
	n.recv("P", &Sync{Group: 7, Ranges: []Range{{Mode: RangeFingerprint}}})
	if got := sent[*Sync](n, "P"); len(got) != 1 || len(got[0].Ranges) != 0 {
		t.Errorf("another set is answered with %v", got)
	}
	n.recv("N", &Sync{Group: 7, Ranges: []Range{{}}}) // equal, and done
	if o, p := len(sent[*Sync](n, "O")), len(sent[*Sync](n, "P")); o != 1 || p != 2 {
		t.Errorf("%d messages to O, which is equal, and %d to P, whose turn it is", o, p)
	}
}

// turns counts the openings of type 7 that a core sent to a peer.
func turns(n *tnode, p PeerID) (count int) {
	for _, m := range sent[*Sync](n, p) {
		if m.Group == 7 && len(m.Ranges) == 1 && m.Ranges[0].Mode == RangeFingerprint {
			count++
		}
	}
	return count
}

// Who brings something new in each comparison is compared with again when others had
// their turn.
func TestNewsDoNotKeepTheTurn(t *testing.T) {
	n := alone(t, func(c *Config) { c.ContinueMongering = 0 })
	n.module(1, 7)
	for _, p := range []PeerID{"N", "O", "P"} { // larger than this node, which begins
		n.up(p, 7)
	}
	done := &Sync{Group: 7, Ranges: []Range{{}}}
	for i, want := range [][3]int{{1, 1, 0}, {1, 1, 1}, {2, 1, 1}} {
		n.recv([]PeerID{"N", "O", "P"}[i], &Fill{rumorOf(t, "Z", uint64(i+1), "new"), 1})
		n.recv([]PeerID{"N", "O", "P"}[i], done)
		if got := [3]int{turns(n, "N"), turns(n, "O"), turns(n, "P")}; got != want {
			t.Errorf("after comparison %d N, O and P had %v turns, want %v", i+1, got, want)
		}
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// Who has a small peer ID and opens whenever somebody else's turn begins has every other
// turn at most.
func TestGivingWayInTurn(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.publish(7, "x")
	for _, p := range []PeerID{"A", "N", "O"} {
		n.up(p, 7)
	}
	opening, done := &Sync{Group: 7, Ranges: []Range{{Mode: RangeFingerprint}}}, &Sync{Group: 7, Ranges: []Range{{}}}
	n.recv("A", opening)
	n.recv("A", done)
	if got := turns(n, "O"); got != 1 {
		t.Fatalf("O had %d turns after N gave way to A", got)
	}
	n.forget()
	n.recv("A", opening)
	if got := sent[*Sync](n, "A"); len(got) != 1 || len(got[0].Ranges) != 0 {
		t.Errorf("A has every turn: it is answered %v", got)
	}
	n.recv("O", done)
	if got := turns(n, "N"); got != 1 {
		t.Errorf("N had %d turns after O", got)
	}
	n.recv("A", opening)
	if got := sent[*Sync](n, "A"); len(got) != 2 || len(got[1].Ranges) == 0 {
		t.Errorf("after that nobody gives way: A is answered %v", got)
	}
}

// Who answers pings late does not keep a comparison going for longer than somebody far
// away needs.
func TestLatePongsGiveLittleTime(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("N")
	n.s.links["N"].rtt = 10 * time.Second
	n.recv("N", &Interests{Types: []uint16{7}})
	n.up("O", 7)
	for range 2 * (syncLimit + 10*maxTrip) / time.Second {
		if turns(n, "O") != 0 {
			t.Error("a comparison in which something happens is ended early")
		}
		n.recv("N", &Want{7, []RumorID{{1}}})
		n.wait(time.Second / 2)
	}
	n.wait(time.Millisecond)
	if turns(n, "O") != 1 {
		t.Error("O has no turn")
	}
}

// Who is gone waits for nothing.
func TestGoneLeavesTheQueue(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	for _, p := range []PeerID{"N", "O"} {
		n.up(p, 7)
	}
	n.do(LinkDown{"O"})
	if got := n.s.syncs.by[7].queue; len(got) != 0 {
		t.Errorf("%q wait for their turn", got)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// Periodic comparisons, with one neighbour after the other.
func TestAntiEntropyInterval(t *testing.T) {
	n := alone(t, func(c *Config) { c.AntiEntropy = 500 * time.Millisecond })
	n.up("B")
	n.up("C")
	n.forget()
	n.wait(100 * time.Second)
	b, c := len(sent[*Sync](n, "B")), len(sent[*Sync](n, "C"))
	if b+c < 70 || b+c > 220 || b < c-1 || b > c+1 {
		t.Errorf("%d and %d comparisons in 100 seconds", b, c)
	}
	n = alone(t)
	n.up("B")
	n.wait(time.Minute)
	if got := n.s.Status().Counters.Syncs; got != 0 {
		t.Errorf("%d comparisons though there are to be none", got)
	}
}

// Who learnt something by a comparison goes on with others: always, never, or
// by chance.
func TestContinueMongering(t *testing.T) {
	for probability, want := range map[float64]int{0: 0, 1: 1} {
		w := newWorld(t)
		for _, id := range []PeerID{"A", "B", "C"} {
			w.add(id, func(c *Config) { c.ContinueMongering = probability }).module(1, 7)
		}
		w.link("B", "C")
		w.node("A").publish(7, "x")
		w.wait(time.Minute)
		w.link("A", "B")
		w.wait(time.Minute)
		mustEqual(t, "B was told", w.node("B").told(1), []string{"x"})
		if got := len(w.node("C").told(1)); got != want {
			t.Errorf("continue-mongering %v: C was told %d", probability, got)
		}
	}
}
