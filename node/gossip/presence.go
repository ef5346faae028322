package gossip

import (
	"bytes"
	"slices"
	"time"
)

// Presence: every node tells the network that it is here, what it takes and
// where it can be reached, renews that word, and takes it back when it leaves.
// Each presence is a rumor signed by the node that it speaks of, so nobody can
// announce another's leave. Presences go to everybody, whatever they take.

const (
	// A presence is valid for this many heartbeats, so that two lost ones in a
	// row do not make a node vanish.
	heartbeatsAlive = 3
	// All members together renew at most so many presences a second.
	renewalRate = 10
	// Of one node so many presences are taken at once, and one every renewalPause: as
	// often as it may refute, and as modules start one after the other. A later
	// comparison brings the newest of more.
	renewalBurst = 20
	renewalPause = refutePause
	// A leave is remembered at least this long.
	tombstone = 10 * time.Minute
)

// member is a node whose presence is alive, or was taken back a while ago.
type member struct {
	r       *Rumor
	p       *Presence
	since   time.Time // of its joining or leaving
	hops    uint8
	holders bitset
	hurried bool // it is flooded
	filled  bool // it came by a comparison first

	renewals allowance // that are taken at once

	doubt *suspicion // what speaks against it, nil = nothing
	safe  time.Time  // it refuted: not to be suspected before
}

// ownPresence is what this node tells of itself.
type ownPresence struct {
	record  *PeerRecord
	key     []byte    // certificate
	sealing bool      // one is being sealed
	changed bool      // what is being sealed is out of date already
	last    time.Time // when the last one was begun

	wanted    bool          // the next one is for a change, not a renewal
	pause     time.Duration // from the last one to the next renewal,
	heartbeat time.Duration // planned with this heartbeat
}

// presenceLife is how long one presence of this node is valid.
func (s *State) presenceLife() time.Duration {
	if s.cfg.Heartbeat == 0 {
		return min(max(s.cfg.Lifetime, 2*s.heartbeat()), MaxLifetime)
	}
	return min(heartbeatsAlive*s.heartbeat()+MaxSkew/2, MaxLifetime)
}

// heartbeat is the pause between two renewals. It grows with the number of
// members, so that all of them together renew no more than renewalRate presences
// a second, as senders of RTCP reports do (RFC 3550, section 6.2).
func (s *State) heartbeat() time.Duration {
	pause := s.cfg.Heartbeat
	if pause == 0 {
		pause = s.cfg.Lifetime / 2
	}
	return max(pause, time.Duration(len(s.members))*time.Second/renewalRate)
}

// reconsiderRenewal moves the next renewal when the number of members calls for
// another pause than when it was planned (RFC 3550, section 6.3.3 and 6.3.4), but
// not into the last third of the present presence's life.
func (s *State) reconsiderRenewal() time.Time {
	o := &s.own
	pause := s.heartbeat()
	o.pause = time.Duration(float64(o.pause) * float64(pause) / float64(o.heartbeat))
	o.heartbeat = pause
	at := o.last.Add(o.pause)
	if m := s.members[s.cfg.Self]; m != nil {
		life := time.Duration(m.r.Expires-m.r.Created) * time.Millisecond
		at = earlier(at, o.last.Add(life-life/3))
	}
	return at
}

func (s *State) onSelfRecord(ev SelfRecord) {
	s.own.record = &ev.Record
	s.announcePresence()
}

// announcePresence sees to a new presence, at most one per presenceMinimum.
func (s *State) announcePresence() {
	if s.own.record == nil || s.cfg.Quiet || s.leaving {
		return
	}
	if s.own.sealing {
		s.own.changed = true
		return
	}
	at := s.own.last.Add(presenceMinimum)
	if s.own.last.IsZero() || at.Before(s.now) {
		at = s.now
	}
	// An earlier renewal than the heartbeat's replaces it.
	s.own.wanted = true
	s.due[taskPresence] = at
}

func (s *State) renewPresence() time.Time {
	if s.leaving {
		return time.Time{}
	}
	if !s.own.wanted && s.heartbeat() > s.own.heartbeat {
		if at := s.reconsiderRenewal(); at.After(s.now) {
			return at
		}
	}
	s.sealPresence(false)
	return time.Time{}
}

// sealPresence asks for a seal on this node's presence as it is now.
func (s *State) sealPresence(left bool) {
	if s.raising && !left {
		return // announced again with the new epoch
	}
	p := Presence{Left: left, Interests: s.interests(), Agent: s.cfg.Agent, Key: s.own.key, Ports: s.cfg.Ports}
	p.Interests = p.Interests[:min(len(p.Interests), MaxPresenceInterests)]
	p.Lost, p.Refutes = s.accusations(), s.refuting()
	life := s.presenceLife()
	if left {
		p = Presence{Left: true, Key: s.own.key} // it may be written to: it can come back
		life = max(life, tombstone)
	} else if s.own.record != nil {
		p.Record = s.own.record.Bytes
	}
	s.own.sealing, s.own.changed, s.own.last = true, false, s.now
	if err := s.seal(Publish{Kind: KindPresence, Lifetime: min(life, MaxLifetime), Payload: p.Append(nil), urgent: left, ahead: !left}); err != nil {
		s.own.sealing = false // cannot be: every field is within its limit
	}
}

func (s *State) presenceSealed(r *Rumor, outdated bool) {
	p, err := ParsePresence(r.Payload)
	if err != nil {
		return // cannot be: we wrote it
	}
	s.own.sealing = false
	switch {
	case outdated && p.Left:
		s.sayGoodbye()
		return
	case outdated:
		if !s.raising {
			s.announcePresence()
		}
		return
	}
	m := s.setMember(r, p, 0)
	s.spreadPresence(m)
	switch {
	case p.Left:
		s.do(Farewell{})
	case s.own.changed:
		s.announcePresence()
	default:
		s.planRenewal()
	}
}

// planRenewal sees to the next renewal: with the heartbeat, or halfway through
// the presence's life if there is none.
func (s *State) planRenewal() {
	o := &s.own
	o.wanted, o.heartbeat = false, s.heartbeat()
	if o.pause = o.heartbeat; s.cfg.Heartbeat != 0 {
		o.pause = max(s.jitter(o.heartbeat), presenceMinimum)
	}
	s.schedule(taskPresence, o.last.Add(o.pause))
}

func (s *State) presenceFailed(r *Rumor) {
	s.own.sealing = false
	if !s.leaving {
		s.own.wanted = true
		s.after(taskPresence, presenceMinimum)
	} else if p, err := ParsePresence(r.Payload); err == nil && p.Left {
		s.sayGoodbye()
	}
}

// onLeave takes this node's presence back.
func (s *State) onLeave() {
	if s.leaving {
		return
	}
	s.leaving = true
	s.due[taskPresence], s.due[taskDial] = time.Time{}, time.Time{}
	if s.own.record == nil || s.cfg.Quiet || s.raising {
		s.sayGoodbye() // it was never here, or has no epoch to sign with
		return
	}
	s.sealPresence(true)
}

// sayGoodbye is a leave without proof: neighbours believe it of themselves.
func (s *State) sayGoodbye() {
	for _, l := range s.linkOrder {
		if l != nil {
			s.do(Send{To: l.peer, Msg: &Bye{ByeLeaving}, Urgent: true})
		}
	}
	s.do(Farewell{})
}

// takePresence decides about a presence that a neighbour sent.
func (s *State) takePresence(l *link, r *Rumor, hops uint8, filled bool) Verdict {
	now := s.millis()
	m := s.members[r.Origin]
	switch {
	case m != nil && m.r.ID == r.ID:
		m.holders.set(l.slot)
		s.count.Duplicates++
		return VerdictDuplicate
	case m != nil && !r.version().newer(m.r.version()):
		s.count.Stale++
		return VerdictStale
	case r.Expires <= now:
		s.count.Expired++
		return VerdictStale
	case m == nil && len(s.members) >= maxMembers:
		s.count.MembersRefused++
		s.membersFull = s.now
		return VerdictBusy
	case m == nil && !s.admitsOrigin(l, r):
		return VerdictBusy
	case m != nil && !m.renewals.has(1, s.now, renewalBurst, renewalPause):
		s.count.PresencesPutOff++
		return VerdictBusy
	}
	if v, ok := s.verify(l, r, now); !ok {
		return v
	}
	if r.presence == nil {
		var err error
		if r.presence, err = ParsePresence(r.Payload); err != nil {
			return s.invalid(l)
		}
	}
	p := r.presence
	if r.Origin == s.cfg.Self {
		s.notMissing(r, nil)
		s.foreignEpoch(r, l.peer)
		return VerdictStale
	}
	if l.peer == r.Origin && (m == nil || m.r.Epoch != r.Epoch) {
		s.remind(l, r)
	}
	s.tellTwin(l, m, r, hops)
	m = s.setMember(r, p, max(hops, 1))
	m.renewals.take(s.now, renewalBurst, renewalPause)
	m.holders.set(l.slot)
	s.notMissing(r, &m.holders)
	s.learnRoute(r, l.peer)
	if l.peer == r.Origin {
		l.leaving, l.left = p.Left, p.Left
	}
	s.count.Accepted++
	if filled {
		m.filled = true
		s.news(GroupPresence, l.peer)
		return VerdictNew
	}
	s.spreadPresence(m)
	return VerdictNew
}

// spreadPresence tells all neighbours of a presence.
func (s *State) spreadPresence(m *member) {
	s.relay(m.r, GroupPresence, m.hops, &m.holders, 0, m.hurried)
}

// inHurry reports whether a presence is worth flooding: a leave or a refutation.
// An accusation is not, though the tree may have died with who is named: there are
// other accusers, the verdict takes seconds, and when many die at once nearly all
// that the survivors would send is accusations.
func (p *Presence) inHurry() bool { return p.Left || p.Refutes }

// hurried reports whether a presence that is known was flooded.
func (s *State) hurried(r *Rumor) bool {
	m := s.members[r.Origin]
	return m != nil && m.r.ID == r.ID && m.hurried
}

// compared reports whether a presence that is known came by a comparison first.
func (s *State) compared(r *Rumor) bool {
	m := s.members[r.Origin]
	return m != nil && m.r.ID == r.ID && m.filled
}

// setMember notes the newest presence of a node.
func (s *State) setMember(r *Rumor, p *Presence, hops uint8) *member {
	old := s.members[r.Origin]
	m := &member{r: r, p: p, since: s.now, hops: hops}
	s.members[r.Origin] = m
	m.hurried = p.inHurry() || old != nil && old.isLost()
	if m.hurried || len(p.Lost) > 0 {
		s.stir() // who it is about is missing in trees
	}
	change := PeerJoined
	if p.Left {
		change = PeerLeft
	}
	if old != nil {
		m.renewals = old.renewals
		s.forgetPresence(old)
		s.renewed(m, old)
		if old.p.Left == p.Left {
			m.since, change = old.since, 0
		}
	}
	s.presences.add(pointOf(r))
	s.presenceByID[r.ID] = m
	s.presenceByShort[r.ID.Short()] = m
	if p.Refutes {
		m.safe = s.now.Add(refuteGrace)
	}
	if len(p.Lost) > 0 {
		s.suspects.accusing++
	}
	s.schedule(taskMembers, s.at(r.Expires))
	if r.Origin == s.cfg.Self {
		return m
	}
	if change != 0 && (old != nil || !p.Left) {
		s.do(PeerEvent{r.Origin, change})
	}
	if len(p.Key) > 0 && (old == nil || !bytes.Equal(p.Key, old.p.Key)) {
		s.do(PeerKey{r.Origin})
	}
	s.memberChanged(m)
	s.heedAccusations(r, p)
	if old == nil {
		s.newMember()
		s.provedReal(r.Origin)
	}
	return m
}

func (s *State) forgetPresence(m *member) {
	s.presences.remove(pointOf(m.r))
	delete(s.presenceByID, m.r.ID)
	if short := m.r.ID.Short(); s.presenceByShort[short] == m {
		delete(s.presenceByShort, short)
	}
	if len(m.p.Lost) > 0 {
		s.suspects.accusing--
	}
}

// expireMembers forgets the nodes that did not renew their presence.
func (s *State) expireMembers() time.Time {
	now := s.millis()
	next := int64(0)
	var gone []*member
	for _, m := range s.members {
		if m.r.Expires <= now {
			gone = append(gone, m)
		} else if next == 0 || m.r.Expires < next {
			next = m.r.Expires
		}
	}
	slices.SortFunc(gone, func(a, b *member) int { return pointOf(a.r).compare(pointOf(b.r)) })
	for _, m := range gone {
		delete(s.members, m.r.Origin)
		delete(s.routes, m.r.Origin)
		s.forgetPresence(m)
		if !m.p.Left && m.r.Origin != s.cfg.Self {
			s.do(PeerEvent{m.r.Origin, PeerExpired})
		}
	}
	for _, m := range gone {
		s.provedDead(m.r.Origin)
	}
	if o := &s.own; !o.wanted && !s.due[taskPresence].IsZero() && s.heartbeat() < o.heartbeat/2 {
		s.schedule(taskPresence, later(s.reconsiderRenewal(), s.now))
	}
	if next == 0 {
		return time.Time{}
	}
	// Presences are mostly renewed before they expire: looking once a second
	// keeps the cost of looking small.
	return later(s.at(next), s.now.Add(time.Second))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
