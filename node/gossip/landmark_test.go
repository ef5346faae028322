package gossip

import (
	"fmt"
	"testing"
	"time"
)

// inForest is a node M in a large network, with neighbours A, B and C, and a
// landmark of type 7 that is none of them.
func inForest(t *testing.T) (n *tnode, landmark uint64) {
	n = alone(t)
	n.module(1, 7)
	for _, p := range []PeerID{"A", "B", "C"} {
		n.up(p, 7)
		n.recv(p, &Pong{n.s.links[p].number})
	}
	for i := range maxHeeded + 1 {
		n.push("A", presenceOf(t, PeerID(fmt.Sprint("Z", i)), 1, Presence{Record: []byte("Z"), Interests: []uint16{7}}))
	}
	n.wait(time.Second)
	v := n.s.grove(7)
	if len(v.roster) != maxHeeded {
		t.Fatalf("%d members may be landmarks, want %d", len(v.roster), maxHeeded)
	}
	return n, v.roster[0]
}

// near is what a neighbour says of one landmark.
func near(l uint64, number uint32, distance uint16, parent bool) *Have {
	return &Have{Group: 7, Near: []Near{{l, number, distance, parent}}}
}

// said is what M told a neighbour of a landmark last.
func said(t *testing.T, n *tnode, p PeerID) Near {
	t.Helper()
	for list := sent[*Have](n, p); len(list) > 0; list = list[:len(list)-1] {
		if m := list[len(list)-1]; len(m.Near) > 0 {
			return m.Near[0]
		}
	}
	t.Fatalf("%s was told of no landmark", p)
	return Near{}
}

// The shortest way by the latest number is taken, and where it is lost only one by
// a neighbour that is nearer than this node ever was.
func TestNearestWay(t *testing.T) {
	n, l := inForest(t)
	hop := n.s.links["A"].linkDistance()
	n.recv("A", near(l, 1, 20+hop, false))
	n.recv("B", near(l, 1, 20, false))
	n.recv("C", near(l, 1, 20+hop, true)) // it comes to the landmark by this node
	n.wait(time.Second)
	if got := said(t, n, "B"); got != (Near{l, 1, 20 + hop, true}) {
		t.Errorf("B, which is nearest, is told %+v", got)
	}
	for _, p := range []PeerID{"A", "C"} {
		if got := said(t, n, p); got != (Near{l, 1, 20 + hop, false}) {
			t.Errorf("%s is told %+v", p, got)
		}
	}

	n.do(LinkDown{"B"})
	n.wait(time.Second)
	if got := said(t, n, "A"); got.Parent {
		t.Errorf("A, which is no nearer than this node was, is told %+v", got)
	}
	if got := said(t, n, "C"); got.Distance != far || got.Parent {
		t.Errorf("without a way C is told %+v", got)
	}
	// A later number speaks for itself, however far it is.
	n.recv("C", near(l, 2, 400, false))
	n.wait(time.Second)
	if got := said(t, n, "C"); got != (Near{l, 2, 400 + hop, true}) {
		t.Errorf("after a later number C is told %+v", got)
	}
	// An earlier one is of the past, and so is a shorter way by it.
	n.recv("A", near(l, 1, 1, false))
	n.wait(time.Second)
	if got := said(t, n, "A"); got.Parent || got.Number != 2 {
		t.Errorf("who says what was A is told %+v", got)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// Who stops taking a type is next hop and child in none of its trees: another way is
// taken at once, and the rumor that comes goes by that. In the trees of other types it stays.
func TestWayByWhoStopsTaking(t *testing.T) {
	n, l := inForest(t)
	n.module(2, 8)
	for _, p := range []PeerID{"A", "B", "C"} {
		n.recv(p, &Interests{Types: []uint16{7, 8}})
	}
	n.up("D", 7) // which knows nothing of landmarks
	n.recv("B", &Have{Group: 8, Near: []Near{{l, 1, 20, false}}})
	n.recv("A", near(l, 1, 20, false))
	n.recv("B", near(l, 1, 10, false))
	n.recv("C", near(l, 1, 900, true))
	n.wait(time.Second)
	if got := said(t, n, "B"); !got.Parent {
		t.Fatalf("B, which is nearest, is told %+v", got)
	}
	n.forget()
	n.recv("B", &Interests{Types: []uint16{8}})
	n.recv("C", &Interests{Types: []uint16{8}})
	n.pushLandmark("D", rumorOf(t, "Y", 1, "at once"), l)
	if got := sent[*Push](n, "A"); len(got) != 1 || got[0].Landmark != l {
		t.Errorf("%d rumors went to A, by which there is a way, or not by that", len(got))
	}
	n.wait(time.Second)
	if !n.s.isAware(n.s.links["B"], 8) {
		t.Error("B is in no tree of the other type any more")
	}
	tree := n.s.grove(7).tree(l)
	if got := said(t, n, "A"); !got.Parent || tree.parent != n.s.links["A"].slot {
		t.Errorf("A, by which there is a way, is told %+v", got)
	}
	for _, p := range []PeerID{"B", "C"} {
		slot := n.s.links[p].slot
		if tree.has(slot, n.w.now) || n.s.isAware(n.s.links[p], 7) {
			t.Errorf("%s is in the tree still", p)
		}
		for _, m := range sent[*Have](n, p) {
			if m.Group == 7 {
				t.Errorf("%s is told %+v", p, m)
			}
		}
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// The trees of a type that is not taken any more make room for those of others.
func TestGrovesAreGivenBack(t *testing.T) {
	n := alone(t)
	for i := range uint16(2 * maxGroves) {
		n.module(ModuleID(i+1), 100+i)
		if n.s.grove(GroupOf(100+i)) == nil {
			t.Fatalf("type %d, one after the other, has no trees", i+1)
		}
		n.do(ModuleGone{ModuleID(i + 1)})
	}
	if len(n.s.groves) != 0 {
		t.Errorf("trees of %d types that nobody takes are left", len(n.s.groves))
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// Who speaks of the landmarks of types that it does not take leaves room for those of others.
func TestNoGrovesOfWhoDoesNotTake(t *testing.T) {
	n := alone(t)
	for i := range uint16(maxGroves + 1) {
		n.module(ModuleID(i+1), 100+i)
	}
	n.up("A")
	for i := range uint16(maxGroves) {
		n.recv("A", &Have{Group: GroupOf(100 + i), Near: []Near{{1, 1, 0, false}}})
	}
	if len(n.s.groves) != 0 {
		t.Errorf("%d types have trees because of who takes none of them", len(n.s.groves))
	}
}

// A rumor that travels by a landmark's tree goes to the next hop and to those
// whose next hop this node is, and others hear of it.
func TestLandmarkTree(t *testing.T) {
	n, l := inForest(t)
	n.up("D", 7)
	n.recv("A", near(l, 1, 20, false))
	n.recv("B", near(l, 1, 900, true))
	n.recv("C", near(l, 1, 900, false))
	n.recv("D", near(l, 1, 900, false))
	n.wait(time.Second)
	for _, from := range []PeerID{"A", "B", "C"} {
		n.forget()
		r := rumorOf(t, "Y", n.s.count.Received+1, "from "+string(from))
		if v := n.verdict(from, &Push{Rumor: r, Hops: 2, Landmark: l}); v != VerdictNew {
			t.Fatalf("verdict %d", v)
		}
		for _, p := range []PeerID{"A", "B", "C", "D"} {
			want := p != from && (p == "A" || p == "B")
			pushes := sent[*Push](n, p)
			if got := len(pushes) == 1 && pushes[0].Landmark == l; got != want {
				t.Errorf("what %s brought is pushed to %s: %v, want %v", from, p, got, want)
			}
		}
		// A second copy takes no link out of the shared tree.
		if v := n.verdict("D", &Push{Rumor: r, Hops: 2, Landmark: l}); v != VerdictKnown {
			t.Errorf("a second copy gets verdict %d", v)
		}
		n.wait(time.Second)
	}
	// B changes to another next hop: what is on its way still goes there.
	n.recv("B", near(l, 1, 900, false))
	n.forget()
	n.pushLandmark("A", rumorOf(t, "Y", 100, "at once"), l)
	if len(sent[*Push](n, "B")) != 1 {
		t.Error("who has just left gets nothing")
	}
	n.wait(2 * formerChild)
	n.forget()
	n.pushLandmark("A", rumorOf(t, "Y", 101, "later"), l)
	if len(sent[*Push](n, "B")) != 0 {
		t.Error("who left long ago is pushed to")
	}
}

func (n *tnode) pushLandmark(p PeerID, r *Rumor, l uint64) Verdict {
	return n.verdict(p, &Push{Rumor: r, Hops: 1, Landmark: l})
}

// Who speaks seldom uses the tree of the nearest landmark, once it is ready; who
// speaks often has its own.
func TestOwnRumorsByLandmark(t *testing.T) {
	n, l := inForest(t)
	other := n.s.grove(7).roster[1]
	n.recv("A", near(l, 1, 300, false))
	n.recv("B", near(other, 1, 40, false))
	by := func(text string) uint64 {
		n.forget()
		r := n.publish(7, text)
		return n.s.store.entries[r.ID].landmark
	}
	if got := by("early"); got != 0 {
		t.Errorf("a tree is used at once")
	}
	n.wait(treeReady + 2*sourceIdle)
	if got := by("seldom"); got != other {
		t.Errorf("published by %x, want the nearest landmark %x", got, other)
	}
	by("again")
	if got := by("often"); got != 0 {
		t.Errorf("published by %x though it speaks often", got)
	}
	n.wait(2 * sourceIdle)
	n.recv("B", near(other, 1, far, false)) // it has lost its way
	n.wait(time.Second)
	if got := by("seldom again"); got != l {
		t.Errorf("published by %x, want the only landmark with a way %x", got, l)
	}
	n.wait(treeLife)
	if got := by("much later"); got != 0 {
		t.Errorf("published by a tree that is of the past")
	}
}

// Who says to be near and does not bring what comes by the tree is not believed
// before the landmark's next number, whatever it says before that.
func TestBarrenWay(t *testing.T) {
	for _, says := range []Near{
		{Number: 1},
		{Number: 0},
		{Number: 1 + 2*maxAhead},
		{Number: 1, Distance: far},
		{Number: 2, Distance: far},
	} {
		n, l := inForest(t)
		n.recv("A", near(l, 1, 0, false))
		n.recv("B", near(l, 1, 50, false))
		n.wait(time.Second)
		r := rumorOf(t, "Y", 1, "withheld")
		n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
		n.wait(2 * graftDelay)
		if len(sent[*Graft](n, "C")) != 1 {
			t.Fatal("C is not asked for what did not come")
		}
		n.pushLandmark("C", r, l)
		n.recv("A", near(l, says.Number, says.Distance, false))
		n.recv("A", near(l, 1, 0, false)) // it insists
		n.wait(time.Second)
		if a, b := said(t, n, "A"), said(t, n, "B"); a.Parent || !b.Parent {
			t.Errorf("after %+v A, which did not bring it, is told %+v, B %+v", says, a, b)
		}
		n.wait(numberPause)
		n.recv("A", near(l, 2, 0, false))
		n.wait(time.Second)
		if a := said(t, n, "A"); !a.Parent {
			t.Errorf("with the next number A is told %+v", a)
		}
		if err := n.s.Check(); err != nil {
			t.Error(err)
		}
	}
}

// A landmark that is missing from one list keeps its tree, for those who do not miss it. No
// own rumor begins by it. Who is missing from two is a landmark no more.
func TestMissedLandmark(t *testing.T) {
	n, l := inForest(t)
	v := n.s.grove(7)
	other := v.roster[1]
	var m *member
	for p, is := range n.s.members {
		if landmarkOf(7, p) == l {
			m = is
		}
	}
	n.recv("B", near(l, 1, 900, true))
	seq := uint64(0)
	// list has a new one be made, and a rumor come by the landmark's tree, and an own one.
	list := func(missed bool, own uint64, child bool) {
		t.Helper()
		seq++
		n.recv("A", near(l, uint32(seq), 20, false))
		n.recv("A", near(other, uint32(seq), 300, false))
		m.p.Left = missed
		n.wait(max(rosterPause, 2*sourceIdle))
		if got := n.s.store.entries[n.publish(7, fmt.Sprint(seq)).ID].landmark; got != own {
			t.Errorf("published by %x, want %x", got, own)
		}
		n.forget()
		n.pushLandmark("A", rumorOf(t, "Y", seq, fmt.Sprint("by the tree ", seq)), l)
		if pushes := sent[*Push](n, "B"); (len(pushes) == 1 && pushes[0].Landmark == l) != child {
			t.Errorf("the child is pushed %v, as such: %v", pushes, !child)
		}
		if err := n.s.Check(); err != nil {
			t.Error(err)
		}
	}
	list(false, l, true)
	list(true, other, true)
	list(false, l, true)
	list(true, other, true)
	list(true, other, false)
	if v.tree(l) != nil {
		t.Error("who is missing from two lists in a row has a tree")
	}
}

// Of the landmarks of two lists, the last and the one before, neighbours are told, in more
// messages than one.
func TestAllLandmarksAreTold(t *testing.T) {
	n, _ := inForest(t)
	v := n.s.grove(7)
	want := 0
	tell := func() {
		for _, l := range v.roster {
			n.recv("A", near(l, 1, 20, false))
			want++
		}
		n.wait(time.Second)
	}
	tell()
	v.roster, v.made = nil, n.w.now
	for i := range uint64(maxHeeded) {
		v.roster = append(v.roster, 1<<63+i)
	}
	n.s.fell(v)
	tell()
	n.up("D", 7)
	told := make(map[uint64]bool)
	for _, m := range sent[*Have](n, "D") {
		if len(m.Near) > MaxNear {
			t.Errorf("%d in one message", len(m.Near))
		}
		for _, d := range m.Near {
			told[d.Landmark] = true
		}
	}
	if len(told) != want || want != 2*maxHeeded {
		t.Errorf("a newcomer is told of %d landmarks, want %d", len(told), want)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// Only members are landmarks, whoever is named, and not in small networks.
func TestNoLandmark(t *testing.T) {
	n, l := inForest(t)
	n.recv("A", near(l+1, 1, 0, false))
	if v := n.s.grove(7); len(v.trees) != 0 {
		t.Errorf("a node that nobody knows has a tree")
	}
	small := alone(t)
	small.module(1, 7)
	small.up("A", 7)
	small.recv("A", near(l, 1, 0, false))
	if v := small.s.grove(7); len(v.roster)+len(v.trees) != 0 {
		t.Errorf("%d landmarks and %d trees in a network of two", len(v.roster), len(v.trees))
	}
	large := &Have{Group: 7}
	for i := range 2 * MaxNear {
		large.Near = append(large.Near, Near{Landmark: uint64(i + 1), Number: 1})
	}
	n.recv("B", large)
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}
