package gossip

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What a node does with a rumor that a neighbour pushes.
func TestPushVerdicts(t *testing.T) {
	at := func(d time.Duration) int64 { return epoch0.Add(d).UnixMilli() }
	cases := []struct {
		name   string
		change func(h *Header)
		spoil  func(r *Rumor)
		want   Verdict
		count  func(c *Counters) *uint64
	}{
		{"good", nil, nil, VerdictNew, func(c *Counters) *uint64 { return &c.Accepted }},
		{"of another network", func(h *Header) { h.Network = "other" }, nil, VerdictInvalid, func(c *Counters) *uint64 { return &c.WrongNetwork }},
		{"of a type nobody takes", func(h *Header) { h.DataType = 8 }, nil, VerdictUnwanted, func(c *Counters) *uint64 { return &c.Unwanted }},
		{"expired this moment", func(h *Header) { h.Created, h.Expires = at(-time.Second), at(0) }, nil, VerdictStale, func(c *Counters) *uint64 { return &c.Expired }},
		{"alive for one more millisecond", func(h *Header) { h.Expires = at(time.Millisecond) }, nil, VerdictNew, nil},
		{"from a clock that is just not too fast", func(h *Header) { h.Created = at(MaxSkew) }, nil, VerdictNew, nil},
		{"from the future", func(h *Header) { h.Created = at(MaxSkew + time.Millisecond); h.Expires += 1e6 }, nil, VerdictStale, func(c *Counters) *uint64 { return &c.Skewed }},
		{"without proof of work", nil, func(r *Rumor) { r.Nonce++ }, VerdictInvalid, func(c *Counters) *uint64 { return &c.BadWork }},
		{"forged", nil, func(r *Rumor) { r.Signature[0]++ }, VerdictInvalid, func(c *Counters) *uint64 { return &c.BadSignature }},
		{"unsigned", nil, func(r *Rumor) { r.Signature = nil }, VerdictInvalid, func(c *Counters) *uint64 { return &c.BadSignature }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := alone(t)
			n.subscribe(1, false, 7)
			n.up("B", 7)
			change := func(*Header) {}
			if c.change != nil {
				change = c.change
			}
			r := rumorOf(t, "Z", 1, "news", change)
			if c.spoil != nil {
				c.spoil(r)
			}
			n.recv("B", &Push{Rumor: r, Hops: 1})
			told := n.told(1)
			n.wait(n.s.receiptDelay())
			mustEqual(t, "verdicts", verdictsTo(n, "B"), []Verdict{c.want})
			var want []string
			if c.want == VerdictNew {
				want = []string{"news"}
			}
			mustEqual(t, "told", told, want)
			if c.count != nil {
				if got := n.s.Status().Counters; *c.count(&got) != 1 {
					t.Errorf("not counted: %+v", got)
				}
			}
		})
	}
}

// A bad copy does not stand in the way of the good one: what was not verified
// leaves no trace.
func TestPushInvalidFirst(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.up("C", 7)
	good := rumorOf(t, "Z", 1, "news")
	bad := *good
	bad.Signature = []byte("not Z's")
	if v := n.push("B", &bad); v != VerdictInvalid {
		t.Errorf("verdict %d on a forgery", v)
	}
	if v := n.push("C", good); v != VerdictNew {
		t.Errorf("verdict %d on the true one after a forgery", v)
	}
	mustEqual(t, "told", n.told(1), []string{"news"})
}

// A number is used once, whatever is said under it; whatever happens to what
// was said.
func TestPushReplays(t *testing.T) {
	n := alone(t, func(c *Config) { c.CacheSize = 1 })
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.up("C", 7)
	first := rumorOf(t, "Z", 1, "first", func(h *Header) { h.Expires = h.Created + 60_000 })
	n.push("B", first)
	if v := n.push("C", rumorOf(t, "Z", 1, "second")); v != VerdictKnown {
		t.Errorf("verdict %d on another rumor of the same number", v)
	}
	if v := n.push("C", rumorOf(t, "Z", 1, "first", func(h *Header) { h.Epoch = 2; h.Created++ })); v != VerdictNew {
		t.Errorf("verdict %d on the same number of another run", v)
	}
	// The first is evicted by now.
	if n.s.store.entries[first.ID] != nil {
		t.Fatal("it was to be evicted")
	}
	if v := n.push("C", first); v != VerdictKnown {
		t.Errorf("verdict %d on a replay after eviction", v)
	}
	for range 10 { // until long after its window may be forgotten
		n.wait(30 * time.Second)
		if v := n.push("C", first); v != VerdictKnown && v != VerdictStale {
			t.Errorf("verdict %d on a replay at %v", v, n.w.now.Sub(epoch0))
		}
	}
	mustEqual(t, "told", n.told(1), []string{"first", "first"})
}

func TestPushState(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	state := func(seq uint64, text string, change ...func(*Header)) *Rumor {
		return rumorOf(t, "Z", seq, text, append([]func(*Header){func(h *Header) { h.Kind, h.Key = KindState, "k" }}, change...)...)
	}
	for _, c := range []struct {
		r    *Rumor
		want Verdict
	}{
		{state(5, "v5"), VerdictNew},
		{state(4, "v4"), VerdictStale},
		{state(5, "v5 again"), VerdictKnown},
		{state(6, "v6"), VerdictNew},
		{state(7, "other key", func(h *Header) { h.Key = "l" }), VerdictNew},
		{state(3, "v3"), VerdictStale},
		{state(1, "next run", func(h *Header) { h.Epoch = 2 }), VerdictNew},
		{state(8, "v8"), VerdictStale},
	} {
		if got := n.push("B", c.r); got != c.want {
			t.Errorf("%s: verdict %d, want %d", c.r.Payload, got, c.want)
		}
	}
	mustEqual(t, "told", n.told(1), []string{"v5", "v6", "other key", "next run"})
	if got := n.s.Status().Kept; got != 2 {
		t.Errorf("%d kept, want one per key", got)
	}
}

func TestPushBusy(t *testing.T) {
	n := alone(t)
	n.subscribe(1, true, 7)
	n.up("B", 7)
	n.s.store.held = maxHeld
	r := rumorOf(t, "Z", 1, "a")
	if v := n.push("B", r); v != VerdictBusy {
		t.Errorf("verdict %d without room", v)
	}
	n.s.store.held = 0
	if v := n.push("B", r); v != VerdictNew {
		t.Errorf("verdict %d with room again", v)
	}
	n.s.windows.n = maxWindows
	if v := n.push("B", rumorOf(t, "Y", 1, "b")); v != VerdictBusy {
		t.Errorf("verdict %d on one origin too many", v)
	}
	mustEqual(t, "told", n.told(1), []string{"a"})
}

// The sender of what was refused for want of room tries again by comparing.
func TestBusyIsRepaired(t *testing.T) {
	w := newWorld(t)
	a, b := w.add("A"), w.add("B")
	a.module(1, 7)
	b.module(1, 7)
	w.link("A", "B")
	b.s.store.held = maxHeld
	a.publish(7, "a")
	w.wait(100 * time.Millisecond)
	mustEqual(t, "told", b.told(1), nil)
	b.s.store.held = 0
	w.wait(3 * time.Second)
	mustEqual(t, "told", b.told(1), []string{"a"})
}

// Too many invalid rumors end a link, and close the door for a while.
func TestInvalidCutsOff(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.recvInvalid("B", maxInvalid)
	if len(actions[Hangup](n)) != 0 {
		t.Fatal("cut off early")
	}
	n.recvInvalid("B", 1)
	n.cutOff(t, "B")
}

// A new link makes none of them good; time does, as much as it takes to be welcome again.
func TestInvalidOverLinks(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	again := func() { n.do(LinkDown{"B"}); n.up("B", 7) }
	n.up("B", 7)
	n.recvInvalid("B", maxInvalid)
	again()
	n.wait(banTime)
	n.recvInvalid("B", maxInvalid)
	if len(actions[Hangup](n)) != 0 {
		t.Fatal("nothing is ever forgotten")
	}
	again()
	n.recvInvalid("B", 1)
	n.cutOff(t, "B")

	for i := range maxMeters { // of C's there is none that outlives its link
		n.s.meterOf(PeerID(fmt.Sprint("m", i)))
	}
	n.forget()
	n.up("C", 7)
	n.recvInvalid("C", 1)
	n.cutOff(t, "C")
}

// recvInvalid gives a core so many rumors that are not signed.
func (n *tnode) recvInvalid(p PeerID, count int) {
	for range count {
		r := rumorOf(n.w.t, "Z", 1, "bad")
		r.Signature = nil
		n.recv(p, &Push{Rumor: r, Hops: 1})
	}
}

// cutOff checks that a peer was cut off, and that it stays out for banTime.
func (n *tnode) cutOff(t *testing.T, p PeerID) {
	t.Helper()
	hangups, byes := actions[Hangup](n), sent[*Bye](n, p)
	if len(hangups) != 1 || !hangups[0].Banned {
		t.Errorf("the driver is not told that it is banned: %+v", hangups)
	}
	if len(hangups) != 1 || !hangups[0].Now || len(byes) != 1 || byes[0].Reason != ByeMisbehaved || n.s.links[p] != nil {
		t.Fatalf("hangups %v, goodbyes %v, link %v", hangups, byes, n.s.links[p])
	}
	n.do(LinkDown{p})
	n.forget()
	n.do(Candidate{Peer: p, Source: SourceLAN})
	n.wait(banTime - time.Second)
	n.do(LinkUp{Peer: p})
	if len(actions[Dial](n)) != 0 || n.s.links[p] != nil || len(sent[*Bye](n, p)) != 1 {
		t.Error("it is welcome again too early")
	}
	n.wait(2 * time.Second)
	n.do(LinkUp{Peer: p})
	if n.s.links[p] == nil {
		t.Error("it is never welcome again")
	}
}

func TestUnansweredCap(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.mute["B"] = true
	n.s.links["B"].unanswered = make([]pushed, maxUnanswered-20)
	for range 30 {
		n.publish(7, "x")
	}
	if got := n.s.Status().Neighbours[0].Unanswered; got != maxUnanswered {
		t.Errorf("%d unanswered pushes, at most %d", got, maxUnanswered)
	}
	if got := len(pushedTo(n, "B")); got != 20 {
		t.Errorf("%d pushed where there is room for 20", got)
	}
	if !n.s.links["B"].retry {
		t.Error("the rest is forgotten")
	}
}

// An offer keeps to the same cap, and what is left of it follows.
func TestOfferCap(t *testing.T) {
	n := alone(t, func(c *Config) { c.CacheSize = 2 * maxUnanswered })
	for _, r := range scattered(t, maxUnanswered+10, 100) {
		n.has(r)
	}
	n.mute["B"] = true
	n.up("B", 7)
	offered := sent[*Have](n, "B")
	if len(offered) != 1 || len(offered[0].IDs) != offeredIDs || !offered[0].Ask {
		t.Fatalf("offered by their IDs: %v", offered)
	}
	n.recv("B", &Graft{Group: 7, IDs: offered[0].IDs})
	if got := len(pushedTo(n, "B")); got != maxUnanswered {
		t.Fatalf("%d pushed at once", got)
	}
	n.recv("B", &Receipt{make([]Verdict, MaxVerdicts)})
	n.mute["B"] = false
	n.wait(pingInterval)
	offered = sent[*Have](n, "B")
	n.recv("B", &Graft{Group: 7, IDs: offered[len(offered)-1].IDs})
	if got := len(pushedTo(n, "B")); got != maxUnanswered+10 {
		t.Errorf("%d of %d pushed in the end", got, maxUnanswered+10)
	}
}

// What could not be queued is brought by a comparison once there is room, and
// the receipts of what was queued still count right.
func TestDroppedPushIsRepaired(t *testing.T) {
	w := newWorld(t)
	a, b := w.add("A"), w.add("B")
	a.module(1, 7)
	b.module(1, 7)
	w.link("A", "B")
	w.wait(time.Second)
	full := false
	var dropped []Message
	w.lose = func(from, _ PeerID, m Message) bool {
		if _, push := m.(*Push); push && full && from == "A" {
			dropped = append(dropped, m)
			return true
		}
		return false
	}
	a.publish(7, "1")
	full = true
	a.publish(7, "2")
	a.do(SendDropped{"B", dropped[0]})
	full = false
	a.publish(7, "3")
	w.wait(b.s.receiptDelay())
	mustEqual(t, "told", b.told(1), []string{"1", "3"})
	if got := a.s.Status().Neighbours[0].Unanswered; got != 0 {
		t.Errorf("%d unanswered", got)
	}
	w.wait(3 * time.Second)
	mustEqual(t, "told", b.told(1), []string{"1", "3", "2"})
}

// Every kind of message that only this link can say is said again.
func TestDroppedMessages(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	n.module(1, 7)
	n.up("B", 7)
	n.up("C", 7)
	n.push("C", rumorOf(t, "Z", 1, "a"))

	n.push("B", rumorOf(t, "Z", 2, "b"))
	receipt := sent[*Receipt](n, "B")[0]
	n.forget()
	n.do(SendDropped{"B", receipt})
	n.push("B", rumorOf(t, "Z", 1, "a"))
	mustEqual(t, "verdicts", verdictsTo(n, "B"), []Verdict{VerdictNew, VerdictDuplicate})

	n.module(1, 9)
	list := sent[*Interests](n, "B")[0]
	n.forget()
	n.do(SendDropped{"B", list})
	n.wait(2 * time.Second)
	if got := sent[*Interests](n, "B"); len(got) != 1 || len(got[0].Types) != 2 {
		t.Errorf("interests: %v", got)
	}

	n.do(SendDropped{"B", &PeersRequest{}})
	n.recv("B", &PeerList{[]PeerRecord{{Peer: "X", Seq: 1}}})
	if n.s.candidates["X"] != nil {
		t.Error("an answer to a question that never left was believed")
	}
	n.do(SendDropped{"nobody", receipt}) // no such link
	if got := n.s.Status().Counters.SendsDropped; got != 4 {
		t.Errorf("%d drops counted", got)
	}
}

// What a neighbour's modules did not want is offered again when they do.
func TestUnwantedIsOfferedAgain(t *testing.T) {
	n := alone(t)
	n.up("B", 7)
	n.mute["B"] = true
	n.publish(7, "a")
	n.recv("B", &Interests{}) // its module was gone when the push arrived
	n.recv("B", &Receipt{[]Verdict{VerdictUnwanted}})
	n.forget()
	n.recv("B", &Interests{Types: []uint16{7}})
	mustEqual(t, "pushed again", pushedTo(n, "B"), []string{"a"})
}

// What is announced for others, of a type that no module here takes, is offered
// to each neighbour that begins to take it, once.
func TestOffers(t *testing.T) {
	n := alone(t)
	n.publish(7, "a")
	n.publish(8, "b")
	n.publish(7, "c", func(p *Publish) { p.Lifetime = time.Second })
	n.up("B")
	mustEqual(t, "pushed to one that takes nothing", pushedTo(n, "B"), nil)
	n.recv("B", &Interests{Types: []uint16{7}})
	mustEqual(t, "pushed", pushedTo(n, "B"), []string{"a", "c"})
	n.wait(2 * time.Second)
	n.recv("B", &Interests{Types: []uint16{8}})
	n.recv("B", &Interests{Types: []uint16{7, 8}})
	n.s.links["B"].retry = true
	n.wait(pingInterval)
	// Of what is not young the neighbour asks for what it lacks.
	offered := sent[*Have](n, "B")
	if len(offered) != 1 || offered[0].Group != 8 || len(offered[0].IDs) != 1 || !offered[0].Ask {
		t.Fatalf("offered: %v, want what there is of type 8, once", offered)
	}
	n.recv("B", &Graft{Group: 8, IDs: offered[0].IDs})
	n.recv("B", &Graft{Group: 8, IDs: offered[0].IDs})
	mustEqual(t, "pushed", pushedTo(n, "B"), []string{"a", "c", "b"})
	n.up("C", 7)
	if offered := sent[*Have](n, "C"); len(offered) != 1 || len(offered[0].IDs) != 1 {
		t.Fatalf("offered to another: %v, want what is alive of type 7", offered)
	}
	// An offer that found no room is made again.
	n.do(SendDropped{"C", sent[*Have](n, "C")[0]})
	n.wait(2 * time.Second)
	if offered := sent[*Have](n, "C"); len(offered) != 2 {
		t.Errorf("offered %d times, want once more after one that was dropped", len(offered))
	}
}

// What was offered and not asked for before the neighbour took the type no more is offered
// again when it takes it again.
func TestOfferedAndDropped(t *testing.T) {
	n := alone(t)
	n.publish(7, "a")
	n.publish(8, "b")
	n.wait(2 * young)
	n.up("B", 7, 8)
	offers := func(g Group) (list []*Have) {
		for _, m := range sent[*Have](n, "B") {
			if m.Group == g {
				list = append(list, m)
			}
		}
		return list
	}
	first := offers(7)
	if len(first) != 1 || len(offers(8)) != 1 {
		t.Fatalf("offered %v and %v, want one of each type", first, offers(8))
	}
	n.recv("B", &Interests{Types: []uint16{8}})
	n.recv("B", &Graft{Group: 7, IDs: first[0].IDs}) // too late
	mustEqual(t, "pushed of a type that it does not take", pushedTo(n, "B"), nil)
	n.recv("B", &Interests{Types: []uint16{7, 8}})
	if again := offers(7); len(again) != 2 {
		t.Fatalf("offered %d times, want once more when it takes the type again", len(again))
	}
	if got := offers(8); len(got) != 1 {
		t.Errorf("what it takes all the time is offered %d times", len(got))
	}
	n.recv("B", &Graft{Group: 7, IDs: first[0].IDs})
	mustEqual(t, "pushed", pushedTo(n, "B"), []string{"a"})
}

// A rumor never goes back to where it came from, nor to its origin.
func TestNoEcho(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		ids := []PeerID{"A", "B", "C", "D", "E"}
		type hop struct {
			from, to PeerID
			id       RumorID
		}
		crossed := make(map[hop]bool)
		w.watch = func(n *tnode, a Action) {
			s, ok := a.(Send)
			if !ok {
				return
			}
			if p, ok := s.Msg.(*Push); ok {
				if crossed[hop{s.To, n.id, p.Rumor.ID}] || p.Rumor.Origin == s.To {
					t.Fatalf("%s sends %q back to %s", n.id, p.Rumor.Payload, s.To)
				}
			}
		}
		// The hop counts once the message has arrived.
		w.lose = nil
		for _, id := range ids {
			w.add(id).subscribe(1, false, 7)
		}
		for i, a := range ids {
			for _, b := range ids[i+1:] {
				if rapid.Bool().Draw(t, "link") {
					w.link(a, b)
				}
			}
		}
		w.lose = func(from, to PeerID, m Message) bool {
			if p, ok := m.(*Push); ok {
				w.later(func() { crossed[hop{from, to, p.Rumor.ID}] = true })
			}
			return false
		}
		for range 4 {
			w.node(rapid.SampledFrom(ids).Draw(t, "origin")).publish(7, "x")
			w.wait(time.Second)
		}
	})
}
