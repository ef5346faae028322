package gossip

import (
	"testing"
	"time"
)

// moods are versions of one state of Z.
func mood(t testing.TB, seq uint64, text string) *Rumor {
	return rumorOf(t, "Z", seq, text, func(h *Header) { h.Kind, h.Key = KindState, "mood" })
}

// kept lists the payloads that a node would give to others.
func (n *tnode) kept() (texts []string) {
	for _, p := range n.s.store.group(7) {
		if e := n.s.store.entries[p.ID]; e.spreadable() {
			texts = append(texts, string(e.r.Payload))
		}
	}
	return texts
}

// A version that modules have not found valid replaces none that they have.
func TestStateStaysUntilTheNextIsValid(t *testing.T) {
	for name, c := range map[string]struct {
		vote func(n *tnode, r *Rumor)
		want string
	}{
		"valid":    {func(n *tnode, r *Rumor) { n.do(Vote{1, r.ID, true}) }, "busy"},
		"invalid":  {func(n *tnode, r *Rumor) { n.do(Vote{1, r.ID, false}) }, "idle"},
		"too late": {func(n *tnode, r *Rumor) { n.wait(n.s.cfg.ValidationTimeout) }, "idle"},
	} {
		n := alone(t)
		n.module(1, 7)
		n.up("B", 7)
		n.push("B", mood(t, 1, "idle"))
		n.votes[1] = nil
		busy := mood(t, 3, "busy")
		if v := n.push("B", busy); v != VerdictNew {
			t.Fatalf("%s: verdict %d", name, v)
		}
		mustEqual(t, name+": kept before the vote", n.kept(), []string{"idle"})
		n.up("C", 7)
		mustEqual(t, name+": given to C meanwhile", filledTo(n, "C"), nil)
		c.vote(n, busy)
		mustEqual(t, name+": kept after it", n.kept(), []string{c.want})
		if v := n.push("B", mood(t, 2, "between")); v != VerdictStale {
			t.Errorf("%s: verdict %d on a version between the two", name, v)
		}
		if err := n.s.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		n.push("B", mood(t, 4, "glad"))
		n.votes[1] = func(*Rumor) bool { return true }
		n.do(Vote{1, mood(t, 4, "glad").ID, true})
		mustEqual(t, name+": kept after the next", n.kept(), []string{"glad"})
		if err := n.s.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// filledTo lists the payloads that comparisons gave to a peer.
func filledTo(n *tnode, to PeerID) (texts []string) {
	for _, f := range sent[*Fill](n, to) {
		texts = append(texts, string(f.Rumor.Payload))
	}
	return texts
}

// Where modules disagree about a version, comparisons do not send the one before
// it again and again to who has replaced it.
func TestDisagreementIsNotSentForEver(t *testing.T) {
	w := newWorld(t)
	a := w.add("A", func(c *Config) { c.AntiEntropy = 10 * time.Second })
	b := w.add("B", func(c *Config) { c.AntiEntropy = 10 * time.Second })
	a.module(1, 7)
	b.module(1, 7)
	a.votes[1] = func(r *Rumor) bool { return string(r.Payload) != "busy" }
	w.link("A", "B")
	z := w.add("Z")
	z.subscribe(1, false, 7)
	w.link("Z", "A")
	w.link("Z", "B")
	state := func(p *Publish) { p.Kind, p.Key = KindState, "mood" }
	z.publish(7, "idle", state)
	w.wait(time.Second)
	z.publish(7, "busy", state)
	w.wait(time.Second)
	mustEqual(t, "kept at A", a.kept(), []string{"idle"})
	mustEqual(t, "kept at B", b.kept(), []string{"busy"})
	a.forget()
	b.forget()
	w.wait(10 * time.Minute)
	if got := len(filledTo(a, "B")) + len(filledTo(b, "A")) + len(filledTo(a, "Z")); got > 2 {
		t.Errorf("%d rumors were sent in ten minutes", got)
	}
}
