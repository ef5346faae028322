package gossip

import (
	"testing"
	"time"
)

// twins are two nodes with one hostkey among three others in a row, one end each.
func twins(t *testing.T) (w *world, a, b *tnode) {
	w = newWorld(t)
	for _, id := range []PeerID{"A", "B", "C"} {
		w.add(id, func(c *Config) { c.Heartbeat = time.Minute }).record()
	}
	w.link("A", "B")
	w.link("B", "C")
	w.wait(time.Second)
	a = w.node("A")
	// The other A is linked with C, and neither knows of the other.
	b = w.add("a", func(c *Config) { c.Heartbeat, c.Epoch, c.Self = time.Minute, 2, "A" })
	b.id = "a"
	return w, a, b
}

// relayTwin has a test carry presences between the second A and node C.
func relayTwin(w *world, b *tnode) {
	c := w.node("C")
	w.watch = func(n *tnode, x Action) {
		s, ok := x.(Send)
		if !ok {
			return
		}
		if p, ok := s.Msg.(*Push); ok && n == b && s.To == "C" {
			w.later(func() { c.handle(Received{"X", p}) })
			w.later(func() { b.handle(Received{"C", &Receipt{[]Verdict{VerdictNew}}}) })
		}
		if p, ok := s.Msg.(*Push); ok && n == c && s.To == "X" {
			w.later(func() { b.handle(Received{"C", p}) })
			w.later(func() { c.handle(Received{"X", &Receipt{[]Verdict{VerdictNew}}}) })
		}
		if p, ok := s.Msg.(*Ping); ok && (n == b || n == c && s.To == "X") {
			w.later(func() { n.handle(Received{s.To, &Pong{p.Number}}) })
		}
	}
	b.record()
	w.later(func() { c.handle(LinkUp{Peer: "X"}) })
	w.later(func() { b.handle(LinkUp{Peer: "C"}) })
	w.drain()
}

// Two nodes with one hostkey both know it within ten seconds, and say it once;
// the third parties do not suffer.
func TestCopiedKey(t *testing.T) {
	w, a, b := twins(t)
	relayTwin(w, b)
	w.wait(10 * time.Second)
	for name, n := range map[string]*tnode{"the first": a, "the second": b} {
		if st := n.s.Status(); st.Copied.IsZero() || st.CopiedBy == "" || len(actions[KeyCopied](n)) != 1 {
			t.Errorf("%s A: copied since %v, told by %q, said %d times, %d proofs", name, st.Copied, st.CopiedBy, len(actions[KeyCopied](n)), st.Counters.CopyProofs)
		}
	}
	w.node("B").forget()
	w.wait(time.Hour)
	// They go on raising, ever more seldom.
	for name, n := range map[string]*tnode{"the first": a, "the second": b} {
		if got := len(actions[RaiseEpoch](n)); got < 5 || got > 70 {
			t.Errorf("%s A raised its epoch %d times in an hour", name, got)
		}
		if n.s.Status().Copied.IsZero() || len(actions[KeyCopied](n)) != 1 {
			t.Errorf("%s A forgot that it is copied, or said it again", name)
		}
	}
	if got := w.node("B").changes("A"); len(got) != 0 {
		t.Errorf("changes of A at B: %v", got)
	}
	// When the second is gone the first is alone again.
	b.down = true
	w.wait(copyMemory + time.Minute)
	if st := a.s.Status(); !st.Copied.IsZero() {
		t.Errorf("copied since %v although the other is gone", st.Copied)
	}
}

// What an earlier run left behind is no copy, in whatever order and from however
// many neighbours it comes; nor is what this run said itself.
func TestLostStateIsNoCopy(t *testing.T) {
	n := alone(t, func(c *Config) { c.Epoch = 3 })
	n.record()
	n.w.now = n.w.now.Add(time.Second)
	for _, p := range []PeerID{"B", "C", "D"} {
		n.up(p, 7)
	}
	n.module(1, 7)
	for i, epoch := range []uint64{5, 9, 7, 12, 12, 20} {
		for _, p := range []PeerID{"B", "C", "D"} {
			n.recv(p, &Push{Rumor: rumorOf(t, "M", uint64(1+i), "before", func(h *Header) { h.Epoch, h.Created = epoch, h.Created-60_000 }), Hops: 1})
		}
		n.wait(5 * time.Second)
	}
	mine := n.publish(7, "mine")
	n.push("B", mine)
	n.wait(5 * time.Minute)
	if st := n.s.Status(); !st.Copied.IsZero() || st.Counters.CopyProofs != 0 || st.Epoch <= 20 || len(actions[KeyCopied](n)) != 0 {
		t.Errorf("copied since %v, %d proofs, epoch %d", st.Copied, st.Counters.CopyProofs, st.Epoch)
	}
}

// A clock that went back makes old rumors look new; they come at once, and stop.
func TestClockThatWentBackIsNoCopy(t *testing.T) {
	n := alone(t, func(c *Config) { c.Epoch = 3 })
	n.record()
	n.up("B", 7)
	n.module(1, 7)
	for seq := range uint64(50) {
		n.recv("B", &Push{Rumor: rumorOf(t, "M", seq+1, "before", func(h *Header) { h.Epoch, h.Created = 9, h.Created+30_000 }), Hops: 1})
	}
	n.wait(5 * time.Minute)
	if st := n.s.Status(); !st.Copied.IsZero() || st.Counters.CopyProofs != 1 {
		t.Errorf("copied since %v, %d proofs", st.Copied, st.Counters.CopyProofs)
	}
}

// Two nodes with one hostkey take each other's links with the neighbours that they
// share. They do it slowly, and are never without trying.
func TestCopyDialsSlowly(t *testing.T) {
	for _, copied := range []bool{true, false} {
		n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 8, true })
		n.record()
		if copied {
			n.s.copied.proofs, n.s.copied.last = copyProofs, n.w.now
		}
		peers := []PeerID{"B", "C", "D", "E", "F", "G", "H", "I"}
		for _, p := range peers {
			n.up(p)
			n.push("B", presenceOf(t, p, 1, Presence{Record: []byte("r")}))
		}
		n.forget()
		const last = 2 * time.Minute
		for range last / time.Second {
			for _, p := range n.dials() {
				if n.s.candidates[p].dialling {
					n.do(LinkUp{Peer: p, Dialled: true})
				}
			}
			for _, p := range peers {
				n.do(LinkDown{p}) // the other one took it
			}
			n.wait(time.Second)
		}
		most := int(last/copyDialPause) + 1
		if got := len(n.dials()); copied && (got > most || got < most/2) {
			t.Errorf("%d dials in %v, at most %d", got, last, most)
		} else if !copied && got < 2*most {
			t.Errorf("only %d dials in %v by who has no copy", got, last)
		}
	}
}
