package gossip

import (
	"testing"
	"time"
)

// Numbers that somebody makes up are heeded only so often, and the landmark itself
// goes beyond them.
func TestMadeUpNumbers(t *testing.T) {
	n, l := inForest(t)
	for i := range uint32(100) {
		n.recv("A", near(l, i+1, 0, false))
		n.recv("B", near(l, i+1, 0, false))
		n.wait(200 * time.Millisecond)
	}
	told := 0
	for _, m := range sent[*Have](n, "C") {
		told += len(m.Near)
	}
	if told > 5 {
		t.Errorf("in 20 s C was told %d times of a landmark whose number was raised 100 times", told)
	}
	v := n.s.grove(7)
	own := landmarkOf(7, "M")
	v.roster, v.made = []uint64{own}, n.w.now // from now on it is one
	n.recv("A", near(own, 1000, 50, false))
	v.heard = waveRumors
	n.push("A", rumorOf(t, "Y", 1, "one more"))
	if tree := v.tree(own); tree.number != 1001 {
		t.Errorf("after somebody said 1000 its own number is %d", tree.number)
	}
}

// A number that nobody can have come to is heeded neither of another landmark nor of this
// node itself, which would go beyond it, and then be taken for long past by all others.
func TestNumberFarAhead(t *testing.T) {
	n, l := inForest(t)
	n.recv("A", near(l, 5, 20, false))
	n.wait(numberPause + time.Second)
	n.recv("B", near(l, 5+1<<31-1, 0, false))
	n.wait(time.Second)
	if got := said(t, n, "A"); got.Number != 5 || !got.Parent {
		t.Errorf("after a lie of B the next hop is told %+v", got)
	}
	v := n.s.grove(7)
	own := landmarkOf(7, "M")
	v.roster, v.made = []uint64{own}, n.w.now // from now on it is one
	v.heard = waveRumors
	n.push("A", rumorOf(t, "Y", 1, "one more"))
	for _, c := range []struct{ said, want uint32 }{{1 << 31, 1}, {maxAhead + 2, 1}, {maxAhead + 1, maxAhead + 2}} {
		n.recv("A", near(own, c.said, 50, false))
		n.wait(numberPause + time.Second)
		if got := v.tree(own).number; got != c.want {
			t.Errorf("after somebody said %d its own number is %d, want %d", c.said, got, c.want)
		}
		v.made = n.w.now
	}
}

// Whoever is first to tell of a landmark may make up its number. It is followed until that
// neighbour is distrusted, and not by those who know the true one.
func TestMadeUpFirstNumber(t *testing.T) {
	for _, lie := range []uint32{5 + 1<<30, 5 + 2*maxAhead, 1<<32 + 5 - 1<<30, ^uint32(0) - 2*maxAhead} {
		n, l := inForest(t)
		n.recv("B", near(l, lie, 0, false))
		n.wait(time.Second)
		n.recv("A", near(l, 5, 20, false))
		n.wait(numberPause + time.Second)
		if got := said(t, n, "B"); got.Number != lie || !got.Parent {
			t.Fatalf("who was heard first, and says %d, is told %+v", lie, got)
		}
		n.s.doubt(n.s.links["B"], VerdictKnown)
		n.wait(time.Second)
		if got := said(t, n, "A"); got.Number != 5 || !got.Parent {
			t.Errorf("when who said %d is distrusted, who says 5 is told %+v", lie, got)
		}
		n.recv("B", near(l, lie, 0, false)) // it insists
		n.wait(numberPause + 2*distrust)
		n.recv("B", near(l, lie+1, 0, false)) // and is trusted again
		n.wait(time.Second)
		if got := said(t, n, "A"); got.Number != 5 || !got.Parent {
			t.Errorf("when %d is said again, who says 5 is told %+v", lie, got)
		}
		if err := n.s.Check(); err != nil {
			t.Error(err)
		}
	}
}

// A later number of a neighbour that is distrusted leads nowhere. What others say counts
// until they have it, too.
func TestDistrustedNumber(t *testing.T) {
	n, l := inForest(t)
	n.recv("A", near(l, 1, 20, false))
	n.recv("B", near(l, 1, 0, false))
	n.wait(time.Second)
	n.s.doubt(n.s.links["B"], VerdictKnown)
	n.wait(numberPause)
	n.recv("B", near(l, 2, 0, false))
	n.wait(time.Second)
	if got := said(t, n, "A"); got.Number != 1 || !got.Parent {
		t.Errorf("by what who is distrusted says, A is told %+v", got)
	}
	n.recv("A", near(l, 2, 20, false))
	n.wait(time.Second)
	if got := said(t, n, "A"); got.Number != 2 || !got.Parent {
		t.Errorf("when it says the same A is told %+v", got)
	}
}

// What a landmark is told its number is it goes beyond, but never so far that who did not
// hear the same would not heed it. So whom a liar talks to makes no difference.
func TestOwnNumberDoesNotLeap(t *testing.T) {
	n, _ := inForest(t)
	v := n.s.grove(7)
	own := landmarkOf(7, "M")
	v.roster, v.made = []uint64{own}, n.w.now // from now on it is one
	v.heard = waveRumors
	n.push("A", rumorOf(t, "Y", 1, "one more"))
	number := v.tree(own).number
	for range 3 {
		lie := number + maxAhead
		n.wait(numberPause)
		n.forget()
		v.made = n.w.now
		n.recv("A", near(own, lie, 50, false))
		n.wait(2 * numberPause)
		for _, m := range sent[*Have](n, "B") {
			for _, d := range m.Near {
				if d.Number-number > maxAhead {
					t.Errorf("B, which knows number %d, is told %d", number, d.Number)
				}
				number = d.Number
			}
		}
		if number != lie+1 {
			t.Errorf("after somebody said %d to it the number of a landmark is %d", lie, number)
		}
	}
}

// Who is none of the landmarks has no tree, though others say so, and heed it.
func TestFollowerDoesNotRaise(t *testing.T) {
	for rank, want := range map[int]uint32{maxLandmarks - 1: 6, maxLandmarks: 0} {
		n, _ := inForest(t)
		v := n.s.grove(7)
		own := landmarkOf(7, "M")
		v.roster, v.takers, v.made = nil, maxHeeded+1, n.w.now
		for i := range uint64(maxHeeded) {
			v.roster = append(v.roster, own-uint64(rank)+i)
		}
		n.recv("A", near(own, 5, 50, false))
		n.wait(time.Second)
		if tree := v.tree(own); tree.number != want || tree.known != (want > 0) {
			t.Errorf("number %d of those with the smallest hashes has number %d, want %d", rank+1, tree.number, want)
		}
		if err := n.s.Check(); err != nil {
			t.Error(err)
		}
	}
}
