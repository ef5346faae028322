package gossip

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Local modules: who takes which data type, and how their votes decide whether
// a rumor travels on.
//
// The rule (module API, VALIDATION): a rumor goes to other nodes when every
// module that was asked has said valid; one "invalid" drops it; a module that
// goes away withdraws its vote. A rumor that nobody vouched for waits until
// Config.ValidationTimeout, for a module that comes back may still be told it
// and vote, and is then given up. A data type that has listeners but no voters
// is taken as valid.

// Errors that a Subscribe can be refused with.
var (
	// ErrModules: there are maxModules local modules already.
	ErrModules = fmt.Errorf("too many local modules, at most %d", maxModules)
	// ErrTypes: local modules take MaxInterests data types already.
	ErrTypes = fmt.Errorf("too many data types are taken, at most %d", MaxInterests)
)

// module is one local taker of data types.
type module struct {
	id    ModuleID
	types map[uint16]subscription // by data type
}

// subscription is what a module wants of a data type.
type subscription struct {
	votes  bool
	number uint64 // counts the node's subscriptions: who came after an own rumor was told
}

// ballot is the open vote on one held rumor.
type ballot struct {
	open  []ModuleID // who was asked and has not answered
	valid int        // who said valid
	until time.Time
	of    *entry      // nil when it has ended
	first [2]ModuleID // the memory of open, mostly
}

func (s *State) onSubscribe(ev Subscribe) {
	m := s.modules[ev.Module]
	if m == nil {
		if len(s.modules) >= maxModules {
			s.count.ModulesRefused++
			s.do(NotSubscribed{ev.Module, ev.DataType, ErrModules})
			return
		}
		if s.tooManyTypes(ev) {
			return
		}
		m = &module{id: ev.Module, types: make(map[uint16]subscription)}
		s.modules[ev.Module] = m
		s.moduleOrder = append(s.moduleOrder, ev.Module)
	}
	if sub, known := m.types[ev.DataType]; known {
		sub.votes = sub.votes || ev.Votes
		m.types[ev.DataType] = sub
		return
	}
	if s.tooManyTypes(ev) {
		return
	}
	s.subscriptions++
	m.types[ev.DataType] = subscription{ev.Votes, s.subscriptions}
	s.takers[ev.DataType]++
	if s.takers[ev.DataType] == 1 {
		s.interestsChanged()
		s.syncType(ev.DataType)
	}
	s.replay(m, ev.DataType)
}

// tooManyTypes refuses a data type that neighbours could not be told of: Interests
// lists MaxInterests of them.
func (s *State) tooManyTypes(ev Subscribe) bool {
	if s.takers[ev.DataType] > 0 || len(s.takers) < MaxInterests {
		return false
	}
	s.count.TypesRefused++
	s.do(NotSubscribed{ev.Module, ev.DataType, ErrTypes})
	return true
}

// replay tells a new subscriber what the node learnt in the last moments, so
// that an ANNOUNCE racing its NOTIFY is not lost, and what waits for votes, however
// long: a module that comes back late may be the only one to vouch for it.
func (s *State) replay(m *module, dataType uint16) {
	since := s.now.Add(-s.cfg.Replay)
	var told []*entry
	for _, p := range s.store.group(GroupOf(dataType)) {
		e := s.store.entries[p.ID]
		recent := e.state == held || e.state == kept && e.learnt.After(since)
		// A driver that is late with its tick may ask before the expired is gone.
		if recent && e.r.Expires > s.millis() {
			told = append(told, e)
		}
	}
	slices.SortStableFunc(told, func(a, b *entry) int { return a.learnt.Compare(b.learnt) })
	for _, e := range told {
		s.tell(e, m)
	}
}

// tell delivers a rumor to one module, unless it is its own.
func (s *State) tell(e *entry, m *module) {
	if groupOf(e.r).Carried() {
		return
	}
	sub, takes := m.types[e.r.DataType]
	if !takes || e.announcer == m.id {
		return
	}
	if sub.votes && e.state == held {
		e.ballot.open = append(e.ballot.open, m.id)
	}
	s.count.Delivered++
	s.do(Deliver{m.id, e.r})
}

// tellOwn delivers an own rumor to the other local modules that take its type and
// have not been told it, and reports whether there were any. Nobody votes on it, so
// they need not wait for its seal, whose proof of work takes its time. Until then
// a vote is one on an unknown rumor, and ignored like one on an own rumor later.
func (s *State) tellOwn(p *pendingRumor) (told bool) {
	if p.r.Kind == KindPresence || groupOf(p.r).Carried() || p.told == s.subscriptions {
		return false
	}
	for _, id := range s.moduleOrder {
		sub, takes := s.modules[id].types[p.r.DataType]
		if takes && sub.number > p.told && id != p.from {
			told = true
			s.count.Delivered++
			s.do(Deliver{id, p.r})
		}
	}
	p.told = s.subscriptions
	return told
}

// tellAll delivers another's new rumor to all modules that take its type, and gives
// it its ballot first.
func (s *State) tellAll(e *entry) {
	e.ballot = &ballot{of: e, until: s.now.Add(s.cfg.ValidationTimeout)}
	e.ballot.open = e.ballot.first[:0]
	for _, id := range s.moduleOrder {
		s.tell(e, s.modules[id])
	}
	if groupOf(e.r).Carried() && e.r.Origin != s.cfg.Self {
		s.do(Carried{e.r})
	}
	if len(e.ballot.open) == 0 {
		s.validated(e)
		return
	}
	if n := len(s.ballots); n == cap(s.ballots) { // most have ended
		s.ballots = slices.DeleteFunc(s.ballots, func(b *ballot) bool { return b.of == nil })
		s.ballots = slices.Grow(s.ballots, max(n/2, 16))
	}
	// The time-out is the same for all, so the queue is in order.
	s.ballots = append(s.ballots, e.ballot)
	s.schedule(taskBallots, e.ballot.until)
}

func (s *State) onVote(ev Vote) {
	e := s.store.entries[ev.ID]
	if e == nil || e.state != held {
		s.count.VotesIgnored++
		return
	}
	i := slices.Index(e.ballot.open, ev.Module)
	if i < 0 {
		s.count.VotesIgnored++
		return
	}
	e.ballot.open = slices.Delete(e.ballot.open, i, i+1)
	if !ev.Valid {
		s.count.VotedDown++
		s.store.refuse(e)
		s.observeSettled(e, OutcomeInvalid)
		return
	}
	e.ballot.valid++
	s.decide(e)
}

// decide looks whether a ballot is complete.
func (s *State) decide(e *entry) {
	if len(e.ballot.open) == 0 && e.ballot.valid > 0 {
		s.validated(e)
	}
}

func (s *State) onModuleGone(ev ModuleGone) {
	m := s.modules[ev.Module]
	if m == nil {
		return
	}
	delete(s.modules, ev.Module)
	s.moduleOrder = slices.DeleteFunc(s.moduleOrder, func(id ModuleID) bool { return id == ev.Module })
	before := len(s.takers)
	for t := range m.types {
		if s.takers[t]--; s.takers[t] == 0 {
			delete(s.takers, t)
			delete(s.groves, GroupOf(t)) // there is room for those of maxGroves types
		}
	}
	if len(s.takers) < before {
		s.interestsChanged()
	}
	for _, b := range s.ballots {
		if i := slices.Index(b.open, ev.Module); i >= 0 && b.of != nil {
			b.open = slices.Delete(b.open, i, i+1)
			s.decide(b.of)
		}
	}
}

// expireBallots gives up the rumors that modules did not vote on in time.
func (s *State) expireBallots() time.Time {
	for len(s.ballots) > 0 {
		b := s.ballots[0]
		e := b.of
		if e != nil && b.until.After(s.now) {
			return b.until
		}
		s.ballots = s.ballots[1:]
		if e != nil {
			s.count.VotesTimedOut++
			s.store.refuse(e)
			s.observeSettled(e, OutcomeSilent)
		}
	}
	return time.Time{}
}

// Interests returns the data types that local modules take, ascending.
func (s *State) interests() []uint16 {
	types := slices.Sorted(maps.Keys(s.takers))
	return types[:min(len(types), MaxInterests)]
}
