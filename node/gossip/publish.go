package gossip

import (
	"errors"
	"fmt"
	"time"
)

// Own rumors: numbering, sealing, and the epoch.
//
// A rumor gets its number when the core asks for its seal, is sealed outside
// (proof of work takes time), and is spread when it comes back. A number whose
// seal failed is never used again. Local modules are told as soon as it has its
// number, for what they were not to believe without a seal comes from elsewhere.

// Errors that a Publish can be refused with.
var (
	// ErrLeaving: the node is shutting down.
	ErrLeaving = errors.New("the node is leaving")
	// ErrBusy: too many own rumors wait for their proof of work; try again later.
	ErrBusy = errors.New("too many announcements wait for their proof of work")
	// ErrSeal: proof of work or signature failed.
	ErrSeal = errors.New("the announcement could not be sealed")
)

// pendingRumor is an own rumor that is being sealed.
type pendingRumor struct {
	r      *Rumor
	ticket uint64
	from   ModuleID
	told   uint64 // subscriptions up to this number have been told, be it by an earlier ID
}

func (s *State) onPublish(ev Publish) {
	var err error
	switch {
	case s.leaving:
		err = ErrLeaving
	case len(s.pending)+len(s.waiting) >= maxPending:
		err = ErrBusy
	case ev.Kind == KindPresence:
		err = fmt.Errorf("%w: presence is the core's own", ErrRumor)
	case s.raising:
		s.waiting = append(s.waiting, ev)
		return
	default:
		err = s.seal(ev)
	}
	if err != nil {
		s.count.PublishRefused++
		s.do(Refused{ev.Ticket, err})
	}
}

// seal numbers and stamps a rumor and asks for its proof and signature.
func (s *State) seal(ev Publish) error {
	lifetime := ev.Lifetime
	if lifetime == 0 {
		lifetime = s.cfg.Lifetime
	}
	now := s.millis()
	r, err := NewRumor(Header{
		Network:  s.cfg.Network,
		Kind:     ev.Kind,
		Origin:   s.cfg.Self,
		Epoch:    s.epoch,
		Seq:      s.seq + 1,
		DataType: ev.DataType,
		Key:      ev.Key,
		Created:  now,
		Expires:  now + lifetime.Milliseconds(),
		TTL:      ev.TTL,
	}, ev.Payload)
	if err != nil {
		return err
	}
	s.seq++
	p := &pendingRumor{r, ev.Ticket, ev.From, ev.told}
	s.pending[r.ID] = p
	told := s.tellOwn(p)
	s.do(Seal{Rumor: r, Urgent: ev.urgent, Ahead: ev.ahead, Told: told})
	return nil
}

func (s *State) onSealed(ev Sealed) {
	p := s.pending[ev.Rumor.ID]
	if p == nil {
		return
	}
	delete(s.pending, ev.Rumor.ID)
	r := ev.Rumor
	// While it was being sealed its epoch turned out to be an old one.
	outdated := s.raising || r.Epoch != s.epoch
	if r.Kind == KindPresence {
		s.presenceSealed(r, outdated)
		return
	}
	if outdated {
		s.onPublish(Publish{
			Ticket:   p.ticket,
			From:     p.from,
			Kind:     r.Kind,
			DataType: r.DataType,
			Key:      r.Key,
			TTL:      r.TTL,
			Lifetime: time.Duration(r.Expires-r.Created) * time.Millisecond,
			Payload:  r.Payload,
			told:     p.told,
		})
		return
	}
	if r.Expires <= s.millis() {
		s.refusePending(p, fmt.Errorf("%w: it expired while the proof of work was sought", ErrSeal))
		return
	}
	if !s.windows.mark(r) {
		s.refusePending(p, ErrBusy)
		return
	}
	if s.cfg.Push == PushRooted && r.TTL == 0 && r.Size() <= largeRumor {
		s.source(sourceKey{groupOf(r), r.Origin}).speaks(s.now)
	}
	if s.store.groups[groupOf(r)] == nil {
		s.lookSoon()
	}
	e := &entry{r: r, state: kept, learnt: s.now, ready: s.now, announcer: p.from, landmark: s.landmark(r)}
	if e.landmark == 0 && r.TTL == 0 && !s.sources[sourceKey{groupOf(r), r.Origin}].isRooted() {
		s.bustles(groupOf(r))
	}
	s.store.add(e)
	s.scheduleExpiry(r)
	s.observeLearnt(e)
	s.observeSettled(e, OutcomeValid)
	p.r = r
	s.tellOwn(p) // those who came meanwhile
	if !groupOf(r).Carried() && s.lacksTakers([]uint16{r.DataType}) {
		s.after(taskDial, memberPause)
	}
	s.count.Published++
	s.do(Published{p.ticket, r.ID, s.spread(e)})
}

func (s *State) onSealFailed(ev SealFailed) {
	p := s.pending[ev.ID]
	if p == nil {
		return
	}
	delete(s.pending, ev.ID)
	if p.r.Kind == KindPresence {
		s.presenceFailed(p.r)
		return
	}
	s.refusePending(p, ErrSeal)
}

func (s *State) refusePending(p *pendingRumor, err error) {
	s.count.PublishRefused++
	s.do(Refused{p.ticket, err})
}

// remind gives a neighbour that begins a run one of its own rumors of a later
// epoch, if there is one here: comparisons bring it none of a type that it does
// not take, and no presence that did not get this far.
func (s *State) remind(l *link, presence *Rumor) {
	var latest *entry
	for _, e := range s.store.entries {
		if e.r.Origin == l.peer && e.state != refused && (latest == nil || e.r.version().newer(latest.r.version())) {
			latest = e
		}
	}
	if latest != nil && latest.r.Epoch > presence.Epoch {
		s.do(Send{To: l.peer, Msg: &Fill{latest.r, addHop(latest.hops)}})
	}
}

func (s *State) onEpochRaised(ev EpochRaised) {
	if !s.raising || ev.Epoch <= s.epoch {
		return
	}
	s.raising = false
	s.epoch, s.seq = ev.Epoch, 0
	s.raiseEpoch() // if a still later one was heard of meanwhile
	waiting := s.waiting
	s.waiting = nil
	s.announcePresence()
	for _, p := range waiting {
		s.onPublish(p)
	}
}
