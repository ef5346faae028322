package node

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"time"
	"unicode"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
	"hearsay/node/health"
	"hearsay/node/transport"
)

// Self is what of Status is known without the loop, and so while that stands still: who
// the node is, where it listens and how it was configured.
func (n *Node) Self() Status {
	st := Status{
		ID:         n.host.ID(),
		Network:    n.cfg.Network,
		Agent:      n.cfg.Agent,
		Started:    n.started,
		Difficulty: n.cfg.DifficultyBits,
		Degree:     n.cfg.Degree,
		CacheSize:  n.cfg.CacheSize,
	}
	self := multiaddr.StringCast("/p2p/" + n.host.ID().String())
	for _, a := range n.host.Addrs() {
		st.Addrs = append(st.Addrs, a.Encapsulate(self).String())
	}
	return st
}

// Status sums up the node. After the node has stopped it tells its last state.
func (n *Node) Status() Status {
	core, st := n.coreStatus(), n.Self()
	st.Neighbours, st.Rumors, st.Held = len(core.Neighbours), core.Kept, core.Held
	st.Interests, st.Modules = core.Interests, core.Modules
	st.Counters = make(map[string]uint64)
	for _, m := range core.Members {
		if !m.Left && m.Lost.IsZero() {
			st.Members++
		}
	}
	st.Size, st.SizeDeviation = n.EstimateSize()
	for _, f := range n.health.monitor.Findings(time.Now()) { // at the last look
		if f.Severity != health.Info {
			st.Warnings = append(st.Warnings, f.Text+" What to do: "+f.Cure+".")
		}
	}
	countCore(st.Counters, core.Counters)
	maps.Copy(st.Counters, n.mail.Counters())
	maps.Copy(st.Counters, n.state.Counters())
	direct := n.direct.Stats()
	st.Counters["direct_busy"], st.Counters["direct_bad"] = direct.Busy, direct.Bad
	n.verifier.count(st.Counters)
	countLinks(st.Counters, n.links.Stats())
	countValues(st.Counters, n.values.Stats())
	return st
}

// coreStatus looks into the core, on the loop while it runs.
func (n *Node) coreStatus() (st gossip.Status) {
	if n.call(func(time.Time) { st = n.core.Status() }) {
		return st
	}
	return n.core.Status() // the loop has ended, nobody changes it any more
}

// coreBriefInTime looks into the core as coreStatus does, false while the loop
// stands still.
func (n *Node) coreBriefInTime() (gossip.Brief, bool) {
	stands := n.watchdog.standing()
	select {
	case <-stands: // what waits for the loop already is enough
		return gossip.Brief{}, false
	default:
	}
	looked := make(chan gossip.Brief, 1)
	select {
	case n.calls <- func(time.Time) { looked <- n.core.Brief() }:
	case <-n.done:
		return n.core.Brief(), true
	case <-stands:
		return gossip.Brief{}, false
	}
	select {
	case b := <-looked:
		return b, true
	case <-n.done:
		return n.core.Brief(), true
	case <-stands:
		return gossip.Brief{}, false
	}
}

// countCore adds the core's counters under names like votes_timed_out.
func countCore(into map[string]uint64, c gossip.Counters) {
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		into[snake(v.Type().Field(i).Name)] = v.Field(i).Uint()
	}
}

func countLinks(into map[string]uint64, s transport.Stats) {
	for kind, c := range s.Sent {
		into["sent_"+kind] = c.Messages
		into["sent_bytes"] += c.Bytes
	}
	for kind, c := range s.Received {
		into["received_"+kind] = c.Messages
		into["received_bytes"] += c.Bytes
	}
	for reason, c := range s.Ended {
		into["ended_"+reason] = c
	}
	into["queue_full"] = s.Dropped
	into["bad_records"] = s.BadRecords
	into["panics"] = s.Panics
}

// snake turns VotesTimedOut into votes_timed_out.
func snake(name string) string {
	var b []rune
	for i, r := range name {
		if unicode.IsUpper(r) {
			if i > 0 {
				b = append(b, '_')
			}
			r = unicode.ToLower(r)
		}
		b = append(b, r)
	}
	return string(b)
}

// Peers lists everybody that this node knows of: neighbours first, then members,
// then the others.
func (n *Node) Peers() []Peer {
	core := n.coreStatus()
	links := make(map[gossip.PeerID]transport.LinkInfo)
	for _, l := range n.links.Links() {
		links[l.Peer] = l
	}
	peers := make(map[gossip.PeerID]*Peer)
	get := func(id gossip.PeerID) *Peer {
		if peers[id] == nil {
			peers[id] = &Peer{ID: peer.ID(id), State: PeerKnown}
		}
		return peers[id]
	}
	for _, c := range core.Candidates {
		p := get(c.Peer)
		p.Source = c.Source.String()
		if c.Fails > 0 || !c.Lost.IsZero() {
			p.State, p.Since = PeerDown, c.Lost
		}
		if c.Next.After(time.Now()) {
			p.NextDial = c.Next
		}
	}
	for _, m := range core.Members {
		if m.Peer == gossip.PeerID(n.host.ID()) {
			continue
		}
		p := get(m.Peer)
		p.Agent, p.Interests = m.Agent, m.Interests
		switch {
		case m.Left:
			p.State, p.Since, p.NextDial = PeerGone, m.Since, time.Time{}
		case !m.Lost.IsZero():
			p.State, p.Since = PeerLost, m.Lost
		case p.State == PeerDown:
		case !m.Suspected.IsZero():
			p.State, p.Since = PeerSuspect, m.Suspected
		default:
			p.State, p.Since = PeerMember, m.Since
		}
	}
	for _, l := range core.Neighbours {
		p := get(l.Peer)
		p.State, p.Since, p.RTT, p.Interests, p.NextDial = PeerNeighbour, l.Since, l.RTT, l.Interests, time.Time{}
		p.Tree, p.TreeTypes = l.Presence, l.Tree
	}
	list := make([]Peer, 0, len(peers))
	for id, p := range peers {
		n.describe(p, links[id])
		list = append(list, *p)
	}
	order := []PeerState{PeerNeighbour, PeerMember, PeerSuspect, PeerKnown, PeerDown, PeerLost, PeerGone}
	slices.SortFunc(list, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Routes lists, by origin, the ways on which the others' rumors come.
func (n *Node) Routes() []Route {
	var known []gossip.Route
	if !n.call(func(time.Time) { known = n.core.Routes() }) {
		known = n.core.Routes() // nobody changes it any more
	}
	routes := make([]Route, 0, len(known))
	for _, r := range known {
		routes = append(routes, Route{peer.ID(r.Origin), peer.ID(r.Via), r.Since})
	}
	return routes
}

// describe adds what the transport and the address book know.
func (n *Node) describe(p *Peer, l transport.LinkInfo) {
	if l.RemoteAddr != "" && p.State == PeerNeighbour {
		p.Addrs = append(p.Addrs, l.RemoteAddr)
		p.Transport, p.Relayed, p.Agent = "tcp", l.Relayed, l.Agent
		p.Direction = "out"
		if l.Direction == network.DirInbound {
			p.Direction = "in"
		}
	}
	for _, a := range slices.Concat(n.host.Peerstore().Addrs(p.ID), n.heardAt(p.ID, gossip.SourceLAN), n.heardAt(p.ID, gossip.SourceKademlia)) {
		if s := a.String(); !slices.Contains(p.Addrs, s) {
			p.Addrs = append(p.Addrs, s)
		}
	}
	if f := n.links.Failure(gossip.PeerID(p.ID)); f.Err != nil && p.State != PeerNeighbour {
		p.LastError = f.Err.Error()
	}
}
