package gossip

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPublishNumbers(t *testing.T) {
	n := alone(t, func(c *Config) { c.Epoch = 42 })
	n.manual = true
	for i := range 3 {
		n.do(Publish{Ticket: uint64(i), Kind: KindEvent, DataType: 7, TTL: 3, Payload: []byte("x")})
	}
	for i, s := range n.seals {
		h := s.Rumor.Header
		want := Header{"hearsay", KindEvent, "M", 42, uint64(i + 1), 7, "", epoch0.UnixMilli(), epoch0.Add(time.Hour).UnixMilli(), 3}
		if h != want {
			t.Errorf("seal %d: %+v, want %+v", i, h, want)
		}
	}
	// A number whose seal failed is not used again.
	n.do(SealFailed{n.seals[2].Rumor.ID})
	n.do(Publish{Kind: KindEvent, DataType: 7})
	if got := n.seals[3].Rumor.Seq; got != 4 {
		t.Errorf("seq %d after a failure", got)
	}
}

func TestPublished(t *testing.T) {
	n := alone(t)
	n.up("B", 7)
	n.up("C", 7)
	n.up("D", 8)
	r := n.publish(7, "x", func(p *Publish) { p.Ticket = 99 })
	got := actions[Published](n)
	if len(got) != 1 || got[0] != (Published{99, r.ID, 2}) {
		t.Errorf("published %v", got)
	}
	n.forget()
	n.publish(9, "x")
	if got := actions[Published](n); len(got) != 1 || got[0].Neighbours != 0 {
		t.Errorf("published %v: with no neighbour it is kept for later", got)
	}
}

func TestPublishRefused(t *testing.T) {
	for name, p := range map[string]Publish{
		"presence":         {Kind: KindPresence},
		"unknown kind":     {Kind: 9},
		"no kind":          {},
		"event with a key": {Kind: KindEvent, Key: "k"},
		"key too long":     {Kind: KindState, Key: strings.Repeat("k", MaxKey+1)},
		"too much data":    {Kind: KindEvent, Payload: make([]byte, MaxPayload+1)},
		"negative life":    {Kind: KindEvent, Lifetime: -time.Second},
		"endless life":     {Kind: KindEvent, Lifetime: MaxLifetime + time.Millisecond},
	} {
		n := alone(t)
		p.Ticket = 5
		n.do(p)
		got := actions[Refused](n)
		if len(got) != 1 || got[0].Ticket != 5 || !errors.Is(got[0].Err, ErrRumor) || len(actions[Seal](n)) != 0 {
			t.Errorf("%s: %v", name, n.seen)
		}
		if n.s.Status().Counters.PublishRefused != 1 || n.s.Status().Seq != 0 {
			t.Errorf("%s: not counted, or a number was used for it", name)
		}
	}
}

func TestPublishLimits(t *testing.T) {
	n := alone(t)
	n.up("B", 7)
	large := n.publish(7, strings.Repeat("x", MaxPayload), func(p *Publish) { p.Lifetime = MaxLifetime })
	n.recv("B", &Graft{Group: 7, IDs: []ShortID{large.ID.Short()}})
	n.publish(7, "", func(p *Publish) { p.Kind, p.Key, p.Lifetime = KindState, strings.Repeat("k", MaxKey), time.Millisecond })
	if got := len(pushedTo(n, "B")); got != 2 {
		t.Errorf("%d of 2 pushed", got)
	}
}

func TestPendingCap(t *testing.T) {
	n := alone(t)
	n.manual = true
	for i := range maxPending + 2 {
		n.do(Publish{Ticket: uint64(i), Kind: KindEvent, DataType: 7})
	}
	got := actions[Refused](n)
	if len(n.seals) != maxPending || len(got) != 2 || !errors.Is(got[0].Err, ErrBusy) {
		t.Errorf("%d seals, refused %v", len(n.seals), got)
	}
	n.do(Sealed{toySeal(n.seals[0].Rumor)})
	n.do(Publish{Kind: KindEvent, DataType: 7})
	if len(n.seals) != maxPending+1 {
		t.Error("no room after a seal")
	}
}

// What expired during its proof of work is not spread.
func TestSealTooLate(t *testing.T) {
	n := alone(t)
	n.up("B", 7)
	n.manual = true
	n.do(Publish{Ticket: 1, Kind: KindEvent, DataType: 7, Lifetime: time.Second})
	n.wait(time.Second)
	n.do(Sealed{toySeal(n.seals[0].Rumor)})
	if got := actions[Refused](n); len(got) != 1 || !errors.Is(got[0].Err, ErrSeal) || len(pushedTo(n, "B")) != 0 {
		t.Errorf("refused %v, pushed %v", got, pushedTo(n, "B"))
	}
}

// A neighbour knows a later epoch of this node (its state folder was lost, or its
// clock went back): nothing is published until a later one is on disk, and what
// was being sealed is numbered anew.
func TestLaterEpochElsewhere(t *testing.T) {
	n := alone(t)
	n.manual = true
	n.record()
	n.up("B", 7)
	n.do(Publish{Ticket: 5, Kind: KindEvent, DataType: 7, TTL: 9, Payload: []byte("sealing")})
	n.push("B", presenceOf(t, "M", 1, Presence{}, func(h *Header) { h.Epoch = 9 }))
	if got := actions[RaiseEpoch](n); len(got) != 1 || got[0].Above != 9 {
		t.Fatalf("RaiseEpoch: %v", got)
	}
	n.do(Publish{Ticket: 6, Kind: KindEvent, DataType: 7, Payload: []byte("waiting")})
	if len(n.seals) != 2 {
		t.Fatalf("%d seals, want none after the later epoch is known", len(n.seals))
	}
	for _, s := range n.seals {
		n.do(Sealed{toySeal(s.Rumor)})
	}
	n.seals = nil
	n.push("B", presenceOf(t, "M", 2, Presence{}, func(h *Header) { h.Epoch = 9 }))
	n.wait(time.Minute)
	if len(n.seals) != 0 || len(pushedTo(n, "B")) != 0 || len(actions[Published](n)) != 0 || len(actions[RaiseEpoch](n)) != 1 {
		t.Fatal("something is published, or asked for again, before the epoch is raised")
	}
	n.do(EpochRaised{1}) // no answer
	n.do(EpochRaised{10})
	n.do(EpochRaised{11}) // not asked for
	n.wait(time.Second)
	for i := 0; i < len(n.seals); i++ {
		n.do(Sealed{toySeal(n.seals[i].Rumor)})
	}
	var texts []string
	numbers := make(map[uint64]bool)
	for _, p := range sent[*Push](n, "B") {
		if p.Rumor.Epoch != 10 || numbers[p.Rumor.Seq] {
			t.Errorf("pushed epoch %d, seq %d", p.Rumor.Epoch, p.Rumor.Seq)
		}
		numbers[p.Rumor.Seq] = true
		if p.Rumor.Kind == KindEvent {
			texts = append(texts, string(p.Rumor.Payload))
		}
	}
	slices.Sort(texts)
	mustEqual(t, "pushed", texts, []string{"sealing", "waiting"})
	var tickets []uint64
	for _, p := range actions[Published](n) {
		tickets = append(tickets, p.Ticket)
	}
	slices.Sort(tickets)
	mustEqual(t, "published", tickets, []uint64{5, 6})
	if st := n.s.Status(); st.Epoch != 10 || len(st.Members) != 1 || st.Counters.EpochsRaised != 1 {
		t.Errorf("epoch %d, members %v, raised %d times", st.Epoch, st.Members, st.Counters.EpochsRaised)
	}
}

// A rumor of an earlier run is no reason for a later epoch, nor is one of this
// run that comes back.
func TestOwnEarlierRumors(t *testing.T) {
	n := alone(t, func(c *Config) { c.Epoch = 5 })
	n.module(1, 7)
	n.up("B", 7)
	r := n.publish(7, "mine")
	n.forget()
	if v := n.push("B", r); v != VerdictDuplicate {
		t.Errorf("verdict %d on the node's own", v)
	}
	if v := n.push("B", rumorOf(t, "M", 8, "of an earlier run", func(h *Header) { h.Epoch = 4 })); v != VerdictNew {
		t.Errorf("verdict %d on an earlier run's", v)
	}
	if len(actions[RaiseEpoch](n)) != 0 {
		t.Error("the epoch is raised without need")
	}
	mustEqual(t, "told", n.told(1), []string{"of an earlier run"})
	// A number of this run that it never gave: another node uses its key, or its
	// disk is a copy. That must not go on.
	n.push("B", rumorOf(t, "M", 1000, "not mine", func(h *Header) { h.Epoch = 5 }))
	if got := actions[RaiseEpoch](n); len(got) != 1 || got[0].Above != 5 {
		t.Errorf("RaiseEpoch: %v", got)
	}
}

// End to end: a node comes back without its memory and with a clock that went
// back. Its neighbour gives it what it said before, which also tells it of the
// epoch that it must exceed.
func TestComeBackWithoutMemory(t *testing.T) {
	w := newWorld(t)
	b := w.add("B")
	b.module(1, 7)
	old := w.add("A", func(c *Config) { c.Epoch = 9 })
	old.record()
	w.link("A", "B")
	old.publish(7, "before")
	w.wait(time.Second)
	w.unlink("A", "B")
	old.down = true
	w.nodes = w.nodes[:1]

	a := w.add("A", func(c *Config) { c.Epoch = 3 })
	a.module(1, 7)
	a.record()
	w.link("B", "A")
	w.wait(5 * time.Second)
	mustEqual(t, "told of its own earlier rumor", a.told(1), []string{"before"})
	if st := a.s.Status(); st.Epoch != 10 {
		t.Errorf("epoch %d", st.Epoch)
	}
	b.forget()
	a.publish(7, "after")
	mustEqual(t, "B was told", b.told(1), []string{"after"})
	if m := b.s.members["A"]; m == nil || m.r.Epoch != 10 {
		t.Errorf("B knows A by %+v", m)
	}
}

// The same for a node that takes nothing, so that no comparison brings it what it
// said, and whose last presence never got anywhere.
func TestComeBackTakingNothing(t *testing.T) {
	w := newWorld(t)
	b := w.add("B")
	b.module(1, 7)
	old := w.add("A", func(c *Config) { c.Epoch = 9 })
	w.link("A", "B")
	old.publish(7, "before")
	w.wait(time.Second)
	w.unlink("A", "B")
	old.down = true
	w.nodes = w.nodes[:1]

	a := w.add("A", func(c *Config) { c.Epoch = 3 })
	a.record()
	w.link("B", "A")
	w.wait(5 * time.Second)
	if st := a.s.Status(); st.Epoch != 10 || st.Counters.EpochsRaised != 1 {
		t.Errorf("epoch %d, raised %d times", st.Epoch, st.Counters.EpochsRaised)
	}
	if m := b.s.members["A"]; m == nil || m.r.Epoch != 10 {
		t.Errorf("B knows A by %+v", m)
	}
}

// A leave that has no epoch to be signed with is told to the neighbours at least.
func TestLeaveWhileRaising(t *testing.T) {
	n := alone(t)
	n.record()
	n.up("B")
	n.manual = true
	n.push("B", presenceOf(t, "M", 1, Presence{}, func(h *Header) { h.Epoch = 9 }))
	n.do(Publish{Ticket: 1, Kind: KindEvent, DataType: 7})
	n.do(Leave{})
	if len(n.seals) != 0 || len(sent[*Bye](n, "B")) != 1 || len(actions[Farewell](n)) != 1 {
		t.Errorf("seals %v, goodbyes %v", n.seals, sent[*Bye](n, "B"))
	}
	// One that is being sealed when the later epoch comes to light, too.
	n = alone(t)
	n.record()
	n.up("B")
	n.manual = true
	n.do(Leave{})
	n.push("B", presenceOf(t, "M", 1, Presence{}, func(h *Header) { h.Epoch = 9 }))
	n.do(Sealed{toySeal(n.seals[0].Rumor)})
	if len(sent[*Bye](n, "B")) != 1 || len(actions[Farewell](n)) != 1 {
		t.Errorf("goodbyes %v", sent[*Bye](n, "B"))
	}
}
