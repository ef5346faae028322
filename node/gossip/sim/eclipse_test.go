package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// Nodes that try to be everybody's neighbours, and all that others hear of.

// sybil is a node of an attacker with many: it tells only of them, and to as
// many as it can, dials everybody, and never ends a link.
func sybil(n **Network, self int, seed uint64, bad func(i int) bool, c Core) Core {
	rng := rand.New(rand.NewPCG(seed, uint64(self)))
	var friends []gossip.PeerRecord
	list := func(most int) []gossip.PeerRecord {
		if friends == nil {
			for i := range (*n).Nodes() {
				if bad(i) {
					friends = append(friends, recordOf((*n).nodes[i], 1))
				}
			}
		}
		var l []gossip.PeerRecord
		for _, i := range rng.Perm(len(friends)) {
			if len(l) < most {
				l = append(l, friends[i])
			}
		}
		return l
	}
	return wrapped{c, func(_ time.Time, ev gossip.Event, out *gossip.Actions, from int) {
		kept := (*out)[:from:from]
		for _, a := range (*out)[from:] {
			switch a := a.(type) {
			case gossip.Hangup:
				continue
			case gossip.Send:
				switch m := a.Msg.(type) {
				case *gossip.Bye, *gossip.Pong:
					continue
				case *gossip.PeersRequest:
					a.Msg = &gossip.PeersRequest{Records: append(m.Records[:min(1, len(m.Records))], list(gossip.MaxOffered-1)...)}
				case *gossip.PeerList:
					continue
				}
				kept = append(kept, a)
			default:
				kept = append(kept, a)
			}
		}
		if ev, ok := ev.(gossip.Received); ok {
			switch m := ev.Msg.(type) {
			case *gossip.Ping: // whether its core has this link or not
				kept = append(kept, gossip.Send{To: ev.From, Msg: &gossip.Pong{Number: m.Number}})
			case *gossip.PeersRequest:
				kept = append(kept, gossip.Send{To: ev.From, Msg: &gossip.PeerList{Records: list(gossip.MaxRecords)}})
			}
		}
		if rng.IntN(100) == 0 {
			if i := rng.IntN((*n).Nodes()); !bad(i) {
				kept = append(kept, gossip.Dial{Peer: (*n).Peer(i)})
			}
		}
		*out = kept
	}}
}

// besieged runs honest nodes among sybils, which are there a minute earlier. All
// announce nothing, so that peers are known by talk alone.
func besieged(seed uint64, nodes int, bad func(i int) bool, net func(i int) gossip.NetGroup) *Network {
	var n *Network
	cfg := Config{
		Seed: seed, Nodes: nodes, Core: core(8), Latency: 20 * time.Millisecond, Check: -1,
		Silent: func(int) bool { return true }, Hostile: bad, Net: net,
	}
	cfg.Wrap = func(i int, c Core) Core {
		if bad(i) {
			return sybil(&n, i, seed, bad, c)
		}
		return c
	}
	n = New(cfg)
	rng := rand.New(rand.NewPCG(seed, 5))
	for i := range nodes {
		if bad(i) {
			n.Start(i, time.Duration(rng.IntN(5000))*time.Millisecond)
		}
	}
	n.Run(time.Minute)
	var honest []int
	for i := range nodes {
		if bad(i) {
			continue
		}
		n.Start(i, 0)
		n.Run(10 * time.Millisecond)
		// Everybody is told of an honest node and of a sybil.
		if len(honest) > 0 {
			n.give(n.nodes[i], gossip.Candidate{Peer: n.Peer(honest[rng.IntN(len(honest))]), Source: gossip.SourceContact})
		}
		for j := rng.IntN(nodes); ; j = rng.IntN(nodes) {
			if bad(j) {
				n.give(n.nodes[i], gossip.Candidate{Peer: n.Peer(j), Source: gossip.SourceContact})
				break
			}
		}
		honest = append(honest, i)
	}
	return n
}

// TestSybils: an attacker with four nodes for every honest one, in four network
// groups, that was there first gets at most a quarter of the places that nodes
// fill by their own choice, and no node is shut off from the others.
func TestSybils(t *testing.T) {
	aside(t)
	if scale > 1 {
		t.Skip("the core has no goroutines, and this takes long")
	}
	for seed := range uint64(campaign(t, 1)) {
		nodes := 100
		bad := func(i int) bool { return i%5 != 0 }
		n := besieged(seed, nodes, bad, func(i int) gossip.NetGroup {
			if bad(i) {
				return gossip.NetGroup(fmt.Sprint("evil ", i%4))
			}
			return gossip.NetGroup(fmt.Sprint("good ", i/5%20))
		})
		n.Run(20 * time.Minute)
		var shares []float64
		var honest []int
		all, evil, places, taken := 0, 0, 0, 0
		for i := range nodes {
			if bad(i) {
				continue
			}
			honest = append(honest, i)
			st, err := n.Status(i)
			if err != nil {
				t.Fatal(err)
			}
			own, lost := 0, 0
			for _, l := range st.Neighbours {
				if l.Dialled {
					own++
					if bad(n.byID[l.Peer].index) {
						lost++
					}
				}
			}
			places, taken = places+own, taken+lost
			shares = append(shares, float64(lost)/float64(max(own, 1)))
			for _, c := range st.Candidates {
				if all++; bad(n.byID[c.Peer].index) {
					evil++
				}
			}
		}
		slices.Sort(shares)
		median, most := shares[len(shares)/2], shares[len(shares)-1]
		t.Logf("seed %d: sybils have %.0f %% of the places of own choice (median %.0f %%, most %.0f %%), and are %.0f %% of what is remembered",
			seed, 100*float64(taken)/float64(places), 100*median, 100*most, 100*float64(evil)/float64(all))
		if median > 0.25 || most > 0.5 {
			t.Errorf("seed %d: sybils have %.0f %% of the places of own choice at the median and %.0f %% at most", seed, 100*median, 100*most)
		}
		if got := component(n, honest); got != len(honest) {
			t.Errorf("seed %d: %d of %d honest nodes are connected without sybils", seed, got, len(honest))
		}
	}
}

// TestSampleAmongSybils: where one node in five tells of its own kind only, and
// tells all the time, samples have at most a little more of them than there are.
func TestSampleAmongSybils(t *testing.T) {
	aside(t)
	if scale > 1 {
		t.Skip("the core has no goroutines, and this takes long")
	}
	for seed := range uint64(campaign(t, 1)) {
		nodes, d := 100, 15*time.Minute
		if os.Getenv("HEARSAY_LONG") == "all" {
			nodes, d = 250, time.Hour // sybils then hold all places for those who come
		}
		bad := func(i int) bool { return i%5 == 0 }
		n := besieged(seed, nodes, bad, nil)
		n.Run(d)
		all, evil, known, evilKnown := 0, 0, 0, 0
		for i := range nodes {
			if bad(i) {
				continue
			}
			for _, r := range n.nodes[i].core.(*gossip.State).Sample(64) {
				if all++; bad(n.byID[r.Peer].index) {
					evil++
				}
			}
			st, err := n.Status(i)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range st.Candidates {
				if known++; bad(n.byID[c.Peer].index) {
					evilKnown++
				}
			}
		}
		share := float64(evil) / float64(all)
		t.Logf("seed %d: sybils are 20 %% of the nodes, %.0f %% of the samples and %.0f %% of what is remembered",
			seed, 100*share, 100*float64(evilKnown)/float64(known))
		if share > 0.3 {
			t.Errorf("seed %d: sybils are %.0f %% of the samples", seed, 100*share)
		}
	}
}
