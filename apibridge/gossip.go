package apibridge

import (
	"context"

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
	// Subscribe is idempotent. What the session is to be told of what was known
	// before is delivered, however much it is, before Subscribe returns: it is
	// not counted against a module that had no time to read it.
	Subscribe(session uint64, dataType uint16) error
	// Vote says whether the rumor told to this session is well-formed. Unknown
	// ids are ignored.
	Vote(session uint64, id [32]byte, valid bool)
}

// GossipServer serves the Gossip API (messages 500 to 503) to modules.
type GossipServer struct {
	server
	node Gossip
	opts Options
	told gossipCounters
}

// NewGossip returns a server for the node; Serve lets it begin.
func NewGossip(node Gossip, opts Options) *GossipServer {
	g := &GossipServer{node: node, opts: opts.withDefaults()}
	g.init(opts.Limits, g.session, apimsg.TypeAnnounce, apimsg.TypeNotify, apimsg.TypeValidation)
	return g
}

// Stats returns the counters as they are now.
func (g *GossipServer) Stats() GossipStats { return g.told.stats(g.count.stats()) }

// session serves one connection: it reads here and writes on a second goroutine.
func (g *GossipServer) session(c *conn) {
	s := newSession(g, c)
	id, err := g.node.Open(s.deliver)
	if err != nil {
		g.count.failed.Add(1)
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
	c.finish()
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
