package main

import (
	"context"
	"time"

	"hearsay/node"
	"hearsay/node/health"
	"hearsay/node/metrics"
)

// measured is a node as its metrics see it.
type measured struct{ *node.Node }

// Snapshot asks the node for everything.
func (m measured) Snapshot() metrics.Snapshot {
	st := m.Status()
	s := metrics.Snapshot{
		Version: st.Agent, Network: st.Network, Started: st.Started,
		Neighbours: st.Neighbours, Members: st.Members, Rumors: st.Rumors, Held: st.Held,
		Modules: st.Modules, DataTypes: len(st.Interests), Counters: st.Counters,
		Findings: map[metrics.Finding]int{},
	}
	for _, p := range m.Peers() {
		if p.RTT > 0 {
			s.RoundTrips = append(s.RoundTrips, p.RTT)
		}
		if p.State == node.PeerKnown || p.State == node.PeerDown {
			s.Candidates++
		}
	}
	for _, f := range m.Findings() {
		s.Findings[metrics.Finding{Code: string(f.Code), Severity: string(f.Severity)}]++
	}
	for _, k := range health.Kinds() {
		s.Kinds = append(s.Kinds, metrics.Finding{Code: string(k.Code), Severity: string(k.Severity)})
	}
	return s
}

// maxUndecided is how many rumors at most are remembered until their verdict
// falls; the verdicts of others are not timed.
const maxUndecided = 4096

// measure has the metrics told of each rumor until ctx ends.
func measure(ctx context.Context, n *node.Node, m *metrics.Metrics) {
	watch := n.Observe()
	defer watch.Close()
	told := make(map[node.RumorID]time.Time)
	for {
		select {
		case o := <-watch.C():
			switch at, known := told[o.ID]; {
			case o.Verdict != "" && known:
				m.Decided(o.Time.Sub(at))
				delete(told, o.ID)
			case o.Verdict == "" && o.Via != "":
				if len(told) < maxUndecided {
					told[o.ID] = o.Time
				}
				if !o.Filled { // what comes by comparison tells how late this node came
					m.Arrived(o.Hops, o.Time.Sub(o.Rumor.Created))
				}
			}
		case <-ctx.Done():
			return
		}
	}
}
