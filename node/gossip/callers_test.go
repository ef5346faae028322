package gossip

import (
	"fmt"
	"testing"
)

// Who comes counts also if there is no room for it, once, for as long as it was
// met lately; and as counted if it announced itself, also when it has left since.
func TestCallers(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 1 })
	want := func(all, counted float64) {
		t.Helper()
		if a, c := n.s.comers(); a != all || c != counted {
			t.Errorf("%v came, %v counted, want %v and %v", a, c, all, counted)
		}
	}
	n.up("B")
	for _, p := range []PeerID{"C", "D", "E", "F", "C", "D"} {
		n.do(LinkUp{Peer: p})
		n.do(LinkDown{p})
	}
	want(0, 0) // their presences may be on their way
	n.push("B", presenceOf(t, "C", 1, Presence{Record: []byte("r")}))
	n.push("B", presenceOf(t, "D", 1, Presence{Record: []byte("r")}))
	n.wait(joinsSettle)
	want(5, 2)
	n.push("B", presenceOf(t, "D", 2, Presence{Left: true}))
	n.do(LinkUp{Peer: "G"})
	n.do(LinkDown{"G"})
	delete(n.s.members, "D") // as when its presence expires
	want(5, 2)
	n.wait(metLately)
	want(1, 0) // only B, which stayed
}

// Who comes in numbers drives out his own, and has the weight of one.
func TestCallersOfOneGroup(t *testing.T) {
	n := alone(t)
	for i := range 20 {
		n.do(LinkUp{Peer: PeerID(fmt.Sprint("Z", i)), Net: NetGroup(fmt.Sprint("net", i))})
		n.do(LinkDown{PeerID(fmt.Sprint("Z", i))})
	}
	for i := range 3 * maxCallers {
		n.do(LinkUp{Peer: PeerID(fmt.Sprint("M", i)), Net: "many"})
		n.do(LinkDown{PeerID(fmt.Sprint("M", i))})
	}
	if got := len(n.s.callers); got != maxCallers {
		t.Errorf("%d are remembered, want %d", got, maxCallers)
	}
	n.wait(joinsSettle)
	if all, _ := n.s.comers(); all < 20.99 || all > 21.01 {
		t.Errorf("they count for %v, want 20 and one more", all)
	}
}
