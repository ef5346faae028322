package main

import (
	"context"
	"time"

	"github.com/hashicorp/golang-lru/simplelru"

	"hearsay/node"
	"hearsay/node/health"
	"hearsay/node/metrics"
)

// measured is a node as its metrics see it.
type measured struct {
	node interface {
		Self() node.Status
		Status() node.Status
		Peers() []node.Peer
		Findings() []health.Finding
	}
}

// Snapshot asks the node for everything, or while it stands still for what it can tell
// then.
func (m measured) Snapshot() metrics.Snapshot {
	self := m.node.Self()
	s := metrics.Snapshot{Version: self.Agent, Network: self.Network, Started: self.Started, Findings: map[metrics.Finding]int{}}
	for _, k := range health.Kinds() {
		s.Kinds = append(s.Kinds, metrics.Finding{Code: string(k.Code), Severity: string(k.Severity)})
	}
	for _, f := range m.node.Findings() {
		s.Findings[metrics.Finding{Code: string(f.Code), Severity: string(f.Severity)}]++
		s.Stands = s.Stands || f.Code == health.LoopStuck
	}
	if s.Stands {
		return s
	}
	st := m.node.Status()
	s.Neighbours, s.Members, s.Rumors, s.Held = st.Neighbours, st.Members, st.Rumors, st.Held
	s.Modules, s.DataTypes, s.Counters = st.Modules, len(st.Interests), st.Counters
	for _, p := range m.node.Peers() {
		if p.RTT > 0 {
			s.RoundTrips = append(s.RoundTrips, p.RTT)
		}
		if p.State == node.PeerKnown || p.State == node.PeerDown {
			s.Candidates++
		}
	}
	return s
}

// maxUndecided is how many rumors at most are remembered until their verdict falls.
const maxUndecided = 4096

// newUndecided is where it is remembered when rumors became known whose verdict has not
// fallen. The oldest are forgotten and not timed: of some there is never a verdict, as
// they are gone before, and of others it is not told, as the observer was too slow.
func newUndecided() *simplelru.LRU { // of time.Time by node.RumorID
	known, err := simplelru.NewLRU(maxUndecided, nil)
	if err != nil {
		panic(err) // only of a size below 1
	}
	return known
}

// measure has the metrics told of each rumor until ctx ends.
func measure(ctx context.Context, n *node.Node, m *metrics.Metrics) {
	watch := n.Observe()
	defer watch.Close()
	told := newUndecided()
	for {
		select {
		case o := <-watch.C():
			switch {
			case o.Verdict != "":
				if at, ok := told.Peek(o.ID); ok {
					m.Decided(o.Time.Sub(at.(time.Time)))
					told.Remove(o.ID)
				}
			case o.Via != "":
				told.Add(o.ID, o.Time)
				if !o.Filled { // what comes by comparison tells how late this node came
					m.Arrived(o.Hops, o.Time.Sub(o.Rumor.Created))
				}
			}
		case <-ctx.Done():
			return
		}
	}
}
