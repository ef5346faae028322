package node

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"hearsay/node/gossip"
)

// Modules is the node as local modules see it. It satisfies apibridge.Gossip.
type Modules struct{ n *Node }

// Modules returns the side of the node that modules are attached to.
func (n *Node) Modules() Modules { return Modules{n} }

// Open registers a local module, for example a session of the module API.
// deliver is called on the node's loop for every rumor that the module is to be
// told, in order: it must return at once and must not call the node. data is
// shared and must not be modified.
func (m Modules) Open(deliver func(id [32]byte, dataType uint16, data []byte)) (session uint64, err error) {
	return m.n.open(module{deliver: func(r *gossip.Rumor) { deliver(r.ID, r.DataType, r.Payload) }})
}

// OpenJudge registers a local module that can tell at once what it thinks of a rumor: what
// judge returns is its Vote, for which nothing has to wait then. judge is called as
// deliver is by [Modules.Open].
func (m Modules) OpenJudge(judge func(id [32]byte, dataType uint16, data []byte) (valid bool)) (session uint64, err error) {
	return m.n.open(module{judge: func(r *gossip.Rumor) bool { return judge(r.ID, r.DataType, r.Payload) }})
}

// module is how a local module is told rumors: one of the two is set.
type module struct {
	deliver func(*gossip.Rumor)
	judge   func(*gossip.Rumor) (valid bool)
}

// tell tells a module a rumor, and returns its vote if it has one already.
func (m module) tell(a gossip.Deliver) gossip.Event {
	if m.judge == nil {
		m.deliver(a.Rumor)
		return nil
	}
	return gossip.Vote{Module: a.Module, ID: a.Rumor.ID, Valid: m.judge(a.Rumor)}
}

func (n *Node) open(m module) (session uint64, err error) {
	n.mu.Lock()
	n.module++
	session = n.module
	n.mu.Unlock()
	if !n.call(func(time.Time) { n.modules[gossip.ModuleID(session)] = m }) {
		return 0, ErrStopped
	}
	return session, nil
}

// Close ends a module: its subscriptions end and its open votes are withdrawn.
// What it announced goes on. Closing twice does nothing.
func (m Modules) Close(session uint64) { m.n.closeModule(session) }

func (n *Node) closeModule(session uint64) {
	n.call(func(time.Time) {
		delete(n.modules, gossip.ModuleID(session))
		n.handle(gossip.ModuleGone{Module: gossip.ModuleID(session)})
	})
}

// Subscribe has a module told the rumors of a data type, and expects a Vote on
// each. Repeating it changes nothing. It fails with gossip.ErrModules or
// gossip.ErrTypes if there is no room for it.
func (m Modules) Subscribe(session uint64, dataType uint16) error {
	return m.n.subscribe(session, dataType, true)
}

func (n *Node) subscribe(session uint64, dataType uint16, votes bool) error {
	var refused error
	ok := n.call(func(time.Time) {
		if _, open := n.modules[gossip.ModuleID(session)]; open {
			n.refused = nil
			n.handle(gossip.Subscribe{Module: gossip.ModuleID(session), DataType: dataType, Votes: votes})
			refused = n.refused
		}
	})
	if !ok {
		return ErrStopped
	}
	return refused
}

// Vote tells what a module thinks of a rumor that it was told. An unknown ID is
// ignored.
func (m Modules) Vote(session uint64, id [32]byte, valid bool) {
	// Not by emit: a vote must not be overtaken by the end of its session.
	m.n.post(func(time.Time) {
		m.n.handle(gossip.Vote{Module: gossip.ModuleID(session), ID: id, Valid: valid})
	})
}

// Announce spreads data in the name of a module, which is never told it itself.
// It returns when the announcement is queued for its proof of work, and waits
// while too many are, or as long as neighbours could not look at as many as there
// are (pace); what comes of it afterwards is counted in Status. Other modules
// of this node are told by then, and other nodes after the proof of work: never, if the
// node is stopped before it is done.
func (m Modules) Announce(ctx context.Context, session uint64, ttl uint8, dataType uint16, data []byte) error {
	_, err := m.n.publish(ctx, session, Announcement{DataType: dataType, TTL: ttl, Data: data})
	return err
}

// Announce spreads data in nobody's name and waits until it is on its way.
func (n *Node) Announce(ctx context.Context, a Announcement) (Announced, error) {
	began := time.Now()
	outcome, err := n.publish(ctx, 0, a)
	if err != nil {
		return Announced{}, err
	}
	select {
	case p := <-outcome:
		return Announced{p.id, p.neighbours, time.Since(began)}, p.err
	case <-ctx.Done():
		return Announced{}, fmt.Errorf("waiting for the proof of work: %w", context.Cause(ctx))
	}
}

func (n *Node) publish(ctx context.Context, session uint64, a Announcement) (<-chan published, error) {
	if len(a.Data) > gossip.MaxPayload {
		return nil, fmt.Errorf("%d bytes of data: at most %d fit into an announcement", len(a.Data), gossip.MaxPayload)
	}
	kind := gossip.KindEvent
	if a.Private {
		kind = gossip.KindPrivate
	}
	return n.say(ctx, gossip.Publish{From: gossip.ModuleID(session), Kind: kind, DataType: a.DataType, TTL: a.TTL, Payload: a.Data})
}

// say has the core publish a rumor. It returns when the rumor waits for its proof
// of work.
func (n *Node) say(ctx context.Context, ev gossip.Publish) (<-chan published, error) {
	select {
	case n.pace.places <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%d announcements are under way, in proof of work or at the pace of neighbours; announce more slowly: %w", maxAnnouncing, context.Cause(ctx))
	case <-n.done:
		return nil, ErrStopped
	}
	outcome := make(chan published, 1)
	ok := n.call(func(time.Time) {
		n.ticket++
		ev.Ticket = n.ticket
		n.tickets[n.ticket] = outcome
		n.handle(ev)
	})
	if !ok {
		n.pace.release(false)
		return nil, ErrStopped
	}
	return outcome, nil
}

// Listener is told rumors without having a say in them.
type Listener struct {
	n       *Node
	session uint64
	c       chan Rumor
	dropped atomic.Uint64
	closed  atomic.Bool
}

// listenerQueue is how many rumors wait for a listener before they are dropped.
const listenerQueue = 1024

// Listen begins to listen to data types. As for any module that subscribes, the
// node then takes and relays them.
func (n *Node) Listen(types []uint16) (*Listener, error) {
	l := &Listener{n: n, c: make(chan Rumor, listenerQueue)}
	session, err := n.open(module{deliver: l.deliver})
	if err != nil {
		return nil, err
	}
	l.session = session
	for _, t := range types {
		if err := n.subscribe(session, t, false); err != nil {
			l.Close()
			return nil, fmt.Errorf("listening to type %d: %w", t, err)
		}
	}
	return l, nil
}

func (l *Listener) deliver(r *gossip.Rumor) {
	select {
	case l.c <- rumorOf(r):
	default:
		l.dropped.Add(1)
	}
}

// C gives the rumors. It is never closed; it falls silent after Close.
func (l *Listener) C() <-chan Rumor { return l.c }

// Dropped is how many rumors came faster than they were taken from C.
func (l *Listener) Dropped() uint64 { return l.dropped.Load() }

// Close ends listening.
func (l *Listener) Close() {
	if l.closed.CompareAndSwap(false, true) {
		l.n.closeModule(l.session)
	}
}
