package gossip

import (
	"fmt"
	"testing"
	"time"
)

// inHamlet is a node M in a small network, where all members that take type 7 are
// landmarks: itself, its neighbours A, B, C and D, and X, whose landmark is returned.
// What M was told before is forgotten.
func inHamlet(t *testing.T) (n *tnode, x uint64) {
	n = alone(t)
	n.module(1, 7)
	n.do(SelfRecord{PeerRecord{Peer: "M", Seq: 1, Bytes: []byte("M")}})
	for _, p := range []PeerID{"A", "B", "C", "D"} {
		n.up(p, 7)
		n.push(p, presenceOf(t, p, 1, Presence{Record: []byte("r"), Interests: []uint16{7}}))
	}
	n.push("A", presenceOf(t, "X", 1, Presence{Record: []byte("r"), Interests: []uint16{7}}))
	n.wait(rosterPause)
	if v := n.s.grove(7); len(v.roster) != 6 || !v.small() {
		t.Fatalf("%d of %d members may be landmarks", len(v.roster), v.takers)
	}
	n.forget()
	return n, landmarkOf(7, "X")
}

// byX has X speak by its own tree.
func (n *tnode) byX(t *testing.T, p PeerID, seq uint64) Verdict {
	return n.pushLandmark(p, rumorOf(t, "X", seq, fmt.Sprint("X ", seq)), landmarkOf(7, "X"))
}

// In a small network everybody is a landmark, and uses its own tree as soon as it is
// ready, however often it speaks; its next rumors are pushed to all who take it for
// their next hop, and no duplicate changes that.
func TestOwnTree(t *testing.T) {
	n, _ := inHamlet(t)
	own := landmarkOf(7, "M")
	for i := range waveRumors {
		n.push("A", rumorOf(t, "Y", uint64(i+1), fmt.Sprint(i)))
	}
	n.wait(time.Second)
	for _, p := range []PeerID{"A", "B", "C", "D"} {
		var last Near
		for _, m := range sent[*Have](n, p) {
			for _, d := range m.Near {
				if d.Landmark == own {
					last = d
				}
			}
		}
		if last != (Near{own, 1, 0, false}) {
			t.Fatalf("%s is told %+v of M", p, last)
		}
	}
	n.recv("A", near(own, 1, 30, true))
	n.recv("B", near(own, 1, 30, true))
	n.recv("C", near(own, 1, 60, false))
	n.wait(treeReady)
	for i := range 2 * sourceOften {
		n.forget()
		r := n.publish(7, fmt.Sprint("of M ", i))
		for p, want := range map[PeerID]bool{"A": true, "B": true, "C": false} {
			pushes := sent[*Push](n, p)
			if got := len(pushes) == 1 && pushes[0].Landmark == own; got != want {
				t.Errorf("rumor %d is pushed to %s: %v, want %v", i+1, p, got, want)
			}
		}
		if e := n.s.store.entries[r.ID]; e.landmark != own {
			t.Errorf("rumor %d travels by %x, want M's own tree", i+1, e.landmark)
		}
	}
}

// Who says nothing of landmarks knows the shared tree only, and is pushed to by that.
func TestUnaware(t *testing.T) {
	n, x := inHamlet(t)
	n.recv("A", near(x, 1, 20, false))
	n.recv("B", near(x, 1, 90, false))
	n.wait(time.Second)
	n.forget()
	n.mute["C"] = true // its verdict comes below
	n.byX(t, "A", 1)
	for p, want := range map[PeerID]int{"B": 0, "C": 1, "D": 1} {
		if got := len(sent[*Push](n, p)); got != want {
			t.Errorf("%d pushes to %s, want %d", got, p, want)
		}
	}
	n.recv("C", &Receipt{[]Verdict{VerdictDuplicate}})
	n.mute["C"] = false
	// And what it brings again takes it out of the shared tree.
	if v := n.verdict("D", &Push{Rumor: rumorOf(t, "X", 1, "X 1"), Hops: 3}); v != VerdictDuplicate {
		t.Errorf("a second copy from who knows no landmarks gets verdict %d", v)
	}
	n.wait(time.Second)
	n.forget()
	n.byX(t, "A", 2)
	for _, p := range []PeerID{"B", "C", "D"} {
		if got := len(sent[*Push](n, p)); got != 0 {
			t.Errorf("%d pushes to %s, which is in no tree", got, p)
		}
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// Who has lost its way and knows no other wishes for a later number: at once if the
// tree is in use, else when something does not come by it; and no wish is repeated
// before numberPause.
func TestWish(t *testing.T) {
	for _, inUse := range []bool{true, false} {
		n, x := inHamlet(t)
		n.recv("A", near(x, 1, 20, false))
		n.recv("B", near(x, 1, 900, true)) // it comes to X by this node
		n.wait(time.Second)
		if inUse {
			n.byX(t, "A", 1)
		}
		n.do(LinkDown{"A"})
		n.wait(time.Second)
		want := Near{x, 1, far, false}
		if inUse {
			want.Number = 2
		}
		if got := said(t, n, "C"); got != want {
			t.Errorf("in use %v: without a way C is told %+v, want %+v", inUse, got, want)
		}
		if inUse {
			n.forget()
			n.do(Tick{})
			n.wait(numberPause / 2)
			for _, m := range sent[*Have](n, "C") {
				if len(m.Near) > 0 {
					t.Errorf("told again %+v", m.Near)
				}
			}
			continue
		}
		r := rumorOf(t, "X", 2, "late")
		n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
		n.wait(2 * graftDelay)
		n.pushLandmark("C", r, x)
		n.wait(time.Second)
		if got := said(t, n, "D"); got != (Near{x, 2, far, false}) {
			t.Errorf("after something came late D is told %+v", got)
		}
	}
}

// A wish goes to the next hop only, once, and the landmark raises its number for it,
// after numberPause at the earliest.
func TestWishIsPassedOn(t *testing.T) {
	n, x := inHamlet(t)
	own := landmarkOf(7, "M")
	n.recv("A", near(x, 1, 20, false))
	n.wait(time.Second)
	n.forget()
	for range 3 {
		n.recv("B", near(x, 2, far, false))
		n.recv("C", near(x, 2, far, false))
		n.wait(time.Second)
	}
	wishes := 0
	for _, m := range sent[*Have](n, "A") {
		for _, d := range m.Near {
			if d != (Near{x, 2, far, true}) {
				t.Errorf("the next hop is told %+v", d)
			}
			wishes++
		}
	}
	if wishes != 1 {
		t.Errorf("the wish of two neighbours was passed on %d times", wishes)
	}
	for _, p := range []PeerID{"B", "C", "D"} {
		for _, m := range sent[*Have](n, p) {
			if len(m.Near) > 0 {
				t.Errorf("%s, which is not the next hop, is told %+v", p, m.Near)
			}
		}
	}
	if tree := n.s.grove(7).tree(x); tree.parent != n.s.links["A"].slot || tree.number != 1 {
		t.Errorf("because of a wish the way to X is by slot %d with number %d", tree.parent, tree.number)
	}

	v := n.s.grove(7)
	n.s.raise(n.s.plant(v, own))
	n.wait(time.Second)
	n.recv("B", near(own, 2, far, false))
	n.wait(numberPause - 2*time.Second)
	if got := v.tree(own).number; got != 1 {
		t.Errorf("its number is %d before the pause is over", got)
	}
	n.wait(2 * time.Second)
	if got := said(t, n, "C"); got.Landmark != own || !raisedAbove(got.Number, 2) || got.Distance != 0 {
		t.Errorf("after a wish for 2 C is told %+v", got)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// Who takes this node for its next hop is told at once what came just before, and it
// is not known to have.
func TestNewChildIsTold(t *testing.T) {
	n, x := inHamlet(t)
	for _, p := range []PeerID{"A", "B", "C", "D"} {
		n.recv(p, near(x, 1, 20, false))
	}
	n.wait(time.Second)
	old := rumorOf(t, "X", 1, "X 1")
	n.byX(t, "A", 1)
	n.wait(2 * formerChild)
	for seq := uint64(2); seq <= 3; seq++ {
		n.recv("A", &Push{Rumor: rumorOf(t, "X", seq, fmt.Sprint("X ", seq)), Hops: 1, Landmark: x})
	}
	n.recv("B", &Have{Group: 7, IDs: []ShortID{rumorOf(t, "X", 3, "X 3").ID.Short()}})
	n.recv("A", &Fill{rumorOf(t, "X", 4, "X 4"), 1}) // which no tree would have brought
	n.forget()
	n.recv("B", near(x, 1, 50, true))
	var ids []ShortID
	for _, m := range sent[*Have](n, "B") {
		ids = append(ids, m.IDs...)
	}
	mustEqual(t, "told at once", ids, []ShortID{rumorOf(t, "X", 2, "X 2").ID.Short()})
	n.forget()
	n.recv("B", near(x, 1, 50, true)) // no news
	for _, m := range sent[*Have](n, "B") {
		t.Errorf("told again %v, %v is old", m.IDs, old.ID.Short())
	}
}

// What became farther is not told before the next number, what became nearer is.
func TestOnlyNearerIsNews(t *testing.T) {
	n, x := inHamlet(t)
	hop := n.s.links["A"].linkDistance()
	n.recv("A", near(x, 1, 100, false))
	n.wait(time.Second)
	for _, c := range []struct {
		distance uint16
		want     int
	}{{100 + landmarkHop, 0}, {100 - landmarkHop/2, 0}, {40, 1}, {90, 0}} {
		n.forget()
		n.recv("A", near(x, 1, c.distance, false))
		n.wait(time.Second)
		told := 0
		for _, m := range sent[*Have](n, "C") {
			for _, d := range m.Near {
				told++
				if d.Distance != c.distance+hop {
					t.Errorf("at %d C is told %+v", c.distance, d)
				}
			}
		}
		if told != c.want {
			t.Errorf("at %d C is told %d times, want %d", c.distance, told, c.want)
		}
	}
}

// A next hop that had what it should have brought is next hop to nobody for a while, and
// for twice as long the next time; that it had nothing itself is believed a few times.
func TestDoubt(t *testing.T) {
	for name, c := range map[string]struct {
		says  Verdict
		bears int // rumors that it may fail to bring
		copy  bool
	}{
		"it had it":             {VerdictKnown, 0, false},
		"it had not":            {VerdictNew, mayFail - 1, false},
		"its copy was slower":   {VerdictKnown, 10, true},
		"it brings others":      {VerdictNew, mayFail - 1, false},
		"it has no room for it": {VerdictBusy, 10, false},
	} {
		t.Run(name, func(t *testing.T) {
			n, x := inHamlet(t)
			n.recv("A", near(x, 1, 0, false))
			n.recv("B", near(x, 1, 10, false))
			n.wait(time.Second + formerChild)
			tree := n.s.grove(7).tree(x)
			a, b := n.s.links["A"].slot, n.s.links["B"].slot
			seq := uint64(0)
			// fails has a rumor of X come from C, which was asked for it.
			fails := func() {
				seq++
				r := rumorOf(t, "X", seq, fmt.Sprint("X ", seq))
				n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
				n.wait(2 * graftDelay)
				n.forget()
				n.mute["A"] = true // its verdict comes below
				n.pushLandmark("C", r, x)
				if len(sent[*Push](n, "A")) != 1 {
					t.Fatal("what came from elsewhere is not pushed to the next hop")
				}
				if c.copy {
					n.pushLandmark("A", r, x)
				}
				n.recv("A", &Receipt{[]Verdict{c.says}})
				n.mute["A"] = false
				n.wait(time.Second)
			}
			for range c.bears {
				fails()
				if tree.parent != a {
					t.Fatalf("A is not the next hop any more after rumor %d", seq)
				}
			}
			if name == "it brings others" {
				seq++
				n.byX(t, "A", seq)
				fails()
				if tree.parent != a {
					t.Fatal("what A brought does not count")
				}
				return
			}
			if c.bears == 10 {
				return
			}
			for pause := distrust; pause <= 4*distrust; pause *= 2 {
				for tree.parent == a {
					fails()
				}
				if tree.parent != b {
					t.Fatalf("the next hop is slot %d, want B, %d", tree.parent, b)
				}
				for _, later := range []bool{false, true} {
					if later {
						n.wait(pause)
					}
					n.recv("A", near(x, tree.number+1, 0, false))
					n.recv("B", near(x, tree.number+1, 10, false))
					n.wait(numberPause + time.Second)
					if got := tree.parent == a; got != later {
						t.Fatalf("%v after A failed it is the next hop: %v", pause, got)
					}
				}
				n.wait(formerChild)
			}
		})
	}
}

// What a next hop says at once of several rumors counts once: whoever gave them to this node
// may have had them, and been quick with them, before it could.
func TestDoubtOncePerReceipt(t *testing.T) {
	n, x := inHamlet(t)
	n.recv("A", near(x, 1, 0, false))
	n.recv("B", near(x, 1, 10, false))
	n.wait(time.Second + formerChild)
	n.mute["A"] = true // its verdicts come below
	for seq := range uint64(mayFail) {
		r := rumorOf(t, "X", seq+1, fmt.Sprint("X ", seq))
		n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
		n.wait(2 * graftDelay)
		n.pushLandmark("C", r, x)
	}
	a := n.s.links["A"]
	if got := len(pushedTo(n, "A")); got != mayFail || n.s.grove(7).tree(x).parent != a.slot {
		t.Fatalf("%d rumors are pushed to the next hop, want %d", got, mayFail)
	}
	n.recv("A", &Receipt{make([]Verdict, mayFail)})
	if n.s.grove(7).tree(x).parent != a.slot || a.excuses != 1 {
		t.Errorf("with one Receipt it has %d excuses, want 1", a.excuses)
	}
}

// By whom a landmark's rumors were seen to come sooner is next hop, whatever the
// distances say, unless its way may lead over this node: then with the next number.
func TestSoonerWay(t *testing.T) {
	for _, c := range []struct {
		distance uint16 // that B tells; A tells 20
		at       uint32 // the number with which B is taken
	}{{40, 1}, {300, 2}} {
		n, x := inHamlet(t)
		n.recv("A", near(x, 1, 20, false))
		n.recv("B", near(x, 1, c.distance, false))
		n.wait(time.Second)
		tree := n.s.grove(7).tree(x)
		a, b := n.s.links["A"].slot, n.s.links["B"].slot
		seq := uint64(0)
		// says has X speak by A, which B had so much earlier.
		says := func(sooner time.Duration) {
			seq++
			r := rumorOf(t, "X", seq, fmt.Sprint("X ", seq))
			n.recv("A", &Push{Rumor: r, Hops: 2, Landmark: x})
			n.recv("B", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}, Held: []uint16{uint16(sooner.Milliseconds())}})
			n.wait(judgeAfter + calmFan*calmFactor*n.s.cfg.HaveDelay)
		}
		for range 2 * sourceOften {
			says(wayMargin / 2)
		}
		if tree.parent != a {
			t.Fatalf("B at %d: the next hop changed for %v", c.distance, wayMargin/2)
		}
		says(waySure)
		says(0)
		n.wait(time.Second)
		if got := tree.parent == b; got != (c.at == 1) {
			t.Errorf("B at %d is next hop with the present number: %v", c.distance, got)
		}
		if got := said(t, n, "B"); got.Parent != (c.at == 1) {
			t.Errorf("B at %d is told %+v", c.distance, got)
		}
		n.wait(numberPause)
		n.recv("A", near(x, 2, 20, false))
		n.recv("B", near(x, 2, c.distance, false))
		n.wait(time.Second)
		if tree.parent != b || tree.distance != n.s.links["B"].distanceBy(tree.offers[b]) {
			t.Errorf("B at %d: with the next number the next hop is slot %d at %d, want B, %d", c.distance, tree.parent, tree.distance, b)
		}
		if err := n.s.Check(); err != nil {
			t.Error(err)
		}
	}
}

// What is gained once is believed if the links on the way take as long, else it may be
// that somebody was busy.
func TestBusyWay(t *testing.T) {
	for hops, want := range map[uint8]bool{2: true, 8: false} {
		n, x := inHamlet(t)
		n.recv("A", near(x, 1, 20, false))
		n.recv("B", near(x, 1, 10, false))
		n.wait(time.Second)
		tree := n.s.grove(7).tree(x)
		tree.parent = n.s.links["A"].slot
		tree.distance = n.s.links["A"].distanceBy(tree.offers[tree.parent])
		for seq, sooner := range []time.Duration{0, 0, 0, wayNext, 0} {
			r := rumorOf(t, "X", uint64(seq+1), fmt.Sprint("X ", seq))
			n.recv("A", &Push{Rumor: r, Hops: hops, Landmark: x})
			n.recv("B", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}, Held: []uint16{uint16(sooner.Milliseconds())}})
			n.wait(judgeAfter + calmFan*calmFactor*n.s.cfg.HaveDelay)
		}
		if got := tree.parent == n.s.links["B"].slot; got != want {
			t.Errorf("over %d links of %v in all: another next hop for %v: %v", hops, tree.linksTake(hops), wayNext, got)
		}
	}
}
