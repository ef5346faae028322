package integration_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/gossip"
	"hearsay/node/gossip/sim"
)

// Where topology and timing are random one run proves little. So these tests run
// for many seeds in the simulator, and for a few with all of the node.

// seeds is how many times a test in the simulator runs: few, or with
// HEARSAY_LONG a thousand.
func seeds(few uint64) uint64 {
	switch {
	case long:
		return 1000
	case raceEnabled:
		return max(1, few/8)
	}
	return few
}

// simulated is a network of simulated nodes that all take dataType. The cores
// are for what the simulator does not tell.
func simulated(cfg sim.Config) (*sim.Network, []*gossip.State) {
	cores := make([]*gossip.State, cfg.Nodes)
	wrap := cfg.Wrap
	cfg.Wrap = func(i int, c sim.Core) sim.Core {
		cores[i] = c.(*gossip.State)
		if wrap != nil {
			c = wrap(i, c)
		}
		return c
	}
	n := sim.New(cfg)
	for i := range cfg.Nodes {
		n.Subscribe(i, 1, dataType, true)
	}
	return n, cores
}

// expectAllEverywhere fails unless every node has been told all rumors, and has
// a route to every other one.
func expectAllEverywhere(t *testing.T, seed uint64, n *sim.Network, cores []*gossip.State) {
	t.Helper()
	for _, err := range n.Violations() {
		t.Errorf("seed %d: %v", seed, err)
	}
	for _, m := range n.Missing() {
		t.Errorf("seed %d: missing: %s", seed, m)
	}
	for i, c := range cores {
		if routes := len(c.Routes()); routes != len(cores)-1 {
			t.Errorf("seed %d: node %d has %d routes", seed, i, routes)
		}
	}
}

// 20 nodes that start within a second, linked at random, and each broadcasts as
// soon as it is there: all have all 20 messages and routes to all 20.
func TestPeerster_1_10_BigGraph(t *testing.T) {
	const nodes = 20
	t.Run("simulated", func(t *testing.T) {
		t.Parallel()
		for seed := range seeds(20) {
			core := gossip.DefaultConfig()
			core.Degree, core.AntiEntropy = 4, 5*time.Second
			n, cores := simulated(sim.Config{Seed: seed, Nodes: nodes, Core: core, Contacts: 2,
				Latency: 20 * time.Millisecond, SealTime: 5 * time.Millisecond})
			chance := rand.New(rand.NewPCG(seed, 10))
			for i := range nodes {
				at := time.Duration(0)
				if i > 0 {
					at = time.Duration(chance.Int64N(int64(time.Second)))
				}
				n.Start(i, at)
				n.At(at+time.Millisecond, func() { n.Publish(i, dataType, 0, fmt.Append(nil, i)) })
			}
			n.Run(20 * time.Second)
			expectAllEverywhere(t, seed, n, cores)
			if t.Failed() {
				return
			}
		}
	})
	t.Run("real", func(t *testing.T) {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
				virtually(t, func(t *testing.T) { bigGraph(t, nodes, seed) })
			})
		}
	})
}

// bigGraph makes a random graph with links between a fifth of all pairs, which
// come about within a second.
func bigGraph(t *testing.T, nodes int, seed uint64) {
	chance := rand.New(rand.NewPCG(seed, 11))
	c := peersters(t, nodes, func(_ int, cfg *node.Config) { cfg.AntiEntropy = 5 * time.Second })
	var listeners []*node.Listener
	for i := range nodes {
		listeners = append(listeners, listen(t, c, i, dataType))
		c.Announce(i, dataType, fmt.Append(nil, "from ", i))
	}
	type edge struct {
		i, j int
		at   time.Duration
	}
	var edges []edge
	for j := 1; j < nodes; j++ {
		tree := chance.IntN(j) // so that the graph is connected
		for i := range j {
			if i == tree || chance.IntN(5) == 0 {
				edges = append(edges, edge{i, j, time.Duration(chance.Int64N(int64(time.Second)))})
			}
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	began := c.Age()
	for _, e := range edges {
		pass(e.at - (c.Age() - began))
		introduce(c, e.i, e.j)
	}
	pass(20 * time.Second)
	expectHeard(t, c, listeners, nodes)
	all := make([]int, nodes)
	for i := range all {
		all[i] = i
	}
	stopping := c.Age()
	c.Stop(all...)
	if took := c.Age() - stopping; took > 3*time.Second {
		t.Errorf("%d nodes took %v to stop all at once", nodes, took)
	}
}

// expectHeard fails unless every node was told n rumors, the same ones as all
// others, and has routes to all others.
func expectHeard(t *testing.T, c *integration.Cluster, listeners []*node.Listener, n int) {
	t.Helper()
	var first []string
	for i, l := range listeners {
		got := heard(l)
		slices.Sort(got)
		if i == 0 {
			first = got
		}
		if len(slices.Compact(slices.Clone(got))) != n || !slices.Equal(got, first) {
			t.Errorf("node %d was told %q, node 0 %q", i, got, first)
		}
		if r := routes(c, i); len(r) != c.Len()-1 {
			t.Errorf("node %d has %d routes: %v", i, len(r), r)
		}
	}
}

// jam is what messages wait in: until there are a few of them, or for a while,
// and then all go at once.
type jam struct {
	after time.Duration
	few   int
}

// jammed is a simulated node whose messages wait in a jam on their way out.
type jammed struct {
	sim.Core
	jam   jam
	held  []gossip.Action
	since time.Time
}

func (j *jammed) Handle(now time.Time, ev gossip.Event, out *gossip.Actions) {
	var actions gossip.Actions
	j.Core.Handle(now, ev, &actions)
	for _, a := range actions {
		if _, send := a.(gossip.Send); !send {
			*out = append(*out, a)
			continue
		}
		if len(j.held) == 0 {
			j.since = now
		}
		j.held = append(j.held, a)
	}
	if len(j.held) >= j.jam.few || len(j.held) > 0 && now.Sub(j.since) >= j.jam.after {
		*out = append(*out, j.held...)
		j.held = nil
	}
}

func (j *jammed) Deadline() time.Time {
	d := j.Core.Deadline()
	if release := j.since.Add(j.jam.after); len(j.held) > 0 && (d.IsZero() || release.Before(d)) {
		return release
	}
	return d
}

// Two groups of ten gossip apart from each other, and then a node comes that has
// links with both: all 21 have all 20 rumors and routes to all others, also if
// what the late one sends is held up.
func TestPeerster_1_15_Subgraph(t *testing.T) {
	const group, bridge = 10, 20
	for name, jam := range map[string]jam{
		"bridge":            {},
		"bridge jammed 1 s": {time.Second, 2},
		"bridge jammed 2 s": {2 * time.Second, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds(4) {
				core := gossip.DefaultConfig()
				core.PeerExchange = false
				cfg := sim.Config{Seed: seed, Nodes: bridge + 1, Core: core, Contacts: 20, Latency: 10 * time.Millisecond}
				if jam.few > 0 {
					cfg.Wrap = func(i int, c sim.Core) sim.Core {
						if i == bridge {
							return &jammed{Core: c, jam: jam}
						}
						return c
					}
				}
				n, cores := simulated(cfg)
				n.Partition(func(a, b int) bool { return a != bridge && b != bridge && a/group != b/group })
				for i := range bridge {
					n.Start(i, 0)
				}
				n.Run(5 * time.Second)
				for i := range bridge {
					n.Publish(i, dataType, 0, fmt.Append(nil, i))
				}
				n.Run(5 * time.Second)
				n.Start(bridge, 0)
				n.Run(20 * time.Second)
				expectAllEverywhere(t, seed, n, cores)
				if t.Failed() {
					return
				}
			}
		})
	}
	t.Run("real", func(t *testing.T) {
		virtually(t, func(t *testing.T) {
			c := peersters(t, bridge+1, nil)
			c.Node(bridge).Stop()
			var listeners []*node.Listener
			for i := range bridge {
				listeners = append(listeners, listen(t, c, i, dataType))
			}
			for j := range bridge {
				for i := range j {
					if i/group == j/group {
						introduce(c, i, j)
					}
				}
			}
			pass(5 * time.Second)
			for i := range bridge {
				c.Announce(i, dataType, fmt.Append(nil, "from ", i))
			}
			pass(5 * time.Second)
			if got := len(c.Node(0).Running().Routes()); got != group-1 {
				t.Errorf("before the bridge node 0 has %d routes", got)
			}
			c.Node(bridge).Start()
			listeners = append(listeners, listen(t, c, bridge, dataType))
			for i := range bridge {
				introduce(c, i, bridge)
			}
			pass(40 * time.Second)
			expectHeard(t, c, listeners, bridge)
		})
	})
}
