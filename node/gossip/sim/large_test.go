package sim

import (
	"fmt"
	"os"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// Large networks: what the figures in README.md come from. They are small by
// default, and as large as there with HEARSAY_LONG=all, which takes minutes each.

func large(few, many int) int {
	if os.Getenv("HEARSAY_LONG") == "all" {
		return many
	}
	return few / min(scale, 2)
}

// aside lets a test run beside others, unless networks are so large that they would
// take each other's memory and spoil figures of it.
func aside(t *testing.T) {
	if os.Getenv("HEARSAY_LONG") != "all" {
		t.Parallel()
	}
}

// grown is a network of nodes that all take one type, and joined within five
// seconds, after half a minute.
func grown(seed uint64, nodes, degree int, change ...func(*Config)) *Network {
	cfg := Config{Seed: seed, Nodes: nodes, Core: core(degree), Latency: 20 * time.Millisecond, Contacts: 3,
		Silent: func(i int) bool { return i%10 != 0 }}
	for _, f := range change {
		f(&cfg)
	}
	n := New(cfg)
	for i := range nodes {
		n.Subscribe(i, 1, 7, true)
		n.Start(i, time.Duration(i)*5*time.Second/time.Duration(nodes))
	}
	n.Run(30 * time.Second)
	return n
}

// TestHalvesMeet: two halves of a network are apart for a minute, and each
// publishes. After they meet again everybody has everything within two rounds of
// anti-entropy, and hardly more is sent than what was missing.
func TestHalvesMeet(t *testing.T) {
	nodes, rumors := large(40, 100), large(100, 1000)
	n := grown(1, nodes, 8, func(c *Config) { c.Core.CacheSize = 5000 })
	n.Partition(func(a, b int) bool { return a%2 != b%2 })
	const payload = 1000
	for k := range 2 * rumors {
		n.Publish(k%nodes, 7, 0, append(make([]byte, payload-8), fmt.Sprintf("%8d", k)...))
		n.Run(30 * time.Second / time.Duration(2*rumors))
	}
	n.Run(30 * time.Second)
	if m := len(n.Missing()); m != nodes*rumors {
		t.Errorf("%d deliveries are missing while the halves are apart, want %d", m, nodes*rumors)
	}
	missing := uint64(nodes*rumors) * uint64(FrameSize(&gossip.Push{Rumor: n.ordered[0].r, Hops: 1}))
	before := n.Stats()
	n.Partition(nil)
	healed := n.Now()
	for n.Now()-healed < 40*time.Second && len(n.Missing()) > 0 {
		n.Run(time.Second)
	}
	took, s := n.Now()-healed, n.Stats().Sub(before)
	about := uint64(0)
	for _, kind := range []string{"push", "fill", "sync", "want", "have", "graft", "receipt"} {
		about += s.Kinds[kind].Bytes
	}
	t.Logf("%d nodes, %d rumors a side: complete %v after the halves met, for %d bytes about rumors, %.2f times the %d that were missing; pushed twice %d, filled twice %d\n%v",
		nodes, rumors, took, about, float64(about)/float64(missing), missing, s.Duplicates, s.FillDuplicates, s)
	if took > 20*time.Second {
		t.Errorf("it took %v, which is more than two rounds of anti-entropy", took)
	}
	if r := float64(about) / float64(missing); r > 1.15 {
		t.Errorf("%.2f times the missing bytes were sent", r)
	}
	check(t, n)
}

// TestSteadyState: a rumor every 100 ms after the trees have formed, each of another
// origin or all of twenty that speak often: how many duplicates, and how near to
// the shortest ways.
func TestSteadyState(t *testing.T) {
	aside(t)
	if scale > 1 {
		t.Skip("what is asked for needs more nodes, and the core has no goroutines")
	}
	nodes := large(100, 1000)
	for _, degree := range []int{6, 10, 30} {
		t.Run(fmt.Sprintf("seldom-%d", degree), func(t *testing.T) { steadyState(t, nodes, degree, nodes) })
		if nodes == 1000 {
			t.Run(fmt.Sprintf("often-%d", degree), func(t *testing.T) { steadyState(t, nodes, degree, 20) })
		}
	}
}

func steadyState(t *testing.T, nodes, degree, origins int) {
	n := grown(1, nodes, degree, func(c *Config) { c.Paths = true })
	publish := func(rumors int) {
		for k := range rumors {
			n.Publish(k%origins*61%nodes, 7, 0, fmt.Appendf(nil, "%v %d", n.Now(), k))
			n.Run(100 * time.Millisecond)
		}
		n.Run(10 * time.Second)
	}
	early := 60
	if origins < nodes {
		early = 30 * origins // each has a tree, which gets better with every rumor
	}
	publish(early)
	before := n.Stats()
	publish(100)
	s := n.Stats().Sub(before)
	var hops, best float64
	var last, bestLast, mean, bestMean time.Duration
	for _, r := range n.Rumors()[early:] {
		hops += float64(r.Hops) / 100
		best += float64(r.BestHops) / 100
		last, bestLast = last+r.Last/100, bestLast+r.BestLast/100
		mean, bestMean = mean+r.Mean/100, bestMean+r.BestMean/100
	}
	idle := n.Stats()
	n.Run(time.Minute)
	quiet := n.Stats().Sub(idle)
	t.Logf("%d nodes, degree %d, %d origins: %.3f duplicates per delivery; last hop %.1f, shortest %.1f (%.2f); last after %v, fastest %v (%.2f); mean %v, fastest %v; %v; idle %.0f B/s and %.2f messages/s a node; %d KiB a node",
		nodes, degree, origins, s.Redundancy(), hops, best, hops/best, last.Round(time.Millisecond), bestLast.Round(time.Millisecond), float64(last)/float64(bestLast),
		mean.Round(time.Millisecond), bestMean.Round(time.Millisecond), n.Latency(before.Time),
		float64(quiet.Total.Bytes)/60/float64(nodes), float64(quiet.Total.Messages)/60/float64(nodes), n.MemoryPerNode()>>10)
	check(t, n)
	if stretch := hops / best; nodes == 1000 && origins == nodes && stretch > 1.5 {
		t.Errorf("degree %d: the last hop is %.2f times as far as by the shortest ways", degree, stretch)
	}
	if s.Redundancy() > 0.2 {
		t.Errorf("degree %d, %d origins: %.3f duplicates per delivery", degree, origins, s.Redundancy())
	}
}

// TestHalfJoinAtOnce: as many nodes as there are join in one moment, and soon
// everybody has what was published before and after.
func TestHalfJoinAtOnce(t *testing.T) {
	aside(t)
	nodes := large(100, 1000)
	n := New(Config{Seed: 1, Nodes: nodes, Core: core(8), Latency: 20 * time.Millisecond, Contacts: 3,
		Silent: func(i int) bool { return i%10 != 0 }})
	for i := range nodes {
		n.Subscribe(i, 1, 7, true)
		if i < nodes/2 {
			n.Start(i, time.Duration(i)*5*time.Second/time.Duration(nodes))
		}
	}
	n.Run(20 * time.Second)
	for k := range 20 {
		n.Publish(k, 7, 0, fmt.Append(nil, "before", k))
	}
	n.Run(5 * time.Second)
	for i := nodes / 2; i < nodes; i++ {
		n.Start(i, 0)
	}
	n.Run(time.Second)
	for k := range 20 {
		n.Publish(nodes-1-k, 7, 0, fmt.Append(nil, "after", k))
	}
	for n.Now() < 40*time.Second && len(n.Missing()) > 0 {
		n.Run(500 * time.Millisecond)
	}
	t.Logf("%d nodes: %d joined at 25 s, and all was everywhere at %v", nodes, nodes/2, n.Now())
	check(t, n)
}
