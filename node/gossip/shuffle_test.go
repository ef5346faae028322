package gossip

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A newcomer asks for peers after a while, unless presences told it of as many as it
// wants neighbours. One that has been here for long asks at once.
func TestGreeting(t *testing.T) {
	for _, c := range []struct {
		name    string
		grown   bool
		members int
		want    int
		after   time.Duration
	}{
		{name: "newcomer", want: 1, after: greetPause},
		{name: "newcomer told of too few", members: 3, want: 1, after: greetPause},
		{name: "newcomer told of enough", members: 4},
		{name: "no newcomer", grown: true, want: 1},
		{name: "no newcomer, told of enough", grown: true, members: 4, want: 1},
	} {
		n := alone(t, func(c *Config) { c.PeerExchange, c.Degree = true, 4 })
		n.s.grown = c.grown
		n.record()
		told := func() {
			for i := range c.members {
				p := PeerID(fmt.Sprint("Z", i))
				n.recv("B", &Push{Rumor: presenceOf(t, p, 1, Presence{Record: []byte(p)}), Hops: 1})
			}
		}
		if c.grown { // it knew them
			n.up("B")
			told()
			n.do(LinkDown{"B"})
			n.forget()
		}
		n.up("B")
		if c.after > 0 {
			if got := len(sent[*PeersRequest](n, "B")); got != 0 {
				t.Errorf("%s: asked %d times at once", c.name, got)
			}
		}
		if !c.grown {
			told()
		}
		n.wait(greetPause)
		if got := len(sent[*PeersRequest](n, "B")); got != c.want {
			t.Errorf("%s: asked %d times, want %d", c.name, got, c.want)
		}
	}
}

// A newcomer that is sent away before it has asked takes those who are named instead.
func TestNewcomerIsSentOn(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	n.s.grown = false
	n.up("B")
	list := func(names ...PeerID) *PeerList {
		m := &PeerList{}
		for _, p := range names {
			m.Records = append(m.Records, PeerRecord{Peer: p, Seq: 1, Bytes: []byte(p)})
		}
		return m
	}
	n.recv("B", list("X", "Y"))
	n.recv("B", list("Z")) // it did not ask for more
	n.recv("B", &Bye{ByeFull})
	n.do(LinkDown{"B"})
	mustEqual(t, "dialled", slices.Sorted(slices.Values(n.dials())), []PeerID{"X", "Y"})
	if n.s.candidates["Z"] != nil {
		t.Error("a second list was taken")
	}
}

// A shuffle offers the node itself first, then neighbours and others, and is
// answered with as many; what comes of it is remembered at both ends.
func TestShuffle(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange, c.Quiet, c.Shuffle = true, true, 30*time.Second })
	n.record()
	if got := len(actions[Seal](n)); got != 0 {
		t.Fatalf("a quiet node seals %d presences", got)
	}
	n.up("B")
	if got := sent[*PeersRequest](n, "B"); len(got) != 1 || len(got[0].Records) != 1 || got[0].Records[0].Peer != "M" {
		t.Fatalf("a new neighbour is asked %v, want an introduction", got)
	}
	for i := range 100 {
		p := PeerID(fmt.Sprint("Z", i))
		n.do(Candidate{Peer: p, Source: SourceExchange, Record: &PeerRecord{Peer: p, Seq: 1, Bytes: []byte(p)}})
		if i < 20 {
			n.up(p)
		}
	}
	n.forget()
	n.wait(time.Minute)
	shuffles := 0
	for _, a := range actions[Send](n) {
		m, ok := a.Msg.(*PeersRequest)
		if !ok {
			continue
		}
		shuffles++
		linked, others := 0, 0
		for _, r := range m.Records[1:] {
			if r.Peer == a.To {
				t.Errorf("%s is told of itself", a.To)
			}
			if n.s.links[r.Peer] != nil {
				linked++
			} else {
				others++
			}
		}
		if m.Records[0].Peer != "M" || linked != offeredLinks-1 || linked+others != MaxOffered-1 {
			t.Errorf("offered %d neighbours and %d others, %q first", linked, others, m.Records[0].Peer)
		}
	}
	if want := n.s.Status().Counters.Shuffles; shuffles == 0 || uint64(shuffles) != want {
		t.Errorf("%d shuffles, counted as %d", shuffles, want)
	}
	// What a peer offers is taken in, and its own record is not hearsay.
	n.up("C")
	n.recv("C", &PeersRequest{[]PeerRecord{{Peer: "C", Seq: 3, Bytes: []byte("C")}, {Peer: "X", Seq: 1, Bytes: []byte("X")}}})
	if c := n.s.candidates["X"]; c == nil || c.informant != "C" {
		t.Errorf("what was offered became %+v", c)
	}
	if c := n.s.candidates["C"]; c == nil || c.informant != "" || c.record == nil || c.record.Seq != 3 {
		t.Errorf("who introduced itself became %+v", c)
	}
	if got := sent[*PeerList](n, "C"); len(got) != 1 || len(got[0].Records) != MaxRecords {
		t.Errorf("a newcomer was told %v, want %d records", got, MaxRecords)
	}
}

// Where nothing is to be learnt shuffles come down to their pace.
func TestShufflePace(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange, c.Shuffle = true, 30*time.Second })
	n.up("B")
	n.wait(2 * time.Minute)
	before := n.s.count.Shuffles
	n.wait(10 * time.Minute)
	if got := n.s.count.Shuffles - before; before < 5 || got < 15 || got > 27 {
		t.Errorf("%d shuffles in two minutes, then %d in ten, want about 20", before, got)
	}
	// Without peer exchange, or without a pause, there are none.
	for _, off := range []func(*Config){func(c *Config) { c.Shuffle = 0 }, func(c *Config) { c.PeerExchange = false }} {
		n := alone(t, func(c *Config) { c.PeerExchange, c.Shuffle = true, 30*time.Second }, off)
		n.up("B")
		n.wait(10 * time.Minute)
		if n.s.count.Shuffles != 0 {
			t.Errorf("%d shuffles though they are off", n.s.count.Shuffles)
		}
	}
}
