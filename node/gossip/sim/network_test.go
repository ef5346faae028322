package sim

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"hearsay/node/gossip"
)

func core(degree int) gossip.Config {
	cfg := gossip.DefaultConfig()
	cfg.Degree = degree
	return cfg
}

// spread runs n nodes that join one after the other, all taking one type, and
// has a few of them publish.
func spread(seed uint64, nodes, degree, rumors int, change ...func(*Config)) *Network {
	cfg := Config{Seed: seed, Nodes: nodes, Core: core(degree), Latency: 20 * time.Millisecond, Contacts: 3}
	for _, f := range change {
		f(&cfg)
	}
	n := New(cfg)
	for i := range nodes {
		n.Start(i, time.Duration(i)*2*time.Millisecond)
		n.Subscribe(i, 1, 7, true)
	}
	n.Run(time.Duration(nodes)*2*time.Millisecond + 10*time.Second)
	for i := range rumors {
		n.Publish(i*nodes/rumors, 7, 0, fmt.Appendf(nil, "rumor %d", i))
		n.Run(50 * time.Millisecond)
	}
	n.Run(15 * time.Second)
	return n
}

func check(t testing.TB, n *Network) {
	t.Helper()
	for _, err := range n.Violations() {
		t.Error(err)
	}
	for i, m := range n.Missing() {
		if i == 20 {
			t.Fatalf("… and more")
		}
		t.Errorf("missing: %s", m)
	}
}

func TestSpread(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 20)) {
		check(t, spread(seed, 30, 8, 10))
	}
}

// TestSameSeedSameRun: a run is reproducible bit by bit, and the trace tells runs
// apart.
func TestSameSeedSameRun(t *testing.T) {
	aside(t)
	run := func(seed uint64) *Network {
		return spread(seed, 200/scale, 6, 10)
	}
	a, b, other := run(1), run(1), run(2)
	if a.Trace() != b.Trace() || a.Messages() != b.Messages() || a.LastDelivery() != b.LastDelivery() {
		t.Errorf("seed 1 gives trace %x with %d messages, then %x with %d", a.Trace(), a.Messages(), b.Trace(), b.Messages())
	}
	if a.Trace() == other.Trace() {
		t.Errorf("seeds 1 and 2 give the same trace %x", a.Trace())
	}
	check(t, a)
	// Faults repeat, too.
	a, b = chaos(3, 20, 20*time.Second), chaos(3, 20, 20*time.Second)
	if a.Trace() != b.Trace() {
		t.Errorf("the same chaos gives trace %x, then %x", a.Trace(), b.Trace())
	}
}

// TestThousandNodes: of 1,000 nodes one in ten announces its presence. With
// HEARSAY_LONG all do, and the whole runs twice and has to run alike.
func TestThousandNodes(t *testing.T) {
	aside(t)
	long := os.Getenv("HEARSAY_LONG") != ""
	run := func() *Network {
		return spread(1, 1000/scale, 4, 20, func(c *Config) {
			if !long {
				c.Silent = func(i int) bool { return i%10 != 0 }
			}
		})
	}
	began := time.Now()
	a := run()
	t.Logf("%v for %v of virtual time, %d messages, last delivery after %v, trace %x",
		time.Since(began), a.Now(), a.Messages(), a.LastDelivery(), a.Trace())
	check(t, a)
	if !long {
		return
	}
	b := run()
	if a.Trace() != b.Trace() || a.Messages() != b.Messages() {
		t.Errorf("trace %x with %d messages, then %x with %d", a.Trace(), a.Messages(), b.Trace(), b.Messages())
	}
}

// TestLossIsNoticed: one rumor that no link carries to one node, neither by push
// nor by anti-entropy, makes the check fail, and only that one.
func TestLossIsNoticed(t *testing.T) {
	lost := "rumor 3"
	n := spread(1, 30, 8, 10, func(c *Config) {
		c.Drop = func(_, to int, msg gossip.Message) bool {
			switch m := msg.(type) {
			case *gossip.Push:
				return to == 17 && string(m.Rumor.Payload) == lost
			case *gossip.Fill:
				return to == 17 && string(m.Rumor.Payload) == lost
			}
			return false
		}
	})
	missing := n.Missing()
	if len(missing) != 1 || !strings.Contains(missing[0], "at node 17") {
		t.Errorf("missing: %v", missing)
	}
	if v := n.Violations(); len(v) != 0 {
		t.Errorf("violated: %v", v)
	}
}

// TestRepairIsNoticed: without pushes to it a node still gets everything, by
// anti-entropy; so it is the repair that the test above takes away.
func TestRepairIsNoticed(t *testing.T) {
	n := spread(1, 30, 8, 10, func(c *Config) {
		c.Drop = func(_, to int, msg gossip.Message) bool {
			m, push := msg.(*gossip.Push)
			return push && to == 17 && m.Rumor.Kind == gossip.KindEvent
		}
	})
	n.Run(time.Minute)
	check(t, n)
}

// TestBrokenPromisesAreNoticed: what a core must not do makes the check fail.
func TestBrokenPromisesAreNoticed(t *testing.T) {
	n := spread(1, 10, 8, 1)
	check(t, n)
	var p *published
	for _, p = range n.rumors {
	}
	told := gossip.Deliver{Module: 1, Rumor: p.r}
	nobody := *p.r
	nobody.ID[0]++
	for _, test := range []struct {
		broken string
		do     func()
	}{
		{"twice", func() { n.told(n.nodes[2], told) }},
		{"does not take", func() { n.told(n.nodes[2], gossip.Deliver{Module: 99, Rumor: p.r}) }},
		{"nobody published", func() { n.told(n.nodes[2], gossip.Deliver{Module: 1, Rumor: &nobody}) }},
		{"after its expiry", func() { n.Run(2 * time.Hour); n.told(n.nodes[2], told) }},
	} {
		n.violated = nil
		test.do()
		if len(n.violated) == 0 || !strings.Contains(n.violated[0].Error(), test.broken) {
			t.Errorf("%q is not noticed: %v", test.broken, n.violated)
		}
	}
}

// TestPartitionHeals: two halves that were apart give each other everything.
func TestPartitionHeals(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 10)) {
		const nodes = 30
		n := spread(seed, nodes, 6, 2)
		n.Partition(func(a, b int) bool { return a%2 != b%2 })
		n.Run(30 * time.Second) // links across are given up
		for i := range 20 {
			n.Publish(i, 7, 0, fmt.Appendf(nil, "apart %d", i))
		}
		n.Run(30 * time.Second)
		if len(n.Missing()) != 20*nodes/2 {
			t.Errorf("%d deliveries are missing while the halves are apart, want %d", len(n.Missing()), 20*nodes/2)
		}
		n.Partition(nil)
		n.Run(30 * time.Second)
		check(t, n)
	}
}

// TestLateJoiner: who comes late is told everything that is alive.
func TestLateJoiner(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 10)) {
		n := New(Config{Seed: seed, Nodes: 20, Core: core(8), Latency: 20 * time.Millisecond, Contacts: 3})
		for i := range 19 {
			n.Start(i, 0)
			n.Subscribe(i, 1, 7, true)
		}
		n.Run(10 * time.Second)
		for i := range 200 {
			n.Publish(i%19, 7, 0, fmt.Appendf(nil, "%d", i))
		}
		n.Run(10 * time.Second)
		n.Subscribe(19, 1, 7, true)
		n.Start(19, 0)
		n.Run(5 * time.Second)
		check(t, n)
		told := 0
		for _, p := range n.rumors {
			if _, ok := p.told[module{19, n.nodes[19].run, 1}]; ok {
				told++
			}
		}
		if told != 200 {
			t.Errorf("the late joiner was told %d of 200", told)
		}
	}
}

// TestCrashAndLeave: the others go on without those that crash and leave, and
// know who left.
func TestCrashAndLeave(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 10)) {
		const nodes = 40
		n := spread(seed, nodes, 6, 2)
		for i := range nodes {
			switch {
			case i%4 == 1:
				n.Crash(i)
			case i == 2:
				n.Leave(i)
			}
		}
		n.Run(5 * time.Second)
		for i := range 10 {
			n.Publish(i*4, 7, 0, fmt.Appendf(nil, "after %d", i))
		}
		n.Run(15 * time.Second)
		check(t, n)
		st, err := n.Status(0)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range st.Members {
			if left := m.Peer == n.nodes[2].id; m.Left != left {
				t.Errorf("node %d is known to have left: %v", n.byID[m.Peer].index, m.Left)
			}
		}
	}
}
