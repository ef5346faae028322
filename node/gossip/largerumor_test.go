package gossip

import (
	"strings"
	"testing"
	"time"
)

// What is too large to be sent on a guess; what it is in networks is in sim.

func largeText(s string) string { return s + strings.Repeat(" ", largeRumor) }

// A neighbour that told of a rumor gets no copy when the rumor comes by another.
func TestTellerGetsNoCopy(t *testing.T) {
	for _, text := range []string{"small", largeText("large")} {
		n := alone(t)
		n.module(1, 7)
		for _, p := range []PeerID{"B", "C", "D"} {
			n.up(p, 7)
			n.s.links[p].proven[7] = true
		}
		r := rumorOf(t, "Z", 1, text)
		n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}})
		n.forget()
		n.push("B", r)
		if got := len(sent[*Push](n, "C")) + len(sent[*Have](n, "C")); got != 0 {
			t.Errorf("who told of it was sent %d messages", got)
		}
		if got := len(sent[*Push](n, "D")) + len(sent[*Have](n, "D")); got != 1 {
			t.Errorf("another was sent %d messages, want 1", got)
		}
	}
}

// A large rumor that is offered is asked for at once where nobody else would bring
// it, or where it is the tree that offers; else its time to come is waited for.
func TestOfferedLarge(t *testing.T) {
	offered := &Have{Group: 7, IDs: []ShortID{{1}}, Ask: true}
	for name, c := range map[string]struct {
		proven, lazy []PeerID
		now          bool
	}{
		"nothing went yet":          {nil, nil, true},
		"by the tree":               {[]PeerID{"B", "C"}, nil, true},
		"while another is the tree": {[]PeerID{"C"}, nil, false},
		"another was the tree":      {[]PeerID{"C"}, []PeerID{"C"}, true},
		"by a lazy link":            {[]PeerID{"B", "C"}, []PeerID{"B"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := alone(t)
			n.module(1, 7)
			n.up("B", 7)
			n.up("C", 7)
			for _, p := range c.proven {
				n.s.links[p].proven[7] = true
			}
			for _, p := range c.lazy {
				n.s.links[p].lazy[7] = true
			}
			n.forget()
			n.recv("B", offered)
			n.wait(0)
			if got := len(sent[*Graft](n, "B")) == 1; got != c.now {
				t.Errorf("asked for at once: %v", got)
			}
			n.wait(graftDelay)
			if len(sent[*Graft](n, "B")) != 1 {
				t.Error("not asked for")
			}
		})
	}
}

// Down lazy links goes the ID, gathered with others, of a large rumor as of any.
func TestLargeDownLazyLinks(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.s.links["B"].lazy[7] = true
	n.publish(7, largeText("x"))
	if len(sent[*Have](n, "B")) != 0 {
		t.Error("told at once")
	}
	n.wait(n.s.haveDelay(7))
	if got := sent[*Have](n, "B"); len(got) != 1 || got[0].Ask {
		t.Errorf("told %v", got)
	}
}

// An origin that says large things only has no tree of its own, however often it
// speaks.
func TestLargeHasNoTree(t *testing.T) {
	for text, want := range map[string]bool{"small": true, largeText("large"): false} {
		n := alone(t)
		n.module(1, 7)
		n.up("B", 7)
		for i := range uint64(2 * sourceOften) {
			n.push("B", rumorOf(t, "Z", i+1, text))
			n.wait(time.Second)
		}
		if got := n.s.sources[sourceKey{7, "Z"}].isRooted(); got != want {
			t.Errorf("%d bytes: a tree of its own: %v", len(text), got)
		}
	}
}
