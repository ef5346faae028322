package sim

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestTenThousandNodes: a network of ten thousand joins through contacts within
// ten seconds, each node finds its neighbours by the exchange of peers, and every
// rumor of one data type reaches every node. Presence of everybody to everybody
// would be 100 million rumors, and is left out.
func TestTenThousandNodes(t *testing.T) {
	nodes := 10_000
	if os.Getenv("HEARSAY_LONG") != "all" {
		nodes = 300 / scale
	}
	const degree = 6
	began := time.Now()
	n := New(Config{
		Seed: 1, Nodes: nodes, Core: core(degree), Latency: 20 * time.Millisecond, Contacts: 3,
		Silent: func(int) bool { return true }, Paths: true, Check: 20_000,
	})
	for i := range nodes {
		n.Subscribe(i, 1, 7, true)
		n.Start(i, time.Duration(i)*10*time.Second/time.Duration(nodes))
	}
	n.Run(15 * time.Second)
	t.Logf("joined after %v", time.Since(began))
	links := 0
	for i := range nodes {
		l := len(n.Neighbours(i))
		links += l
		if l < degree || l > (3+1)*degree {
			t.Errorf("node %d has %d neighbours, want %d to %d", i, l, degree, 4*degree)
		}
	}
	before := n.Stats()
	const rumors = 25
	for i := range rumors {
		n.Publish(i*nodes/rumors, 7, 0, fmt.Appendf(nil, "rumor %d", i))
		n.Run(100 * time.Millisecond)
	}
	n.Run(5 * time.Second)
	s := n.Stats().Sub(before)
	took := time.Since(began)
	// Where push left a hole the next comparisons fill it.
	late := len(n.Missing())
	for range 20 {
		if len(n.Missing()) > 0 {
			n.Run(time.Second)
		}
	}
	t.Logf("%d nodes: %v for %v of virtual time, %d events, %d messages, %.1f links a node, redundancy %.3f, latency %v, %d KiB a node",
		nodes, took, n.Now(), n.Stats().Events, n.Messages(), float64(links)/float64(nodes), s.Redundancy(), n.Latency(0), n.MemoryPerNode()>>10)
	for _, r := range n.Rumors()[:3] {
		t.Logf("last after %v over %d hops; shortest %v, %d", r.Last, r.Hops, r.BestLast, r.BestHops)
	}
	if parts := n.Components(7); len(parts) != 1 {
		t.Errorf("the overlay has %d parts", len(parts))
	}
	check(t, n)
	if got, want := n.Stats().Sub(before).Deliveries, uint64(rumors*nodes); got != want || late > 5 {
		t.Errorf("%d deliveries, want %d; %d came by comparison", got, want, late)
	}
	t.Logf("%d of %d deliveries came by comparison", late, rumors*nodes)
}

// TestIdleCost: what a node costs when nothing is said: traffic and memory, where
// all announce themselves, one in ten does, and none. The table is in README.md.
func TestIdleCost(t *testing.T) {
	all := func(int) bool { return false }
	some := func(i int) bool { return i%10 != 0 }
	none := func(int) bool { return true }
	list := []struct {
		nodes int
		who   string
		quiet func(int) bool
	}{{10, "all", all}, {100 / scale, "all", all}, {10, "none", none}, {100 / scale, "none", none}}
	if os.Getenv("HEARSAY_LONG") == "all" {
		more := list[:0:0]
		for _, nodes := range []int{1000, 10_000} {
			more = append(more, list[2])
			more[len(more)-1].nodes = nodes
		}
		list = append(append(list, more...), list[0])
		last := &list[len(list)-1]
		last.nodes, last.who, last.quiet = 1000, "one in ten", some
	}
	for _, c := range list {
		t.Run(fmt.Sprintf("%d-%s", c.nodes, c.who), func(t *testing.T) {
			n := New(Config{
				Seed: 1, Nodes: c.nodes, Core: core(6), Latency: 20 * time.Millisecond, Contacts: 3,
				Silent: c.quiet, Check: 20_000,
			})
			for i := range c.nodes {
				n.Subscribe(i, 1, 7, true)
				n.Start(i, time.Duration(i)*min(10*time.Millisecond, 10*time.Second/time.Duration(c.nodes)))
			}
			// By then shuffles have come down to their pace, and presences are renewed
			// once in a minute, each at its time.
			n.Run(90 * time.Second)
			before := n.Stats()
			n.Run(time.Minute)
			s := n.Stats().Sub(before)
			per := func(x uint64) float64 { return float64(x) / 60 / float64(c.nodes) }
			links := 0
			for i := range c.nodes {
				links += len(n.Neighbours(i))
			}
			t.Logf("%d nodes, of whom %s announce themselves: %.0f B/s, %.2f messages/s, %.1f links, %d KiB a node; by kind\n%v",
				c.nodes, c.who, per(s.Total.Bytes), per(s.Total.Messages), float64(links)/float64(c.nodes), n.MemoryPerNode()>>10, s)
			if s.Kinds["push"].Messages+s.Kinds["fill"].Messages != 0 {
				t.Errorf("there is nothing to tell, and something was told: %v", s)
			}
			check(t, n)
		})
	}
}
