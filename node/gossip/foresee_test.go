package gossip

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// asked is a verifier that notes whose signatures it is asked for.
type asked struct {
	toy
	whose []*Rumor
}

func (a *asked) Signature(r *Rumor) bool {
	a.whose = append(a.whose, r)
	return a.toy.Signature(r)
}

// Whatever comes, in whatever state a core is: the signature that is foreseen is the
// one that is checked, none is foreseen where none is checked, and having asked changes
// nothing. Only the reasons that Foresee names are not foreseen.
func TestForesee(t *testing.T) {
	const rounds = 20_000
	verifier := &asked{}
	grow := func(v Verifier) *tnode {
		n := alone(t, func(c *Config) { c.Verifier, c.Carry = v, true })
		n.subscribe(1, false, 7)
		for _, p := range []PeerID{"B", "C", "D"} {
			n.up(p, 7)
		}
		return n
	}
	n, plain := grow(verifier), grow(toy{})
	rnd := rand.New(rand.NewPCG(1, 1))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	var foreseen, missed, none int
	kinds := make(map[Kind]int)
	for i := range rounds {
		now := epoch0.Add(time.Duration(i) * 3 * time.Millisecond)
		n.w.now, plain.w.now = now, now
		r := rumorOf(t, PeerID(pick("X", "Y", "Z", "Z", fmt.Sprint("once", i))), uint64(i/8+rnd.IntN(20)+1), pick("a", "b"), func(h *Header) {
			h.Created = now.UnixMilli() - int64(rnd.IntN(1000))
			if rnd.IntN(20) == 0 {
				h.Created += MaxSkew.Milliseconds() + 500
			}
			h.Expires = h.Created + 600 + int64(rnd.IntN(5000))
			h.Kind = Kind(1 + rnd.IntN(4))
			switch {
			case h.Kind == KindPresence:
				h.DataType = 0
			case rnd.IntN(10) == 0:
				h.DataType = 9
			case rnd.IntN(3) == 0 && h.Kind != KindEvent:
				h.DataType = 0
			}
			if h.Kind == KindState {
				h.Key = pick("k", "l")
			}
			if rnd.IntN(30) == 0 {
				h.Network = "other"
			}
		})
		if r.Kind == KindPresence {
			r = presenceOf(t, r.Origin, r.Seq, Presence{}, func(h *Header) { h.Network, h.Created, h.Expires = r.Network, r.Created, r.Expires })
		}
		if rnd.IntN(30) == 0 {
			r.Nonce = 1
		}
		var m Message = &Push{Rumor: r, Hops: 1}
		if rnd.IntN(3) == 0 {
			m = &Fill{Rumor: r, Hops: 1}
		}
		for _, l := range n.s.linkOrder {
			l.meter.invalid = allowance{} // TestForeseeForger
		}
		for _, l := range plain.s.linkOrder {
			l.meter.invalid = allowance{}
		}
		from := PeerID(pick("B", "C", "D", "unknown"))
		will := n.s.Foresee(now, from, m, 0)
		equivocations := n.s.count.Equivocations
		verifier.whose = nil
		n.recv(from, m)
		plain.recv(from, m)
		is := len(verifier.whose) > 0
		switch {
		case will != nil && (will != r || !is):
			t.Fatalf("round %d: foreseen, and not checked: %+v", i, r.Header)
		case will != nil:
			foreseen++
			kinds[r.Kind]++
		case is && n.s.count.Equivocations == equivocations && n.s.store.entries[r.ID] != nil && n.s.store.entries[r.ID].state != refused:
			t.Fatalf("round %d: checked, and not foreseen: %+v", i, r.Header)
		case is:
			missed++
		default:
			none++
		}
	}
	t.Logf("%d foreseen %v, %d not foreseen, %d not checked", foreseen, kinds, missed, none)
	if foreseen < rounds/5 || len(kinds) != 4 || none < rounds/5 {
		t.Error("the rounds say little")
	}
	if got, want := n.s.count, plain.s.count; got != want {
		t.Errorf("who asked has counted %+v, who did not %+v", got, want)
	}
	for _, p := range []PeerID{"B", "C", "D"} {
		if got, want := n.s.links[p].meter, plain.s.links[p].meter; !reflect.DeepEqual(got, want) {
			t.Errorf("asking changed what %s may do: %+v, else %+v", p, got, want)
		}
	}
	if !reflect.DeepEqual(n.seen, plain.seen) {
		t.Error("asking changed what was done")
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// From who sent one forged rumor nothing is foreseen for a while: it could spoil one
// batch after the other. Others are not affected.
func TestForeseeForger(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.up("C", 7)
	next := &Push{Rumor: rumorOf(t, "Z", 2, "good"), Hops: 1}
	if n.s.Foresee(epoch0, "B", next, 0) == nil {
		t.Fatal("not foreseen at first")
	}
	forged := rumorOf(t, "Z", 1, "forged")
	forged.Signature = nil
	n.recv("B", &Push{Rumor: forged, Hops: 1})
	if n.s.Foresee(epoch0, "B", next, 0) != nil {
		t.Error("foreseen after a forged one")
	}
	if n.s.Foresee(epoch0, "C", next, 0) == nil {
		t.Error("not foreseen from another neighbour")
	}
	if v := n.push("B", next.Rumor); v != VerdictNew {
		t.Errorf("verdict %d on a good one after a forged one", v)
	}
	n.wait(invalidPause)
	if n.s.Foresee(n.w.now, "B", &Push{Rumor: rumorOf(t, "Z", 3, "good"), Hops: 1}, 0) == nil {
		t.Error("never foreseen again")
	}
}

// However many wait, no more are foreseen than all of them together may say.
func TestForeseeWithinLimits(t *testing.T) {
	const left = 5
	count := func(n *tnode, message func(i int) Message) (so int) {
		for i := range 3 * left {
			if n.s.Foresee(n.w.now, "B", message(i), so) != nil {
				so++
			}
		}
		return so
	}
	event := func(origin func(i int) PeerID) func(i int) Message {
		return func(i int) Message {
			return &Push{Rumor: rumorOf(t, origin(i), uint64(10+i), "x"), Hops: 1}
		}
	}
	known := func(int) PeerID { return "Z" }
	for _, c := range []struct {
		name    string
		limit   func(n *tnode)
		message func(i int) Message
		want    int
	}{
		{"without a limit", func(*tnode) {}, event(known), 3 * left},
		{"of a neighbour", func(n *tnode) { n.s.links["B"].meter.rumors = allowance{left, n.w.now} }, event(known), left},
		{"of all", func(n *tnode) { n.s.intake.all = allowance{left, n.w.now} }, event(known), left},
		{"of strangers", func(n *tnode) { n.s.links["B"].meter.origins = allowance{left, n.w.now} }, event(func(i int) PeerID { return PeerID(fmt.Sprint("s", i)) }), left},
		{"of presences", func(n *tnode) {
			n.s.members["P"].renewals = allowance{left, n.w.now}
		}, func(i int) Message { return &Fill{Rumor: presenceOf(t, "P", uint64(10+i), Presence{}), Hops: 1} }, left},
		{"of what is carried", func(n *tnode) {
			*n.s.store.state.rates["Z"] = allowance{left, n.w.now}
		}, func(i int) Message {
			return &Push{Rumor: rumorOf(t, "Z", uint64(10+i), "x", func(h *Header) { h.Kind, h.DataType, h.Key = KindState, 0, fmt.Sprint(i) }), Hops: 1}
		}, left},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := alone(t, func(c *Config) { c.Carry = true })
			n.subscribe(1, false, 7)
			n.up("B", 7)
			n.push("B", rumorOf(t, "Z", 1, "x"))
			n.push("B", rumorOf(t, "Z", 2, "x", func(h *Header) { h.Kind, h.DataType, h.Key = KindState, 0, "k" }))
			n.push("B", presenceOf(t, "P", 1, Presence{}))
			n.push("B", rumorOf(t, "stranger", 1, "x"))
			c.limit(n)
			if got := count(n, c.message); got != c.want {
				t.Errorf("%d are foreseen, want %d", got, c.want)
			}
		})
	}
}

// Nothing but a rumor is foreseen.
func TestForeseeOtherMessages(t *testing.T) {
	n := alone(t)
	n.up("B", 7)
	for _, m := range []Message{&Ping{}, &Receipt{}, &Have{}, &Interests{}} {
		if r := n.s.Foresee(epoch0, "B", m, 0); r != nil {
			t.Errorf("%T: %+v", m, r)
		}
	}
}
