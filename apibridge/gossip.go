package apibridge

import (
	"context"
	"net"

	"hearsay/apibridge/apimsg"
)

// Gossip is what the bridge needs of a node. Votes are counted by the node's
// core; the bridge only carries them.
type Gossip interface {
	// Open registers a module session. deliver is called for every rumor the
	// session is to be told, in order, from the node's own goroutine: it
	// returns at once and does not call back. The node must not modify data
	// after that; deliver and what is queued behind it only read it.
	Open(deliver func(id [32]byte, dataType uint16, data []byte)) (session uint64, err error)
	// Close ends a session: its subscriptions end, its open votes are
	// withdrawn. Idempotent.
	Close(session uint64)
	// Announce spreads data, which become the node's own; it blocks while the
	// node's queue is full, until ctx ends. The announcing session is never
	// told its own.
	Announce(ctx context.Context, session uint64, ttl uint8, dataType uint16, data []byte) error
	// Subscribe is idempotent.
	Subscribe(session uint64, dataType uint16) error
	// Vote says whether the rumor told to this session is well-formed. Unknown
	// ids are ignored.
	Vote(session uint64, id [32]byte, valid bool)
}

// GossipServer serves the Gossip API (messages 500 to 503) to modules.
type GossipServer struct {
	node   Gossip
	common server
}

// NewGossip returns a server for the node; Serve lets it begin.
func NewGossip(node Gossip, opts Options) *GossipServer {
	g := &GossipServer{node: node}
	g.common.init(opts, g.session, apimsg.TypeAnnounce, apimsg.TypeNotify, apimsg.TypeValidation)
	return g
}

// Serve accepts connections until Close, which may have been called before it,
// and then returns nil, or until somebody else closes the listener. No other
// failure to accept ends it: while the machine has no file descriptors left,
// for instance, it pauses for up to a second and tries again. It closes ln. A
// server can serve several listeners.
func (g *GossipServer) Serve(ln net.Listener) error { return g.common.serveListener(ln) }

// Close stops accepting, hands over to the node the ANNOUNCEs that were read
// or can be read within 50 ms, and closes all connections. It waits for a node
// that is busy; when ctx ends before it is done, connections are closed
// without regard to what they still hold, and the error says so. No goroutine
// serves a connection any more when Close returns.
func (g *GossipServer) Close(ctx context.Context) error { return g.common.close(ctx) }

// Stats returns the counters as they are now.
func (g *GossipServer) Stats() Stats { return g.common.count.stats() }

// session serves one connection: it reads here and writes on a second goroutine.
func (g *GossipServer) session(c *conn) {
	s := newSession(g, c)
	id, err := g.node.Open(s.deliver)
	if err != nil {
		g.common.count.failed.Add(1)
		log.Warnf("module %v: the node takes no session: %v", c.nc.RemoteAddr(), err)
		return
	}
	s.id = id
	defer g.node.Close(id)
	written := make(chan struct{})
	go func() {
		defer close(written)
		contain(c, s.tellAll)
	}()
	contain(c, s.hearAll)
	c.stop(errClosing)
	<-written
	s.discard()
}

// hearAll reads messages until the connection ends.
func (s *session) hearAll() {
	for {
		m, err := s.next()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *apimsg.Announce:
			err = s.announce(m)
		case *apimsg.Notify:
			err = s.subscribe(m)
		case *apimsg.Validation:
			s.validate(m)
		}
		if err != nil {
			s.stop(err)
			return
		}
	}
}
