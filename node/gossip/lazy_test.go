package gossip

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// group makes a clique whose nodes all take type 7, and lets its tree settle.
func group(t testing.TB, size int, change ...func(*Config)) *world {
	w := newWorld(t)
	for i := range size {
		w.add(PeerID(rune('A'+i)), change...).module(1, 7)
	}
	w.clique()
	w.delay = func(from, to PeerID) time.Duration { // all different, and stable
		return time.Duration(5+(int(from[0])*7+int(to[0])*13)%11) * time.Millisecond
	}
	for i := range 3 * size {
		w.nodes[i%size].publish(7, "settling")
		w.wait(2 * time.Second)
	}
	for _, n := range w.nodes {
		n.forget()
	}
	return w
}

// shared has no origin have a tree of its own.
func shared(c *Config) { c.Push = PushShared }

func (w *world) sum(count func(c Counters) uint64) uint64 {
	var sum uint64
	for _, n := range w.nodes {
		sum += count(n.s.Status().Counters)
	}
	return sum
}

func duplicates(c Counters) uint64 { return c.Duplicates }
func pushes(c Counters) uint64     { return c.Pushed }
func grafts(c Counters) uint64     { return c.Grafts }

// allTold checks that every module was told all texts once, in any order.
func (w *world) allTold(texts ...string) {
	w.t.Helper()
	slices.Sort(texts)
	for _, n := range w.nodes {
		if !n.down {
			mustEqual(w.t, string(n.id)+" was told", slices.Sorted(slices.Values(n.told(1))), texts)
		}
	}
}

// treeLinks lists the links that are eager at both ends.
func (w *world) treeLinks() [][2]PeerID {
	var tree [][2]PeerID
	for i, a := range w.nodes {
		for _, b := range w.nodes[i+1:] {
			if la, lb := a.s.links[b.id], b.s.links[a.id]; la != nil && lb != nil && !la.lazy[7] && !lb.lazy[7] {
				tree = append(tree, [2]PeerID{a.id, b.id})
			}
		}
	}
	return tree
}

// In a clique the eager links end as a tree: every rumor crosses n-1 links, and
// nobody gets one twice.
func TestCliqueBecomesTree(t *testing.T) {
	const size = 8
	w := group(t, size, shared)
	if tree := w.treeLinks(); len(tree) != size-1 {
		t.Errorf("%d eager links, a tree has %d: %v", len(tree), size-1, tree)
	}
	dup, sent := w.sum(duplicates), w.sum(pushes)
	var texts []string
	for i := range 3 * size {
		texts = append(texts, fmt.Sprint(i))
		w.nodes[i%size].publish(7, texts[i])
		w.wait(2 * time.Second)
	}
	w.allTold(texts...)
	if d := w.sum(duplicates) - dup; d != 0 {
		t.Errorf("%d duplicates in %d rumors", d, 3*size)
	}
	if p := w.sum(pushes) - sent; p != 3*size*(size-1) {
		t.Errorf("%d pushes for %d rumors, a tree needs %d", p, 3*size, 3*size*(size-1))
	}
}

// A tree link that breaks, or one that swallows what is pushed down it, is
// mended by Graft: nothing is compared here.
func TestTreeMends(t *testing.T) {
	for name, damage := range map[string]func(w *world, a, b PeerID){
		"link broken": func(w *world, a, b PeerID) { w.unlink(a, b) },
		"pushes lost": func(w *world, a, b PeerID) {
			w.lose = func(from, to PeerID, m Message) bool {
				_, push := m.(*Push)
				return push && (from == a && to == b || from == b && to == a)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := group(t, 6, shared)
			before := w.sum(grafts)
			synced := w.sum(func(c Counters) uint64 { return c.Syncs })
			link := w.treeLinks()[2]
			damage(w, link[0], link[1])
			w.nodes[0].publish(7, "after")
			w.wait(retryFirst - 100*time.Millisecond) // the broken link is dialled again then
			w.allTold("after")
			if w.sum(grafts) == before {
				t.Error("nobody asked, though a link of the tree is gone")
			}
			if w.sum(func(c Counters) uint64 { return c.Syncs }) != synced {
				t.Error("it was a comparison that mended the tree")
			}
			if name == "link broken" {
				for i := range 6 { // and now the tree is whole again
					w.nodes[i].publish(7, "settling")
					w.wait(time.Second)
				}
				before := w.sum(grafts)
				w.nodes[3].publish(7, "quiet")
				w.wait(time.Second)
				if w.sum(grafts) != before {
					t.Error("the tree stays broken")
				}
			}
		})
	}
}

// A limited rumor, and a leave, goes down lazy links in full.
func TestLazyLinksFlooded(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.record()
	n.up("B", 7)
	n.up("D", 7)
	n.forget()
	l := n.s.links["D"]
	l.lazy[7], l.lazy[GroupPresence] = true, true
	n.push("B", rumorOf(t, "Z", 1, "plain"))
	mustEqual(t, "pushed", pushedTo(n, "D"), nil)
	n.push("B", rumorOf(t, "Z", 2, "limited", func(h *Header) { h.TTL = 5 }))
	mustEqual(t, "pushed", pushedTo(n, "D"), []string{"limited"})
	n.push("B", presenceOf(t, "Z", 3, Presence{Agent: "z"}))
	n.push("B", presenceOf(t, "Z", 4, Presence{Left: true}))
	if got := sent[*Push](n, "D"); len(got) != 2 || got[1].Rumor.Seq != 4 {
		t.Errorf("pushed %v, want the leave only", got)
	}
	// Nor do they make a link lazy when they come twice.
	n.push("D", rumorOf(t, "Z", 2, "limited", func(h *Header) { h.TTL = 5 }))
	n.s.links["B"].lazy = make(map[Group]bool)
	n.push("B", rumorOf(t, "Z", 2, "limited", func(h *Header) { h.TTL = 5 }))
	if n.s.links["B"].lazy[7] {
		t.Error("a limited rumor made a link lazy")
	}
}

// Both ends of a link draw the same conclusion from a duplicate.
func TestPruneBothEnds(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.up("C", 7)
	r := rumorOf(t, "Z", 1, "a")
	n.push("B", r)
	n.push("C", r)
	if n.s.links["B"].lazy[7] || !n.s.links["C"].lazy[7] {
		t.Error("not the link that brought the duplicate")
	}
	n.mute["B"] = true
	n.publish(7, "b")
	n.recv("B", &Receipt{[]Verdict{VerdictDuplicate}})
	if !n.s.links["B"].lazy[7] {
		t.Error("a duplicate receipt is no prune")
	}
	if got := n.s.Status().Counters.Prunes; got != 2 {
		t.Errorf("%d prunes", got)
	}
}

// What was heard of and does not come is asked for, of one teller after the
// other, and in the end left to comparisons.
func TestGraftAsksEachTeller(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	r := rumorOf(t, "Z", 1, "a")
	ids := []ShortID{r.ID.Short()}
	peers := []PeerID{"B", "C", "D", "E", "F", "G"}
	for _, p := range peers {
		n.up(p, 7)
		n.s.links[p].lazy[7] = true
		n.recv(p, &Have{Group: 7, IDs: ids})
		n.recv(p, &Have{Group: 7, IDs: ids})
	}
	asked := func() []PeerID {
		var list []PeerID
		for _, p := range peers {
			for range sent[*Graft](n, p) {
				list = append(list, p)
			}
		}
		return list
	}
	n.wait(graftDelay - time.Millisecond)
	mustEqual(t, "asked too early", asked(), nil)
	n.wait(time.Millisecond)
	mustEqual(t, "asked", asked(), peers[:1])
	n.do(LinkDown{"C"})
	n.wait(graftAgain)
	mustEqual(t, "asked", asked(), []PeerID{"B", "D"})
	n.wait(10 * graftAgain)
	mustEqual(t, "asked", asked(), []PeerID{"B", "D", "E"}) // maxTellers, less C
	if len(n.s.missing) != 0 || len(n.s.missingOrder) != 0 {
		t.Error("it is waited for for ever")
	}
}

func TestGraftNotWhatCame(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.up("C", 7)
	r := rumorOf(t, "Z", 1, "a")
	n.recv("B", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
	n.wait(graftDelay / 2)
	n.push("C", r)
	n.wait(time.Second)
	if got := sent[*Graft](n, "B"); len(got) != 0 {
		t.Error("asked for what came meanwhile")
	}
	if len(n.s.missing) != 0 || len(n.s.missingOrder) != 0 {
		t.Error("it still counts as missing")
	}
	// Nor what is known when it is announced, nor what nobody here takes.
	n.recv("B", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
	n.recv("B", &Have{Group: 8, IDs: []ShortID{{1}}})
	n.wait(time.Second)
	if got := sent[*Graft](n, "B"); len(got) != 0 {
		t.Errorf("asked for %v", got)
	}
}

// Who tells of a rumor in another group than its own keeps nobody from asking for it.
func TestMissingInAnotherGroup(t *testing.T) {
	n := alone(t)
	n.module(1, 7, 8)
	n.up("B", 7, 8)
	n.up("C", 7, 8)
	r := rumorOf(t, "Z", 1, "a")
	n.recv("B", &Have{Group: 8, IDs: []ShortID{r.ID.Short()}})
	n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
	n.wait(graftDelay)
	asked := sent[*Graft](n, "C")
	if len(asked) != 1 || asked[0].Group != 7 {
		t.Errorf("C is asked %v", asked)
	}
	n.push("C", r)
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
	n.wait(time.Minute)
	if len(n.s.missing) != 0 || len(n.s.missingOrder) != 0 {
		t.Error("what does not exist is waited for for ever")
	}
}

func TestMissingCap(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	ids := make([]ShortID, MaxIDs)
	for batch := range 2*maxMissing/MaxIDs + 1 {
		for i := range ids {
			ids[i] = ShortID{byte(batch), byte(i), byte(i >> 8)}
		}
		n.recv("B", &Have{Group: 7, IDs: slices.Clone(ids)})
	}
	if len(n.s.missing) != maxMissing/8 || len(n.s.missingOrder) != maxMissing/8 {
		t.Errorf("%d rumors of one neighbour are waited for, at most %d", len(n.s.missing), maxMissing/8)
	}
	for i := range 8 {
		n.up(PeerID(rune('C'+i)), 7)
		for batch := range 2 {
			for j := range ids {
				ids[j] = ShortID{byte(batch), byte(j), byte(j >> 8), byte(i + 1)}
			}
			n.recv(PeerID(rune('C'+i)), &Have{Group: 7, IDs: slices.Clone(ids)})
		}
	}
	if len(n.s.missing) != maxMissing || len(n.s.missingOrder) != maxMissing {
		t.Errorf("%d rumors are waited for, at most %d", len(n.s.missing), maxMissing)
	}
	n.wait(graftDelay)
	asked := 0
	for _, g := range sent[*Graft](n, "B") {
		if len(g.IDs) > MaxIDs {
			t.Errorf("%d IDs in one Graft", len(g.IDs))
		}
		asked += len(g.IDs)
	}
	if asked != maxMissing/8 {
		t.Errorf("asked for %d", asked)
	}
	n.wait(time.Minute)
	if len(n.s.missing) != 0 || len(n.s.missingOrder) != 0 {
		t.Error("what does not exist is waited for for ever")
	}
}

// A Graft is given what may travel on, of its group, and makes the link eager.
func TestOnGraft(t *testing.T) {
	n := alone(t)
	n.subscribe(1, true, 7, 8)
	n.up("B", 7)
	n.up("D", 7)
	n.s.links["D"].lazy[7] = true
	kept := n.publish(7, "kept")
	other := n.publish(8, "of type 8")
	held := rumorOf(t, "Z", 1, "held")
	ended := rumorOf(t, "Z", 2, "ended", func(h *Header) { h.TTL = 1 })
	n.push("B", held)
	n.push("B", ended)
	n.do(Vote{1, ended.ID, true})
	n.forget()
	n.recv("D", &Graft{Group: 7, IDs: []ShortID{other.ID.Short(), held.ID.Short(), ended.ID.Short(), {1}, kept.ID.Short()}})
	mustEqual(t, "pushed", pushedTo(n, "D"), []string{"kept"})
	if n.s.links["D"].lazy[7] {
		t.Error("the link stays lazy")
	}
	n.recv("D", &Graft{Group: 7, IDs: []ShortID{kept.ID.Short()}})
	mustEqual(t, "pushed, asked again", pushedTo(n, "D"), []string{"kept"})
	n.recv("D", &Graft{Group: 8, IDs: []ShortID{other.ID.Short()}})
	mustEqual(t, "pushed what it does not take", pushedTo(n, "D"), []string{"kept"})
}
