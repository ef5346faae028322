package gossip

import (
	"testing"
	"time"
)

// besideLazy is a node with two neighbours that take 7 and 8: T in full, D by ID.
func besideLazy(t *testing.T) *tnode {
	n := alone(t)
	n.module(1, 7, 8)
	n.up("T", 7, 8)
	n.up("D", 7, 8)
	l := n.s.links["D"]
	l.lazy[7], l.lazy[8] = true, true
	return n
}

// IDs are gathered for n.s.cfg.HaveDelay, one message per group, and none is told of
// what came the other way meanwhile.
func TestHaves(t *testing.T) {
	n := besideLazy(t)
	a := n.publish(8, "a")
	b := n.publish(7, "b")
	c := n.publish(8, "c")
	known := n.publish(7, "known")
	n.recv("D", &Have{Group: 7, IDs: []ShortID{known.ID.Short()}})
	if len(sent[*Have](n, "D")) != 0 {
		t.Error("told at once")
	}
	n.wait(n.s.cfg.HaveDelay)
	got := sent[*Have](n, "D")
	if len(got) != 2 || got[0].Group != 7 || got[1].Group != 8 {
		t.Fatalf("told %v", got)
	}
	mustEqual(t, "of type 7", got[0].IDs, []ShortID{b.ID.Short()})
	mustEqual(t, "of type 8", got[1].IDs, []ShortID{a.ID.Short(), c.ID.Short()})
	mustEqual(t, "pushed", pushedTo(n, "D"), nil)
}

// Nor is it told of a type that it takes no more by then.
func TestHavesOfDroppedType(t *testing.T) {
	n := besideLazy(t)
	n.publish(7, "a")
	b := n.publish(8, "b")
	n.recv("D", &Interests{Types: []uint16{8}})
	n.wait(n.s.cfg.HaveDelay)
	got := sent[*Have](n, "D")
	if len(got) != 1 || got[0].Group != 8 {
		t.Fatalf("told %v, want of type 8 only", got)
	}
	mustEqual(t, "of type 8", got[0].IDs, []ShortID{b.ID.Short()})
}

// Of rumors that come in a calm time one neighbour is told in one message, drawn by
// lot, and then another, calmFan in all.
func TestHavesGoTogether(t *testing.T) {
	n := alone(t)
	n.module(1, 7, 8)
	n.up("T", 7, 8) // takes everything in full
	peers := []PeerID{"B", "C", "D", "E", "F", "G", "H", "I"}
	for _, p := range peers {
		n.up(p, 7, 8)
		n.s.links[p].lazy[7], n.s.links[p].lazy[8] = true, true
	}
	n.wait(calmAfter)
	toldBy := func(what string, rounds, want int) (told []PeerID) {
		t.Helper()
		for round := range rounds {
			n.forget()
			n.wait(n.s.haveDelay(7))
			got := 0
			for _, p := range peers {
				for _, m := range sent[*Have](n, p) {
					got += len(m.IDs)
					told = append(told, p)
				}
			}
			if got != want {
				t.Errorf("%s: %d IDs were told of in turn %d, want %d", what, got, round, want)
			}
		}
		return told
	}
	chosen := make(map[PeerID]bool)
	for range 30 {
		for range 5 {
			n.publish(7, "x")
		}
		told := toldBy("5 rumors", calmFan, 5)
		if len(told) != calmFan || told[0] == told[1] {
			t.Errorf("told %v, want %d, each once", told, calmFan)
		}
		for _, p := range told {
			chosen[p] = true
		}
		toldBy("after that", 1, 0)
	}
	if len(chosen) != len(peers) {
		t.Errorf("%d of %d neighbours were told anything", len(chosen), len(peers))
	}

	// The next is told of what came since, too.
	n.publish(7, "x")
	n.wait(n.s.haveDelay(7))
	n.publish(7, "y")
	if told := toldBy("the second and the first", 1, 2); len(told) != 1 {
		t.Errorf("told %v, want one", told)
	}
	toldBy("the second", 1, 1)

	// Who has a rumor is not told of it.
	x := n.publish(7, "x")
	for _, p := range peers[1:] {
		n.recv(p, &Have{Group: 7, IDs: []ShortID{x.ID.Short()}})
	}
	if told := toldBy("one that all have but one", 1, 1); len(told) != 1 || told[0] != peers[0] {
		t.Errorf("told %v, want %s", told, peers[0])
	}
	toldBy("nobody is left", 1, 0)
}

// IDs that wait for their turn are told at once, to as many as in other times, when the
// calm is over.
func TestHavesWhenCalmEnds(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("T", 7) // takes everything in full
	peers := []PeerID{"B", "C", "D", "E", "F", "G", "H", "I"}
	for _, p := range peers {
		n.up(p, 7)
		n.s.links[p].lazy[7] = true
	}
	n.wait(calmAfter)
	n.publish(7, "x")
	n.recv("T", &Graft{Group: 7, IDs: []ShortID{{1}}})
	n.forget()
	n.wait(n.s.cfg.HaveDelay)
	told := 0
	for _, p := range peers {
		told += len(sent[*Have](n, p))
	}
	if told != haveFan {
		t.Errorf("%d were told, want %d", told, haveFan)
	}
}

// Renewals of presence wait longer, but not longer than other IDs for the same link.
func TestHavesOfPresences(t *testing.T) {
	told := func(n *tnode) (ids int) {
		for _, p := range []PeerID{"C", "D"} {
			for _, m := range sent[*Have](n, p) {
				if m.Group == GroupPresence {
					ids += len(m.IDs)
				}
			}
		}
		return ids
	}
	for name, c := range map[string]struct {
		speaks bool
		wait   time.Duration
	}{
		"alone":          {false, presenceFactor},
		"with a rumor's": {true, 1},
	} {
		n := alone(t)
		n.module(1, 7)
		for _, p := range []PeerID{"B", "C", "D"} {
			n.up(p, 7)
			n.s.links[p].lazy[7], n.s.links[p].lazy[GroupPresence] = true, true
		}
		n.wait(calmAfter)
		n.forget()
		n.recv("B", &Push{Rumor: presenceOf(t, "Z", 1, Presence{}), Hops: 1})
		if c.speaks {
			n.publish(7, "x")
		}
		n.forget()
		wait := c.wait * calmFactor * n.s.cfg.HaveDelay
		n.wait(wait - time.Millisecond)
		mustEqual(t, name+": too early", []int{told(n)}, []int{0})
		n.wait(time.Millisecond)
		mustEqual(t, name+": in time", []int{told(n)}, []int{1})
	}
}

// IDs are gathered longer while nobody asks for anything; when somebody does, a tree
// loses a link, or one comes or ends, no longer.
func TestCalm(t *testing.T) {
	for name, unrest := range map[string]func(n *tnode){
		"asked":   func(n *tnode) { n.recv("B", &Graft{Group: 7, IDs: []ShortID{{1}}}) },
		"asking":  func(n *tnode) { n.recv("B", &Have{Group: 7, IDs: []ShortID{{2}}}); n.wait(time.Second) },
		"pruned":  func(n *tnode) { n.s.prune(n.s.links["C"], 7) },
		"link":    func(n *tnode) { n.up("Z", 7) },
		"no link": func(n *tnode) { n.do(LinkDown{"C"}) },
	} {
		t.Run(name, func(t *testing.T) {
			n := alone(t)
			n.module(1, 7)
			n.up("T", 7) // takes everything in full
			n.up("B", 7)
			n.up("C", 7)
			told := func() int { return len(sent[*Have](n, "B")) }
			after := func(d time.Duration) {
				t.Helper()
				n.forget()
				n.s.links["B"].lazy[7] = true
				n.publish(7, "x")
				n.wait(d - time.Millisecond)
				if told() != 0 {
					t.Errorf("told within %v", d)
				}
				n.wait(time.Millisecond)
				if told() != 1 {
					t.Errorf("not told after %v", d)
				}
			}
			after(n.s.cfg.HaveDelay)
			n.wait(calmAfter)
			after(calmFactor * n.s.cfg.HaveDelay)
			unrest(n)
			after(n.s.cfg.HaveDelay)
		})
	}
}

func TestHavesWithinCap(t *testing.T) {
	n := alone(t, func(c *Config) { c.CacheSize = 2 * MaxIDs })
	n.module(1, 7)
	n.up("T", 7) // takes everything in full
	n.up("D", 7)
	n.s.links["D"].lazy[7] = true
	for range MaxIDs + 1 {
		n.publish(7, "x")
	}
	n.wait(n.s.cfg.HaveDelay)
	var sizes []int
	for _, h := range sent[*Have](n, "D") {
		sizes = append(sizes, len(h.IDs))
	}
	mustEqual(t, "IDs per message", sizes, []int{MaxIDs, 1})
}
