package gossip

import (
	"fmt"
	"testing"
	"time"
)

// A neighbour that is lost is replaced in the same moment, and by a peer that
// answered lately rather than by one that nobody has met.
func TestReplacedAtOnce(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 2 })
	n.do(LinkUp{Peer: "B", Dialled: true})
	n.do(LinkUp{Peer: "C", Dialled: true})
	for i := range 50 {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceExchange})
	}
	n.wait(time.Second)
	c := n.s.candidates["Z17"]
	c.dialling, c.probing = true, true
	n.s.dials++
	n.do(Reached{"Z17"})
	n.forget()
	n.do(LinkDown{"B"})
	if got := n.dials(); len(got) != 1 || got[0] != "Z17" {
		t.Errorf("dialled %q in the moment of the loss, want Z17, which was met", got)
	}
}

// Who has no neighbour knows how many it could not reach: not those that left.
func TestUnreached(t *testing.T) {
	n := alone(t)
	n.do(Candidate{Peer: "Y", Source: SourceLAN})
	n.do(Candidate{Peer: "Z", Source: SourceLAN})
	if b := n.s.Brief(); b.Candidates != 2 || b.Unreached != 0 {
		t.Errorf("before a dial has ended: %+v", b)
	}
	n.do(DialFailed{"Y"})
	n.do(DialFailed{"Z"})
	if b := n.s.Brief(); b.Unreached != 2 {
		t.Errorf("%d were not reached, want 2", b.Unreached)
	}
	n.do(LinkUp{Peer: "Y"})
	if b := n.s.Brief(); b.Unreached != 0 {
		t.Errorf("with a neighbour %d are told", b.Unreached)
	}
	n.recv("Y", &Bye{ByeLeaving})
	n.do(LinkDown{"Y"})
	n.s.candidates["Y"].fails = 1
	if b := n.s.Brief(); b.Candidates != 2 || b.Unreached != 1 {
		t.Errorf("when one has left: %+v", b)
	}
}

// A peer that is forgotten and named again is not new.
func TestPauseOutlivesCandidate(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 2 })
	n.do(LinkUp{Peer: "B", Dialled: true})
	n.do(Candidate{Peer: "Z", Source: SourceExchange})
	n.do(DialFailed{"Z"})
	for i := range 2 * maxCandidates {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("A", i)), Source: SourceExchange})
		if n.s.candidates["Z"] == nil {
			break
		}
	}
	if n.s.candidates["Z"] != nil {
		t.Fatal("Z is not forgotten")
	}
	n.do(Candidate{Peer: "Z", Source: SourceExchange})
	c := n.s.candidates["Z"]
	if c == nil || c.fails != 1 || c.next.Sub(n.w.now) < retryLate/2 {
		t.Fatalf("Z came back as %+v, want its pause", c)
	}
	// What is remembered of the forgotten is bounded.
	for i := range 3 * maxPauses {
		n.s.pauses.put(PeerID(fmt.Sprint("p", i)), pause{fails: 1}, n.w.now)
	}
	if len(n.s.pauses.of) != maxPauses || len(n.s.pauses.order) != maxPauses {
		t.Errorf("%d pauses in %d places, at most %d", len(n.s.pauses.of), len(n.s.pauses.order), maxPauses)
	}
}

// A newcomer has one neighbour for a second and then fills its places one by one. One
// that has had neighbours enough fills them as refillPace says.
func TestNewcomersPace(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 10 })
	n.s.grown = false
	for i := range 30 {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceExchange})
	}
	if got := len(n.dials()); got != maxDials {
		t.Fatalf("%d dials of who knows nobody, want as many at once as there may be", got)
	}
	for i, p := range n.dials() {
		if i == 0 {
			n.do(LinkUp{Peer: p, Dialled: true})
		} else {
			n.do(DialFailed{p})
		}
	}
	n.forget()
	n.wait(firstTime / 2)
	if got := n.dials(); len(got) != 0 {
		t.Fatalf("dialled %q right after the first link", got)
	}
	linked := 1
	for n.wait(firstTime); linked < 5; n.wait(fillPace * 5 / 4) {
		got := n.dials()
		if len(got) == 0 || len(got) > fillDials {
			t.Fatalf("dialled %q with %d neighbours, at most %d at once", got, linked, fillDials)
		}
		n.forget()
		for _, p := range got {
			n.do(LinkUp{Peer: p, Dialled: true})
			linked++
		}
	}
	for len(n.s.links) < 10 {
		n.do(LinkUp{Peer: PeerID(fmt.Sprint("Y", len(n.s.links))), Dialled: true})
	}
	n.wait(time.Second)
	for _, c := range n.s.candidateOrder {
		if c.dialling {
			n.do(DialFailed{c.peer})
		}
	}
	n.wait(refillPace * 5 / 4)
	n.forget()
	// Two thirds of its neighbours are left: one at once, then one by one.
	for i := range 3 {
		n.do(LinkDown{PeerID(fmt.Sprint("Y", 9-i))})
	}
	if got := len(n.dials()); got != 1 {
		t.Errorf("%d dials when 3 of 10 neighbours were lost, want one at once", got)
	}
	n.forget()
	n.wait(refillPace * 5 / 4)
	if got := len(n.dials()); got != 1 {
		t.Errorf("%d dials %v later, want one", got, refillPace*5/4)
	}
	// Fewer are left: as many at once as are missing.
	n.forget()
	n.do(LinkDown{"Y6"})
	if got, want := len(n.dials()), 4-2; got != want {
		t.Errorf("%d dials when 4 of 10 neighbours were lost and 2 dialled, want %d at once", got, want)
	}
}

// A peer of which there is nothing but talk is dialled once in ten minutes.
func TestMerelyNamed(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 2 })
	n.do(LinkUp{Peer: "B", Dialled: true})
	n.do(Candidate{Peer: "Z", Source: SourceExchange})
	n.forget()
	n.do(DialFailed{"Z"})
	for _, pause := range n.failing("Z", 3) {
		if pause < retryLate*3/4 || pause > retryLate*5/4+time.Second {
			t.Errorf("a pause of %v, want about %v", pause, retryLate)
		}
	}
}

// A peer that is up for two seconds and down for two gets at most six dials in
// any minute.
func TestFlappingPeer(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 2 })
	n.do(Candidate{Peer: "Z", Source: SourceLAN})
	var dials []time.Time
	began, linked := n.w.now, false
	for n.w.now.Sub(began) < 10*time.Minute {
		up := n.w.now.Sub(began)/(2*time.Second)%2 == 0
		if linked && !up {
			n.do(LinkDown{"Z"})
			linked = false
		}
		for range actions[Dial](n) {
			dials = append(dials, n.w.now)
			n.forget()
			if up {
				n.do(LinkUp{Peer: "Z", Dialled: true})
				linked = true
			} else {
				n.do(DialFailed{"Z"})
			}
		}
		n.wait(100 * time.Millisecond)
	}
	if len(dials) < 20 {
		t.Errorf("dialled %d times in ten minutes: given up", len(dials))
	}
	for i := 6; i < len(dials); i++ {
		if d := dials[i].Sub(dials[i-6]); d < time.Minute {
			t.Fatalf("seven dials within %v", d)
		}
	}
}

// Lost neighbours are retried for a day, about one of them in half a minute,
// however many they are.
func TestLostAreRetried(t *testing.T) {
	for _, lost := range []int{1, 10} {
		n := alone(t, func(c *Config) { c.Degree = 20 })
		for i := range lost {
			n.do(LinkUp{Peer: PeerID(fmt.Sprint("Z", i)), Dialled: true})
		}
		n.wait(time.Minute)
		for i := range lost {
			n.do(LinkDown{PeerID(fmt.Sprint("Z", i))})
		}
		count := func(d time.Duration) (dials int) {
			for end := n.w.now.Add(d); n.w.now.Before(end); n.wait(time.Second) {
				for _, d := range actions[Dial](n) {
					n.do(DialFailed{d.Peer})
					dials++
				}
				n.forget()
			}
			return dials
		}
		count(time.Hour)
		if got := count(time.Hour); got < 90 || got > 180 {
			t.Errorf("%d lost neighbours: %d dials in an hour, want about 120", lost, got)
		}
		n.wait(lostMemory)
		count(time.Hour)
		if got := count(time.Hour); got > 12*lost {
			t.Errorf("%d lost neighbours: %d dials in an hour a day later", lost, got)
		}
	}
}

// Of those that were lost only so many are retried for long, the last ones.
func TestLostCap(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 30 })
	for i := range 2 * maxLost {
		n.up(PeerID(fmt.Sprint("Z", i)))
		n.do(LinkDown{PeerID(fmt.Sprint("Z", i))})
		n.wait(time.Millisecond)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
	if n.s.candidates["Z0"].missed || !n.s.candidates[PeerID(fmt.Sprint("Z", 2*maxLost-1))].missed {
		t.Error("the first that was lost counts and the last does not")
	}
}

// The neighbours of the last run's own choice come before all others.
func TestAnchorsFirst(t *testing.T) {
	dialled := first(t, func(n *tnode) {
		for i := range 100 {
			n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceRemembered, Anchor: i == 40 || i == 70})
		}
	})
	if !(dialled[0] == "Z40" && dialled[1] == "Z70" || dialled[0] == "Z70" && dialled[1] == "Z40") {
		t.Errorf("dialled %q first, want the anchors Z40 and Z70", dialled[:2])
	}
}

// From time to time a remembered peer is probed: it becomes no neighbour, and
// one that does not answer is known to be gone.
func TestProbes(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange, c.Shuffle = 1, true, 30*time.Second })
	n.do(LinkUp{Peer: "B", Dialled: true})
	for i := range 4 {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceExchange})
	}
	probed := make(map[PeerID]int)
	for range 3600 {
		n.forget()
		n.wait(time.Second)
		for _, d := range actions[Dial](n) {
			if !d.Probe {
				t.Fatalf("%s is dialled though there are neighbours enough", d.Peer)
			}
			if probed[d.Peer]++; d.Peer == "Z0" {
				n.do(DialFailed{d.Peer})
			} else {
				n.do(Reached{d.Peer})
			}
		}
	}
	total := 0
	for _, times := range probed {
		total += times
	}
	if len(probed) != 4 || total < 15 || total > 45 {
		t.Errorf("probes in an hour: %v", probed)
	}
	for _, r := range n.s.Sample(samplerSlots) {
		if r.Peer == "Z0" {
			t.Error("who did not answer a probe is still sampled")
		}
	}
	if len(n.s.links) != 1 || n.s.dials != 0 {
		t.Errorf("%d links, %d dials under way", len(n.s.links), n.s.dials)
	}
}

// A peer that nobody but others named waits long after a dial that failed, but not
// when its presence comes: where the network was cut it is one like any other.
func TestPresenceProvesReal(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	n.up("B")
	n.recv("B", &PeerList{[]PeerRecord{{Peer: "Z", Seq: 1, Bytes: []byte("r")}}})
	n.wait(2 * courtesy)
	mustEqual(t, "dialled", n.dials(), []PeerID{"Z"})
	n.do(DialFailed{"Z"})
	n.wait(time.Minute)
	mustEqual(t, "dialled soon although it was merely named", n.dials(), []PeerID{"Z"})
	n.push("B", presenceOf(t, "Z", 1, Presence{Record: []byte("r")}, func(h *Header) { h.Created = n.w.now.UnixMilli() }))
	n.wait(retrySoon * 5 / 4)
	mustEqual(t, "dialled when its presence is here", n.dials(), []PeerID{"Z", "Z"})
}
