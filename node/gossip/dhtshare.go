package gossip

import (
	"cmp"
	"slices"
)

// What the DHT may decide. Whoever sits near a place in it answers for that place
// what he likes (Prünster et al., "Total Eclipse of the Heart: Disrupting the
// InterPlanetary File System", 2022), so it is one informant among others: of a
// node's own choices one in sourceShare may come from it, whatever it says.
//
//   - A peer that chance draws from the presences was not chosen by the DHT,
//     even if that named it first.
//   - A stranger, who may be on another island, and one that is said to take a
//     type that is missing here, may be one more: then an earlier one that turned
//     out to be on this side, and is not needed for a type, goes for it.
//   - Who says in its presence that it takes a type is wanted for that and not
//     for what the DHT says.

// MaxTakes is how many data types a candidate can be said to take; the latest
// count.
const MaxTakes = 16

// dhtLinks is how many neighbours of own choice may come from the DHT.
func (s *State) dhtLinks() int { return max(1, s.cfg.Degree/sourceShare) }

// ofDHT lists the neighbours of own choice that came from the DHT, and counts
// them with those that are being dialled.
func (s *State) ofDHT() (links []*link, n int) {
	for _, c := range s.candidateOrder {
		if c.source != SourceKademlia {
			continue
		}
		if l := s.links[c.peer]; l != nil && l.dialled && !l.leaving {
			links = append(links, l)
			n++
		} else if c.dialling && !c.probing {
			n++
		}
	}
	return links, n
}

// mayFromDHT reports whether a candidate may be dialled although there are n from
// the DHT already. If that can change with time alone it is looked at again.
func (s *State) mayFromDHT(c *candidate, n int) bool {
	switch {
	case c.source != SourceKademlia || n < s.dhtLinks():
		return true
	case c.wanted && s.members[c.peer] != nil:
		return true // by its own word
	case n > s.dhtLinks() || !c.wanted && !s.apart(c) || s.dispensable(nil) == nil:
		return false
	case !c.wanted && !s.stranger(c):
		s.schedule(taskDial, c.known.Add(strangerPause))
		return false
	}
	return true // dispensable will go for it
}

// dispensable is the neighbour from the DHT that goes for a fresh one if there are
// too many: the oldest member that is not here for a data type.
func (s *State) dispensable(fresh *link) *link {
	links, _ := s.ofDHT()
	links = slices.DeleteFunc(links, func(l *link) bool { return l == fresh || s.members[l.peer] == nil })
	for _, t := range s.ownTypes() {
		if len(links) == 0 {
			return nil
		}
		if s.missingTakers(t) >= 0 {
			links = slices.DeleteFunc(links, func(l *link) bool { return l.interests.has(t) })
		}
	}
	if len(links) == 0 {
		return nil
	}
	return slices.MinFunc(links, func(a, b *link) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.slot, b.slot)) })
}

// boundDHT ends a link to a peer of the DHT after another one came up, if there
// are too many of them now.
func (s *State) boundDHT(fresh *link) {
	links, _ := s.ofDHT()
	if len(links) <= s.dhtLinks() || !slices.Contains(links, fresh) {
		return
	}
	if old := s.dispensable(fresh); old != nil {
		s.count.DHTLinksEnded++
		s.refuseLink(old.peer, ByeFull, "enough neighbours from the DHT")
		s.dropLink(old)
	}
}

// drawnByChance notes that a candidate was drawn from the presences.
func (s *State) drawnByChance(c *candidate) {
	if c.source == SourceKademlia && s.links[c.peer] == nil && !c.dialling {
		s.change(c, func() { c.source = SourceExchange })
	}
}

// saidToTake notes that somebody says that a candidate takes data types.
func (c *candidate) saidToTake(types []uint16) {
	for _, t := range types {
		if !slices.Contains(c.takes, t) {
			c.takes = append(c.takes, t)
		}
	}
	if over := len(c.takes) - MaxTakes; over > 0 {
		c.takes = slices.Delete(c.takes, 0, over)
	}
}

// takesOf is what a candidate takes: what it says itself, or what is said of it
// while nothing is known from itself.
func (s *State) takesOf(c *candidate) []uint16 {
	if m := s.members[c.peer]; m != nil {
		if len(m.p.Interests) < MaxPresenceInterests {
			return m.p.Interests
		}
		return append(slices.Clone(m.p.Interests), c.takes...) // it may take more than it has room to say
	}
	return c.takes
}

// TypeNeed is a data type of this node's, and how many neighbours that take it
// are missing.
type TypeNeed struct {
	Type    uint16
	Taken   bool // by a local module; else this node only has rumors of it
	Missing int  // 0 = there are enough
}

// TypeNeeds lists the data types that modules take or announced, ascending. It
// costs time in proportion to their number times that of the links.
func (s *State) TypeNeeds() []TypeNeed {
	var needs []TypeNeed
	for _, t := range s.ownTypes() {
		needs = append(needs, TypeNeed{t, s.takers[t] > 0, max(0, s.missingTakers(t))})
	}
	return needs
}
