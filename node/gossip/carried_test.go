package gossip

import (
	"fmt"
	"testing"
	"time"
)

func carry(cfg *Config) { cfg.Carry = true }

func private(h *Header) { h.Kind, h.DataType = KindPrivate, 0 }

func stateKeyed(key string) func(*Header) {
	return func(h *Header) { h.Kind, h.DataType, h.Key = KindState, 0, key }
}

// carriedTo is the payloads of what a core told its driver.
func carriedTo(n *tnode) (texts []string) {
	for _, a := range actions[Carried](n) {
		texts = append(texts, string(a.Rumor.Payload))
	}
	return texts
}

func asPrivate(p *Publish) { p.Kind, p.DataType = KindPrivate, 0 }
func asState(key string) func(*Publish) {
	return func(p *Publish) { p.Kind, p.DataType, p.Key = KindState, 0, key }
}

// Nobody takes anything, and everybody is told what everybody carries; who comes
// later by comparison. Modules of data type 0 are told nothing of it.
func TestCarried(t *testing.T) {
	w := newWorld(t)
	for _, id := range []PeerID{"A", "B", "C"} {
		w.add(id, carry)
	}
	w.link("A", "B")
	w.link("B", "C")
	w.node("C").module(1, 0)
	w.node("A").publish(0, "sealed", asPrivate)
	w.node("A").publish(0, "old", asState("k"))
	w.node("A").publish(0, "new", asState("k"))
	w.wait(3 * time.Second)
	for _, id := range []PeerID{"B", "C"} {
		mustEqual(t, string(id), carriedTo(w.node(id)), []string{"sealed", "old", "new"})
	}
	if got := w.node("C").told(1); len(got) > 0 {
		t.Errorf("a module of type 0 is told %q", got)
	}
	late := w.add("D", carry)
	w.link("C", "D")
	w.wait(100 * time.Millisecond) // by the comparison at the start of the link
	got := carriedTo(late)
	if len(got) != 2 || got[0] == got[1] || got[0] == "old" || got[1] == "old" {
		t.Errorf("who comes later is told %q, want the sealed and the new", got)
	}
	for _, n := range w.nodes {
		if err := n.s.Check(); err != nil {
			t.Error(err)
		}
	}
}

// A neighbour that does not carry is neither pushed to nor compared with, and what
// it sends is not wanted by one that does not either.
func TestCarriedNotByAll(t *testing.T) {
	n := alone(t, carry)
	n.publish(0, "sealed", asPrivate)
	n.up("B", 0)
	n.publish(0, "more", asPrivate)
	for _, s := range sent[*Sync](n, "B") {
		if s.Group.Carried() {
			t.Errorf("group %d is compared with who does not carry it", s.Group)
		}
	}
	if got := pushedTo(n, "B"); len(got) > 0 {
		t.Errorf("it is pushed %q", got)
	}
	n.recv("B", &Interests{Carries: true})
	if got := sent[*Sync](n, "B"); len(got) == 0 || !got[len(got)-1].Group.Carried() {
		t.Error("as soon as it carries it is not compared with")
	}

	old := alone(t)
	old.up("B")
	if v := old.push("B", rumorOf(t, "Z", 1, "sealed", private)); v != VerdictUnwanted {
		t.Errorf("who does not carry says %d", v)
	}
}

// Where nobody says anything, carrying costs no message.
func TestCarriedQuiet(t *testing.T) {
	n := alone(t, carry, func(c *Config) { c.AntiEntropy = time.Second })
	n.up("B")
	n.recv("B", &Interests{Carries: true})
	n.wait(10 * time.Second)
	for _, s := range sent[*Sync](n, "B") {
		if s.Group != GroupPresence {
			t.Errorf("group %d is compared", s.Group)
		}
	}
}

// An origin that says more than its share displaces itself alone, and a full shelf
// takes no room from data types.
func TestCarriedShares(t *testing.T) {
	n := alone(t, carry, func(c *Config) { c.CacheSize = 5 })
	n.up("B")
	n.recv("B", &Interests{Carries: true})
	n.module(1, 7)
	for i := range 5 {
		n.push("B", rumorOf(t, "Y", uint64(i+1), fmt.Sprint("event ", i)))
	}
	honest := rumorOf(t, "Y", 10, "honest", private)
	n.push("B", honest)
	n.push("B", rumorOf(t, "Y", 11, "honest", stateKeyed("k")))
	for i := range privateShare + 50 {
		n.recv("B", &Fill{rumorOf(t, "Z", uint64(i+1), fmt.Sprint(i), private, func(h *Header) { h.Created += int64(i); h.Expires += int64(i) }), 1})
	}
	if n.s.store.entries[honest.ID] == nil {
		t.Error("a flood displaced another origin's message")
	}
	if got := n.s.store.private.origins["Z"].kept; got != privateShare {
		t.Errorf("%d rumors of one origin are kept, want its share of %d", got, privateShare)
	}
	newest := rumorOf(t, "Z", privateShare+50, fmt.Sprint(privateShare+49), private, func(h *Header) {
		h.Created += privateShare + 49
		h.Expires += privateShare + 49
	})
	if n.s.store.entries[newest.ID] == nil {
		t.Error("the newest of its rumors is not kept")
	}
	if n.s.store.kept != 5 || n.s.store.state.kept != 1 {
		t.Errorf("%d events and %d states are left of 5 and 1", n.s.store.kept, n.s.store.state.kept)
	}
	for i := range stateShare + 20 {
		n.recv("B", &Fill{rumorOf(t, "Z", uint64(i+1000), "v", stateKeyed(fmt.Sprint(i))), 1})
	}
	if got := n.s.store.state.kept; got != stateShare+1 {
		t.Errorf("%d states are kept, want %d of one origin and 1 of another", got, stateShare)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// What was made up in another's name, dated ahead or forged, uses up nothing of the
// rate at which that one may be pushed; what is dated ahead no allowance at all.
func TestMadeUpTakesNoRate(t *testing.T) {
	n := alone(t, carry)
	n.up("B")
	n.recv("B", &Interests{Carries: true})
	n.recv("B", &Push{Rumor: rumorOf(t, "Z", 1, "first", private), Hops: 1})
	all := n.s.intake.all.left
	for i := range uint64(2 * carriedBurst) {
		r := *rumorOf(t, "Z", 1000+i, "ahead", private, func(h *Header) {
			h.Created += 2 * MaxSkew.Milliseconds()
			h.Expires += 2 * MaxSkew.Milliseconds()
		})
		r.Nonce, r.Signature = 0, nil
		n.recv("B", &Push{Rumor: &r, Hops: 1})
	}
	if got := n.s.count.Skewed; got != 2*carriedBurst || n.s.intake.all.left != all {
		t.Errorf("%d of %d are dated ahead, and of all that may be told %d are left of %d", got, 2*carriedBurst, n.s.intake.all.left, all)
	}
	for i := range uint64(maxInvalid) {
		r := *rumorOf(t, "Z", 2000+i, "forged", private)
		r.Signature = nil
		n.recv("B", &Push{Rumor: &r, Hops: 1})
	}
	before := n.s.count.Accepted
	for i := range uint64(carriedBurst) {
		n.recv("B", &Push{Rumor: rumorOf(t, "Z", 2+i, "its own", private), Hops: 1})
	}
	if got := n.s.count.Accepted - before; got != carriedBurst {
		t.Errorf("after that %d of %d of its own are taken", got, carriedBurst)
	}
}

// What an origin says too fast is put off, not lost; and others are not hurt.
func TestCarriedRate(t *testing.T) {
	n := alone(t, carry)
	n.up("B")
	n.recv("B", &Interests{Carries: true})
	const most = carriedBurst + 1 // the first one of an origin is free
	last := rumorOf(t, "Z", most+20, "last", private)
	for i := range uint64(most + 19) {
		n.recv("B", &Push{Rumor: rumorOf(t, "Z", i+1, fmt.Sprint(i), private), Hops: 1})
	}
	n.recv("B", &Push{Rumor: last, Hops: 1})
	if got := len(carriedTo(n)); got != most || n.s.count.TooFast != 20 {
		t.Errorf("of %d at once %d were told and %d put off, want %d and 20", most+20, got, n.s.count.TooFast, most)
	}
	n.recv("B", &Push{Rumor: rumorOf(t, "Y", 1, "honest", private), Hops: 1})
	if got := carriedTo(n); got[len(got)-1] != "honest" {
		t.Error("another origin's is put off, too")
	}
	n.recv("B", &Fill{last, 1})
	if got := carriedTo(n); got[len(got)-1] != "last" {
		t.Error("anti-entropy does not bring what was put off")
	}
	n.wait(carriedPause)
	if v := n.push("B", rumorOf(t, "Z", most+21, "later", private)); v != VerdictNew {
		t.Errorf("after a pause: %d", v)
	}
}

// What an origin said may be gone when it says the next: replaced by a newer version, or
// expired. It may say no more for that.
func TestCarriedRateOutlivesRumors(t *testing.T) {
	const pause, said = 2 * time.Millisecond, 200
	for name, change := range map[string]func(h *Header){
		"versions of one key": stateKeyed("k"),
		"a short life":        func(h *Header) { private(h); h.Expires = h.Created + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			n := alone(t, carry)
			n.up("B")
			n.recv("B", &Interests{Carries: true})
			for i := range uint64(said) {
				n.recv("B", &Push{Rumor: rumorOf(t, "Z", i+1, fmt.Sprint(i), func(h *Header) {
					h.Created = n.w.now.UnixMilli()
					h.Expires = h.Created + time.Hour.Milliseconds()
					change(h)
				}), Hops: 1})
				n.wait(pause)
			}
			const most = carriedBurst + 1 + int(said*pause/carriedPause)
			if got := len(carriedTo(n)); got != most || n.s.count.TooFast != said-uint64(most) {
				t.Errorf("of %d within %v %d were told and %d put off, want %d and %d", said, said*pause, got, n.s.count.TooFast, most, said-most)
			}
			n.wait(2 * windowPause)
			if got := len(n.s.store.private.rates) + len(n.s.store.state.rates); got != 0 {
				t.Errorf("the rates of %d origins are remembered, after all allowances are full again", got)
			}
			if err := n.s.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}
