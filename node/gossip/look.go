package gossip

import (
	"slices"
	"time"
)

// Looking round. Who says that it takes a rare type need not relay it: a few that
// say so and hand nothing on are all that a node would look for, and it would
// hear nothing. That cannot be seen, for silence is what an idle type sounds like,
// too. So a node goes on looking: now and then it dials one more of those that
// take one of its rare types, and compares with it. The link stays if it brought
// what had long been there, or while neighbours that take the type are few; else it
// ends again. Where a part f of those who say that they take a type hand nothing
// on, each look ends such a silence with probability 1 - f.

const (
	// Up to takersEnough neighbours that take a type those that were looked at stay.
	// From takersMany on, or Config.Degree if that is more, it is too unlikely that
	// all of them are silent. Nor is a type rare that most members take: who is shut
	// off from that is shut off from everything, and group diversity, swaps and the
	// sample see to it that nobody is.
	takersEnough = 2 * takersWanted
	takersMany   = 2 * takersEnough
	// lookPause is the pause between two looks while fewer than takersEnough
	// neighbours take one of the types, lookSeldom after that. A look costs a
	// handshake and some 20 KB, mostly for the peers that new neighbours tell.
	lookPause  = 20 * time.Second
	lookSeldom = 2 * time.Minute
	// lookTime is how long a look takes, and up to lookLimit if the neighbour has
	// no time for a comparison.
	lookTime  = 5 * time.Second
	lookLimit = 15 * time.Second
	// lookOld is the age from which a rumor should have come by itself.
	lookOld = 5 * time.Second
)

// planLook sees to the next look, and to the end of one.
func (s *State) planLook(fresh *link) {
	if !s.cfg.PeerExchange {
		return
	}
	if s.lookAt.IsZero() {
		s.lookAt = s.now.Add(s.jitter(lookPause))
	}
	s.schedule(taskLook, later(s.lookAt, s.now))
	if fresh.look {
		s.after(taskLook, lookTime)
	}
}

// lookSoon is called when this node takes, or speaks of, a type that it did not before,
// and when there was no room for it to look: the next look may be far.
func (s *State) lookSoon() {
	if s.lookAt.IsZero() {
		return // there has been no link yet
	}
	if at := s.now.Add(s.jitter(lookPause)); at.Before(s.lookAt) {
		s.lookAt = at
		s.schedule(taskLook, at)
	}
}

// lookRound ends looks and begins the next one. It returns when there is more to
// do.
func (s *State) lookRound() time.Time {
	if s.leaving || !s.cfg.PeerExchange || len(s.links) == 0 {
		return time.Time{} // the next link begins again
	}
	next := s.endLooks()
	if s.lookAt.After(s.now) {
		return sooner(next, s.lookAt)
	}
	pause := lookSeldom
	rare := s.rareTypes()
	for _, t := range rare {
		if s.linkedTakers(t) < takersEnough {
			pause = lookPause
		}
	}
	s.lookAt = s.now.Add(s.jitter(pause))
	if len(rare) > 0 && s.dials < maxDials && len(s.links) < (acceptFactor+1)*s.cfg.Degree {
		s.lookFor(rare[s.cfg.Rand.IntN(len(rare))])
	}
	return sooner(next, s.lookAt)
}

// rareTypes are this node's types that few neighbours and few members take,
// ascending.
func (s *State) rareTypes() []uint16 {
	few := slices.DeleteFunc(s.ownTypes(), func(t uint16) bool {
		return s.linkedTakers(t) >= max(takersMany, s.cfg.Degree)
	})
	if len(few) == 0 {
		return nil
	}
	takers := make(map[uint16]int, len(few))
	for _, t := range few {
		takers[t] = 0
	}
	here := 0
	for _, m := range s.members {
		if !m.here() {
			continue
		}
		here++
		for _, t := range m.p.Interests {
			if n, own := takers[t]; own {
				takers[t] = n + 1
			}
		}
	}
	return slices.DeleteFunc(few, func(t uint16) bool { return 2*takers[t] > here })
}

// lookFor dials a random member that takes a type and is no neighbour.
func (s *State) lookFor(t uint16) {
	var chosen *member
	seen := 0
	for i := range s.presences {
		m := s.presenceByID[s.presences[i].ID]
		p := m.r.Origin
		if !m.here() || len(m.p.Record) == 0 || p == s.cfg.Self || s.links[p] != nil || s.banned[p].After(s.now) || !m.takes(t) {
			continue
		}
		if c := s.candidates[p]; c != nil && (c.dialling || c.next.After(s.now)) {
			continue
		}
		if seen++; s.cfg.Rand.IntN(seen) == 0 {
			chosen = m
		}
	}
	if chosen == nil {
		return
	}
	if s.candidates[chosen.r.Origin] == nil {
		s.hear(Candidate{Peer: chosen.r.Origin, Source: SourceExchange, Record: chosen.record()}, "")
	}
	c := s.candidates[chosen.r.Origin]
	if c == nil || c.dialling {
		return
	}
	s.count.Looks++
	c.look = true
	s.dial(c)
}

// endLooks sends those away again that were only looked at, and returns when the
// next look ends.
func (s *State) endLooks() (next time.Time) {
	for _, l := range s.linkOrder {
		if l == nil || !l.look {
			continue
		}
		end := l.since.Add(lookTime)
		if !end.After(s.now) && !s.allCompared(l) {
			end = l.since.Add(lookLimit)
		}
		switch {
		case end.After(s.now):
			next = sooner(next, end)
		case l.overdue || s.takersFew(l):
			l.look = false
			if l.overdue {
				s.count.LooksFound++
			}
		default:
			s.refuseLink(l.peer, ByeFull, "it was only looked at")
			s.dropLink(l)
		}
	}
	return next
}

// allCompared reports whether all that a neighbour takes and this node, too, was
// compared.
func (s *State) allCompared(l *link) bool {
	for _, t := range l.interests {
		if s.takers[t] > 0 && l.compared[GroupOf(t)].IsZero() {
			return false
		}
	}
	return l.interests != nil
}

// takersFew reports whether a neighbour takes one of this node's types that no
// more than takersEnough neighbours take.
func (s *State) takersFew(l *link) bool {
	for _, t := range s.ownTypes() {
		if l.interests.has(t) && s.linkedTakers(t) <= takersEnough {
			return true
		}
	}
	return false
}

// noteOverdue notes that a comparison brought what had long been there.
func (s *State) noteOverdue(l *link, r *Rumor) {
	if l.look && r.Kind != KindPresence && s.millis()-r.Created > lookOld.Milliseconds() {
		l.overdue = true
	}
}
