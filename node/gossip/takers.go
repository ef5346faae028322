package gossip

import (
	"maps"
	"slices"
)

// Only those who take a data type relay it, so the takers of each type must form
// a connected overlay of their own, however few they are among how many. Each
// node therefore wants a few neighbours for each type that its modules take or
// announced, and draws them from the presences, which tell who takes what.

// takersWanted is how many neighbours a node wants for each of its types. A
// random graph is connected with high probability from three links a node on.
const takersWanted = 3

// places is how many more neighbours the node wants for their number. Half of
// Degree must be of its own choice, so that those who come to it cannot take
// all places. A newcomer, which fills its places slowly, chooses all of them itself
// where neighbours have network groups: an attacker is quicker to come.
func (s *State) places() int {
	own, came := 0, 0
	for _, l := range s.linkOrder {
		switch {
		case l == nil:
		case l.dialled && !l.beyond && !l.relayed:
			own++
		case !l.dialled && !l.relayed && l.net != "":
			came++
		}
	}
	links := s.directLinks()
	if !s.grown {
		links -= came
	}
	return max(s.cfg.Degree-links, (s.cfg.Degree+1)/2-own) - s.dials
}

// crowded reports whether links are only taken for a reason.
func (s *State) crowded() bool { return len(s.links) >= acceptFactor*s.cfg.Degree }

// accepts reports whether there is room for a link. Some is kept for those of
// this node's own choice, and for those that take what few others do.
func (s *State) accepts(ev LinkUp) bool {
	switch m := s.members[ev.Peer]; {
	case !s.crowded():
		return true
	case len(s.links) >= (acceptFactor+1)*s.cfg.Degree:
		return false
	default:
		// One that lacks takers of a type may find that all others have enough
		// of each other: so more are accepted than are looked for.
		return ev.Dialled || m != nil && s.takersShort(m.p.Interests, takersWanted)
	}
}

func (s *State) full() bool { return s.places() <= 0 }

// ownTypes are the data types that have to find takers, ascending: those that
// modules take, and those of which this node keeps own rumors.
func (s *State) ownTypes() []uint16 {
	types := slices.Collect(maps.Keys(s.takers))
	for g := range s.store.groups {
		if !g.Carried() && s.takers[uint16(g)] == 0 {
			types = append(types, uint16(g))
		}
	}
	slices.Sort(types)
	return types
}

// missingTakers is how many more neighbours are wanted for a type.
func (s *State) missingTakers(t uint16) int { return takersWanted - s.linkedTakers(t) }

// linkedTakers is how many neighbours say that they take a type.
func (s *State) linkedTakers(t uint16) (n int) {
	for _, l := range s.linkOrder {
		switch {
		case l == nil || l.leaving:
		case l.interests != nil:
			if l.interests.has(t) {
				n++
			}
		default:
			if m := s.members[l.peer]; m != nil && m.takes(t) {
				n++ // it is about to say so
			}
		}
	}
	return n
}

// lacksTakers reports whether one of these types is ours and short of
// neighbours.
func (s *State) lacksTakers(types []uint16) bool { return s.takersShort(types, 0) }

// takersShort reports whether of one of these types, if it is ours, there are
// fewer than so many more takers than are wanted.
func (s *State) takersShort(types []uint16, more int) bool {
	return slices.ContainsFunc(types, func(t uint16) bool {
		return (s.takers[t] > 0 || s.store.groups[GroupOf(t)] != nil) && s.missingTakers(t)+more > 0
	})
}

// drawTakers makes candidates of members that take a type for which neighbours
// are missing. They are dialled even by a node that has neighbours enough.
func (s *State) drawTakers() {
	missing := make(map[uint16]int)
	for _, t := range s.ownTypes() {
		if n := s.missingTakers(t); n > 0 {
			missing[t] = n
		}
	}
	// Those that were drawn before stay drawn.
	again := func(failed bool) {
		for _, c := range s.candidateOrder {
			if !c.linked && !c.gone && failed == (c.fails > 0 || c.refused) {
				c.wanted = takesOneOf(s.takesOf(c), missing)
			}
		}
	}
	if s.wanting {
		for _, c := range s.candidateOrder {
			c.wanted = false
		}
	}
	s.wanting = len(missing) > 0
	if len(missing) == 0 {
		return
	}
	again(false)
	if s.cfg.PeerExchange && len(s.presences) > 0 {
		s.drawMissing(missing)
	}
	again(true) // if there are not enough others
}

// drawMissing makes candidates of members that take a type of which more takers
// are missing.
func (s *State) drawMissing(missing map[uint16]int) {
	first := s.cfg.Rand.IntN(len(s.presences))
	for i := range s.presences {
		m := s.presenceByID[s.presences[(first+i)%len(s.presences)].ID]
		p := m.r.Origin
		if !m.here() || len(m.p.Record) == 0 || p == s.cfg.Self || s.candidates[p] != nil || !takesOneOf(m.p.Interests, missing) {
			continue
		}
		s.hear(Candidate{Peer: p, Source: SourceExchange, Record: m.record()}, "")
		if c := s.candidates[p]; c != nil {
			c.wanted = true
		}
	}
}

// takesOneOf reports whether one of these types is among those of which more
// takers are missing, and counts a taker of them all in if so.
func takesOneOf(types []uint16, missing map[uint16]int) (one bool) {
	for _, t := range types {
		if missing[t] > 0 {
			missing[t]--
			one = true
		}
	}
	return one
}

// takes reports whether a member says that it takes a type.
func (m *member) takes(t uint16) bool { return slices.Contains(m.p.Interests, t) }
