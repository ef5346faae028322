package gossip

import (
	"slices"
	"testing"
	"time"
)

// IDs are gathered for n.s.cfg.HaveDelay, one message per group, and none is told of
// what came the other way meanwhile.
func TestHaves(t *testing.T) {
	n := alone(t)
	n.module(1, 7, 8)
	n.up("D", 7, 8)
	l := n.s.links["D"]
	l.lazy[7], l.lazy[8] = true, true
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

// Of rumors that come in a calm time while IDs are gathered the same neighbours are
// told, haveFan of them, in one message each; the next time it may be others, and
// after haveTogether rumors, too.
func TestHavesGoTogether(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	peers := []PeerID{"B", "C", "D", "E", "F", "G", "H", "I"}
	for _, p := range peers {
		n.up(p, 7)
		n.s.links[p].lazy[7] = true
	}
	n.wait(calmAfter)
	chosen := make(map[PeerID]bool)
	for range 10 {
		n.forget()
		for range 5 {
			n.publish(7, "x")
		}
		n.wait(n.s.haveDelay(7))
		messages := 0
		for _, p := range peers {
			for _, m := range sent[*Have](n, p) {
				messages++
				chosen[p] = true
				if len(m.IDs) != 5 {
					t.Errorf("%s was told of %d rumors of 5", p, len(m.IDs))
				}
			}
		}
		if messages != haveFan {
			t.Errorf("%d messages for 5 rumors, want %d", messages, haveFan)
		}
	}
	if len(chosen) != len(peers) {
		t.Errorf("%d of %d neighbours were told anything", len(chosen), len(peers))
	}
	n.forget()
	for range 2 * haveTogether {
		n.publish(7, "x")
	}
	n.wait(n.s.haveDelay(7))
	for _, p := range peers {
		if m := sent[*Have](n, p); len(m) != 1 || len(m[0].IDs) != haveTogether {
			t.Errorf("%s was told of %v, of %d rumors it should", p, m, haveTogether)
		}
	}
}

// A rumor that has more lazy links than are told of others is told down haveFan
// all the same, and down those that are told of others first.
func TestHavesFillUp(t *testing.T) {
	n := alone(t)
	n.module(1, 7, 8)
	peers := []PeerID{"B", "C", "D", "E", "F", "G", "H", "I"}
	for _, p := range peers {
		n.up(p, 7, 8)
		n.s.links[p].lazy[7] = true
		n.s.links[p].lazy[8] = p <= "C" // the others are in the tree of 8
	}
	n.wait(calmAfter)
	n.publish(8, "x")
	n.publish(7, "y")
	n.wait(n.s.haveDelay(7))
	told := 0
	for _, p := range peers {
		haves := sent[*Have](n, p)
		if p <= "C" && len(haves) != 2 {
			t.Errorf("%s was told of %d types, of 2 it should", p, len(haves))
		}
		if slices.ContainsFunc(haves, func(m *Have) bool { return m.Group == 7 }) {
			told++
		}
	}
	if told != haveFan {
		t.Errorf("%d neighbours were told of y, want %d", told, haveFan)
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

// IDs of presences wait longer in calm times, but leave with others that do not.
func TestHavesOfPresences(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.s.links["B"].lazy[7], n.s.links["B"].lazy[GroupPresence] = true, true
	n.up("C")
	n.wait(calmAfter)
	told := func() (groups []Group) {
		for _, m := range sent[*Have](n, "B") {
			groups = append(groups, m.Group)
		}
		n.forget()
		return groups
	}
	n.forget()
	n.recv("C", &Push{Rumor: presenceOf(t, "C", 1, Presence{}), Hops: 1})
	n.wait(presencesGathered - time.Millisecond)
	mustEqual(t, "told before its time", told(), nil)
	n.wait(time.Millisecond)
	mustEqual(t, "told in its time", told(), []Group{GroupPresence})

	n.recv("C", &Push{Rumor: presenceOf(t, "C", 2, Presence{}), Hops: 1})
	n.publish(7, "x")
	n.wait(n.s.haveDelay(7))
	mustEqual(t, "told with others", told(), []Group{7, GroupPresence})
}

func TestHavesWithinCap(t *testing.T) {
	n := alone(t, func(c *Config) { c.CacheSize = 2 * MaxIDs })
	n.module(1, 7)
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
