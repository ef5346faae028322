package gossip

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// bereaved is a node that had the rumors of some origins from A, whose other
// neighbours of type 7 are C, D, E, F and G, not in the shared tree. C would have been
// next, and F and G are children.
func bereaved(t *testing.T, origins ...PeerID) *tnode {
	n := alone(t)
	n.module(1, 7)
	n.up("A", 7)
	for _, p := range []PeerID{"C", "D", "E", "F", "G"} {
		n.up(p, 7)
		n.s.links[p].lazy[7] = true
	}
	for _, origin := range origins {
		for seq := range uint64(sourceOften) {
			r := rumorOf(t, origin, seq+1, fmt.Sprint(origin, seq))
			n.recv("A", &Push{Rumor: r, Hops: 2})
			n.wait(200 * time.Millisecond)
			n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}, Held: []uint16{201}})
			n.wait(800 * time.Millisecond)
			if seq == 0 {
				n.recv("F", &Graft{Group: 7, Origins: []ShortID{r.ID.Short()}})
				n.recv("G", &Graft{Group: 7, Origins: []ShortID{r.ID.Short()}})
			}
		}
	}
	n.forget()
	return n
}

// When the parent is gone several others are asked at once for what it brought: who
// would have been next is one of them, who hangs on this node is none.
func TestParentReplaced(t *testing.T) {
	n := bereaved(t, "X", "Z")
	n.do(LinkDown{"A"})
	asked := make(map[ShortID]int) // how many were asked, by the rumor that names the origin
	for _, p := range []PeerID{"C", "D", "E", "F", "G"} {
		messages := 0
		for _, m := range sent[*Graft](n, p) {
			if len(m.Origins) > 0 {
				messages++
			}
			for _, id := range m.Origins {
				asked[id]++
			}
		}
		switch {
		case messages > 1:
			t.Errorf("%s was asked in %d messages", p, messages)
		case p == "C" && origins(n, p) != 2:
			t.Errorf("%s, who would have been next, was asked for %d origins of 2", p, origins(n, p))
		case p >= "F" && messages != 0:
			t.Errorf("%s was asked for what it has from here", p)
		}
	}
	if len(asked) != 2 {
		t.Errorf("asked for %d origins of 2", len(asked))
	}
	for _, times := range asked {
		if times != mendLinks {
			t.Errorf("%d were asked, %d should be", times, mendLinks)
		}
	}
	// Who is asked is told nothing of these origins in full meanwhile: they would
	// push to each other.
	for _, p := range []PeerID{"C", "D", "E"} {
		if origins(n, p) == 2 && n.s.links[p].eager(7, n.s.sources[sourceKey{7, "X"}]) {
			t.Errorf("%s is pushed to and asked to push", p)
		}
	}
}

// Who has been silent for long is not asked for, nor what came by other links.
func TestOnlyLostParentReplaced(t *testing.T) {
	n := bereaved(t, "Z")
	n.do(LinkDown{"D"})
	n.wait(sourceIdle + time.Second)
	n.do(LinkDown{"A"})
	for _, p := range []PeerID{"C", "E", "F", "G"} {
		if got := origins(n, p); got != 0 {
			t.Errorf("%s was asked for %d origins", p, got)
		}
	}
}

// Of two that ask each other one has to look elsewhere.
func TestAskedByWhoIsAsked(t *testing.T) {
	for self, want := range map[PeerID]bool{"B": false, "Y": true} {
		n := newWorld(t).add(self)
		n.solo, n.mute, n.s.grown = true, make(map[PeerID]bool), true
		n.module(1, 7)
		n.up("A", 7)
		n.up("M", 7)
		n.s.links["M"].lazy[7] = true
		var r *Rumor
		for seq := range uint64(sourceOften) {
			r = rumorOf(t, "Z", seq+1, fmt.Sprint(seq))
			n.recv("A", &Push{Rumor: r, Hops: 2})
			n.wait(time.Second)
		}
		n.do(LinkDown{"A"})
		if origins(n, "M") != 1 {
			t.Fatal("M was not asked")
		}
		n.recv("M", &Graft{Group: 7, Origins: []ShortID{r.ID.Short()}})
		if got := n.s.links["M"].eager(7, n.s.sources[sourceKey{7, "Z"}]); got != want {
			t.Errorf("%s pushes to M, which it asked: %v, want %v", self, got, want)
		}
	}
}

// What is known to be missing is not waited for.
func TestMissingAskedForAtOnce(t *testing.T) {
	n := bereaved(t)
	r := rumorOf(t, "Z", 1, "a")
	n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
	n.do(LinkDown{"A"})
	if got := sent[*Graft](n, "C"); len(got) != 1 || len(got[0].IDs) != 1 {
		t.Errorf("asked for %v", got)
	}
}

// Nor is the answer of one that is gone, if another told of it, too.
func TestMissingAskedForAgain(t *testing.T) {
	n := bereaved(t)
	have := &Have{Group: 7, IDs: []ShortID{rumorOf(t, "Z", 1, "a").ID.Short()}}
	n.recv("C", have)
	n.recv("D", have)
	n.wait(graftDelay + 2*n.s.lateness)
	if c, d := len(sent[*Graft](n, "C")), len(sent[*Graft](n, "D")); c != 1 || d != 0 {
		t.Fatalf("C was asked %d times, D %d times", c, d)
	}
	n.do(LinkDown{"F"}) // which was not asked
	if got := len(sent[*Graft](n, "D")); got != 0 {
		t.Errorf("D was asked %d times while C may answer", got)
	}
	n.do(LinkDown{"C"})
	if got := len(sent[*Graft](n, "D")); got != 1 {
		t.Errorf("D was asked %d times after the loss of C", got)
	}
}

// When all who told of a rumor were asked, the loss of the last leaves the answers of
// the others to be waited for.
func TestAnswersAreWaitedFor(t *testing.T) {
	n := bereaved(t)
	r := rumorOf(t, "Z", 1, "a")
	have := &Have{Group: 7, IDs: []ShortID{r.ID.Short()}}
	n.recv("C", have)
	n.recv("D", have)
	n.wait(graftDelay + 2*n.s.lateness + graftAgain)
	if c, d := len(sent[*Graft](n, "C")), len(sent[*Graft](n, "D")); c != 1 || d != 1 {
		t.Fatalf("C was asked %d times, D %d times", c, d)
	}
	n.do(LinkDown{"D"})
	if n.s.missing[missingOf(r)] == nil {
		t.Error("it is given up while C may answer")
	}
}

// What comes by a landmark's tree while this node is an orphan did not fail to come.
func TestOrphanTrustsLandmark(t *testing.T) {
	n, landmark := inForest(t)
	n.recv("B", near(landmark, 1, 20, false))
	n.wait(time.Second)
	for seq := range uint64(sourceOften) {
		n.recv("A", &Push{Rumor: rumorOf(t, "X", seq+1, fmt.Sprint(seq)), Hops: 2})
	}
	n.do(LinkDown{"A"})
	if !n.s.orphaned() {
		t.Fatal("it is no orphan")
	}
	r := rumorOf(t, "Y", 1, "y")
	n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
	n.recv("B", &Push{Rumor: r, Hops: 2, Landmark: landmark})
	if tree := n.s.branch(7, landmark); tree == nil || tree.parent != n.s.links["B"].slot {
		t.Error("the next hop, which brought it, is not believed any more")
	}
}

// The shared tree, too, gets another link, if the lost one brought something or was
// the last.
func TestSharedTreeReplaced(t *testing.T) {
	regrafts := func(n *tnode) (count int) {
		for _, p := range []PeerID{"C", "D", "E", "F", "G"} {
			for _, m := range sent[*Graft](n, p) {
				if len(m.IDs)+len(m.Origins) == 0 {
					count++
					if n.s.links[p].lazy[7] {
						t.Errorf("%s stays lazy", p)
					}
				}
			}
		}
		return count
	}
	n := bereaved(t, "Z")
	n.do(LinkDown{"A"})
	mustEqual(t, "after the loss of who brought something", []int{regrafts(n)}, []int{1})
	n = bereaved(t)
	n.do(LinkDown{"A"})
	mustEqual(t, "after the loss of the last", []int{regrafts(n)}, []int{1})
	n = bereaved(t)
	n.up("H", 7)
	n.do(LinkDown{"A"})
	mustEqual(t, "after the loss of one that brought nothing", []int{regrafts(n)}, []int{0})
	n = bereaved(t)
	n.do(LinkDown{"D"})
	mustEqual(t, "after the loss of one that was not in the tree", []int{regrafts(n)}, []int{0})
}

// Who loses a branch of the tree of its own rumors pushes to others what was on its
// way, and what comes next.
func TestBranchReplaced(t *testing.T) {
	n := bereaved(t)
	for i := range sourceOften {
		n.publish(7, fmt.Sprint("before", i))
	}
	n.wait(time.Second)
	n.mute["A"] = true
	n.publish(7, "on its way")
	n.forget()
	n.do(LinkDown{"A"})
	n.publish(7, "next")
	took := 0
	for _, p := range []PeerID{"C", "D", "E", "F", "G"} {
		switch got := pushedTo(n, p); {
		case slices.Equal(got, []string{"on its way", "next"}):
			took++
		case len(got) != 0:
			t.Errorf("%s was pushed %q", p, got)
		}
	}
	if took != mendLinks-1 {
		t.Errorf("%d others took the place of the lost branch, want %d", took, mendLinks-1)
	}
}

// An own rumor goes to somebody in full, whatever became of the tree.
func TestOwnRumorIsSown(t *testing.T) {
	for name, c := range map[string]struct {
		size, want int
		eager      bool
	}{
		"no link in the tree": {10, mendLinks - 1, false},
		"one":                 {10, 1, true},
		"a large one":         {largeRumor + 1, 0, false},
	} {
		n := bereaved(t)
		n.s.links["A"].lazy[7] = !c.eager
		n.publish(7, string(make([]byte, c.size)))
		got := 0
		for _, p := range []PeerID{"A", "C", "D", "E", "F", "G"} {
			got += len(pushedTo(n, p))
		}
		mustEqual(t, name, []int{got}, []int{c.want})
		n.wait(n.s.haveDelay(7))
		told := 0
		for _, p := range []PeerID{"A", "C", "D", "E", "F", "G"} {
			if h := sent[*Have](n, p); len(h) > 0 {
				told++
				if len(pushedTo(n, p)) > 0 {
					t.Errorf("%s: %s has it, and is told of it", name, p)
				}
			}
		}
		mustEqual(t, name+": told", []int{told}, []int{haveFan})
	}
}

// For a while after the loss of a way IDs are told and asked for sooner, and how late
// rumors come then says nothing of later ones.
func TestOrphanIsImpatient(t *testing.T) {
	n := bereaved(t, "Z")
	asksAfter := func(seq uint64, d time.Duration) {
		t.Helper()
		n.forget()
		n.recv("C", &Have{Group: 7, IDs: []ShortID{rumorOf(t, "Y", seq, "y").ID.Short()}})
		n.wait(d - time.Millisecond)
		if got := len(sent[*Graft](n, "C")); got != 0 {
			t.Errorf("asked within %v", d)
		}
		n.wait(time.Millisecond)
		if got := len(sent[*Graft](n, "C")); got != 1 {
			t.Errorf("asked %d times after %v", got, d)
		}
	}
	asksAfter(1, graftDelay+2*n.s.lateness)
	n.do(LinkDown{"A"})
	asksAfter(2, orphanPatience)
	n.publish(7, "own")
	n.wait(n.s.cfg.HaveDelay / orphanHaste)
	told := 0
	for _, p := range []PeerID{"C", "D", "E", "F", "G"} {
		told += len(sent[*Have](n, p))
	}
	if told == 0 {
		t.Errorf("nobody was told after %v", n.s.cfg.HaveDelay/orphanHaste)
	}
	before := n.s.lateness
	late := rumorOf(t, "X", 1, "x")
	n.recv("C", &Have{Group: 7, IDs: []ShortID{late.ID.Short()}})
	n.wait(orphanPatience - time.Millisecond)
	n.recv("D", &Push{Rumor: late, Hops: 2})
	if n.s.lateness != before {
		t.Errorf("lateness is %v, was %v", n.s.lateness, before)
	}
	n.wait(orphanTime)
	asksAfter(3, graftDelay+2*n.s.lateness)
}
