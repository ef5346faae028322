package gossip

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A node without direct neighbours takes some relayed ones, no more, and goes on
// looking for direct ones as if it had none.
func TestRelayedLinksAreAStopgap(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 2 })
	places := n.s.places()
	for _, p := range []PeerID{"B", "C", "D"} {
		n.do(LinkUp{Peer: p, Relayed: true, Dialled: true})
	}
	if len(n.s.links) != maxRelayed || n.s.links["D"] != nil {
		t.Errorf("%d relayed links, want %d", len(n.s.links), maxRelayed)
	}
	if byes := sent[*Bye](n, "D"); len(byes) != 1 || byes[0].Reason != ByeFull {
		t.Errorf("the third was told %v", byes)
	}
	if n.s.places() != places {
		t.Errorf("%d places are left to fill, before there were %d", n.s.places(), places)
	}
	n.up("E")
	if len(n.s.links) != 3 {
		t.Errorf("with one direct neighbour there are %d links", len(n.s.links))
	}
	n.up("F") // two direct ones are enough
	if n.s.links["B"] != nil || n.s.links["C"] != nil || len(n.s.links) != 2 {
		t.Errorf("%d links are left", len(n.s.links))
	}
	n.do(LinkUp{Peer: "G", Relayed: true})
	if n.s.links["G"] != nil {
		t.Error("a relayed link was taken by a node that has direct ones enough")
	}
}

// Small rumors go over relayed links, large ones do not, neither pushed nor told
// of nor when they are asked for; and stores are not compared.
func TestRelayedLinksCarryLittle(t *testing.T) {
	n := alone(t, func(c *Config) { c.AntiEntropy = time.Second })
	n.module(1, 7)
	n.up("D", 7)
	n.do(LinkUp{Peer: "R", Relayed: true})
	n.recv("R", &Interests{Types: []uint16{7}})
	n.forget()
	n.publish(7, "small")
	large := n.publish(7, strings.Repeat("x", relayedRumor))
	huge := n.publish(7, strings.Repeat("x", largeRumor+1000))
	n.recv("R", &Graft{Group: GroupOf(7), IDs: []ShortID{large.ID.Short(), huge.ID.Short()}})
	if got := pushedTo(n, "R"); !slices.Equal(got, []string{"small"}) {
		t.Errorf("over the relay went %d rumors", len(got))
	}
	if got := pushedTo(n, "D"); len(got) != 2 {
		t.Errorf("directly went %d rumors", len(got))
	}
	if got := sent[*Have](n, "R"); len(got) != 0 {
		t.Errorf("over the relay was told of %v", got)
	}
	n.wait(4 * time.Second)
	if got := sent[*Sync](n, "R"); len(got) != 0 {
		t.Errorf("over the relay %d comparisons were begun", len(got))
	}
	if got := sent[*Sync](n, "D"); len(got) == 0 {
		t.Error("directly no comparison was begun")
	}
}
