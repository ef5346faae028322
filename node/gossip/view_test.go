package gossip

import (
	"fmt"
	"testing"
	"time"
)

func (n *tnode) dials() []PeerID {
	var list []PeerID
	for _, d := range actions[Dial](n) {
		list = append(list, d.Peer)
	}
	return list
}

// The smaller peer ID dials at once, the larger one gives it time to.
func TestCourtesy(t *testing.T) {
	n := alone(t) // "M"
	n.do(Candidate{Peer: "Z", Source: SourceLAN})
	n.do(Candidate{Peer: "A", Source: SourceLAN})
	mustEqual(t, "dialled at once", n.dials(), []PeerID{"Z"})
	n.wait(courtesy - time.Millisecond)
	mustEqual(t, "dialled early", n.dials(), []PeerID{"Z"})
	n.wait(courtesy)
	mustEqual(t, "dialled", n.dials(), []PeerID{"Z", "A"})
	n.do(Candidate{Peer: "M", Source: SourceLAN})
	n.do(Candidate{Peer: "", Source: SourceLAN})
	n.wait(time.Minute)
	mustEqual(t, "dialled itself", n.dials(), []PeerID{"Z", "A"})
}

// A peer that dialled us meanwhile is not dialled.
func TestInboundEndsDial(t *testing.T) {
	n := alone(t)
	n.do(Candidate{Peer: "A", Source: SourceLAN})
	n.up("A")
	n.wait(time.Minute)
	mustEqual(t, "dialled", n.dials(), nil)
	// Also while the dial is under way: its failure says nothing any more.
	n.do(Candidate{Peer: "Z", Source: SourceLAN})
	n.up("Z")
	n.do(DialFailed{"Z"})
	n.do(DialFailed{"Z"})
	if st := n.s.Status(); n.s.dials != 0 || st.Counters.DialsFailed != 0 || len(st.Neighbours) != 2 {
		t.Errorf("%d dials under way, %d failed, %d neighbours", n.s.dials, st.Counters.DialsFailed, len(st.Neighbours))
	}
}

// failing dials a peer until it has failed so often, and returns the pauses.
func (n *tnode) failing(p PeerID, times int) []time.Duration {
	var pauses []time.Duration
	for range times {
		before, began := len(n.dials()), n.w.now
		for len(n.dials()) == before {
			n.wait(100 * time.Millisecond)
			if n.w.now.Sub(began) > time.Hour {
				n.w.t.Fatalf("never dialled again after %v", pauses)
			}
		}
		pauses = append(pauses, n.w.now.Sub(began))
		n.do(DialFailed{p})
	}
	return pauses
}

func TestRetryPauses(t *testing.T) {
	n := alone(t)
	n.do(Candidate{Peer: "Z", Source: SourceExchange})
	n.do(DialFailed{"Z"})
	within := func(what string, d, low, high time.Duration) {
		t.Helper()
		if d < low || d > high {
			t.Errorf("%s: pause of %v, want %v to %v", what, d, low, high)
		}
	}
	pauses := n.failing("Z", 6)
	for i, want := range []time.Duration{1, 2, 4, 8, 8, 8} {
		want *= time.Second
		within(fmt.Sprintf("failure %d", i+1), pauses[i], want*3/4, want*5/4+100*time.Millisecond)
	}
	n.wait(retryRecent)
	n.do(DialFailed{"Z"})
	pauses = n.failing("Z", 14)
	within("long unheard of", pauses[13], retryLate*3/4, retryLate*5/4)
	// Seen on the LAN it is dialled soon again.
	before := len(n.dials())
	n.do(Candidate{Peer: "Z", Source: SourceLAN})
	n.wait(2 * courtesy)
	if len(n.dials()) != before+1 {
		t.Error("a peer that was seen just now is not dialled")
	}
}

// A first contact is all that a node may have: it is tried for ever.
func TestContactIsRetried(t *testing.T) {
	n := alone(t)
	n.do(Candidate{Peer: "Z", Source: SourceContact})
	n.do(DialFailed{"Z"})
	n.wait(2 * retryRecent)
	n.do(DialFailed{"Z"})
	for _, pause := range n.failing("Z", 5) {
		if pause > retrySoon*5/4+100*time.Millisecond {
			t.Errorf("a pause of %v", pause)
		}
	}
}

func TestDialsCap(t *testing.T) {
	n := alone(t)
	for i := range 2 * maxDials {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceLAN})
	}
	n.wait(time.Minute)
	first := n.dials()
	if len(first) != maxDials {
		t.Fatalf("%d dials at a time, at most %d", len(first), maxDials)
	}
	n.do(DialFailed{first[0]})
	n.up(first[1])
	if got := len(n.dials()); got != maxDials+2 {
		t.Errorf("%d dials after two ended", got)
	}
}

// A node with neighbours enough dials only strangers, and gives their presence
// time to come first.
func TestStrangers(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 1 })
	n.module(1, 7)
	n.up("B")
	n.s.links["B"].dialled = true // else one more is wanted that is of its own choice
	n.push("B", presenceOf(t, "Y", 1, Presence{Record: []byte("r")}))
	n.do(Candidate{Peer: "Y", Source: SourceLAN}) // a member
	n.do(Candidate{Peer: "Z", Source: SourceLAN}) // a stranger
	n.wait(strangerPause - time.Second)
	mustEqual(t, "dialled early", n.dials(), nil)
	n.push("B", presenceOf(t, "X", 1, Presence{Record: []byte("r")}))
	n.wait(time.Minute)
	mustEqual(t, "dialled", n.dials(), []PeerID{"Z"})
	// One that turns out to be a member after all is left alone.
	n.do(Candidate{Peer: "Zz", Source: SourceLAN})
	n.wait(time.Second)
	n.push("B", presenceOf(t, "Zz", 1, Presence{Record: []byte("r")}))
	n.wait(time.Minute)
	mustEqual(t, "dialled", n.dials(), []PeerID{"Z"})
}

// A node that would refuse the link dials nobody, strangers neither, until a
// place is free.
func TestFullNodeDialsNobody(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 1 })
	for _, p := range []PeerID{"B", "C", "D", "E"} {
		n.do(LinkUp{Peer: p, Dialled: true})
	}
	n.do(Candidate{Peer: "S", Source: SourceLAN})
	n.wait(time.Minute)
	mustEqual(t, "dialled", n.dials(), nil)
	n.do(LinkDown{"B"})
	n.wait(time.Second)
	mustEqual(t, "dialled", n.dials(), []PeerID{"S"})
}

// Two islands whose nodes have all the neighbours that they want become one as
// soon as one node hears of one on the other side.
func TestIslandsMeet(t *testing.T) {
	w := newWorld(t)
	for _, id := range []PeerID{"A", "B", "C", "D"} {
		n := w.add(id, func(c *Config) { c.Degree, c.PeerExchange, c.ContinueMongering = 1, true, 1 })
		n.module(1, 7)
		n.record()
	}
	w.link("A", "B")
	w.link("C", "D")
	w.wait(5 * time.Second)
	w.node("B").do(Candidate{Peer: "C", Source: SourceKademlia})
	w.wait(2 * strangerPause)
	w.node("A").publish(7, "hello")
	w.wait(time.Second)
	mustEqual(t, "D was told", w.node("D").told(1), []string{"hello"})
	if got := len(w.node("A").s.Status().Members); got != 4 {
		t.Errorf("A knows %d members", got)
	}
}

// A node that lacks neighbours draws them from the presences it has.
func TestNeighboursFromPresences(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 3, true })
	n.up("B")
	rec := []byte("address")
	n.push("B", presenceOf(t, "Y", 1, Presence{Record: rec}))
	n.push("B", presenceOf(t, "silent", 1, Presence{}))
	n.push("B", presenceOf(t, "gone", 1, Presence{Left: true, Record: rec}))
	n.wait(time.Minute)
	got := actions[Dial](n)
	if len(got) == 0 || got[0].Peer != "Y" || string(got[0].Record.Bytes) != "address" || got[0].Record.Peer != "Y" {
		t.Fatalf("dialled %v", got)
	}
	for _, d := range got {
		if d.Peer != "Y" {
			t.Errorf("dialled %s", d.Peer)
		}
	}
	// Without peer exchange what others say of addresses is not believed.
	n = alone(t)
	n.up("B")
	n.push("B", presenceOf(t, "Y", 1, Presence{Record: rec}))
	n.wait(time.Minute)
	mustEqual(t, "dialled", n.dials(), nil)
}

func TestCandidatesCap(t *testing.T) {
	n := alone(t)
	n.up("linked")
	n.do(Candidate{Peer: "known", Source: SourceContact})
	n.do(DialFailed{"known"}) // and fails
	for i := range 2 * maxCandidates {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("named", i)), Source: SourceExchange})
	}
	st := n.s.Status()
	if len(st.Candidates) != maxCandidates || len(n.s.candidateOrder) != maxCandidates {
		t.Errorf("%d candidates, at most %d", len(st.Candidates), maxCandidates)
	}
	if n.s.candidates["linked"] == nil {
		t.Error("a neighbour was forgotten")
	}
	if n.s.candidates["known"] != nil {
		t.Error("the one that failed most was not the first to go")
	}
	late := 0 // what is left is a sample, not the first or the last
	for i := range maxCandidates {
		if n.s.candidates[PeerID(fmt.Sprint("named", maxCandidates+i))] != nil {
			late++
		}
	}
	if late < maxCandidates/4 || late > maxCandidates*3/4 {
		t.Errorf("%d of %d candidates are of the second half that was heard of", late, maxCandidates)
	}
	// Those that the user named are not displaced by hearsay.
	n = alone(t)
	for i := range maxCandidates {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("A", i)), Source: SourceContact})
	}
	n.do(Candidate{Peer: "named", Source: SourceExchange})
	n.up("inbound") // works without being remembered
	if n.s.candidates["named"] != nil || n.s.links["inbound"] == nil {
		t.Error("what the user named was forgotten for what a peer named")
	}
	n.do(LinkDown{"inbound"})
}

func TestPeerLists(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	n.up("B")
	if len(sent[*PeersRequest](n, "B")) != 1 {
		t.Fatal("a new neighbour is not asked for peers")
	}
	record := func(p PeerID, seq uint64) PeerRecord { return PeerRecord{Peer: p, Seq: seq, Bytes: []byte{byte(seq)}} }
	many := []PeerRecord{record("M", 1), record("", 1), record("Z", 5)}
	for i := range MaxRecords {
		many = append(many, record(PeerID(fmt.Sprint("p", i)), 1))
	}
	n.recv("B", &PeerList{many})
	if got := len(n.s.candidates); got != 1+MaxRecords-2 {
		t.Errorf("%d candidates from a list of %d", got, len(many))
	}
	// Not asked for.
	n.recv("B", &PeerList{[]PeerRecord{record("X", 1), record("Y", 1)}})
	if n.s.candidates["X"] != nil || n.s.Status().Counters.RecordsRefused != 2 {
		t.Error("a list that was not asked for was believed")
	}
	// The newer record counts.
	n.do(Candidate{Peer: "Z", Source: SourceExchange, Record: &PeerRecord{Peer: "Z", Seq: 4}})
	if n.s.candidates["Z"].record.Seq != 5 {
		t.Error("an older record replaced a newer one")
	}
}

func TestPeersRequest(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	record := func(p PeerID) *PeerRecord { return &PeerRecord{Peer: p, Seq: 1} }
	n.up("B")
	n.do(Candidate{Peer: "B", Source: SourceLAN, Record: record("B")})
	n.do(Candidate{Peer: "Z", Source: SourceLAN, Record: record("Z")})
	n.do(Candidate{Peer: "Y", Source: SourceLAN}) // no record
	n.do(Candidate{Peer: "X", Source: SourceLAN, Record: record("X")})
	n.do(DialFailed{"X"})
	n.do(Candidate{Peer: "W", Source: SourceLAN, Record: record("W")})
	n.up("W")
	n.recv("W", &Bye{ByeLeaving})
	ask := func() []*PeerList {
		n.forget()
		n.recv("B", &PeersRequest{})
		return sent[*PeerList](n, "B")
	}
	got := ask()
	if len(got) != 1 || len(got[0].Records) != 1 || got[0].Records[0].Peer != "Z" {
		t.Fatalf("told %v, want Z alone: not the asker, nor who failed, left, or has no record", got)
	}
	ask()
	ask()
	if got := ask(); len(got) != 0 {
		t.Errorf("answered %d times at once", tellBurst+1)
	}
	n.wait(tellPause)
	if got := ask(); len(got) != 1 {
		t.Error("not answered again later")
	}
	for i := range 2 * MaxRecords {
		p := PeerID(fmt.Sprint("Z", i))
		n.do(Candidate{Peer: p, Source: SourceLAN, Record: record(p)})
	}
	n.wait(tellPause)
	if got := ask(); len(got[0].Records) != MaxOffered {
		t.Errorf("%d records, later on %d", len(got[0].Records), MaxOffered)
	}
	n.up("A")
	n.recv("A", &PeersRequest{})
	if got := sent[*PeerList](n, "A"); len(got) != 1 || len(got[0].Records) != MaxRecords {
		t.Errorf("a new neighbour was told %v, want %d records", got, MaxRecords)
	}
}

func TestNoPeerExchange(t *testing.T) {
	n := alone(t)
	n.up("B")
	n.do(Candidate{Peer: "Z", Source: SourceLAN, Record: &PeerRecord{Peer: "Z", Seq: 1}})
	n.recv("B", &PeersRequest{})
	if len(sent[*PeersRequest](n, "B")) != 0 || len(sent[*PeerList](n, "B")) != 0 {
		t.Error("peers are exchanged though they are not to be")
	}
}

// An overlay does not cluster round the peers that were heard of first.
func TestDialsAreShuffled(t *testing.T) {
	first := make(map[PeerID]bool)
	for seed := range 10 {
		n := alone(t, func(c *Config) { c.Degree = 1; c.Rand.Uint64N(uint64(seed) + 1) })
		for range seed {
			n.s.cfg.Rand.Uint64()
		}
		n.do(Candidate{Peer: "Y0", Source: SourceLAN})
		for i := range 5 {
			n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceLAN})
		}
		n.do(DialFailed{"Y0"})
		first[n.dials()[1]] = true
	}
	if len(first) < 3 {
		t.Errorf("ten nodes dial %v first", first)
	}
}

func TestSourceWords(t *testing.T) {
	seen := make(map[string]bool)
	for s := SourceInbound; s <= SourceKademlia; s++ {
		seen[s.String()] = true
	}
	for c := PeerLinked; c <= PeerEquivocated; c++ {
		seen[c.String()] = true
	}
	if len(seen) != 15 || seen["unknown"] || Source(0).String() != "unknown" || PeerChange(0).String() != "unknown" {
		t.Errorf("words: %v", seen)
	}
}
