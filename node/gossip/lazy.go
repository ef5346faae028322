package gossip

import (
	"slices"
	"time"
)

// Eager and lazy push (Plumtree: Leitão, Pereira, Rodrigues, "Epidemic Broadcast
// Trees", 2007), per group.
//
// Every link begins eager: full rumors go down it. Where one arrives that is
// known already, both ends make the link lazy for that group (prune.go); what stays
// eager is a spanning tree. Down lazy links go only IDs (Have), in batches, to a few of
// them. Who hears of a rumor that then does not come asks for it (Graft), and the
// link it asks on becomes eager again: so the tree mends itself. Landmarks and origins
// that speak often have trees of their own (landmark.go, rooted.go).
//
// There is no PRUNE message: the receipt says "duplicate".
//
// Large rumors are only sent where they are sure to be wanted; down the other eager
// links the ID goes at once, and the rumor when it is asked for.
//
// Rumors with a limited number of hops go to all links in full, for a tree has
// longer ways than their senders count on; so do presences that are in a hurry.

const (
	// graftDelay is how long a rumor that was heard of may take by the tree, added
	// to twice what such rumors took of late, up to maxLateness. graftAgain is how
	// long an answer to Graft may take before another neighbour is asked.
	graftDelay  = 150 * time.Millisecond
	graftAgain  = 500 * time.Millisecond
	maxLateness = 2 * time.Second
	// graftHold is for how long a link that was asked for is not pruned again.
	graftHold = 2 * time.Second
	// largeRumor is the size in bytes from which a rumor is not sent on a guess. What is
	// below it costs less when it comes twice than when it has to be asked for.
	largeRumor = 32 << 10
	// maxMissing bounds the rumors that were heard of and did not come, and
	// maxTellers how many neighbours are remembered to have told of each.
	maxMissing = 8192
	maxTellers = 4
)

// missingKey names a rumor that was heard of. The group is in it because nobody knows
// yet whether that is true: who names another one keeps nobody from asking for the rumor.
type missingKey struct {
	group Group
	id    ShortID
}

// missing is a rumor that was heard of and has not come.
type missing struct {
	missingKey
	heard   time.Time // when it was told of first
	at      time.Time // when it is asked for
	first   PeerID    // who told first
	tellers []PeerID  // who told
	asked   int       // how many of them were asked, or are gone
	last    PeerID    // the last of them
}

// PushMode is how rumors without a TTL go down links.
type PushMode uint8

const (
	// PushRooted: by a tree of its origin if that speaks often, else by the
	// group's.
	PushRooted PushMode = iota
	// PushShared: by the group's tree.
	PushShared
	// PushFlood: in full down every link. It is the fastest way and costs as many
	// duplicates as there are links too many for a tree; it is here to be
	// compared with.
	PushFlood
)

// relay sends a rumor down all links that want it and are not known to have
// it: in full where the tree says so, or everywhere if flood, else as an ID. It
// returns how many were told.
func (s *State) relay(r *Rumor, g Group, hops uint8, holders *bitset, landmark uint64, flood bool) int {
	var msg *Push
	var lazy []*link
	n := 0
	src, origin := s.sources[sourceKey{g, r.Origin}], s.links[r.Origin]
	branch := s.branch(g, landmark)
	flood = flood || r.TTL != 0 || s.cfg.Push == PushFlood
	for _, l := range s.linkOrder {
		if l == nil || l == origin || holders.has(l.slot) || !l.wants(g) || !l.fits(r) {
			continue
		}
		switch {
		case flood:
		case !s.inTree(l, g, src, branch):
			n++
			lazy = append(lazy, l)
			continue
		case branch != nil:
		case r.Size() > largeRumor && !s.carriesLarge(l, g, src):
			n++
			s.do(Send{To: l.peer, Msg: &Have{Group: g, IDs: []ShortID{r.ID.Short()}, Ask: true}})
			continue
		}
		if len(l.unanswered) >= maxUnanswered {
			l.retry = true
			continue
		}
		if msg == nil {
			msg = &Push{r, addHop(hops), src.isRooted(), landmark}
		}
		n++
		holders.set(l.slot)
		// Only its own leave may overtake other pushes: receipts are told apart by
		// their order, and who leaves waits for none.
		s.push(l, msg, s.leaving && r.Kind == KindPresence && r.Origin == s.cfg.Self)
	}
	if r.Origin == s.cfg.Self && holders.empty() && r.Size() <= largeRumor {
		lazy = s.sow(lazy, &Push{r, addHop(hops), src.isRooted(), landmark}, holders)
	}
	s.announce(lazy, have{g, r.ID})
	return n
}

// eager reports whether a link is in the tree by which an origin's rumors travel.
func (l *link) eager(g Group, src *source) bool {
	if in, ok := l.rooted[src]; ok {
		return in
	}
	return !l.lazy[g]
}

// carriesLarge reports whether a large rumor may go down a link unasked. It goes
// only where others went before, and of two neighbours that could send it to each
// other at the same moment only one may: so no link ever carries it twice.
func (s *State) carriesLarge(l *link, g Group, src *source) bool {
	if in, ok := l.rooted[src]; ok {
		return in
	}
	return !l.lazy[g] && l.proven[g] && s.cfg.Self < l.peer
}

// holdersOf returns who has a rumor, nil if this node does not know it.
func (s *State) holdersOf(g Group, id RumorID) *bitset {
	_, holders := s.rumorOf(have{g, id})
	return holders
}

// resolve finds the rumor of a group that an ID stands for.
func (s *State) resolve(g Group, short ShortID) (RumorID, bool) {
	if g == GroupPresence {
		if m := s.presenceByShort[short]; m != nil {
			return m.r.ID, true
		}
		return RumorID{}, false
	}
	if e := s.store.short[short]; e != nil && groupOf(e.r) == g {
		return e.r.ID, true
	}
	return RumorID{}, false
}

// onHave notes what a neighbour could give us.
func (s *State) onHave(l *link, m *Have) {
	if !s.takesPart(m.Group) {
		return
	}
	if len(m.Near) > 0 {
		s.onNear(l, m)
	}
	for i, short := range m.IDs[:min(len(m.IDs), MaxIDs)] {
		if m.Group == GroupPresence {
			if mb := s.presenceByShort[short]; mb != nil {
				mb.holders.set(l.slot)
				continue
			}
		} else if e := s.store.short[short]; e != nil {
			if i < len(m.Held) {
				held := time.Duration(m.Held[i]) * time.Millisecond
				s.compareWay(l, e, held)
				if s.tellsAnyway(l, e, held) {
					continue
				}
			}
			e.holders.set(l.slot)
			continue
		}
		key := missingKey{m.Group, short}
		mi := s.missing[key]
		if mi == nil {
			if len(s.missing) >= maxMissing || l.told >= maxMissing/8 {
				continue // anti-entropy will bring it
			}
			l.told++
			mi = &missing{missingKey: key, heard: s.now, at: s.now.Add(s.patience()), first: l.peer}
			s.missing[key] = mi
			s.missingOrder = append(s.missingOrder, mi)
		}
		if len(mi.tellers) < maxTellers && !slices.Contains(mi.tellers[mi.asked:], l.peer) {
			mi.tellers = append(mi.tellers, l.peer)
		}
		if m.Ask && mi.asked == 0 && !s.broughtUnasked(l, m.Group) {
			mi.at = s.now
		}
		s.schedule(taskGraft, mi.at)
	}
}

// broughtUnasked reports whether another neighbour than the one that offers a large
// rumor may bring it by itself: a link that nothing came or went by is not of the
// tree while others are.
func (s *State) broughtUnasked(l *link, g Group) bool {
	tree := func(l *link) bool { return l != nil && l.proven[g] && !l.lazy[g] && !l.leaving }
	return !tree(l) && slices.ContainsFunc(s.linkOrder, tree)
}

// notMissing forgets that a rumor was heard of: it came, or is not wanted. Who told
// of it is among its holders, if there are any: it needs no copy.
func (s *State) notMissing(r *Rumor, holders *bitset) {
	mi := s.missing[missingOf(r)]
	if mi == nil {
		return
	}
	for _, p := range mi.tellers {
		if l := s.links[p]; l != nil && holders != nil {
			holders.set(l.slot)
		}
	}
	s.forgetMissing(mi)
}

func missingOf(r *Rumor) missingKey { return missingKey{groupOf(r), r.ID.Short()} }

func (s *State) forgetMissing(mi *missing) {
	if l := s.links[mi.first]; l != nil && l.told > 0 {
		l.told--
	}
	delete(s.missing, mi.missingKey)
}

// patience is how long a rumor that was heard of may take by the tree.
func (s *State) patience() time.Duration {
	if s.orphaned() {
		return orphanPatience
	}
	return graftDelay + 2*s.lateness
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
		if s.missing[mi.missingKey] != mi {
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
		for l == nil && mi.asked < len(mi.tellers) {
			l = s.links[mi.tellers[mi.asked]]
			mi.asked++
		}
		if l == nil {
			s.forgetMissing(mi) // anti-entropy will bring it
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
		mi.last = l.peer
		mi.at = s.now.Add(graftAgain)
		left = append(left, mi)
		if next.IsZero() || mi.at.Before(next) {
			next = mi.at
		}
	}
	clear(s.missingOrder[len(left):])
	s.missingOrder = left
	for _, l := range order {
		s.stir()
		s.count.Grafts++
		s.do(Send{To: l.peer, Msg: ask[l]})
	}
	return next
}

// onGraft sends what was asked for, once, and makes the link eager: for the trees of
// those origins that have one here, else for the group's.
func (s *State) onGraft(l *link, m *Graft) {
	if len(m.IDs) == 0 && len(m.Origins) == 0 {
		delete(l.lazy, m.Group)
	}
	for _, short := range m.Origins[:min(len(m.Origins), maxSources)] {
		if e := s.store.short[short]; e != nil && groupOf(e.r) == m.Group && s.cfg.Push == PushRooted {
			key := sourceKey{m.Group, e.r.Origin}
			if !s.sources[key].crossed(s.cfg.Self, l.peer) {
				s.steer(l, key, true)
			}
		}
	}
	ids := m.IDs[:min(len(m.IDs), MaxIDs)]
	if len(m.Origins) == 0 {
		s.stir()
	}
	for i, short := range ids {
		if len(l.unanswered) >= maxUnanswered {
			s.withdraw(l, m.Group, ids[i:])
			l.retry = true
			break
		}
		id, _ := s.resolve(m.Group, short)
		if m.Group == GroupPresence {
			delete(l.lazy, m.Group)
			if mb := s.presenceByID[id]; mb != nil && !mb.holders.has(l.slot) {
				mb.holders.set(l.slot)
				s.push(l, &Push{Rumor: mb.r, Hops: addHop(mb.hops)}, false)
			}
			continue
		}
		e := s.store.entries[id]
		if e == nil || groupOf(e.r) != m.Group {
			delete(l.lazy, m.Group)
			continue
		}
		src := s.sources[sourceKey{m.Group, e.r.Origin}]
		switch {
		case e.landmark != 0: // its tree sees to itself
		case src.isRooted():
			s.steer(l, src.sourceKey, true)
		default:
			delete(l.lazy, m.Group)
		}
		if e.spreadable() && l.wants(m.Group) && l.fits(e.r) && (!e.holders.has(l.slot) || l.offered[id]) {
			delete(l.offered, id)
			e.holders.set(l.slot)
			s.push(l, &Push{e.r, addHop(e.hops), src.isRooted(), e.landmark}, false)
		}
	}
	s.tellUntold(l) // what else it may lack
	s.sendHave(l)
}

// broughtBy notes which link brought something new, and how long after it was
// first heard of.
func (s *State) broughtBy(l *link, m *Push, mi *missing) {
	g := groupOf(m.Rumor)
	l.proven[g] = true
	put(&l.brought, g, s.now)
	if s.byShared(m) {
		s.keep(l, g)
	}
	if m.Landmark != 0 && (mi == nil || mi.asked == 0) {
		l.excuses = 0
	}
	switch {
	case mi == nil:
	case mi.asked == 0:
		if !s.orphaned() {
			s.lateness = max(s.now.Sub(mi.heard), s.lateness*7/8)
			s.lateness = min(s.lateness, maxLateness)
		}
	case m.Landmark != 0:
		s.failedToBring(m.Rumor, m.Landmark)
	case mi.last == l.peer && !m.Rooted:
		delete(l.lazy, g)
		put(&l.grafted, g, s.now.Add(graftHold))
	}
	if g != GroupPresence && m.Rumor.TTL == 0 {
		if v := s.grove(g); v != nil && (m.Landmark != 0 || v.small() || !s.sources[sourceKey{g, m.Rumor.Origin}].isRooted()) {
			s.moreHeard(v)
		}
		if m.Landmark != 0 {
			if t := s.branch(g, m.Landmark); t != nil && ownTree(m.Rumor, m.Landmark) {
				s.watchWay(t.ways, l, m.Rumor)
			}
			return
		}
		s.heardFrom(l, m.Rumor)
	}
	if !s.sources[sourceKey{g, m.Rumor.Origin}].isRooted() {
		s.bustles(g)
	}
}
