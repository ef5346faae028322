package apibridge

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"hearsay/apibridge/apimsg"
)

// The two APIs that consist of a question and its answer: a random peer (RPS) and
// the size of the network (NSE).

// SampledPeer is a peer that a node offers to its modules.
type SampledPeer struct {
	Addr netip.AddrPort // where other nodes reach it: IPv4, or IPv6 without a zone
	// Ports is where its modules are reached at the same address, never empty and
	// at most apimsg.MaxPorts: known clients crash on none.
	Ports   []apimsg.AppPort
	Hostkey []byte // DER SubjectPublicKeyInfo
}

// Sampler is what the bridge needs of a node to serve the RPS API.
type Sampler interface {
	// SamplePeer draws a peer of the network, each as likely as any other and
	// independently of the one before. While there is nobody to offer it waits,
	// until ctx ends.
	SamplePeer(ctx context.Context) (SampledPeer, error)
}

// Estimator is what the bridge needs of a node to serve the NSE API.
type Estimator interface {
	// EstimateSize tells how many nodes the network has, this one included, and
	// the standard deviation of that; 0 = each of them is known.
	EstimateSize() (nodes, deviation float64)
}

// RPSOptions are the limits of an RPS server. The zero value of a field means its
// default.
type RPSOptions struct {
	Limits

	// PeerTimeout is how long a QUERY waits for somebody to offer (10 s). The API
	// has no message for failure: after that the connection is closed.
	PeerTimeout time.Duration
}

// DefaultRPSOptions returns the options that suit a node with a handful of
// modules.
func DefaultRPSOptions() RPSOptions {
	return RPSOptions{Limits: DefaultLimits(), PeerTimeout: 10 * time.Second}
}

// RPSServer serves the RPS API (messages 540 and 541) to modules.
type RPSServer struct {
	server
	node    Sampler
	timeout time.Duration
	queries queryCounters
}

// NewRPS returns a server for the node; Serve lets it begin.
func NewRPS(node Sampler, opts RPSOptions) *RPSServer {
	positive(&opts.PeerTimeout, DefaultRPSOptions().PeerTimeout)
	r := &RPSServer{node: node, timeout: opts.PeerTimeout}
	r.init(opts.Limits, func(c *conn) { answerAll(c, &r.queries, r.answer) }, apimsg.TypeRPSQuery)
	return r
}

// Stats returns the counters as they are now.
func (r *RPSServer) Stats() QueryStats { return r.queries.stats(r.count.stats()) }

// errNobody ends a connection whose QUERY has no answer.
var errNobody = errors.New("there is no peer to offer")

func (r *RPSServer) answer(ctx context.Context) (apimsg.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	p, err := r.node.SamplePeer(ctx)
	if err != nil {
		return nil, errNobody
	}
	return &apimsg.RPSPeer{Port: p.Addr.Port(), Ports: p.Ports, Addr: p.Addr.Addr().Unmap(), Hostkey: p.Hostkey}, nil
}

// NSEServer serves the NSE API (messages 520 and 521) to modules.
type NSEServer struct {
	server
	node    Estimator
	queries queryCounters
}

// NewNSE returns a server for the node; Serve lets it begin.
func NewNSE(node Estimator, limits Limits) *NSEServer {
	n := &NSEServer{node: node}
	n.init(limits, func(c *conn) { answerAll(c, &n.queries, n.answer) }, apimsg.TypeNSEQuery)
	return n
}

// Stats returns the counters as they are now.
func (n *NSEServer) Stats() QueryStats { return n.queries.stats(n.count.stats()) }

func (n *NSEServer) answer(context.Context) (apimsg.Message, error) {
	nodes, deviation := n.node.EstimateSize()
	// There is this node at least, and a doubt is not rounded away.
	return &apimsg.NSEEstimate{Peers: max(whole(math.Round(nodes)), 1), StandardDeviation: whole(math.Ceil(deviation))}, nil
}

// whole is the nearest number that a message can tell.
func whole(x float64) uint32 {
	switch {
	case !(x > 0):
		return 0
	case x >= math.MaxUint32:
		return math.MaxUint32
	}
	return uint32(x)
}

// maxAsked is how many questions of one connection may wait for their answers, which
// costs nothing: more than come at the usual rate while one waits for a peer.
const maxAsked = 1 << 16

// answerAll serves a connection on which every message is a question: answers
// come in the order of the questions. A module that asks and closes its sending
// half still gets them. Questions are read while one waits for its answer, for that is
// how a module that is gone is noticed.
func answerAll(c *conn, count *queryCounters, answer func(context.Context) (apimsg.Message, error)) {
	limit := rate.NewLimiter(c.limits.Rate, c.limits.Burst)
	asking, giveUp := context.WithCancel(c.ctx) // when the server closes nobody waits any longer
	defer giveUp()
	go func() {
		select {
		case <-c.drained:
			giveUp()
		case <-asking.Done():
		}
	}()
	asked, answered := make(chan struct{}, maxAsked), make(chan struct{})
	go func() {
		defer close(answered)
		contain(c, func() {
			var frame []byte
			for range asked {
				m, err := answer(asking)
				if err == nil {
					frame, err = apimsg.Append(frame[:0], m)
				}
				if err != nil && c.ctx.Err() == nil {
					count.unanswered.Add(1)
				}
				if err == nil {
					err = c.write(frame)
				}
				if err != nil {
					c.stop(err)
					return
				}
				count.answers.Add(1)
			}
		})
	}()
	for {
		if _, err := c.hear(); err != nil {
			break
		}
		count.queries.Add(1)
		limit.Wait(c.ctx)
		select {
		case asked <- struct{}{}:
		case <-answered: // early, because the connection has stopped
		}
	}
	close(asked)
	<-answered
}

// QueryStats are the counters of an RPS or NSE server.
type QueryStats struct {
	Stats

	Queries    uint64 // received
	Answers    uint64 // of them written
	Unanswered uint64 // connections closed because there was no answer
}

// queryCounters are the live form of what QueryStats adds.
type queryCounters struct{ queries, answers, unanswered atomic.Uint64 }

func (c *queryCounters) stats(common Stats) QueryStats {
	return QueryStats{Stats: common, Queries: c.queries.Load(), Answers: c.answers.Load(), Unanswered: c.unanswered.Load()}
}
