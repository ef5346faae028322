package gossip

import (
	"slices"
	"time"
)

// Eager and lazy push (Plumtree: Leitão, Pereira, Rodrigues, "Epidemic Broadcast
// Trees", 2007), per group.
//
// Every link begins eager: full rumors go down it. Where one arrives that is
// known already, both ends make the link lazy for that group; what stays eager
// is a spanning tree. Down lazy links go only IDs (Have), in batches. Who hears
// of a rumor that then does not come asks for it (Graft), and the link it asks
// on becomes eager again: so the tree mends itself.
//
// There is no PRUNE message: the receipt says "duplicate".
//
// Rumors with a limited number of hops go to all links in full, for a tree has
// longer ways than their senders count on; so does a leave, which is in a hurry.

const (
	// haveDelay is how long IDs are gathered for a lazy link.
	haveDelay = 50 * time.Millisecond
	// graftDelay is how long a rumor that was heard of may take by the tree, and
	// graftAgain how long an answer to Graft may take before another
	// neighbour is asked.
	graftDelay = 150 * time.Millisecond
	graftAgain = 500 * time.Millisecond
	// maxMissing bounds the rumors that were heard of and did not come, and
	// maxTellers how many neighbours are remembered to have told of each.
	maxMissing = 8192
	maxTellers = 4
)

// missing is a rumor that was heard of and has not come.
type missing struct {
	id      RumorID
	group   Group
	at      time.Time // when it is asked for
	first   PeerID    // who told first
	tellers []PeerID  // who told and was not asked yet
	asked   int       // how many were
}

// have is an ID that waits to be told on a lazy link.
type have struct {
	group Group
	id    RumorID
}

// relay sends a rumor down all links that want it and are not known to have
// it: in full on all of them if flood, else on lazy ones as an ID. It returns
// how many were told.
func (s *State) relay(r *Rumor, g Group, hops uint8, holders *bitset, flood bool) int {
	var msg *Push
	n := 0
	for _, l := range s.linkOrder {
		if l == nil || holders.has(l.slot) || l.peer == r.Origin || !l.wants(g) {
			continue
		}
		if l.lazy[g] && r.TTL == 0 && !flood {
			n++
			l.haves = append(l.haves, have{g, r.ID})
			s.after(taskHaves, haveDelay)
			continue
		}
		if len(l.unanswered) >= maxUnanswered {
			l.retry = true
			continue
		}
		if msg == nil {
			msg = &Push{r, addHop(hops)}
		}
		n++
		holders.set(l.slot)
		// Only its own leave may overtake other pushes: receipts are told apart by
		// their order, and who leaves waits for none.
		s.push(l, msg, s.leaving && r.Kind == KindPresence && r.Origin == s.cfg.Self)
	}
	return n
}

// sendHaves tells lazy links what they could ask for.
func (s *State) sendHaves() time.Time {
	for _, l := range s.linkOrder {
		if l == nil || len(l.haves) == 0 {
			continue
		}
		slices.SortStableFunc(l.haves, func(a, b have) int { return int(a.group) - int(b.group) })
		for len(l.haves) > 0 {
			msg := &Have{Group: l.haves[0].group}
			for len(l.haves) > 0 && l.haves[0].group == msg.Group && len(msg.IDs) < MaxIDs {
				if holders := s.holdersOf(msg.Group, l.haves[0].id); holders != nil && !holders.has(l.slot) {
					msg.IDs = append(msg.IDs, l.haves[0].id)
				}
				l.haves = l.haves[1:]
			}
			if len(msg.IDs) > 0 {
				s.do(Send{To: l.peer, Msg: msg})
			}
		}
		l.haves = nil
	}
	return time.Time{}
}

// holdersOf returns who has a rumor, nil if this node does not know it.
func (s *State) holdersOf(g Group, id RumorID) *bitset {
	if g == GroupPresence {
		if m := s.presenceByID[id]; m != nil {
			return &m.holders
		}
	} else if e := s.store.entries[id]; e != nil {
		return &e.holders
	}
	return nil
}

// onHave notes what a neighbour could give us.
func (s *State) onHave(l *link, m *Have) {
	if !s.takesPart(m.Group) {
		return
	}
	for _, id := range m.IDs[:min(len(m.IDs), MaxIDs)] {
		if holders := s.holdersOf(m.Group, id); holders != nil {
			holders.set(l.slot)
			continue
		}
		mi := s.missing[id]
		if mi == nil {
			if len(s.missing) >= maxMissing || l.told >= maxMissing/8 {
				continue // anti-entropy will bring it
			}
			l.told++
			mi = &missing{id: id, group: m.Group, at: s.now.Add(graftDelay), first: l.peer}
			s.missing[id] = mi
			s.missingOrder = append(s.missingOrder, mi)
			s.schedule(taskGraft, mi.at)
		}
		if len(mi.tellers)+mi.asked < maxTellers && !slices.Contains(mi.tellers, l.peer) {
			mi.tellers = append(mi.tellers, l.peer)
		}
	}
}

// notMissing forgets that a rumor was heard of: it came, or nobody gave it.
func (s *State) notMissing(id RumorID) {
	mi := s.missing[id]
	if mi == nil {
		return
	}
	if l := s.links[mi.first]; l != nil && l.told > 0 {
		l.told--
	}
	delete(s.missing, id)
}

// graft asks for what did not come by itself. It returns when to look again.
func (s *State) graft() time.Time {
	var next time.Time
	ask := make(map[*link]*Graft)
	var order []*link
	// Deadlines are set once and put off by the same pause, so that looking at
	// all of them is needed only when something is due.
	left := s.missingOrder[:0]
	for _, mi := range s.missingOrder {
		if s.missing[mi.id] != mi {
			continue // it came
		}
		if mi.at.After(s.now) {
			left = append(left, mi)
			if next.IsZero() || mi.at.Before(next) {
				next = mi.at
			}
			continue
		}
		var l *link
		for l == nil && len(mi.tellers) > 0 {
			l = s.links[mi.tellers[0]]
			mi.tellers = mi.tellers[1:]
			mi.asked++
		}
		if l == nil {
			s.notMissing(mi.id) // anti-entropy will bring it
			continue
		}
		g := ask[l]
		if g == nil || g.Group != mi.group || len(g.IDs) == MaxIDs {
			if g != nil {
				s.do(Send{To: l.peer, Msg: g})
			} else {
				order = append(order, l)
			}
			g = &Graft{Group: mi.group}
			ask[l] = g
		}
		g.IDs = append(g.IDs, mi.id)
		delete(l.lazy, mi.group)
		mi.at = s.now.Add(graftAgain)
		left = append(left, mi)
		if next.IsZero() || mi.at.Before(next) {
			next = mi.at
		}
	}
	clear(s.missingOrder[len(left):])
	s.missingOrder = left
	for _, l := range order {
		s.count.Grafts++
		s.do(Send{To: l.peer, Msg: ask[l]})
	}
	return next
}

// onGraft makes a link eager and sends what was asked for.
func (s *State) onGraft(l *link, m *Graft) {
	if l.lazy[m.Group] {
		delete(l.lazy, m.Group)
	}
	for _, id := range m.IDs[:min(len(m.IDs), MaxIDs)] {
		if len(l.unanswered) >= maxUnanswered {
			l.retry = true
			return
		}
		if m.Group == GroupPresence {
			if mb := s.presenceByID[id]; mb != nil {
				mb.holders.set(l.slot)
				s.push(l, &Push{mb.r, addHop(mb.hops)}, false)
			}
		} else if e := s.store.entries[id]; e != nil && e.spreadable() && GroupOf(e.r.DataType) == m.Group && l.wants(m.Group) {
			e.holders.set(l.slot)
			s.push(l, &Push{e.r, addHop(e.hops)}, false)
		}
	}
}

// prune makes a link lazy for a group, after a rumor came twice.
func (s *State) prune(l *link, g Group, limited bool) {
	if !limited && s.takesPart(g) && !l.lazy[g] {
		l.lazy[g] = true
		s.count.Prunes++
	}
}
