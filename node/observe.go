package node

import (
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/gossip"
)

// Observed is something that happened to a rumor at this node: it became known,
// or the modules' verdict on it fell.
type Observed struct {
	Time time.Time
	ID   RumorID
	// Verdict is "" when the rumor became known; then the fields below tell of
	// it. Else it is "valid", "invalid" or "silent": nobody vouched for it in time.
	Verdict string

	Rumor  Rumor
	Via    peer.ID // the neighbour that brought it, "" = the rumor is this node's own
	Hops   int     // links it came over, 255 = that or more
	Filled bool    // it came by anti-entropy
}

// Observer is told what happens to rumors of all data types that the node
// takes. Unlike a Listener it does not make the node take any.
type Observer struct {
	n       *Node
	c       chan Observed
	dropped atomic.Uint64
}

// observerQueue is how much waits for an observer before it is dropped.
const observerQueue = 1024

// Observe begins to tell what happens to rumors.
func (n *Node) Observe() *Observer {
	o := &Observer{n: n, c: make(chan Observed, observerQueue)}
	n.call(func(time.Time) {
		n.observers[o] = struct{}{}
		n.handle(gossip.Observe{On: true})
	})
	return o
}

// C gives what happens. It is never closed; it falls silent after Close.
func (o *Observer) C() <-chan Observed { return o.c }

// Dropped is how much happened faster than it was taken from C.
func (o *Observer) Dropped() uint64 { return o.dropped.Load() }

// Close ends observing. Closing twice does nothing.
func (o *Observer) Close() {
	o.n.call(func(time.Time) {
		if delete(o.n.observers, o); len(o.n.observers) == 0 {
			o.n.handle(gossip.Observe{})
		}
	})
}

// observed tells the observers.
func (n *Node) observed(o Observed) {
	o.Time = time.Now()
	for to := range n.observers {
		select {
		case to.c <- o:
		default:
			to.dropped.Add(1)
		}
	}
}

func rumorOf(r *gossip.Rumor) Rumor {
	return Rumor{
		ID:       r.ID,
		Origin:   peer.ID(r.Origin),
		DataType: r.DataType,
		Data:     r.Payload,
		Private:  r.Kind == gossip.KindPrivate,
		Created:  time.UnixMilli(r.Created),
		Expires:  time.UnixMilli(r.Expires),
		Received: time.Now(),
	}
}
