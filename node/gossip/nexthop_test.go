package gossip

import (
	"math/rand/v2"
	"testing"
	"time"
)

// toldOf lists what M told a neighbour of a landmark since forget.
func toldOf(n *tnode, p PeerID, l uint64) (list []Near) {
	for _, m := range sent[*Have](n, p) {
		for _, d := range m.Near {
			if d.Landmark == l {
				list = append(list, d)
			}
		}
	}
	return list
}

// What was said of a landmark and did not get through is said again: else the next hop
// would not know that it is, and be blamed for what it does not bring.
func TestDroppedWaysAreToldAgain(t *testing.T) {
	n, l := inForest(t)
	n.recv("A", near(l, 1, 20, false))
	n.wait(time.Second)
	list := sent[*Have](n, "A")
	lost := list[len(list)-1]
	if len(lost.Near) != 1 || !lost.Near[0].Parent {
		t.Fatalf("the next hop is told %+v", lost)
	}
	n.forget()
	n.do(SendDropped{To: "A", Msg: lost})
	n.do(SendDropped{To: "B", Msg: &Have{Group: 7, IDs: []ShortID{{1}}}})
	n.wait(2 * time.Second)
	if got := said(t, n, "A"); got != lost.Near[0] {
		t.Errorf("A is told %+v, want %+v again", got, lost.Near[0])
	}
	for _, m := range sent[*Have](n, "B") {
		if len(m.Near) > 0 {
			t.Errorf("B, which knows, is told %+v", m.Near)
		}
	}
}

// A next hop that tells the same number again may have lost the tree meanwhile, and does not
// know its children: it is told that this node is one, and nobody else is.
func TestNextHopIsToldAgain(t *testing.T) {
	n, l := inForest(t)
	n.recv("A", near(l, 1, 20, false))
	n.wait(time.Second)
	want := said(t, n, "A")
	if !want.Parent {
		t.Fatalf("the next hop is told %+v", want)
	}
	n.forget()
	n.recv("B", near(l, 1, 40, false))
	n.wait(time.Second)
	for _, p := range []PeerID{"A", "B", "C"} {
		if got := len(sent[*Have](n, p)); got != 0 {
			t.Errorf("after what B says %s is told %d times", p, got)
		}
	}
	n.recv("A", near(l, 1, 20, false))
	n.wait(time.Second)
	if got := said(t, n, "A"); got != want {
		t.Errorf("the next hop is told %+v, want %+v again", got, want)
	}
	for _, p := range []PeerID{"B", "C"} {
		if got := len(sent[*Have](n, p)); got != 0 {
			t.Errorf("after what A says again %s is told %d times", p, got)
		}
	}
}

// It is told so whatever happens to other trees meanwhile.
func TestNextHopIsToldAgainAmongTrees(t *testing.T) {
	for seed := range uint64(10) {
		n, l := inForest(t)
		n.s.cfg.Rand = rand.New(rand.NewPCG(seed, 0))
		n.recv("A", near(l, 1, 20, false))
		n.wait(time.Second)
		n.forget()
		n.recv("B", near(n.s.grove(7).roster[1], 1, 40, false))
		n.wait(waveDelay - 5*time.Millisecond) // the other tree is tended first
		n.recv("A", near(l, 1, 20, false))
		n.wait(time.Second)
		if got := toldOf(n, "A", l); len(got) != 1 || !got[0].Parent {
			t.Errorf("seed %d: the next hop is told %+v", seed, got)
		}
	}
}

// A next hop that tells its number again, and is none any more by the time that it would be
// told so, is told that.
func TestFormerNextHopIsTold(t *testing.T) {
	n, l := inForest(t)
	n.recv("A", near(l, 1, 20, false))
	n.wait(time.Second)
	n.forget()
	n.recv("A", near(l, 1, 20, false))
	n.recv("B", near(l, 1, 20-landmarkHop+1, false)) // by so little nearer that others are not told
	n.wait(time.Second)
	for p, want := range map[PeerID][]bool{"A": {false}, "B": {true}, "C": nil} {
		var got []bool
		for _, d := range toldOf(n, p, l) {
			got = append(got, d.Parent)
		}
		mustEqual(t, string(p)+" is told that it is the next hop", got, want)
	}
}
