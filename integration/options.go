package integration

import (
	"context"
	"fmt"
	"time"

	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"

	"hearsay/apibridge"
	"hearsay/node"
)

// TB is what a Cluster needs of a test. *testing.T, *testing.B and *testing.F
// have it; a program that is no test can bring its own.
type TB interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	TempDir() string
	Errorf(format string, args ...any)
	// Fatalf does not return.
	Fatalf(format string, args ...any)
}

// DefaultPatience is how long a Cluster waits for one thing. Most take
// milliseconds; a machine that is very busy shall not make tests fail.
const DefaultPatience = 20 * time.Second

// DefaultDifficulty is the proof of work of a cluster's rumors in bits: a few
// dozen hashes, so that it takes part in every test and no time.
const DefaultDifficulty = 4

type options struct {
	topology []pair
	all      bool
	tcp      bool
	links    mocknet.LinkOptions
	state    bool
	offline  bool
	trace    bool
	patience time.Duration
	config   []func(i int, cfg *node.Config)
	api      []func(i int, opts *apibridge.Options)
	beside   map[string]func(*node.Node) server // module APIs beside Gossip
}

// An Option changes what New makes.
type Option func(o *options, n int)

// Line makes neighbours of node 0 and 1, of 1 and 2, and so on, and of no
// others: what node 0 says has n-1 links to travel to the last one.
func Line() Option {
	return func(o *options, n int) {
		o.all = false
		for i := 1; i < n; i++ {
			o.topology = append(o.topology, pair{i - 1, i})
		}
	}
}

// Pairs makes neighbours of the nodes of each pair and of no others; without
// any, nobody has a neighbour until [Cluster.Connect].
func Pairs(pairs ...[2]int) Option {
	return func(o *options, n int) {
		o.all = false
		for _, p := range pairs {
			o.topology = append(o.topology, pairOf(p[0], p[1]))
		}
	}
}

// OverTCP gives the nodes the host that they have in real life, on a loopback
// port, instead of one on a mock network.
func OverTCP() Option { return func(o *options, _ int) { o.tcp = true } }

// SlowLinks makes the mock network slow: what is sent to another node takes
// latency to get there, and no more than bandwidth bytes per second do, 0 = any
// number, after a burst of one second's worth. It is ignored OverTCP.
func SlowLinks(latency time.Duration, bandwidth float64) Option {
	return func(o *options, _ int) { o.links = mocknet.LinkOptions{Latency: latency, Bandwidth: bandwidth} }
}

// WithStateDir gives every node a state folder, as real ones have. Without it
// they keep everything in memory.
func WithStateDir() Option { return func(o *options, _ int) { o.state = true } }

// WithPatience sets how long to wait for one thing instead of DefaultPatience.
func WithPatience(d time.Duration) Option { return func(o *options, _ int) { o.patience = d } }

// WithoutAPI leaves out the nodes' module API, which is served on real sockets:
// then a cluster on a mock network lives in one process altogether. Inside a
// bubble of testing/synctest its time is virtual: what takes minutes passes in
// milliseconds, and a machine that is busy changes nothing. [Cluster.Announce],
// [Cluster.Listen] and [node.Node.Modules] are there without an API.
func WithoutAPI() Option { return func(o *options, _ int) { o.offline = true } }

// WithTrace keeps every message between nodes, for [Cluster.Frames] to tell. All
// of them stay in memory until the end of the test.
func WithTrace() Option { return func(o *options, _ int) { o.trace = true } }

// WithConfig changes the configuration of each node i before every start of it.
// Identity, StateDir and Listen belong to the cluster.
func WithConfig(change func(i int, cfg *node.Config)) Option {
	return func(o *options, _ int) { o.config = append(o.config, change) }
}

// WithAPI changes the limits of each node's module API before every start.
func WithAPI(change func(i int, opts *apibridge.Options)) Option {
	return func(o *options, _ int) { o.api = append(o.api, change) }
}

// pair is two nodes, the smaller index first.
type pair struct{ i, j int }

func pairOf(i, j int) pair { return pair{min(i, j), max(i, j)} }

func (p pair) String() string { return fmt.Sprintf("%d–%d", p.i, p.j) }
