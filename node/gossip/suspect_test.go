package gossip

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestSuspicionTime(t *testing.T) {
	for _, c := range []struct {
		accusers, witnesses int
		want                time.Duration
	}{
		{1, 1, suspicionMin}, {1, 2, suspicionMax}, {2, 2, suspicionMin},
		{2, 4, (suspicionMin + suspicionMax) / 2}, {3, 3, suspicionMin}, {9, 3, suspicionMin},
	} {
		if got := suspicionTime(c.accusers, c.witnesses); got != c.want {
			t.Errorf("%d of %d witnesses: %v, want %v", c.accusers, c.witnesses, got, c.want)
		}
	}
	if d := suspicionTime(2, 3); d <= suspicionMin || d >= (suspicionMin+suspicionMax)/2 {
		t.Errorf("two of three: %v", d)
	}
}

// crowd is a node whose members are played by the test, told by neighbour B.
func crowd(t testing.TB, members ...PeerID) *tnode {
	n := alone(t)
	n.record()
	n.up("B")
	for _, p := range members {
		n.hear(p, 1, Presence{})
	}
	n.forget()
	return n
}

// accuse has a member name another, by the presence with a number.
func (n *tnode) accuse(by PeerID, seq uint64, of PeerID, ofSeq uint64) {
	n.hear(by, seq, Presence{Lost: []Lost{{of, 1, ofSeq}}})
}

// hear has B bring a presence.
func (n *tnode) hear(from PeerID, seq uint64, p Presence) {
	n.recv("B", &Push{Rumor: presenceOf(n.w.t, from, seq, p), Hops: 1})
}

// A neighbour whose link broke is dialled soon by the smaller peer ID, and a
// little later by the larger one; if that fails it is named as lost.
func TestLostNeighbourIsRedialled(t *testing.T) {
	for _, c := range []struct {
		peer       PeerID
		from, upTo time.Duration
	}{{"Z", 0, redialSpread}, {"A", redialPause, redialPause + redialSpread}} {
		n := crowd(t, "C", "D", "E", c.peer)
		n.up(c.peer)
		n.wait(pingInterval)
		n.forget()
		n.do(LinkDown{c.peer})
		if c.from > 0 {
			n.wait(c.from - time.Millisecond)
			mustEqual(t, "dialled early", n.dials(), nil)
		}
		n.wait(c.upTo - c.from + time.Millisecond)
		mustEqual(t, "dialled", n.dials(), []PeerID{c.peer})
		mustEqual(t, "changes before the answer", n.changes(c.peer), nil)
		n.do(DialFailed{c.peer})
		mustEqual(t, "changes", n.changes(c.peer), []PeerChange{PeerSuspected})
		n.wait(accusePause)
		own := ownPresences(t, n)
		if len(own) != 1 || !slices.Equal(own[0].Lost, []Lost{{c.peer, 1, 1}}) || own[0].Refutes {
			t.Errorf("its presence says %+v", own)
		}
		// Alone it does not take it for lost; a link acquits.
		n.wait(3 * suspicionMax)
		mustEqual(t, "changes", n.changes(c.peer), []PeerChange{PeerSuspected})
		n.up(c.peer)
		mustEqual(t, "changes", n.changes(c.peer), []PeerChange{PeerSuspected, PeerBack})
		n.subscribe(1, false, 7)
		n.wait(time.Second)
		if own = ownPresences(t, n); len(own) != 2 || len(own[1].Lost) != 0 {
			t.Errorf("after it is back its presence says %+v", own)
		}
	}
}

// ownPresences reads the presences that a node sealed since forget.
func ownPresences(t testing.TB, n *tnode) (list []*Presence) {
	for _, a := range actions[Seal](n) {
		if a.Rumor.Kind == KindPresence {
			p, err := ParsePresence(a.Rumor.Payload)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, p)
		}
	}
	return list
}

// Who said goodbye, was sent away, or answers the dial is not accused.
func TestNoAccusationWithoutCause(t *testing.T) {
	for name, end := range map[string]func(n *tnode){
		"it leaves":           func(n *tnode) { n.recv("C", &Bye{ByeLeaving}); n.do(LinkDown{"C"}) },
		"it is full":          func(n *tnode) { n.recv("C", &Bye{ByeFull}); n.do(LinkDown{"C"}) },
		"it answers the dial": func(n *tnode) { n.do(LinkDown{"C"}); n.wait(time.Second); n.up("C") },
		"its presence left": func(n *tnode) {
			n.hear("C", 2, Presence{Left: true})
			n.do(LinkDown{"C"})
		},
	} {
		n := crowd(t, "C", "D", "E")
		n.up("C")
		end(n)
		n.do(DialFailed{"C"}) // of another attempt
		n.wait(time.Minute)
		if changes := n.changes("C"); slices.Contains(changes, PeerSuspected) || n.s.Status().Counters.Accused != 0 {
			t.Errorf("%s: changes %v", name, changes)
		}
	}
}

// One accuser is not believed, two are, four sooner; a newer presence ends it at
// any time, an older one does not.
func TestAccusers(t *testing.T) {
	n := crowd(t, "C", "D", "E", "F", "G", "X")
	for seq := range uint64(20) {
		n.accuse("C", 2+seq, "X", 1)
		n.wait(time.Second)
	}
	mustEqual(t, "changes after twenty words of one", n.changes("X"), nil)
	if m := n.s.members["X"]; len(m.doubt.accusers) != 1 {
		t.Errorf("%d accusers", len(m.doubt.accusers))
	}
	n.accuse("D", 2, "X", 1)
	mustEqual(t, "changes with two", n.changes("X"), []PeerChange{PeerSuspected})
	n.wait(suspicionTime(2, 3) - time.Millisecond)
	mustEqual(t, "changes before the time-out", n.changes("X"), []PeerChange{PeerSuspected})
	n.wait(time.Millisecond)
	mustEqual(t, "changes after the time-out", n.changes("X"), []PeerChange{PeerSuspected, PeerLost})
	st := n.s.Status()
	i := slices.IndexFunc(st.Members, func(m MemberStatus) bool { return m.Peer == "X" })
	if m := st.Members[i]; m.Lost.IsZero() || m.Suspected.IsZero() || m.Accusers != 2 || m.Left {
		t.Errorf("X is known as %+v", m)
	}
	// It is known, compared, and does not come back by what is older or the same.
	if len(n.s.presences) != 7 {
		t.Errorf("%d presences are compared", len(n.s.presences))
	}
	n.hear("X", 1, Presence{})
	mustEqual(t, "changes after its old presence", n.changes("X"), []PeerChange{PeerSuspected, PeerLost})
	n.hear("X", 2, Presence{})
	mustEqual(t, "changes after its new presence", n.changes("X"), []PeerChange{PeerSuspected, PeerLost, PeerBack})
	// What they said was about the one before.
	n.wait(time.Minute)
	if len(n.changes("X")) != 3 || n.s.members["X"].doubt != nil {
		t.Errorf("changes %v, doubt %+v", n.changes("X"), n.s.members["X"].doubt)
	}
	n.forget()
	for i, by := range []PeerID{"C", "D", "E", "F"} {
		n.accuse(by, 50+uint64(i), "X", 2)
	}
	n.wait(suspicionMin)
	mustEqual(t, "changes with four", n.changes("X"), []PeerChange{PeerSuspected, PeerLost})
	if c := n.s.Status().Counters; c.Suspected != 2 || c.Lost != 2 {
		t.Errorf("counted %d suspects, %d lost", c.Suspected, c.Lost)
	}
}

// A member renewed within the time-out was never lost.
func TestRenewalWithinTimeOut(t *testing.T) {
	n := crowd(t, "C", "D", "E", "F", "X")
	n.accuse("C", 2, "X", 1)
	n.accuse("D", 2, "X", 1)
	n.wait(suspicionTime(2, 3) - time.Second)
	n.hear("X", 2, Presence{})
	n.wait(time.Minute)
	mustEqual(t, "changes", n.changes("X"), []PeerChange{PeerSuspected, PeerBack})
}

// With two witnesses or fewer one accuser is enough.
func TestSmallNetwork(t *testing.T) {
	n := crowd(t, "C", "X") // and M itself
	n.accuse("C", 2, "X", 1)
	n.wait(suspicionMax)
	mustEqual(t, "changes of three", n.changes("X"), []PeerChange{PeerSuspected, PeerLost})
	n = crowd(t, "C", "D", "X")
	n.accuse("C", 2, "X", 1)
	n.wait(2 * suspicionMax)
	mustEqual(t, "changes of four", n.changes("X"), nil)
}

// What is linked here lives, whatever others say; without the link their word
// counts.
func TestLinkedIsAlive(t *testing.T) {
	n := crowd(t, "C", "D", "E", "F", "X")
	n.up("X")
	for _, by := range []PeerID{"C", "D", "E", "F"} {
		n.accuse(by, 2, "X", 1)
	}
	n.wait(time.Minute)
	mustEqual(t, "changes while linked", n.changes("X"), nil)
	n.do(LinkDown{"X"})
	n.wait(suspicionMin)
	mustEqual(t, "changes without the link", n.changes("X"), []PeerChange{PeerSuspected, PeerLost})
}

// Accusations of a presence that is not known yet count when it comes, those of
// one that is made up never do, and nobody accuses itself.
func TestAccusationOfAnotherPresence(t *testing.T) {
	n := crowd(t, "C", "D", "E", "F", "X")
	n.accuse("X", 2, "X", 2)
	for i := range maxAccusers + 2 {
		by := PeerID(fmt.Sprintf("made up %d", i))
		n.hear(by, 1, Presence{Lost: []Lost{{"X", 1, 1 << 60}}})
	}
	if got := len(n.s.members["X"].doubt.accusers); got != maxAccusers {
		t.Errorf("%d accusers are remembered, at most %d", got, maxAccusers)
	}
	n.accuse("C", 2, "X", 2)
	n.accuse("D", 2, "X", 3)
	n.wait(suspicionMax)
	mustEqual(t, "changes", n.changes("X"), nil)
	n.accuse("E", 2, "X", 3)
	n.hear("X", 3, Presence{})
	mustEqual(t, "changes when their presence is here", n.changes("X"), []PeerChange{PeerSuspected})
	// This node's own word always finds room.
	x := n.s.members["X"]
	n.s.out = new(Actions)
	for i := range maxAccusers {
		n.s.addAccuser(x, accuser{PeerID(fmt.Sprint(i)), x.r.version()})
	}
	n.s.addAccuser(x, accuser{"M", x.r.version()})
	if _, own := x.doubt.count(x.r.version(), "M"); !own || len(x.doubt.accusers) != maxAccusers {
		t.Errorf("accusers %v", x.doubt.accusers)
	}
}

// Who joins hears accusations and the presences that they are about in any order.
func TestAccusationBeforePresence(t *testing.T) {
	n := crowd(t)
	for _, by := range []PeerID{"C", "D", "E", "F"} {
		n.accuse(by, 1, "X", 1)
	}
	n.hear("X", 1, Presence{})
	n.wait(rescan + suspicionMin)
	mustEqual(t, "changes", n.changes("X"), []PeerChange{PeerJoined, PeerSuspected, PeerLost})
	if len(n.s.members) != 6 || n.s.suspects.accusing != 4 {
		t.Errorf("%d members, %d of them accuse", len(n.s.members), n.s.suspects.accusing)
	}
}

// An accused node answers at once, once per refutePause, however many accuse it
// however often; and says that this is an answer.
func TestRefute(t *testing.T) {
	n := crowd(t, "C", "D", "E", "F", "G")
	n.wait(time.Second)
	own := func() uint64 { return n.s.members["M"].r.Seq }
	first := own()
	n.accuse("C", 2, "M", first-1) // one that was renewed since
	n.wait(time.Second)
	if own() != first {
		t.Fatal("it answers what is over")
	}
	n.accuse("C", 3, "M", first)
	n.wait(presenceMinimum)
	if own() != first+1 || !n.s.members["M"].p.Refutes {
		t.Fatalf("presence %d, %+v, after an accusation of %d", own(), n.s.members["M"].p, first)
	}
	if n.changes("M") != nil {
		t.Error("it suspects itself")
	}
	seq := uint64(10)
	began := n.w.now
	for n.w.now.Sub(began) < 10*refutePause {
		for _, by := range []PeerID{"C", "D", "E", "F", "G"} {
			n.accuse(by, seq, "M", own())
		}
		seq++
		n.wait(100 * time.Millisecond)
	}
	if got := n.s.Status().Counters.Refuted; got < 9 || got > 12 {
		t.Errorf("%d refutations in %v of accusations", got, 10*refutePause)
	}
	for _, p := range ownPresences(t, n) {
		if !p.Refutes {
			t.Error("a presence between two refutations does not say that it is one")
		}
	}
	n.wait(time.Minute)
	n.subscribe(1, false, 7)
	n.wait(time.Second)
	if n.s.members["M"].p.Refutes {
		t.Error("it goes on refuting")
	}
}

// Who has just refuted is not suspected before it could refute again, and what
// it says next does not end that.
func TestRefuteGrace(t *testing.T) {
	n := crowd(t, "C", "D", "E", "F", "X")
	n.hear("X", 2, Presence{Refutes: true})
	n.hear("X", 3, Presence{})
	for _, by := range []PeerID{"C", "D", "E", "F"} {
		n.accuse(by, 2, "X", 3)
	}
	n.wait(refuteGrace - time.Millisecond)
	mustEqual(t, "changes", n.changes("X"), nil)
	n.wait(time.Millisecond)
	mustEqual(t, "changes", n.changes("X"), []PeerChange{PeerSuspected})
	n.wait(suspicionMin)
	mustEqual(t, "changes", n.changes("X"), []PeerChange{PeerSuspected, PeerLost})
}

// If enough others have told everybody, this node need not.
func TestAccusationIsNotRepeated(t *testing.T) {
	for others, want := range map[int]int{0: 1, accusersEnough - 1: 1, accusersEnough: 0} {
		n := crowd(t, "C", "D", "E", "F", "G", "Z")
		n.up("Z")
		n.wait(pingInterval)
		n.forget()
		n.do(LinkDown{"Z"})
		for _, by := range []PeerID{"C", "D", "E", "F", "G"}[:others] {
			n.accuse(by, 2, "Z", 1)
		}
		n.do(DialFailed{"Z"})
		n.wait(accusePause + presenceMinimum)
		if got := len(ownPresences(t, n)); got != want {
			t.Errorf("with %d other accusers: %d presences, want %d", others, got, want)
		}
	}
}

// Those that died together are named together: an accusation waits for redials
// that are under way, but not for ever.
func TestAccusationsGoTogether(t *testing.T) {
	n := crowd(t, "C", "D", "E", "X", "Y", "Z")
	for _, p := range []PeerID{"X", "Y", "Z"} {
		n.up(p)
	}
	n.wait(pingInterval)
	n.forget()
	for _, p := range []PeerID{"X", "Y", "Z"} {
		n.do(LinkDown{p})
	}
	n.do(DialFailed{"X"})
	n.wait(accusePause)
	n.do(DialFailed{"Y"})
	n.wait(accuseTogether - accusePause)
	if own := ownPresences(t, n); len(own) != 0 {
		t.Errorf("while a dial is under way it says %+v", own)
	}
	n.wait(accusePause + redialAgain)
	own := ownPresences(t, n)
	if len(own) != 1 || !slices.Equal(own[0].Lost, []Lost{{"X", 1, 1}, {"Y", 1, 1}}) {
		t.Fatalf("after %v it says %+v", accuseTogether, own)
	}
	n.do(DialFailed{"Z"})
	n.wait(accusePause + presenceMinimum)
	if own = ownPresences(t, n); len(own) != 2 || len(own[1].Lost) != 3 {
		t.Errorf("in the end it says %+v", own)
	}
}

// Accusations go by the tree and by comparisons; leaves and what answers
// accusations are flooded.
func TestWhatIsFlooded(t *testing.T) {
	for name, c := range map[string]struct {
		p     Presence
		flood bool
	}{
		"nothing new":   {Presence{}, false},
		"an accusation": {Presence{Lost: []Lost{{"D", 1, 1}}}, false},
		"a refutation":  {Presence{Refutes: true}, true},
		"a leave":       {Presence{Left: true}, true},
		"both":          {Presence{Refutes: true, Lost: []Lost{{"D", 1, 1}}}, true},
	} {
		n := crowd(t, "C", "D")
		n.hear("C", 2, c.p)
		if got := n.s.hurried(n.s.members["C"].r); got != c.flood {
			t.Errorf("%s: flooded is %t", name, got)
		}
	}
}

// A presence names MaxLost nodes at most, the latest.
func TestAccusationsCap(t *testing.T) {
	n := crowd(t)
	for i := range MaxLost + 3 {
		p := PeerID([]byte{'Z', byte('a' + i)})
		n.hear(p, 1, Presence{})
		n.s.out = new(Actions)
		n.s.addAccuser(n.s.members[p], accuser{"M", version{1, 1}})
	}
	list := n.s.accusations()
	if len(list) != MaxLost || list[0].Peer != "Zd" || list[MaxLost-1].Peer != PeerID([]byte{'Z', 'a' + MaxLost + 2}) {
		t.Errorf("named: %v", list)
	}
}

// Redials leave half of the dials to those that replace what was lost.
func TestRedialsArePaced(t *testing.T) {
	var lost []PeerID
	for i := range 10 {
		lost = append(lost, PeerID([]byte{'Z', byte('a' + i)}))
	}
	n := crowd(t, lost...)
	for _, p := range lost {
		n.up(p)
	}
	n.wait(pingInterval)
	n.forget()
	for _, p := range lost {
		n.do(LinkDown{p})
	}
	n.wait(redialSpread)
	if len(n.dials()) != maxDials/2 {
		t.Errorf("dialled at first %v, of %d lost", n.dials(), len(lost))
	}
	for i := 0; i < len(n.dials()) && i < len(lost); i++ {
		n.do(DialFailed{n.dials()[i]})
		n.wait(redialAgain)
	}
	if st := n.s.Status(); st.Counters.Accused != 10 || len(n.s.suspects.redials) != 0 {
		t.Errorf("%d accused of 10, %d redials left", st.Counters.Accused, len(n.s.suspects.redials))
	}
}

// End to end: a node dies, and all know it, also those that had no link to it.
func TestDeathIsKnown(t *testing.T) {
	w := newWorld(t)
	for _, id := range []PeerID{"A", "B", "C", "D", "E", "F", "G"} {
		w.add(id, func(c *Config) { c.Degree = 3 }).record()
	}
	for _, l := range [][2]PeerID{{"A", "B"}, {"A", "C"}, {"A", "D"}, {"A", "E"}, {"B", "C"}, {"C", "D"}, {"D", "E"}, {"E", "F"}, {"F", "G"}} {
		w.link(l[0], l[1])
	}
	w.wait(10 * time.Second)
	for _, n := range w.nodes {
		n.forget()
	}
	a := w.node("A")
	a.down = true
	for _, p := range []PeerID{"B", "C", "D", "E"} {
		w.unlink("A", p)
	}
	w.wait(500 * time.Millisecond)
	for _, p := range []PeerID{"B", "C", "D", "E"} {
		mustEqual(t, "changes at neighbour "+string(p), w.node(p).changes("A"), []PeerChange{PeerSuspected})
	}
	w.wait(4500 * time.Millisecond)
	for _, n := range w.nodes[1:] {
		mustEqual(t, "changes at "+string(n.id), n.changes("A"), []PeerChange{PeerSuspected, PeerLost})
	}
	w.wait(time.Minute)
	for _, n := range w.nodes[1:] {
		if len(n.changes("A")) != 2 {
			t.Errorf("%s sees A come back: %v", n.id, n.changes("A"))
		}
	}
}
