package gossip

import (
	"fmt"
	"testing"
	"time"
)

// Of one network group two neighbours are chosen, and more only when there are
// no others.
func TestGroupsOfOwnChoice(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 6 })
	n.s.dials = maxDials // so that all are known before the first is dialled
	for i := range 40 {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceExchange, Net: "1.2.0.0/16"})
	}
	for i := range 4 {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Zother", i)), Source: SourceExchange, Net: NetGroup(fmt.Sprint("9.", i))})
	}
	n.s.dials = 0
	n.s.after(taskDial, 0)
	n.do(Tick{})
	for range 100 {
		for _, d := range actions[Dial](n) {
			if n.s.links[d.Peer] == nil {
				n.do(LinkUp{Peer: d.Peer, Dialled: true, Net: n.s.candidates[d.Peer].net})
			}
		}
		n.wait(time.Second)
	}
	nets := make(map[NetGroup]int)
	for _, l := range n.s.Status().Neighbours {
		nets[l.Net]++
	}
	if len(nets) != 5 || nets["1.2.0.0/16"] != groupLinks {
		t.Errorf("groups of neighbours: %v, want one of each other group and %d", nets, groupLinks)
	}
}

// first is whom a node with a degree of 2 dials first of those that it has heard
// of while it could not dial.
func first(t *testing.T, hear func(n *tnode)) []PeerID {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 4, true })
	n.s.dials = maxDials // as if others were being dialled
	hear(n)
	n.wait(10 * time.Second)
	n.s.dials = 0
	n.forget()
	n.s.after(taskDial, 0)
	n.do(Tick{})
	return n.dials()
}

func TestGroupsTakeTurns(t *testing.T) {
	dialled := first(t, func(n *tnode) {
		for i := range 100 {
			n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceContact, Net: "1.2.0.0/16"})
		}
		for i := range 3 {
			n.do(Candidate{Peer: PeerID(fmt.Sprint("Zother", i)), Source: SourceContact, Net: NetGroup(fmt.Sprint("9.", i))})
		}
	})
	others := 0
	for _, p := range dialled[:4] {
		if len(p) > 4 {
			others++
		}
	}
	if others != 3 {
		t.Errorf("dialled %q first, want one of each group", dialled[:4])
	}
}

// Where all are in one group, as in a campus, a node has as many neighbours as
// anywhere.
func TestOneGroupOnly(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 6 })
	for i := range 20 {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceExchange, Net: "131.159.0.0/16"})
	}
	for range 10 {
		for _, d := range actions[Dial](n) {
			n.do(LinkUp{Peer: d.Peer, Dialled: true, Net: "131.159.0.0/16"})
		}
		n.wait(time.Second)
	}
	if got := len(n.s.links); got < 6 {
		t.Errorf("%d neighbours, want 6", got)
	}
}

// A peer that says it is elsewhere than it is does not count as of own choice.
func TestGroupOfTheLinkCounts(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 4 })
	for i := range 12 {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceExchange, Net: NetGroup(fmt.Sprint("8.", i))})
	}
	for _, d := range n.dials()[:4] {
		n.do(LinkUp{Peer: d, Dialled: true, Net: "1.2.0.0/16"})
	}
	own := 0
	for _, l := range n.s.links {
		if l.dialled && !l.beyond {
			own++
		}
	}
	if own != groupLinks {
		t.Errorf("%d of four neighbours in one group count as of own choice, want %d", own, groupLinks)
	}
}

// Of what is remembered one group has at most a tenth, if there are others.
func TestGroupsInPassiveView(t *testing.T) {
	n := alone(t)
	for i := range maxCandidates {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("bad", i)), Source: SourceExchange, Net: "1.2.0.0/16"})
	}
	for i := range 4 * maxCandidates {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("other", i)), Source: SourceExchange, Net: NetGroup(fmt.Sprint("9.", i%100))})
		n.do(Candidate{Peer: PeerID(fmt.Sprint("worse", i)), Source: SourceExchange, Net: "1.2.0.0/16"})
	}
	if got := n.s.shares.nets["1.2.0.0/16"]; *got > maxCandidates/groupShare {
		t.Errorf("%d of %d candidates are of one group", *got, len(n.s.candidates))
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// One neighbour can teach a node only so much, and only so fast, and coming
// again does not help it.
func TestInformant(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	for i := range maxCandidates {
		n.do(Candidate{Peer: PeerID(fmt.Sprint("A", i)), Source: SourceExchange})
	}
	named := 0
	list := func() *PeerList {
		var l PeerList
		for range MaxRecords {
			named++
			p := PeerID(fmt.Sprint("named", named))
			l.Records = append(l.Records, PeerRecord{Peer: p, Seq: 1, Bytes: []byte(p)})
		}
		return &l
	}
	for range 10 {
		n.do(LinkUp{Peer: "B", Dialled: true}) // whom this node chose it asks, however many it knows
		n.recv("B", list())
		n.do(LinkDown{"B"})
	}
	left := 0
	for _, c := range n.s.candidates {
		if c.informant == "B" {
			left++
		}
	}
	if left == 0 || left > maxCandidates/groupShare {
		t.Errorf("%d of %d candidates were named by one peer", left, len(n.s.candidates))
	}
	if refused := n.s.Status().Counters.RecordsRefused; refused != 9*MaxRecords {
		t.Errorf("%d records refused of %d, want all but %d", refused, named, informantBurst)
	}
	n.wait(10 * time.Second)
	n.do(LinkUp{Peer: "B", Dialled: true})
	n.recv("B", list())
	if refused := n.s.Status().Counters.RecordsRefused; refused != 10*MaxRecords-10 {
		t.Errorf("%d records refused ten seconds later, want ten fewer than %d", refused, 10*MaxRecords)
	}
}

// Who holds all places from one group does not keep out one from another.
func TestEvictedForAnotherGroup(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 2, true })
	for i := range 6 {
		n.do(LinkUp{Peer: PeerID(fmt.Sprint("bad", i)), Net: "1.2.0.0/16"})
		n.wait(time.Millisecond)
	}
	n.forget()
	n.do(LinkUp{Peer: "worse", Net: "1.2.0.0/16"})
	if n.s.links["worse"] != nil || len(sent[*Bye](n, "worse")) != 1 {
		t.Error("one more of the same group is not refused")
	}
	n.do(LinkUp{Peer: "private"})
	if n.s.links["private"] != nil {
		t.Error("one of no group is not refused")
	}
	n.do(LinkUp{Peer: "good", Net: "9.9.0.0/16"})
	if n.s.links["good"] == nil || n.s.links["bad5"] != nil || len(n.s.links) != 6 {
		t.Error("one of another group did not get the place of the youngest")
	}
	if got := sent[*Bye](n, "bad5"); len(got) != 1 || got[0].Reason != ByeFull {
		t.Errorf("the evicted one was told %v", got)
	}
	n.wait(strangerPause)
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}
