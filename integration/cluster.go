package integration

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/apibridge/client"
	"hearsay/node"
	"hearsay/node/identity"
)

// Cluster is n nodes and the network between them. Its methods that wait or
// fail belong on the test's own goroutine.
type Cluster struct {
	tb      TB
	opts    options
	nodes   []*Node
	network *fabric
	journal eventLog
	frames  frameLog
}

// New starts n nodes, makes neighbours of all of them (or as Line and Pairs
// say), and returns when they are. The nodes leave and stop at the end of the
// test.
func New(tb TB, n int, opts ...Option) *Cluster {
	tb.Helper()
	c := &Cluster{
		tb:      tb,
		opts:    options{all: true, patience: DefaultPatience},
		journal: eventLog{began: time.Now(), changed: make(chan struct{})},
	}
	for _, o := range opts {
		o(&c.opts, n)
	}
	if c.opts.all {
		for j := range n {
			for i := range j {
				c.opts.topology = append(c.opts.topology, pair{i, j})
			}
		}
	}
	c.frames.began = c.journal.began
	c.network = newFabric(c.opts)
	tb.Cleanup(c.network.close)
	for i := range n {
		id, err := identity.New()
		if err != nil {
			tb.Fatalf("integration: a hostkey for node %d: %v", i, err)
		}
		nd := &Node{c: c, index: i, id: id}
		if c.opts.state {
			nd.stateDir = tb.TempDir()
		}
		c.nodes = append(c.nodes, nd)
		c.network.add(id)
	}
	tb.Cleanup(c.stopAll)
	for _, nd := range c.nodes {
		nd.Start()
	}
	c.connect(c.opts.topology)
	return c
}

// Len is the number of nodes, running or not.
func (c *Cluster) Len() int { return len(c.nodes) }

// Node is node i, counted from 0.
func (c *Cluster) Node(i int) *Node {
	c.tb.Helper()
	if i < 0 || i >= len(c.nodes) {
		c.tb.Fatalf("integration: node %d of %d", i, len(c.nodes))
	}
	return c.nodes[i]
}

// Connect makes neighbours of the nodes i and j and waits until they are.
func (c *Cluster) Connect(i, j int) {
	c.tb.Helper()
	c.connect([]pair{pairOf(i, j)})
}

func (c *Cluster) connect(pairs []pair) {
	c.tb.Helper()
	for _, p := range pairs {
		c.introduce(p)
	}
	for _, p := range pairs {
		c.AwaitLinked(p.i, p.j)
	}
}

// introduce tells two nodes of each other: then the one with the smaller peer
// ID, which is the one that dials without a pause, is among them.
func (c *Cluster) introduce(p pair) {
	a, b := c.Node(p.i).run, c.Node(p.j).run
	if a != nil && b != nil {
		a.node.Introduce(peer.AddrInfo{ID: b.node.ID(), Addrs: b.node.Host().Addrs()})
		b.node.Introduce(peer.AddrInfo{ID: a.node.ID(), Addrs: a.node.Host().Addrs()})
	}
}

// Dial connects to the module API of node i, as a module would. The connection
// is closed at the end of the test.
func (c *Cluster) Dial(i int) *client.Client {
	c.tb.Helper()
	if c.opts.offline {
		c.fail("node %d has no API: the cluster was made WithoutAPI", i)
	}
	m, err := client.Dial(c.Context(), c.Node(i).API())
	if err != nil {
		c.fail("a connection to the API of node %d: %v", i, err)
	}
	c.tb.Cleanup(func() { m.Close() })
	return m
}

// Context is for the calls on a client: it ends with the cluster's patience,
// counted from now, or with the test.
func (c *Cluster) Context() context.Context {
	ctx, cancel := context.WithTimeout(c.tb.Context(), c.opts.patience)
	c.tb.Cleanup(cancel)
	return ctx
}

// Guest is a host on the cluster's mock network that is none of its nodes, for a
// peer made by hand. It can be reached by all nodes, and no partition cuts it off.
func (c *Cluster) Guest(id *identity.Identity) host.Host {
	c.tb.Helper()
	if c.opts.tcp {
		c.fail("a guest on a mock network, and the nodes use TCP")
	}
	h, err := c.network.guest(id)
	if err != nil {
		c.fail("a guest: %v", err)
	}
	c.tb.Cleanup(func() { h.Close() })
	return h
}

// Partition cuts the network between each of the groups of nodes and all nodes
// outside of it, and returns when no link crosses a cut. Nodes named in no group
// form one together. An earlier partition ends.
func (c *Cluster) Partition(groups ...[]int) {
	c.tb.Helper()
	side := make([]int, len(c.nodes)) // 0: in no group
	for g, members := range groups {
		for _, i := range members {
			if c.Node(i); side[i] != 0 {
				c.tb.Fatalf("integration: node %d is in two parts of one partition", i)
			}
			side[i] = g + 1
		}
	}
	if err := c.network.cut(func(i, j int) bool { return side[i] != side[j] }); err != nil {
		c.fail("a partition: %v", err)
	}
	for j := range c.nodes {
		for i := range j {
			if side[i] != side[j] {
				c.AwaitUnlinked(i, j)
			}
		}
	}
}

// Heal ends a partition and makes neighbours again of those that New made
// neighbours, apart from nodes that do not run. It takes 1 to 2 s, which nodes
// leave to each other before they dial.
func (c *Cluster) Heal() {
	c.tb.Helper()
	if err := c.network.cut(nil); err != nil {
		c.fail("the end of a partition: %v", err)
	}
	c.connect(slices.DeleteFunc(slices.Clone(c.opts.topology), func(p pair) bool {
		return c.nodes[p.i].run == nil || c.nodes[p.j].run == nil
	}))
}

// Stop has nodes leave, all at the same time, and returns when they have ended.
func (c *Cluster) Stop(nodes ...int) {
	c.tb.Helper()
	var wg sync.WaitGroup
	for _, i := range nodes {
		nd := c.Node(i)
		wg.Go(nd.Stop)
	}
	wg.Wait()
}

// stopAll has all nodes leave, the last ones first so that the report of a node
// that does not stop has something to say.
func (c *Cluster) stopAll() {
	for _, nd := range slices.Backward(c.nodes) {
		nd.Stop()
	}
}

// index is which node a peer ID belongs to, -1 for a stranger.
func (c *Cluster) index(id peer.ID) int {
	return slices.IndexFunc(c.nodes, func(n *Node) bool { return n.ID() == id })
}

// Announce spreads data from node i, in nobody's name, and returns when it is on
// its way to the neighbours.
func (c *Cluster) Announce(i int, dataType uint16, data []byte) node.Announced {
	c.tb.Helper()
	a, err := c.Node(i).Running().Announce(c.Context(), node.Announcement{DataType: dataType, Data: data})
	if err != nil {
		c.fail("an announcement of %d bytes of type %d at node %d: %v", len(data), dataType, i, err)
	}
	return a
}
