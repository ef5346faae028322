package gossip

import (
	"fmt"
	"testing"
	"time"
)

// pushAll has a peer push rumors of one origin at one moment, and returns how many
// were new. The core's answers to them are not waited for.
func (n *tnode) pushAll(t *testing.T, p, origin PeerID, from, count int) (fresh int) {
	t.Helper()
	before := n.s.count.Accepted
	for i := range count {
		n.recv(p, &Push{Rumor: rumorOf(t, origin, uint64(from+i), "x"), Hops: 1})
	}
	return int(n.s.count.Accepted - before)
}

// One neighbour cannot make a node look at more than so much; what others say in
// the meantime, and what other origins say by the same link, is heard.
func TestNeighbourIntake(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	for _, p := range []PeerID{"B", "C"} {
		n.up(p, 7)
	}
	// Z is known before the flood.
	n.push("C", rumorOf(t, "Z", 1, "x"))
	const excess = 1000
	if got := n.pushAll(t, "B", "F", 1, neighbourBurst+excess); got != neighbourBurst+originBurst {
		t.Fatalf("%d of a flood were taken, want the burst of %d and one turn of %d", got, neighbourBurst, originBurst)
	}
	if got := n.s.count.TooFast; got != excess-originBurst {
		t.Errorf("%d were put off, want %d", got, excess-originBurst)
	}
	if got := n.pushAll(t, "B", "Z", 2, originBurst+10); got != originBurst {
		t.Errorf("of one that talks little %d came through by the flooder's link, want a turn of %d", got, originBurst)
	}
	if got := n.pushAll(t, "C", "F", neighbourBurst+excess+1, 500); got != 500 {
		t.Errorf("%d of 500 by another neighbour", got)
	}
	n.wait(time.Second)
	if got := n.pushAll(t, "B", "F", 100_000, neighbourBurst); got < neighbourBurst {
		t.Errorf("%d a second later, want another burst", got)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// All neighbours together are bounded, too; then each origin has its turn.
func TestTotalIntake(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	var taken int
	for i := range 4 {
		p := PeerID(fmt.Sprint("flooder", i))
		n.up(p, 7)
		taken += n.pushAll(t, p, p+"'s", 1, 10_000)
	}
	if want := intakeBurst + originBurst; taken != want {
		t.Errorf("%d were taken, want %d", taken, want)
	}
	n.up("B", 7)
	for i := range 10 {
		if got := n.pushAll(t, "B", PeerID(fmt.Sprint("honest", i)), 1, 20); got != 20 {
			t.Errorf("%d of 20 of an honest origin", got)
		}
	}
	if len(n.s.intake.turns) != 11 {
		t.Errorf("%d origins are counted", len(n.s.intake.turns))
	}
	if got := n.pushAll(t, "B", "large", 1, 1); got != 1 {
		t.Error("an honest origin has no turn")
	}
}

// A forged rumor costs the one in whose name it is nothing.
func TestForgedRumorTakesNoTurn(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.pushAll(t, "B", "F", 1, neighbourBurst)
	for i := range maxInvalid {
		r := *rumorOf(t, "Z", uint64(1000+i), "forged")
		r.Signature = nil
		n.recv("B", &Push{Rumor: &r, Hops: 1})
	}
	if got := n.pushAll(t, "B", "Z", 1, originBurst); got != originBurst {
		t.Errorf("after %d forged ones %d of %d came through", maxInvalid, got, originBurst)
	}
}

// Turns are counted for so many origins, and forgotten when they are full again.
func TestTurnsAreBounded(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.up("C", 7)
	n.pushAll(t, "B", "F", 1, neighbourBurst)
	n.s.links["B"].meter.origins.left = 2 * maxTurns
	for i := range maxTurns + 10 {
		n.pushAll(t, "B", PeerID(fmt.Sprint("o", i)), 1, 2)
	}
	if len(n.s.intake.turns) != maxTurns {
		t.Errorf("%d origins are counted, at most %d", len(n.s.intake.turns), maxTurns)
	}
	n.wait(originBurst * originPause)
	n.s.links["B"].meter.rumors.left = 0
	n.s.links["B"].meter.origins.left = 10
	if got := n.pushAll(t, "B", "new", 1, 2); got != 2 {
		t.Errorf("%d of 2 of a new origin when old turns are full again", got)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// A neighbour that tells of one unheard-of origin after the other is held up; those
// that are known speak on, and other neighbours tell of new ones.
func TestUnheardOfOrigins(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.up("C", 7)
	n.push("C", presenceOf(t, "member", 1, Presence{}))
	taken := 0
	for i := range strangersBurst + 100 {
		r := rumorOf(t, PeerID(fmt.Sprint("stranger", i)), 1, "x")
		if i%2 == 1 {
			r = presenceOf(t, PeerID(fmt.Sprint("stranger", i)), 1, Presence{})
		}
		before := n.s.count.Accepted
		n.recv("B", &Push{Rumor: r, Hops: 1})
		taken += int(n.s.count.Accepted - before)
	}
	if taken != strangersBurst || n.s.count.OriginsRefused != 100 {
		t.Errorf("%d origins were taken, %d put off", taken, n.s.count.OriginsRefused)
	}
	if got := n.pushAll(t, "B", "stranger0", 2, 1) + n.pushAll(t, "B", "member", 2, 1); got != 2 {
		t.Errorf("%d of 2 origins that are known", got)
	}
	if got := n.pushAll(t, "C", "new", 1, 1); got != 1 {
		t.Error("another neighbour cannot tell of a new origin")
	}
	// To come again gives no new allowance.
	n.do(LinkDown{"B"})
	n.up("B", 7)
	if got := n.pushAll(t, "B", "newer", 1, 1); got != 0 {
		t.Error("a neighbour that came again may tell of more origins")
	}
	n.wait(10 * strangersPause)
	if got := n.pushAll(t, "B", "newest", 1, 1); got != 1 {
		t.Error("a neighbour has to wait too long")
	}
}

// A node that renews its presence without end, or leaves and joins, is heard of as
// often as an honest one would be, and in the end with its latest presence.
func TestPresenceFlood(t *testing.T) {
	n := alone(t)
	n.up("B")
	n.up("C")
	var last *Rumor
	for i := range 100 {
		last = presenceOf(t, "F", uint64(i+1), Presence{Left: i%2 == 0})
		n.recv("B", &Push{Rumor: last, Hops: 1})
	}
	if got := len(sent[*Push](n, "C")); got != renewalBurst {
		t.Errorf("%d of 100 presences went on, want %d", got, renewalBurst)
	}
	if got := n.s.count.PresencesPutOff; got != 100-renewalBurst {
		t.Errorf("%d were put off", got)
	}
	n.wait(renewalPause)
	n.recv("B", &Fill{last, 1})
	if m := n.s.members["F"]; m.r.ID != last.ID {
		t.Errorf("presence %d is here, want %d", m.r.Seq, last.Seq)
	}
}

// A rumor is given again to who should have it only a few times.
func TestResends(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	r := rumorOf(t, "Z", 1, "x")
	n.has(r)
	n.up("B", 7)
	n.forget()
	for range 10 {
		n.recv("B", &Want{7, []RumorID{r.ID}})
	}
	if got := len(sent[*Fill](n, "B")); got != 1+maxResends {
		t.Errorf("given %d times, want once and %d times again", got, maxResends)
	}
	if n.s.count.ResendsRefused != 10-1-maxResends {
		t.Errorf("%d refusals are counted", n.s.count.ResendsRefused)
	}
	// What is counted is bounded, and forgotten after a while.
	l := n.s.links["B"]
	for i := range maxResent - 1 {
		if !l.mayResend(RumorID{1, byte(i), byte(i >> 8)}, n.w.now) {
			t.Fatalf("no more than %d rumors again", i)
		}
	}
	if l.mayResend(RumorID{2}, n.w.now) || len(l.resent) != maxResent {
		t.Errorf("%d rumors are counted, at most %d", len(l.resent), maxResent)
	}
	if !l.mayResend(RumorID{2}, n.w.now.Add(resendMemory)) {
		t.Error("nothing is given again for ever")
	}
}

// Of an origin that signs two rumors with one number modules are told the first,
// and people that it did.
func TestEquivocation(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.up("C", 7)
	n.push("B", presenceOf(t, "Z", 1, Presence{}))
	n.push("B", rumorOf(t, "Z", 2, "one"))
	forged := *rumorOf(t, "Z", 2, "forged")
	forged.Signature = nil
	n.push("C", &forged)
	if n.s.count.Equivocations != 0 {
		t.Fatal("a forged rumor counts as a proof")
	}
	if v := n.push("C", rumorOf(t, "Z", 2, "another")); v != VerdictKnown {
		t.Errorf("the other one is %v", v)
	}
	n.push("C", rumorOf(t, "Z", 2, "a third"))
	mustEqual(t, "told", n.told(1), []string{"one"})
	mustEqual(t, "changes", n.changes("Z"), []PeerChange{PeerJoined, PeerEquivocated})
	if m, _ := n.s.Member("Z"); n.s.count.Equivocations != 1 || m.Twofaced.IsZero() {
		t.Errorf("%d equivocations, seen at %v", n.s.count.Equivocations, m.Twofaced)
	}
	// Replays prove nothing.
	n.push("B", rumorOf(t, "Y", 1, "y"))
	n.push("C", rumorOf(t, "Y", 1, "y"))
	if n.s.count.Equivocations != 1 {
		t.Error("a duplicate counts as a proof")
	}
	for i := range maxTwofaced + 10 {
		o := PeerID(fmt.Sprint("o", i))
		n.push("B", rumorOf(t, o, 1, "one"))
		n.push("C", rumorOf(t, o, 1, "two"))
	}
	if err := n.s.Check(); err != nil || len(n.s.twofaced) != maxTwofaced {
		t.Errorf("%d are remembered, %v", len(n.s.twofaced), err)
	}
}
