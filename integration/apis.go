package integration

import (
	"context"
	"net"

	"golang.org/x/sync/errgroup"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/node"
)

// The module APIs beside Gossip.

// server serves a module API.
type server interface {
	Serve(net.Listener) error
	Close(context.Context) error
}

// served is an API that a started node serves, and where.
type served struct {
	server
	address string
}

// WithDHTAPI switches Kademlia on, which keeps the values, and gives every node a
// DHT API ([Node.DHTAPI]).
func WithDHTAPI() Option {
	serve := withAPI("DHT", func(n *node.Node) server { return apibridge.NewDHT(n.ValueModules(), apibridge.DHTOptions{}) })
	return func(o *options, n int) {
		serve(o, n)
		o.config = append(o.config, func(_ int, cfg *node.Config) { cfg.Kademlia = true })
	}
}

// WithRPSAPI gives every node an RPS API ([Node.RPSAPI]). The peers that it offers
// are those of the cluster.
func WithRPSAPI() Option {
	return withAPI("RPS", func(n *node.Node) server { return apibridge.NewRPS(sampler{n}, apibridge.RPSOptions{}) })
}

// WithNSEAPI gives every node an NSE API ([Node.NSEAPI]).
func WithNSEAPI() Option {
	return withAPI("NSE", func(n *node.Node) server { return apibridge.NewNSE(n, apibridge.Limits{}) })
}

func withAPI(name string, serve func(*node.Node) server) Option {
	return func(o *options, _ int) {
		if o.beside == nil {
			o.beside = make(map[string]func(*node.Node) server)
		}
		o.beside[name] = serve
	}
}

// DHTAPI is the address of the node's DHT API, 127.0.0.1:port; "" unless
// WithDHTAPI. It changes from start to start.
func (n *Node) DHTAPI() string {
	n.c.tb.Helper()
	return n.mustRun().beside["DHT"].address
}

// RPSAPI is the address of the node's RPS API, 127.0.0.1:port; "" unless
// WithRPSAPI. It changes from start to start.
func (n *Node) RPSAPI() string {
	n.c.tb.Helper()
	return n.mustRun().beside["RPS"].address
}

// NSEAPI is the address of the node's NSE API, 127.0.0.1:port; "" unless
// WithNSEAPI. It changes from start to start.
func (n *Node) NSEAPI() string {
	n.c.tb.Helper()
	return n.mustRun().beside["NSE"].address
}

// DHTStats are the counters of the node's DHT API; all 0 unless WithDHTAPI.
func (n *Node) DHTStats() apibridge.DHTStats {
	n.c.tb.Helper()
	if dht, ok := n.mustRun().beside["DHT"].server.(*apibridge.DHTServer); ok {
		return dht.Stats()
	}
	return apibridge.DHTStats{}
}

// serveBeside begins to serve the APIs that the cluster has beside Gossip.
func (n *Node) serveBeside(r *running, parts *errgroup.Group) error {
	for name, serve := range n.c.opts.beside {
		ln, err := apibridge.Listen("127.0.0.1:0", false)
		if err != nil {
			return err
		}
		s := serve(r.node)
		r.beside[name] = served{s, ln.Addr().String()}
		parts.Go(func() error { return s.Serve(ln) })
	}
	return nil
}

// sampler is a node as the bridge sees it.
type sampler struct{ *node.Node }

func (s sampler) SamplePeer(ctx context.Context) (apibridge.SampledPeer, error) {
	p, err := s.Node.SamplePeer(ctx)
	offered := apibridge.SampledPeer{Addr: p.Addr, Hostkey: p.Hostkey}
	for _, at := range p.Ports {
		offered.Ports = append(offered.Ports, apimsg.AppPort{App: at.App, Port: at.Port})
	}
	return offered, err
}
