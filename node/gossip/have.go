package gossip

import (
	"slices"
	"time"
)

// What goes down lazy links: IDs (Have), gathered, to a few of them. lazy.go has
// which links are lazy, and what is done with an ID that comes.
//
// When it is calm one link at a time, drawn by lot, is told of all that it may lack, so
// that one message does for all that came of late, and each rumor is told calmFan times,
// one after the other. From where a rumor comes nobody knows, so a node hears of it
// about as often, from as many neighbours. In other times each rumor has its links, which are
// told at once.

const (
	// haveFan is how many lazy links are told of a rumor. Everybody hears of it
	// from about as many; telling all costs more than the repairs it saves.
	haveFan = 4
	// calmFan is how many are told in calm times.
	calmFan = 2
	// IDs are gathered calmFactor times as long when for calmAfter no rumor had to be
	// asked for, of this node or by it, no tree lost a link, and none came or ended. Those
	// of presences are gathered presenceFactor times as long again: nobody waits for a renewal,
	// and what is in a hurry is flooded.
	calmFactor     = 3
	calmAfter      = 5 * time.Second
	presenceFactor = 5
	// maxTellTurns is after how many links nobody else is told of a rumor in calm times: some
	// of them had it.
	maxTellTurns = 2 * calmFan
)

// have is an ID that waits to be told on a lazy link.
type have struct {
	group Group
	id    RumorID
}

// untold is an ID that links are to be told of when it is their turn.
type untold struct {
	have
	left  int // how many
	last  int // slot of the one that was told last, -1 = none
	turns int // how many came, whether theirs or not
}

// announce has some of the lazy links be told of a rumor: any of them.
func (s *State) announce(lazy []*link, h have) {
	if len(lazy) == 0 {
		return
	}
	s.after(taskHaves, s.haveDelay(h.group))
	if s.calm() && len(s.untold) < maxMissing {
		s.untold = append(s.untold, untold{have: h, left: calmFan, last: -1})
		return
	}
	s.tellSome(lazy, h, haveFan)
}

// tellSome has up to n of the links be told of a rumor.
func (s *State) tellSome(links []*link, h have, n int) {
	for i := range min(n, len(links)) {
		j := i + s.cfg.Rand.IntN(len(links)-i)
		links[i], links[j] = links[j], links[i]
		links[i].haves = append(links[i].haves, h)
	}
}

// sendHaves tells lazy links what they could ask for. It returns when it is the turn
// of the next.
func (s *State) sendHaves() (next time.Time) {
	if s.calm() {
		s.tellNext()
	} else {
		for _, u := range s.untold {
			s.tellSome(s.lacking(u), u.have, haveFan-calmFan+u.left)
		}
		s.untold = nil
	}
	for _, l := range s.linkOrder {
		if l != nil {
			s.sendHave(l)
		}
	}
	for _, u := range s.untold {
		next = sooner(next, s.now.Add(s.haveDelay(u.group)))
	}
	return next
}

// tellNext has one link be told of everything that it may lack. It is one of those that
// may lack what has waited longest.
func (s *State) tellNext() {
	for len(s.untold) > 0 {
		if links := s.lacking(s.untold[0]); len(links) > 0 {
			s.tellUntold(links[s.cfg.Rand.IntN(len(links))])
			break
		}
		s.untold = s.untold[1:]
	}
	s.untold = slices.DeleteFunc(s.untold, func(u untold) bool { return u.left == 0 || u.turns >= maxTellTurns })
}

// tellUntold has a link be told of everything that it may lack.
func (s *State) tellUntold(l *link) {
	for i := range s.untold {
		u := &s.untold[i]
		u.turns++
		if r, holders := s.rumorOf(u.have); r != nil && u.left > 0 && l.peer != r.Origin && l.mayLack(*u, r, holders) {
			l.haves = append(l.haves, u.have)
			u.left, u.last = u.left-1, l.slot
		}
	}
}

// lacking is the links that may lack a rumor and were not told of it last.
func (s *State) lacking(u untold) (links []*link) {
	r, holders := s.rumorOf(u.have)
	if r == nil {
		return nil
	}
	origin := s.links[r.Origin]
	for _, l := range s.linkOrder {
		if l != nil && l != origin && l.mayLack(u, r, holders) {
			links = append(links, l)
		}
	}
	return links
}

// mayLack reports whether a link, but to the rumor's origin, may lack a rumor and was not
// told of it last.
func (l *link) mayLack(u untold, r *Rumor, holders *bitset) bool {
	return l.slot != u.last && !holders.has(l.slot) && l.wants(u.group) && l.fits(r)
}

// rumorOf is the rumor that an ID stands for, and who has it; nil if it is gone.
func (s *State) rumorOf(h have) (*Rumor, *bitset) {
	if h.group == GroupPresence {
		if m := s.presenceByID[h.id]; m != nil {
			return m.r, &m.holders
		}
	} else if e := s.store.entries[h.id]; e != nil {
		return e.r, &e.holders
	}
	return nil, nil
}

func (s *State) sendHave(l *link) {
	if len(l.haves) == 0 {
		return
	}
	slices.SortStableFunc(l.haves, func(a, b have) int { return int(a.group) - int(b.group) })
	for len(l.haves) > 0 {
		msg := &Have{Group: l.haves[0].group}
		for len(l.haves) > 0 && l.haves[0].group == msg.Group && len(msg.IDs) < MaxIDs {
			id := l.haves[0].id
			l.haves = l.haves[1:]
			if holders := s.holdersOf(msg.Group, id); holders == nil || holders.has(l.slot) || !l.wants(msg.Group) {
				continue
			}
			msg.IDs = append(msg.IDs, id.Short())
			if e := s.store.entries[id]; e != nil {
				msg.Held = append(msg.Held, uint16(min(s.now.Sub(e.ready).Milliseconds(), MaxHeld)))
			}
		}
		if len(msg.IDs) > 0 {
			s.do(Send{To: l.peer, Msg: msg})
			s.rideReceipt(l)
		}
	}
	l.haves = nil
}

// haveDelay is how long IDs of a group are gathered: longer while nobody had to ask for
// anything, for then the tree brings what there is, and not long after a way was lost.
func (s *State) haveDelay(g Group) time.Duration {
	switch {
	case s.orphaned():
		return s.cfg.HaveDelay / orphanHaste
	case !s.calm():
		return s.cfg.HaveDelay
	case g == GroupPresence:
		return presenceFactor * calmFactor * s.cfg.HaveDelay
	}
	return calmFactor * s.cfg.HaveDelay
}

func (s *State) calm() bool { return s.now.Sub(s.unrest) >= calmAfter }

// stir ends the calm: what is gathered leaves as soon as without it.
func (s *State) stir() {
	s.unrest = s.now
	if !s.due[taskHaves].IsZero() {
		s.after(taskHaves, s.cfg.HaveDelay)
	}
}
