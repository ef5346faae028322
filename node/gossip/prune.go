package gossip

import "time"

// Pruning: which duplicates take a link out of a group's shared tree.
//
// One rumor alone makes a spanning tree: all links are pruned but those by which it came
// first. Several that are under way at once, from different origins, would each leave
// another tree, and what is in all of them is none: it falls apart, and the next rumor
// comes a second late, by Have and Graft. So
//
//   - a link by which another rumor came or went first within the last bustleTime is
//     spared, the more surely the more rumors there were. What remains are the links of
//     all their trees. The circles in that are cut by the duplicates of later rumors;
//   - a link that was pruned while a rumor was on its way down it, and that proves to be
//     the way of this one, is taken back, by both ends: one has the rumor, the other the
//     verdict.
//
// Presences, of which there are most when many nodes join at once, and which nobody waits
// for, have neither: all their links are spared by chance, and none is taken back.

const (
	// bustleTime is for how long rumors count as under way at once. It is more than they
	// take through a network.
	bustleTime = time.Second
	// sparing is how much surer a needed link is spared with each rumor of the last
	// bustleTime. With 1 trees of 20 nodes still fall apart after two rumors at once.
	// The price of more is duplicates in a dense stream: of 50 rumors a second, each of any
	// of 50 nodes, 0.1 to 0.3 for each delivery with 2, 0.5 to 0.6 with 4, 0.5 to 1.1 with 8.
	sparing = 4
)

// pushedTwice draws the conclusion from a rumor that came again, which the
// neighbour draws from the verdict.
func (s *State) pushedTwice(l *link, m *Push) Verdict {
	g := groupOf(m.Rumor)
	key := sourceKey{g, m.Rumor.Origin}
	e := s.store.entries[m.Rumor.ID]
	switch {
	case m.Rumor.TTL != 0 || s.cfg.Push == PushFlood || g == GroupPresence && s.hurried(m.Rumor):
		return VerdictKnown // it was flooded
	case e != nil && e.filled || g == GroupPresence && s.compared(m.Rumor):
		return VerdictKnown // the first copy came by a comparison, which is no way
	case m.Landmark != 0 || e != nil && e.landmark != 0 && s.isAware(l, g):
		l.acquit(m.Rumor.ID)
		return VerdictKnown // the trees of landmarks are not made of duplicates
	case e == nil && s.mayBeAnother(m.Rumor):
		return VerdictKnown // it says nothing of ways
	case g != GroupPresence && (m.Rooted || s.sources[key].isRooted()):
		s.tooSlow(l, key)
		s.steer(l, key, false)
		return VerdictElsewhere
	}
	if !s.mayPrune(l, g, m.Rumor.ID) {
		return VerdictKnown
	}
	s.prune(l, g)
	return VerdictDuplicate
}

// mayBeAnother reports whether a rumor, of which no more than its number is known to have
// been seen, may never have been here. Mostly it was, and is gone again, as in a flood.
func (s *State) mayBeAnother(r *Rumor) bool {
	if s.store.numbers[numberOf(r)] != nil {
		return true // another is here, whether heedTwin looked at this one or not
	}
	if two, known := s.twofaced[r.Origin]; known && two.number == numberOf(r) && s.now.Sub(two.at) < twofacedMemory {
		return true
	}
	w := s.windows.find(r)
	return w != nil && w.closed()
}

// mayPrune decides whether a duplicate takes a link out of a group's tree. A link that
// was just asked for stays a while, and one that other rumors need is spared by chance.
func (s *State) mayPrune(l *link, g Group, twice RumorID) bool {
	switch {
	case l.grafted[g].After(s.now):
		return false
	case g == GroupPresence:
		return s.cfg.Rand.IntN(1+s.crowd(g)) == 0
	case s.needed(l, g, twice):
		return s.cfg.Rand.IntN(1+sparing*s.crowd(g)) == 0
	}
	return true
}

// needed reports whether something new of a group's tree, other than the rumor that came
// twice, came or went by a link within the last bustleTime, or is on its way.
func (s *State) needed(l *link, g Group, twice RumorID) bool {
	if at, ok := l.needed[g]; ok && s.now.Sub(at) < bustleTime {
		return true
	}
	for i := len(l.unanswered) - 1; i >= 0 && s.now.Sub(l.unanswered[i].at) < bustleTime; i-- {
		if p := &l.unanswered[i]; p.group == g && p.shared && p.id != twice {
			return true
		}
	}
	return false
}

// byShared reports whether a rumor that is no presence goes down a link by its group's tree,
// and not by that of an origin or a landmark, nor by flooding.
func (s *State) byShared(m *Push) bool {
	return m.Landmark == 0 && !m.Rooted && m.Rumor.TTL == 0 && m.Rumor.Kind != KindPresence && s.cfg.Push != PushFlood
}

// keep notes that something new came or went by a link, which is in the group's tree
// therefore.
func (s *State) keep(l *link, g Group) {
	put(&l.needed, g, s.now)
	delete(l.lazy, g)
}

// bustle counts the rumors of a group that came, or were said here, of late and go by its tree.
type bustle struct {
	n  int
	at time.Time
}

// bustles counts a rumor that goes by a group's tree.
func (s *State) bustles(g Group) {
	s.crowd(g)
	b := s.bustle[g]
	if b == nil {
		b = &bustle{at: s.now}
		s.bustle[g] = b
	}
	if b.n == 0 {
		b.at = s.now
	}
	b.n++
}

// crowd is how many others came within the last bustleTime or so.
func (s *State) crowd(g Group) int {
	b := s.bustle[g]
	if b == nil {
		return 0
	}
	for b.n > 0 && s.now.Sub(b.at) >= bustleTime {
		b.n, b.at = b.n/2, b.at.Add(bustleTime)
	}
	return max(b.n-1, 0)
}

// prune makes a link lazy for a group, after a rumor came twice.
func (s *State) prune(l *link, g Group) {
	if s.takesPart(g) && !l.lazy[g] {
		l.lazy[g] = true
		if g != GroupPresence { // where nothing is urgent but what is flooded
			s.stir()
		}
		delete(l.proven, g)
		s.count.Prunes++
	}
}
