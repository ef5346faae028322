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
	for queue := []*node{first}; len(queue) > 0; {
		nd := queue[0]
		queue = queue[1:]
		for p := range nd.wires {
			if among[p] && !reached[p] {
				reached[p] = true
				queue = append(queue, n.byID[p])
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
	aside(t)
	if scale > 1 {
		t.Skip("what is asked for needs more nodes, and the core has no goroutines")
	}
	nodes, degree := 300, 4
	if os.Getenv("HEARSAY_LONG") == "all" {
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
	aside(t)
	for seed := range uint64(campaign(t, 2)) {
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

// TestRareTypesConnected: of 40 data types each has five takers, or two, among
// 200 nodes; the takers of each form a connected overlay of their own.
func TestRareTypesConnected(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 1)) {
		for _, takers := range []int{5, 2} {
			const nodes, types = 200, 40
			n := New(Config{Seed: seed, Nodes: nodes, Core: core(4), Latency: 20 * time.Millisecond, Contacts: 3})
			of := make(map[uint16][]int)
			for i := range nodes {
				if dataType := uint16(100 + i%types); len(of[dataType]) < takers {
					of[dataType] = append(of[dataType], i)
					n.Subscribe(i, 1, dataType, true)
				}
				n.Start(i, time.Duration(i)*5*time.Millisecond)
			}
			n.Run(20 * time.Second)
			for dataType, list := range of {
				if got := component(n, list); got != len(list) {
					t.Errorf("seed %d: %d of the %d takers of type %d are connected", seed, got, len(list), dataType)
				}
			}
			if v := n.Violations(); len(v) != 0 {
				t.Errorf("violated: %v", v)
			}
		}
	}
}

// TestIslandsAfterAnHour: two halves that were apart for an hour, in which every
// presence from over there has expired, are one network soon after.
func TestIslandsAfterAnHour(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 1)) {
		for _, nodes := range []int{2, 30} {
			n := spread(seed, nodes, 6, 0)
			n.Partition(func(a, b int) bool { return a%2 != b%2 })
			n.Run(time.Hour)
			st, err := n.Status(0)
			if err != nil {
				t.Fatal(err)
			}
			if got := component(n, up(n)); got != nodes/2 || len(st.Members) != nodes/2 {
				t.Errorf("while apart %d nodes are connected, and %d are members", got, len(st.Members))
			}
			for i := range 2 {
				n.Publish(i, 7, 0, fmt.Appendf(nil, "side %d", i))
			}
			n.Run(time.Second)
			n.Partition(nil)
			n.Run(time.Minute)
			check(t, n)
			if got := component(n, up(n)); got != nodes {
				t.Errorf("seed %d: %d of %d nodes are connected a minute after", seed, got, nodes)
			}
		}
	}
}

// TestFlapping: a node that is up for two seconds and down for two, all the
// time, does not keep the others busy.
func TestFlapping(t *testing.T) {
	n := spread(1, 20, 6, 0)
	dials := func() (list []uint64) {
		for i := range 20 {
			if st, err := n.Status(i); err == nil && i != 7 {
				list = append(list, st.Counters.Dials)
			}
		}
		return list
	}
	flap := func(d time.Duration) {
		for range d / (4 * time.Second) {
			n.Crash(7)
			n.Run(2 * time.Second)
			n.Restart(7, 0, false)
			n.Run(2 * time.Second)
		}
	}
	flap(time.Minute)
	before := dials()
	flap(5 * time.Minute)
	for i, after := range dials() {
		if got := after - before[i]; got > 5*6 {
			t.Errorf("a node dialled %d times in five minutes, at most six a minute are for one that flaps", got)
		}
	}
	check(t, n)
}

// TestReplacement: a neighbour that is lost is replaced after one dial, unless
// the first that is asked has no room.
func TestReplacement(t *testing.T) {
	n := quiet(1, 100/scale, 4)
	n.Run(2 * time.Minute)
	tried, replaced := 0, 0
	for i := range n.nodes {
		nd := n.nodes[i]
		if !nd.up || len(nd.wires) != 4 {
			continue
		}
		tried++
		lost := nd.links()[0].to.index
		n.Crash(lost)
		// The end of the link takes one way, a dial one and a half round trips.
		n.Run(30*time.Millisecond + 60*time.Millisecond + time.Millisecond)
		if len(nd.wires) >= 4 {
			replaced++
		}
		n.Restart(lost, 0, false)
		n.Run(10 * time.Second)
		if got := len(nd.wires); got < 4 {
			t.Errorf("node %d has %d neighbours ten seconds after it lost one", i, got)
		}
	}
	t.Logf("%d of %d replaced after one dial", replaced, tried)
	if tried == 0 || replaced < tried*3/4 {
		t.Errorf("%d of %d lost neighbours were replaced after one dial", replaced, tried)
	}
}

// TestMassCrashCurve: of many nodes a part crashes at once, from a tenth to 95 %,
// and what the survivors announce right after reaches the survivors within ten
// rounds of anti-entropy. Nodes announce no presence, so they know no more than
// the peers that they remember: up to 256 of 1,000.
func TestMassCrashCurve(t *testing.T) {
	aside(t)
	nodes, parts := 200/scale, []int{80}
	if os.Getenv("HEARSAY_LONG") == "all" {
		nodes, parts = 1000, []int{10, 20, 30, 40, 50, 60, 70, 80, 90, 95}
	}
	for _, percent := range parts {
		n := quiet(uint64(percent), nodes, 8)
		for i := range nodes {
			n.Subscribe(i, 1, 7, true)
		}
		n.Run(3 * time.Minute)
		rng := rand.New(rand.NewPCG(uint64(percent), 3))
		for _, i := range rng.Perm(nodes)[:nodes*percent/100] {
			n.Crash(i)
		}
		left := up(n)
		for k, i := range left {
			if k%(1+len(left)/10) == 0 {
				n.Publish(i, 7, 0, fmt.Appendf(nil, "survivor %d", i))
			}
		}
		coverage := func() float64 {
			told, want := 0, 0
			for _, p := range n.ordered {
				for _, i := range left {
					want++
					if _, ok := p.told[module{uint32(i), n.nodes[i].run, 1}]; ok {
						told++
					}
				}
			}
			return 100 * float64(told) / float64(want)
		}
		n.Run(20 * time.Second)
		early := coverage()
		n.Run(80 * time.Second)
		got := coverage()
		t.Logf("%d %% of %d crash: %.2f %% of the survivors covered after 2 rounds, %.2f %% after 10; %d of %d connected",
			percent, nodes, early, got, component(n, left), len(left))
		want := 99.9
		if percent > 80 {
			want = 95
		}
		if got < want {
			t.Errorf("%d %% crash: %.2f %% of the survivors are covered after ten rounds, want %.1f %%", percent, got, want)
		}
	}
}
