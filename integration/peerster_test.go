package integration_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/gossip"
	"hearsay/node/transport"
)

// The tests of EPFL's Peerster course (TestPeerster_…), restated for what nodes
// say here, with what its test suite is known to check besides: an ack is the
// verdict in a Receipt, a status is a Sync, the routing table is Routes, a
// heartbeat is a presence, a lost packet is a neighbour that keeps silent. Its
// fixed sleeps are virtual time: nearly all of these tests run the whole stack in
// a bubble of testing/synctest, where a goroutine that a node leaves behind is a
// failure, too.
//
// Where a node here does on purpose what a Peerster does not, the test says so.

// virtually runs a test in virtual time.
func virtually(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

// peersters makes nodes that nobody has told of each other. AckTimeout is 3 s
// and ContinueMongering 0.5 unless change says otherwise.
func peersters(t *testing.T, n int, change func(i int, cfg *node.Config), opts ...integration.Option) *integration.Cluster {
	t.Helper()
	opts = append([]integration.Option{
		integration.Pairs(), integration.WithoutAPI(), integration.WithTrace(),
		integration.SlowLinks(5*time.Millisecond, 0),
		integration.WithPatience(time.Minute),
		integration.WithConfig(func(i int, cfg *node.Config) {
			cfg.DifficultyBits = 0
			if change != nil {
				change(i, cfg)
			}
		}),
	}, opts...)
	return integration.New(t, n, opts...)
}

// addPeer tells node i of node j, and not the other way round, and waits until
// they are neighbours.
func addPeer(c *integration.Cluster, i, j int) {
	to := c.Node(j).Running()
	c.Node(i).Running().Introduce(peer.AddrInfo{ID: to.ID(), Addrs: to.Host().Addrs()})
	c.AwaitLinked(i, j)
}

// pass lets virtual time pass, and what is due then be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// heard is what a listener has been told so far, in order.
func heard(l *node.Listener) []string {
	var all []string
	for {
		select {
		case r := <-l.C():
			all = append(all, string(r.Data))
		default:
			return all
		}
	}
}

// listen has node i take a data type.
func listen(t *testing.T, c *integration.Cluster, i int, dataTypes ...uint16) *node.Listener {
	t.Helper()
	l, err := c.Node(i).Running().Listen(dataTypes)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// routes is by which neighbour node i hears of each origin.
func routes(c *integration.Cluster, i int) map[int]int {
	table := make(map[int]int)
	at := func(id peer.ID) int {
		for j := range c.Len() {
			if c.Node(j).ID() == id {
				return j
			}
		}
		return -1
	}
	for _, r := range c.Node(i).Running().Routes() {
		table[at(r.Origin)] = at(r.Via)
	}
	return table
}

// A step is one message in a node's log, without what a test does not care for.
type step struct {
	dir  transport.Direction
	peer int
	kind string
}

// story is what node i has sent and received about a rumor, in order: what names
// it, and the receipts on the way back from where it was pushed.
func story(c *integration.Cluster, i int, id gossip.RumorID) []step {
	var told []step
	pending := make(map[step]int) // pushes without a receipt, by the receipt's step
	mine := make(map[step][]int)  // which of them are of this rumor
	for _, f := range c.Frames(func(f integration.Frame) bool { return f.Node == i }) {
		switch m := f.Message.(type) {
		case *gossip.Push:
			back := step{transport.In, f.Peer, "receipt"}
			if f.Dir == transport.In {
				back.dir = transport.Out
			}
			if m.Rumor.ID == id {
				mine[back] = append(mine[back], pending[back])
			}
			pending[back]++
		case *gossip.Receipt:
			back := step{f.Dir, f.Peer, "receipt"}
			for _, v := range m.Verdicts {
				if len(mine[back]) > 0 && mine[back][0] == 0 {
					told = append(told, step{f.Dir, f.Peer, "receipt: " + verdicts[v]})
					mine[back] = mine[back][1:]
				}
				pending[back]--
				for k := range mine[back] {
					mine[back][k]--
				}
			}
		}
		if f.Names(id) {
			told = append(told, step{f.Dir, f.Peer, f.Kind()})
		}
	}
	return told
}

var verdicts = []string{"new", "duplicate", "unwanted", "stale", "busy", "invalid"}

// expectStory fails unless what node i said and heard of a rumor is exactly this,
// in this order with each neighbour.
func expectStory(t *testing.T, c *integration.Cluster, i int, id gossip.RumorID, want ...step) {
	t.Helper()
	got := story(c, i, id)
	for _, s := range [][]step{got, want} {
		slices.SortStableFunc(s, func(a, b step) int { return a.peer - b.peer })
	}
	if !slices.Equal(got, want) {
		t.Errorf("node %d: %v, want %v", i, got, want)
	}
}

// between is what node i sent to and received from node j from some time on,
// without the pings that a silent link is watched with.
func between(c *integration.Cluster, i, j int, from time.Duration) []integration.Frame {
	return c.Frames(func(f integration.Frame) bool {
		return f.Node == i && f.Peer == j && f.At >= from && f.Kind() != "ping" && f.Kind() != "pong"
	})
}

// introduce tells two nodes of each other.
func introduce(c *integration.Cluster, i, j int) {
	for _, p := range [][2]int{{i, j}, {j, i}} {
		to := c.Node(p[1]).Running()
		c.Node(p[0]).Running().Introduce(peer.AddrInfo{ID: to.ID(), Addrs: to.Host().Addrs()})
	}
}
