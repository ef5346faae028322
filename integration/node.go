package integration

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/sync/errgroup"

	"hearsay/apibridge"
	"hearsay/node"
	"hearsay/node/identity"
)

// Node is one place in a Cluster: a hostkey, an API address, a state folder, and
// the node that runs there, if it does. They stay the same from start to start.
type Node struct {
	c        *Cluster
	index    int
	id       *identity.Identity
	stateDir string                // "" = in memory
	listen   []multiaddr.Multiaddr // over TCP, from the first start on
	api      string                // from the first start on
	run      *running              // nil = stopped
}

// running is a started node.
type running struct {
	node    *node.Node
	bridge  *apibridge.GossipServer // nil without API
	beside  map[string]served       // module APIs beside Gossip, by name
	watcher *node.Watcher
	leave   context.CancelFunc
	ended   chan error // of node and API, when both have ended
}

// API is the address of the node's module API, 127.0.0.1:port; "" WithoutAPI.
func (n *Node) API() string { return n.api }

// ID is the node's peer ID.
func (n *Node) ID() peer.ID { return n.id.ID() }

// Identity is the node's hostkey.
func (n *Node) Identity() *identity.Identity { return n.id }

// StateDir is the node's state folder, "" without WithStateDir.
func (n *Node) StateDir() string { return n.stateDir }

// Running is the node that runs here. It fails the test if none does.
func (n *Node) Running() *node.Node {
	n.c.tb.Helper()
	return n.mustRun().node
}

// APIStats are the counters of the node's module API; all 0 WithoutAPI.
func (n *Node) APIStats() apibridge.GossipStats {
	n.c.tb.Helper()
	if r := n.mustRun(); r.bridge != nil {
		return r.bridge.Stats()
	}
	return apibridge.GossipStats{}
}

func (n *Node) mustRun() *running {
	n.c.tb.Helper()
	if n.run == nil {
		n.c.fail("node %d does not run", n.index)
	}
	return n.run
}

// Start starts the node, if it does not run, and returns when its API can be
// used. It has no neighbours then but those that it remembers or that dial it.
func (n *Node) Start() {
	n.c.tb.Helper()
	if n.run != nil {
		return
	}
	if err := n.start(); err != nil {
		n.c.tb.Fatalf("integration: starting node %d: %v", n.index, err)
	}
}

func (n *Node) start() error {
	cfg := node.DefaultConfig()
	cfg.Network = "integration"
	cfg.MDNS, cfg.Kademlia, cfg.PeerExchange = false, false, false
	cfg.DifficultyBits = DefaultDifficulty
	for _, change := range n.c.opts.config {
		change(n.index, &cfg)
	}
	cfg.Identity, cfg.StateDir, cfg.Listen = n.id, n.stateDir, n.listen
	if n.c.opts.tcp && len(n.listen) == 0 {
		cfg.Listen = []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")}
	}
	limits := apibridge.DefaultOptions()
	for _, change := range n.c.opts.api {
		change(n.index, &limits)
	}

	ln, err := n.listenAPI()
	if err != nil {
		return err
	}
	n.awaitPorts()
	opts, err := n.c.network.plug(n.index)
	if n.c.opts.trace {
		opts = append(opts, node.WithTrace(n.trace))
	}
	var nd *node.Node
	if err == nil {
		nd, err = node.New(cfg, opts...)
	}
	if err != nil {
		if ln != nil {
			ln.Close()
		}
		return err
	}
	n.c.network.watch(n.index, nd.Host())
	n.listen = nd.Host().Addrs()

	ctx, leave := context.WithCancel(context.Background())
	r := &running{
		node:    nd,
		watcher: nd.Watch(), // before anything happens
		beside:  make(map[string]served),
		leave:   leave,
		ended:   make(chan error, 1),
	}
	var parts errgroup.Group
	parts.Go(func() error { return nd.Run(ctx) })
	<-nd.Ready()
	if ln != nil {
		n.api = ln.Addr().String()
		r.bridge = apibridge.NewGossip(nd.Modules(), limits)
		parts.Go(func() error { return r.bridge.Serve(ln) })
	}
	if err := n.serveBeside(r, &parts); err != nil {
		n.c.tb.Errorf("integration: an API of node %d: %v", n.index, err)
	}
	go n.c.journal.follow(n.index, r.watcher, ctx.Done(), n.c.index)
	go func() { r.ended <- parts.Wait() }()
	n.run = r
	return nil
}

// listenAPI takes a free port at the first start, and the same one later. Some
// connection of another program may happen to have it for a moment by then.
func (n *Node) listenAPI() (ln net.Listener, err error) {
	if n.c.opts.offline {
		return nil, nil
	}
	if n.api == "" {
		return apibridge.Listen("127.0.0.1:0", false)
	}
	n.c.poll(n.c.opts.patience, func() bool {
		ln, err = apibridge.Listen(n.api, false)
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	return ln, err
}

// awaitPorts waits until the ports that the node had before are free, as listenAPI does.
// If one does not become so, starting tells.
func (n *Node) awaitPorts() {
	if !n.c.opts.tcp {
		return
	}
	for _, a := range n.listen {
		n.c.poll(n.c.opts.patience, func() bool {
			ln, err := manet.Listen(a)
			if err == nil {
				ln.Close()
			}
			return !errors.Is(err, syscall.EADDRINUSE)
		})
	}
}

// Stop has the node take what modules have sent, leave its neighbours, and end;
// it returns when it has. A node that does not run is left alone.
func (n *Node) Stop() {
	n.c.tb.Helper()
	if n.run == nil {
		return
	}
	n.end(n.c.opts.patience)
}

// Kill ends the node as seen by all others: connections break, no leave is said.
// The process lives on, so nothing of what a crash does to files is tested.
func (n *Node) Kill() {
	n.c.tb.Helper()
	if n.run == nil {
		return
	}
	n.unplug()
	n.end(0)
}

// Restart starts a node again after Stop, or after a Kill that it begins with if
// the node runs. Those that New made its neighbours are so again when it returns.
func (n *Node) Restart() {
	n.c.tb.Helper()
	n.Kill()
	n.Start()
	var pairs []pair
	for _, p := range n.c.opts.topology {
		if (p.i == n.index || p.j == n.index) && n.c.nodes[p.i].run != nil && n.c.nodes[p.j].run != nil {
			pairs = append(pairs, p)
		}
	}
	n.c.connect(pairs)
}

// end ends what runs: modules first, so that what they announced still counts,
// then the node.
func (n *Node) end(grace time.Duration) {
	n.c.tb.Helper()
	r := n.run
	n.run = nil
	if r.bridge != nil {
		drain, cancel := context.WithTimeout(context.Background(), grace)
		err := r.bridge.Close(drain)
		cancel()
		if err != nil && grace > 0 {
			n.c.tb.Errorf("integration: the API of node %d does not end: %v", n.index, err)
		}
	}
	for _, s := range r.beside {
		drain, cancel := context.WithTimeout(context.Background(), grace)
		s.Close(drain) // cutting a module off is no failure
		cancel()
	}
	r.leave()
	select {
	case err := <-r.ended:
		if err != nil {
			n.c.tb.Errorf("integration: node %d ended with an error: %v", n.index, err)
		}
	case <-time.After(n.c.opts.patience):
		n.c.tb.Errorf("integration: node %d does not end within %v", n.index, n.c.opts.patience)
	}
	r.watcher.Close()
	n.unplug()
	n.c.journal.note(n.index, "stopped", -1)
}

// unplug takes the node off the network.
func (n *Node) unplug() {
	n.c.tb.Helper()
	if err := n.c.network.unplug(n.index); err != nil {
		n.c.tb.Errorf("integration: node %d is not off the network: %v", n.index, err)
	}
}
