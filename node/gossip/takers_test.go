package gossip

import (
	"testing"
	"time"
)

// Half of the places are for neighbours of a node's own choice: those who come
// to it cannot shut it off from everybody else.
func TestPlacesOfOwnChoice(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 4, true })
	for _, p := range []PeerID{"B", "C", "D", "E", "F", "G"} {
		n.up(p)
		n.push("B", presenceOf(t, p, 1, Presence{Record: []byte("r")}))
	}
	for _, p := range []PeerID{"V", "W", "X", "Y", "Z"} {
		n.push("B", presenceOf(t, p, 1, Presence{Record: []byte("r")}))
	}
	n.wait(retryFirst + 2*courtesy)
	if got := n.dials(); len(got) != 2 {
		t.Errorf("dialled %q, want two of those that did not come", got)
	}
}

// A node that has neighbours enough dials members that take its types, until it
// has takersWanted of them for each.
func TestTakersAreFound(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 1, true })
	n.module(1, 7)
	n.up("B")
	n.s.links["B"].dialled = true
	takes := Presence{Record: []byte("r"), Interests: []uint16{5, 7, 9}}
	for _, p := range []PeerID{"V", "W", "X", "Y", "Z"} {
		n.push("B", presenceOf(t, p, 1, takes))
		n.push("B", presenceOf(t, p+"not", 1, Presence{Record: []byte("r"), Interests: []uint16{5, 9}}))
	}
	n.wait(2 * courtesy)
	got := n.dials()
	if len(got) != takersWanted {
		t.Fatalf("dialled %q, want %d", got, takersWanted)
	}
	for _, p := range got {
		if len(p) != 1 {
			t.Errorf("dialled %q, which does not take the type", p)
		}
		n.up(p, 7)
	}
	n.wait(retryFirst + 2*courtesy)
	if got := n.dials(); len(got) != takersWanted {
		t.Errorf("dialled %q, and had enough before", got)
	}
}

// Who announces what it does not take itself needs takers, too.
func TestTakersOfOwnRumors(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 1, true })
	n.up("B")
	n.s.links["B"].dialled = true
	n.push("B", presenceOf(t, "Z", 1, Presence{Record: []byte("r"), Interests: []uint16{7}}))
	n.wait(2 * courtesy)
	if got := n.dials(); len(got) != 0 {
		t.Fatalf("dialled %q without a reason", got)
	}
	n.publish(7, "x")
	n.wait(2 * courtesy)
	if got := n.dials(); len(got) != 1 || got[0] != "Z" {
		t.Errorf("dialled %q, want Z", got)
	}
}

// The end of a table that left politely peers fill.
func TestGoneCandidatesMakeRoom(t *testing.T) {
	n := alone(t)
	for i := range maxCandidates + 10 {
		p := PeerID([]byte{'p', byte(i), byte(i >> 8)})
		n.up(p)
		n.recv(p, &Bye{ByeLeaving})
		n.do(LinkDown{p})
	}
	n.do(Candidate{Peer: "Z", Source: SourceContact})
	n.wait(2 * courtesy)
	if got := n.dials(); len(got) != 1 || got[0] != "Z" {
		t.Errorf("dialled %q, want Z", got)
	}
}

// Takers that could not be reached, or had no room, are second choice, but are
// tried again when there are no others.
func TestTakersAreTriedAgain(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 1, true })
	n.module(1, 7)
	n.up("B")
	n.s.links["B"].dialled = true
	takes := Presence{Record: []byte("r"), Interests: []uint16{7}}
	n.push("B", presenceOf(t, "Y", 1, takes))
	n.push("B", presenceOf(t, "Z", 1, takes))
	n.wait(courtesy)
	n.do(DialFailed{"Y"})
	n.up("Z")
	n.recv("Z", &Bye{ByeFull})
	n.do(LinkDown{"Z"})
	n.forget()
	n.wait(2 * retrySoon)
	if got := n.dials(); len(got) != 1 || got[0] != "Y" {
		t.Fatalf("dialled %q, want Y again", got)
	}
	n.up("Y", 7)
	n.wait(2 * time.Minute)
	if got := n.dials(); len(got) != 2 || got[1] != "Z" {
		t.Errorf("dialled %q, want Z again later", got)
	}
}
