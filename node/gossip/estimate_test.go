package gossip

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A few nodes that all announce themselves are counted, whoever is a neighbour.
func TestSizeOfFew(t *testing.T) {
	n := alone(t)
	if got := n.s.Size(); got != (Size{Nodes: 1}) {
		t.Errorf("alone: %+v", got)
	}
	n.up("B")
	for _, p := range []PeerID{"B", "C", "D", "E"} {
		n.push("B", presenceOf(t, p, 1, Presence{Record: []byte("r")}))
	}
	if got := n.s.Size(); got.Nodes != 5 || got.Deviation == 0 {
		t.Errorf("five, four of whom have just come: %+v, want 5 and some doubt", got)
	}
	n.wait(joinsSettle)
	if got := n.s.Size(); got != (Size{Nodes: 5}) {
		t.Errorf("five: %+v", got)
	}
	n.push("B", presenceOf(t, "C", 2, Presence{Left: true}))
	n.wait(joinsSettle)
	if got := n.s.Size(); got != (Size{Nodes: 4}) {
		t.Errorf("after one left: %+v", got)
	}
	n.up("Q") // which is quiet
	if got := n.s.Size(); got != (Size{Nodes: 4}) {
		t.Errorf("one whose presence may be on its way: %+v", got)
	}
	n.wait(joinsSettle)
	if got := n.s.Size(); got.Nodes < 5 || got.Deviation == 0 {
		t.Errorf("with a neighbour that announces nothing: %+v", got)
	}
}

// Who vanished and is not known as lost yet is in doubt, and so is who is late
// with its renewal.
func TestSizeInDoubt(t *testing.T) {
	n := alone(t)
	n.up("B")
	for _, p := range []PeerID{"B", "C", "D", "E"} {
		n.push("B", presenceOf(t, p, 1, Presence{Record: []byte("r")}, func(h *Header) { h.Expires = h.Created + 180_000 }))
	}
	n.wait(2*time.Minute + joinsSettle + time.Second)
	if got := n.s.Size(); got.Nodes != 3 || got.Deviation != 2 {
		t.Errorf("all four are late with their renewals: %+v, want 1 + 4/2 ± 4/2", got)
	}
}

// Where all who were met announced themselves and have left, those count that are there.
func TestSizeAfterAllLeft(t *testing.T) {
	n := alone(t)
	n.do(LinkUp{Peer: "Q", Dialled: true}) // which is quiet
	left := []PeerID{"B", "C"}
	for _, p := range left {
		n.up(p)
		n.push(p, presenceOf(t, p, 1, Presence{Record: []byte("r")}))
	}
	n.wait(joinsSettle)
	for _, p := range left {
		n.push("Q", presenceOf(t, p, 2, Presence{Left: true}))
		n.recv(p, &Bye{ByeLeaving})
		n.do(LinkDown{p})
	}
	n.wait(joinsSettle)
	if all, counted := n.s.comers(); all != 2 || counted != 2 {
		t.Fatalf("%v came, %v of them were members, want 2", all, counted)
	}
	if got := n.s.Size(); got != (Size{Nodes: 2}) {
		t.Errorf("with one that is quiet, after two left: %+v, want 2", got)
	}
}

// aDay has a rumor live for as long as one may.
func aDay(h *Header) { h.Expires = h.Created + MaxLifetime.Milliseconds() }

// TestSizeEstimated: of 10 to 10,000 nodes three in five announce themselves, and
// a node meets 60 of all by chance. The truth is within two standard deviations
// in 95 % of the cases, and the deviation at most 15 %.
//
// One core stands for all here: 10,000 with as many presences each are more than
// memory holds.
func TestSizeEstimated(t *testing.T) {
	if raceEnabled {
		t.Skip("one core has no goroutines, and this takes long")
	}
	const cases = 200
	rng := rand.New(rand.NewPCG(7, 7))
	for _, nodes := range []int{10, 100, 1000, 10_000} {
		n := alone(t, func(c *Config) { c.Degree = 60 })
		peer := func(i int) PeerID { return PeerID(fmt.Sprintf("Z%d", i)) }
		n.up("B")
		for i := range nodes * 3 / 5 {
			n.push("B", presenceOf(t, peer(i), 1, Presence{Record: []byte("r")}, aDay))
		}
		n.do(LinkDown{"B"})
		within, mean, deviations := 0, 0.0, 0.0
		for range cases {
			var met []PeerID
			for _, i := range rng.Perm(nodes)[:min(60, nodes)] {
				met = append(met, peer(i))
				n.up(peer(i))
			}
			n.wait(joinsSettle)
			s := n.s.Size()
			mean += s.Nodes / cases
			deviations += s.Deviation / cases
			if math.Abs(s.Nodes-float64(nodes+1)) <= 2*s.Deviation {
				within++
			}
			for _, p := range met {
				n.recv(p, &Bye{ByeLeaving})
				n.do(LinkDown{p})
				delete(n.s.candidates, p)
			}
			n.s.candidateOrder, n.s.callers = nil, nil
			n.forget()
		}
		t.Logf("%d nodes: %d of %d within two deviations, mean %.0f, mean deviation %.1f %%", nodes, within, cases, mean, 100*deviations/float64(nodes))
		if within < cases*95/100 || deviations > 0.15*float64(nodes) {
			t.Errorf("%d nodes: that is not enough", nodes)
		}
	}
}

// Nobody is drawn before somebody is known, and none that is gone, nor a name
// that nobody was found behind.
func TestDraw(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	if d, ok := n.s.Draw(); ok {
		t.Errorf("alone, drew %+v", d)
	}
	n.up("B")
	n.do(Candidate{Peer: "X", Source: SourceExchange, Record: &PeerRecord{Peer: "X", Seq: 1, Bytes: []byte("made up")}})
	if d, ok := n.s.Draw(); ok {
		t.Errorf("drew %+v, of which no address is known", d)
	}
	n.push("B", presenceOf(t, "C", 1, Presence{Record: []byte("of C"), Ports: []Port{{560, 6301}}}))
	n.push("B", presenceOf(t, "D", 1, Presence{Record: []byte("of D")}))
	n.push("B", presenceOf(t, "D", 2, Presence{Left: true}))
	for range 100 {
		d, ok := n.s.Draw()
		if !ok || d.Peer != "C" || string(d.Record) != "of C" || len(d.Ports) != 1 || d.Ports[0] != (Port{560, 6301}) {
			t.Fatalf("drew %+v, %v", d, ok)
		}
	}
}

// A neighbour that announces nothing is drawn too, if it told where it is.
func TestDrawQuiet(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	n.up("B")
	n.recv("B", &PeersRequest{[]PeerRecord{{Peer: "B", Seq: 1, Bytes: []byte("of B")}}})
	n.wait(joinsSettle)
	if d, ok := n.s.Draw(); !ok || d.Peer != "B" || string(d.Record) != "of B" {
		t.Errorf("drew %+v, %v", d, ok)
	}
}

func BenchmarkSize(b *testing.B) {
	n := alone(b)
	n.up("B")
	n.push("B", presenceOf(b, "B", 1, Presence{Record: []byte("r")}, aDay))
	for i := range 10_000 {
		n.push("B", presenceOf(b, PeerID(fmt.Sprint("Z", i)), 1, Presence{Record: []byte("r")}, aDay))
		n.forget()
	}
	if got := n.s.Size().Nodes; got != 10_002 {
		b.Fatalf("%.0f nodes", got)
	}
	b.Run("Size", func(b *testing.B) {
		for b.Loop() {
			n.s.Size()
		}
	})
	b.Run("Draw", func(b *testing.B) {
		for b.Loop() {
			n.s.Draw()
		}
	})
}
