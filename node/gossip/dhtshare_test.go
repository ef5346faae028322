package gossip

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// dhtLinksOf counts a node's neighbours of own choice, and those of them that
// came from the DHT.
func dhtLinksOf(n *tnode) (all, dht int) {
	for _, l := range n.s.linkOrder {
		if l == nil || !l.dialled {
			continue
		}
		all++
		if n.s.candidates[l.peer].source == SourceKademlia {
			dht++
		}
	}
	return all, dht
}

// answerDials lets every dial succeed for some time.
func answerDials(n *tnode, d time.Duration, then func(p PeerID)) {
	for end := n.w.now.Add(d); n.w.now.Before(end); n.wait(time.Second) {
		for _, c := range slices.Clone(n.s.candidateOrder) {
			switch {
			case !c.dialling:
			case c.probing:
				n.do(Reached{c.peer})
			default:
				n.do(LinkUp{Peer: c.peer, Dialled: true, Net: c.net})
				if n.s.links[c.peer] != nil && then != nil {
					then(c.peer)
				}
			}
		}
		n.forget()
	}
}

// A DHT that names nothing but its own does not decide who the neighbours are:
// one in three is from there, though all others it named were dialled.
func TestDHTIsOneSourceOfMany(t *testing.T) {
	for _, presences := range []bool{false, true} {
		n := alone(t, func(c *Config) { c.Degree = 9 })
		for round := range 20 {
			for i := range 30 {
				n.do(Candidate{Peer: PeerID(fmt.Sprintf("Zdht %d %d", round, i)), Source: SourceKademlia})
			}
			for i := range 4 {
				n.do(Candidate{Peer: PeerID(fmt.Sprintf("Zother %d %d", round, i)), Source: SourceExchange})
			}
			answerDials(n, 10*time.Second, func(p PeerID) {
				if presences {
					n.push(p, presenceOf(t, p, 1, Presence{Record: []byte("r")}, aDay))
				}
			})
			all, dht := dhtLinksOf(n)
			if dht > 3 || round > 0 && all < 8 {
				t.Errorf("round %d, presences %v: of %d neighbours of own choice %d are from the DHT, at most 3 may be", round, presences, all, dht)
			}
		}
	}
}

// Nor does it get more by and by, as neighbours are swapped for others.
func TestDHTInSwaps(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange, c.Shuffle = 9, true, 10*time.Second })
	for i := range 60 {
		name, source := "Zdht", SourceKademlia
		if i%3 == 0 {
			name, source = "Zother", SourceExchange
		}
		n.do(Candidate{Peer: PeerID(fmt.Sprint(name, " ", i)), Source: source, Net: NetGroup(fmt.Sprint("9.", i))})
	}
	linked := make(map[PeerID]bool)
	answerDials(n, 20*time.Minute, func(p PeerID) {
		linked[p] = true
		if all, dht := dhtLinksOf(n); dht > 3 {
			t.Fatalf("of %d neighbours of own choice %d are from the DHT, at most 3 may be", all, dht)
		}
	})
	if len(linked) < 15 {
		t.Errorf("%d were neighbours within 20 minutes, want those that others were swapped for, too", len(linked))
	}
}

// When the DHT knows nobody but strangers, one after the other is still dialled:
// one of them may be from another island.
func TestDHTStrangersTakeTurns(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 6 })
	dialled := make(map[PeerID]bool)
	for i := range 12 {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceKademlia})
	}
	answerDials(n, 5*time.Minute, func(p PeerID) {
		dialled[p] = true
		n.push(p, presenceOf(t, p, 1, Presence{Record: []byte("r")}, aDay))
		if _, dht := dhtLinksOf(n); dht > 3 {
			t.Errorf("%d neighbours from the DHT", dht)
		}
	})
	if len(dialled) < 12 {
		t.Errorf("%d of 12 strangers were dialled", len(dialled))
	}
}

// Who is said to take a type that is missing is dialled by a node that has
// neighbours enough, up to takersWanted for each type, and no others for it.
func TestSaidToTake(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 9 })
	n.module(1, 7)
	for i := range 20 {
		n.up(PeerID(fmt.Sprint("B", i)))
	}
	for _, p := range []PeerID{"B0", "B1", "B2", "B3", "B4"} {
		n.s.links[p].dialled = true
	}
	if needs := n.s.TypeNeeds(); len(needs) != 1 || needs[0] != (TypeNeed{7, true, takersWanted}) {
		t.Fatalf("needs: %+v", needs)
	}
	var got []PeerID
	for i := range 8 {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceKademlia, Takes: []uint16{7}})
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Znot", i)), Source: SourceKademlia, Takes: []uint16{8}})
	}
	n.wait(2 * courtesy)
	for _, p := range n.dials() {
		got = append(got, p)
		n.up(p, 7)
	}
	if len(got) != takersWanted {
		t.Errorf("dialled %q, want %d that take type 7", got, takersWanted)
	}
	for _, p := range got {
		if len(p) != 2 {
			t.Errorf("dialled %q, which nobody said to take type 7", p)
		}
	}
	if needs := n.s.TypeNeeds(); len(needs) != 1 || needs[0].Missing != 0 {
		t.Errorf("needs, with takers enough: %+v", needs)
	}
}

// What is said of one peer is bounded.
func TestSaidToTakeIsBounded(t *testing.T) {
	n := alone(t)
	for i := range 3 * MaxTakes {
		n.do(Candidate{Peer: "Z", Source: SourceKademlia, Takes: []uint16{uint16(i), uint16(i)}})
	}
	if got := n.s.candidates["Z"].takes; len(got) != MaxTakes || got[MaxTakes-1] != 3*MaxTakes-1 {
		t.Errorf("remembered %d", got)
	}
}
