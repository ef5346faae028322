package sim

import (
	"os"
	"slices"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// quiet runs nodes that announce no presence and join one after the other, each
// with one contact.
func quiet(seed uint64, nodes, degree int, change ...func(*Config)) *Network {
	cfg := Config{
		Seed: seed, Nodes: nodes, Core: core(degree), Latency: 20 * time.Millisecond, Contacts: 1,
		Silent: func(int) bool { return true },
	}
	for _, f := range change {
		f(&cfg)
	}
	n := New(cfg)
	for i := range nodes {
		n.Start(i, time.Duration(i)*2*time.Millisecond)
	}
	n.Run(time.Duration(nodes) * 2 * time.Millisecond)
	return n
}

// component is how many of some nodes can be reached from the first of them,
// over links between them.
func component(n *Network, some []int) int {
	among := make(map[gossip.PeerID]bool)
	for _, i := range some {
		among[n.nodes[i].id] = true
	}
	first := n.nodes[some[0]]
	reached := map[gossip.PeerID]bool{first.id: true}
	for todo := []*node{first}; len(todo) > 0; {
		nd := todo[0]
		todo = todo[1:]
		for p := range nd.wires {
			if among[p] && !reached[p] {
				reached[p] = true
				todo = append(todo, n.byID[p])
			}
		}
	}
	return len(reached)
}

// up lists the nodes that are running.
func up(n *Network) (list []int) {
	for i := range n.nodes {
		if n.Up(i) {
			list = append(list, i)
		}
	}
	return list
}

// TestQuietOverlay: nodes that know one contact each and announce nothing form a
// connected overlay with bounded degrees, in which each remembers 100 peers.
func TestQuietOverlay(t *testing.T) {
	nodes, degree := 300/scale, 4
	if os.Getenv("HEARSAY_LONG") != "" {
		nodes = 10_000
	}
	began := time.Now()
	n := quiet(1, nodes, degree)
	n.Run(10 * time.Second)
	early := component(n, up(n))
	n.Run(2 * time.Minute)
	if got := component(n, up(n)); early != nodes || got != nodes {
		t.Errorf("%d of %d nodes are connected after 10 s, %d later", early, nodes, got)
	}
	var links, known, met []int
	for i := range nodes {
		st, err := n.Status(i)
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, len(st.Neighbours))
		records, lately := 0, 0
		for _, c := range st.Candidates {
			if c.Record != nil {
				records++
			}
			if !c.Met.IsZero() {
				lately++
			}
		}
		known, met = append(known, records), append(met, lately)
	}
	slices.Sort(links)
	slices.Sort(known)
	slices.Sort(met)
	t.Logf("%v for %v of virtual time, %d messages; links %d to %d, median %d; remembered %d to %d; of them met %d to %d",
		time.Since(began), n.Now(), n.Stats().Total.Messages, links[0], links[nodes-1], links[nodes/2], known[0], known[nodes-1], met[0], met[nodes-1])
	if links[0] < degree || links[nodes-1] > 4*degree {
		t.Errorf("%d to %d links, want %d to %d", links[0], links[nodes-1], degree, 4*degree)
	}
	if known[0] < 100 {
		t.Errorf("a node remembers only %d peers with their records", known[0])
	}
}

// TestJoinAtOnce: nodes that all join within a moment, each with one contact
// that joins as well, become one network although contacts have room for few.
func TestJoinAtOnce(t *testing.T) {
	for seed := range uint64(campaign(t, 6)) {
		nodes := 200 / scale
		n := quiet(seed, nodes, 4, func(c *Config) {
			if seed%2 == 0 {
				c.Silent = nil
			}
		})
		n.Run(30 * time.Second)
		if got := component(n, up(n)); got != nodes {
			t.Errorf("seed %d: %d of %d nodes are connected", seed, got, nodes)
		}
	}
}
