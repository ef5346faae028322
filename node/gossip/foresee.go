package gossip

import "time"

// Foresee tells whose signature Handle would check if it were given a message now: the
// message's rumor, or nil if none. So a driver for which several messages wait can have
// their signatures checked together, which is cheaper (Config.Verifier). It changes
// nothing, and Handle decides as it would without it.
//
// It looks at all that Handle looks at before a signature, limits included, so that
// nobody can have a node check what it would not check. so is how many were foreseen
// since the last Handle: limits have to leave room for all of them. What this one
// leaves out, the rare reasons for which Handle checks a signature, is checked alone:
// the proof of an equivocation, a foreign rumor of this node's own key of a type that
// it does not take, an ID that is to be remembered, and an origin that has its turn
// while others say too much. So is all that comes from a neighbour that sent something
// invalid, until that is forgotten: one forged rumor spoils a whole batch, and each may do
// that once in invalidPause.
func (s *State) Foresee(now time.Time, from PeerID, m Message, so int) *Rumor {
	var r *Rumor
	filled := false
	switch m := m.(type) {
	case *Push:
		r = m.Rumor
	case *Fill:
		r, filled = m.Rumor, true
	default:
		return nil
	}
	l := s.links[from]
	if l == nil || !l.meter.invalid.would(maxInvalid, now, maxInvalid, invalidPause) {
		return nil
	}
	millis := now.UnixMilli()
	if r.Network != s.cfg.Network || r.Expires <= millis || ahead(r, millis) {
		return nil
	}
	wanted := r.Kind == KindPresence && s.foreseePresence(now, l, r, so) || r.Kind != KindPresence && s.foreseeRumor(now, l, r, filled, so)
	if !wanted || !s.cfg.Verifier.Work(r.ID, r.Nonce) {
		return nil
	}
	return r
}

// foreseeRumor is what take looks at.
func (s *State) foreseeRumor(now time.Time, l *link, r *Rumor, filled bool, so int) bool {
	if s.store.entries[r.ID] != nil || s.windows.seen(r) || s.store.superseded(r) || !s.takesPart(groupOf(r)) || !s.store.hasRoom(r) {
		return false
	}
	if rate := s.pushRate(r); rate != nil && !filled && !rate.would(so+1, now, carriedBurst, carriedPause) {
		return false
	}
	cost := (so + 1) * intakeCost(r)
	return s.foreseeOrigin(now, l, r, so) &&
		s.intake.all.would(cost, now, intakeBurst, intakePause) && l.meter.rumors.would(cost, now, neighbourBurst, neighbourPause)
}

// foreseePresence is what takePresence looks at.
func (s *State) foreseePresence(now time.Time, l *link, r *Rumor, so int) bool {
	m := s.members[r.Origin]
	if m == nil {
		return len(s.members)+so < maxMembers && s.foreseeOrigin(now, l, r, so)
	}
	return r.version().newer(m.r.version()) && m.renewals.would(so+1, now, renewalBurst, renewalPause)
}

// foreseeOrigin is what admitsOrigin looks at.
func (s *State) foreseeOrigin(now time.Time, l *link, r *Rumor, so int) bool {
	return s.knowsOrigin(r) || l.meter.origins.would(so+1, now, strangersBurst, strangersPause)
}
