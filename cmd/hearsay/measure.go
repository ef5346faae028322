package main

import (
	"container/list"
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

// maxUndecided is how many rumors at most are remembered until their verdict falls.
const maxUndecided = 4096

// undecided remembers when rumors became known whose verdict has not fallen. The
// oldest are forgotten and not timed: of some there is never a verdict, as they are
// gone before, and of others it is not told, as the observer was too slow.
type undecided struct {
	places map[node.RumorID]*list.Element // in order
	order  *list.List                     // of known, the oldest first
}

type known struct {
	id node.RumorID
	at time.Time
}

func newUndecided() *undecided {
	return &undecided{make(map[node.RumorID]*list.Element), list.New()}
}

func (u *undecided) add(id node.RumorID, at time.Time) {
	u.take(id)
	if u.order.Len() >= maxUndecided {
		u.take(u.order.Front().Value.(known).id)
	}
	u.places[id] = u.order.PushBack(known{id, at})
}

// take forgets a rumor, and returns when it became known if that was remembered.
func (u *undecided) take(id node.RumorID) (at time.Time, ok bool) {
	place, ok := u.places[id]
	if !ok {
		return time.Time{}, false
	}
	delete(u.places, id)
	return u.order.Remove(place).(known).at, true
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
				if at, ok := told.take(o.ID); ok {
					m.Decided(o.Time.Sub(at))
				}
			case o.Via != "":
				told.add(o.ID, o.Time)
				if !o.Filled { // what comes by comparison tells how late this node came
					m.Arrived(o.Hops, o.Time.Sub(o.Rumor.Created))
				}
			}
		case <-ctx.Done():
			return
		}
	}
}
