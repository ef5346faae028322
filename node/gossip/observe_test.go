package gossip

import (
	"fmt"
	"testing"
	"time"
)

// seenByPeople is what the node told those who watch it.
func (n *tnode) seenByPeople() (seen []string) {
	for _, a := range n.seen {
		switch a := a.(type) {
		case Learnt:
			seen = append(seen, fmt.Sprintf("%s %q from %q over %d, filled %v", a.Rumor.Origin, a.Rumor.Payload, a.From, a.Hops, a.Filled))
		case Settled:
			seen = append(seen, a.Outcome.String())
		}
	}
	n.forget()
	return seen
}

func TestObserve(t *testing.T) {
	n, r := ballotBox(t)
	n.do(Observe{On: true})
	n.pushHops("B", r, 3)
	mustEqual(t, "arriving", n.seenByPeople(), []string{`Z "news" from "B" over 3, filled false`})
	n.push("D", r)
	mustEqual(t, "coming again", n.seenByPeople(), nil)
	n.vote(1, r, true)
	mustEqual(t, "half voted", n.seenByPeople(), nil)
	n.vote(2, r, true)
	mustEqual(t, "voted", n.seenByPeople(), []string{"valid"})

	n.push("B", rumorOf(t, "Z", 2, "lies"))
	n.vote(2, rumorOf(t, "Z", 2, "lies"), false)
	mustEqual(t, "voted down", n.seenByPeople(), []string{`Z "lies" from "B" over 1, filled false`, "invalid"})

	n.push("B", rumorOf(t, "Z", 3, "gossip"))
	n.wait(time.Hour)
	mustEqual(t, "nobody voted", n.seenByPeople(), []string{`Z "gossip" from "B" over 1, filled false`, "silent"})

	n.publish(7, "own")
	mustEqual(t, "own", n.seenByPeople(), []string{`M "own" from "" over 0, filled false`, "valid"})

	n.do(Observe{})
	n.push("B", rumorOf(t, "Z", 4, "unseen"))
	n.publish(7, "unseen")
	mustEqual(t, "nobody watches", n.seenByPeople(), nil)
}

func TestStatusTellsTheTree(t *testing.T) {
	n := alone(t)
	n.module(1, 7, 8)
	n.up("B", 7, 8, 9)
	n.up("D", 9)
	n.s.links["B"].lazy[8] = true
	n.s.links["D"].lazy[GroupPresence] = true
	st := n.s.Status().Neighbours
	mustEqual(t, "tree of B", st[0].Tree, []uint16{7})
	mustEqual(t, "tree of D", st[1].Tree, nil)
	if !st[0].Presence || st[1].Presence {
		t.Errorf("presence goes in full to B: %v, to D: %v", st[0].Presence, st[1].Presence)
	}
}
