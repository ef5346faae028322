package apibridge

import (
	"context"
	"time"

	"hearsay/apibridge/apimsg"
)

// DHT is what the bridge needs of a node to serve the DHT API.
type DHT interface {
	// Put stores a value, which becomes the node's own, for ttl seconds (0 = as
	// long as the node finds right), in about so many copies (0 = the same). Both
	// are hints. When it returns, Get at this node finds the value; spreading it
	// may go on. It waits while the node is busy, until ctx ends.
	Put(ctx context.Context, key [apimsg.KeySize]byte, value []byte, ttl uint16, replication uint8) error
	// Get looks a value up, and returns nil if there is none; nobody modifies it.
	// When ctx ends it returns what it has by then, at once.
	Get(ctx context.Context, key [apimsg.KeySize]byte) (value []byte)
}

// DHTOptions are the limits of a DHT server. The zero value of a field means its
// default.
type DHTOptions struct {
	Limits

	// MaxGets is the most GETs of one connection that wait for their answer (256).
	// The next ones wait in the module's own socket. Each may hold a value of up
	// to 64 KiB, for no longer than WriteTimeout.
	MaxGets int
	// GetTimeout is how long the node may look for a value (8 s). The answer
	// leaves within 10 s so that who waits that long gets it.
	GetTimeout time.Duration
}

// DefaultDHTOptions returns the options that suit a node with a handful of
// modules.
func DefaultDHTOptions() DHTOptions {
	return DHTOptions{Limits: DefaultLimits(), MaxGets: 256, GetTimeout: 8 * time.Second}
}

func (o DHTOptions) withDefaults() DHTOptions {
	d := DefaultDHTOptions()
	o.Limits = o.Limits.withDefaults()
	positive(&o.MaxGets, d.MaxGets)
	positive(&o.GetTimeout, d.GetTimeout)
	return o
}

// DHTServer serves the DHT API (messages 650 to 653) to modules.
type DHTServer struct {
	server
	node DHT
	opts DHTOptions
	done dhtCounters
}

// NewDHT returns a server for the node; Serve lets it begin.
func NewDHT(node DHT, opts DHTOptions) *DHTServer {
	d := &DHTServer{node: node, opts: opts.withDefaults()}
	d.init(opts.Limits, d.session, apimsg.TypePut, apimsg.TypeGet)
	return d
}

// Stats returns the counters as they are now.
func (d *DHTServer) Stats() DHTStats { return d.done.stats(d.count.stats()) }

// session serves one connection.
func (d *DHTServer) session(c *conn) { newLookups(d, c).serve() }
