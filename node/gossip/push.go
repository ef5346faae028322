package gossip

import (
	"slices"
	"time"
)

// Push: rumors go down links, and a neighbour answers each with a verdict. Which
// links carry the rumor itself and which only its ID is decided in lazy.go.

const (
	// offeredIDs is how many rumors are offered by their IDs at once: no more than a
	// neighbour remembers to ask for. The rest is pushed.
	offeredIDs = maxMissing / 16
	// offerTime is how long it may take to ask for them.
	offerTime = 10 * time.Second
	// usualUnanswered is for how many pushes a link keeps room when none is unanswered:
	// they are 88 bytes each.
	usualUnanswered = 32
	// maxAgain is how often a limited rumor is flooded again because it came by fewer
	// links than before; after that half of them have to be saved.
	maxAgain = 8
)

// pushed is a rumor sent down a link whose verdict has not come.
type pushed struct {
	id     RumorID
	group  Group
	origin PeerID
	at     time.Time
	late   bool // counted as late; another neighbour was asked
	guided bool // it went by the tree of a landmark
	shared bool // it went by that of the group
	up     bool // and should have come down this link
}

// spread tells all neighbours that want it of a rumor, and returns how many.
func (s *State) spread(e *entry) int {
	if !e.spreadable() {
		return 0
	}
	s.spreading = true
	return s.relay(e.r, groupOf(e.r), e.hops, &e.holders, e.landmark, false)
}

// offer gives what this node has of a data type that it does not take itself
// (its modules announce it) to a neighbour that began to take it. No comparison
// tells what of that it has: what is young is pushed, of the rest it is told the
// IDs, and asks for what it lacks.
func (s *State) offer(l *link, dataType uint16) {
	g := GroupOf(dataType)
	old := &Have{Group: g, Ask: true}
	if s.now.Sub(l.offeredAt) >= offerTime {
		clear(l.offered)
		l.offeredAt = s.now
	}
	for _, p := range s.store.group(g) {
		e := s.store.entries[p.ID]
		switch {
		case !e.spreadable() || e.holders.has(l.slot) || l.peer == e.r.Origin || !l.fits(e.r):
		case s.now.Sub(e.learnt) >= young && len(l.offered) < offeredIDs:
			e.holders.set(l.slot) // unless it asks
			put(&l.offered, e.r.ID, true)
			old.IDs = append(old.IDs, e.r.ID.Short())
		case len(l.unanswered) >= maxUnanswered:
			l.retry = true
		default:
			e.holders.set(l.slot)
			s.push(l, &Push{Rumor: e.r, Hops: addHop(e.hops)}, false)
		}
	}
	if len(old.IDs) > 0 {
		s.do(Send{To: l.peer, Msg: old})
	}
}

// withdraw takes back offers that a neighbour cannot make use of now.
func (s *State) withdraw(l *link, g Group, ids []ShortID) {
	for _, short := range ids {
		if id, ok := s.resolve(g, short); ok && l.offered[id] {
			delete(l.offered, id)
			s.forgetHolder(l, g, id)
		}
	}
}

// withdrawUnwanted takes back what was offered of data types that a neighbour does not take
// any more, for it cannot ask for it: it is offered again when it takes them again.
func (s *State) withdrawUnwanted(l *link) {
	for id := range l.offered {
		if e := s.store.entries[id]; e != nil && !l.wants(groupOf(e.r)) {
			delete(l.offered, id)
			e.holders.clear(l.slot)
		}
	}
}

func (s *State) push(l *link, msg *Push, urgent bool) {
	l.unanswered = append(l.unanswered, pushed{id: msg.Rumor.ID, group: groupOf(msg.Rumor), origin: msg.Rumor.Origin, at: s.now,
		guided: msg.Landmark != 0, shared: s.byShared(msg), up: s.owed(l, msg)})
	if s.cfg.AckTimeout > 0 {
		s.after(taskLinks, s.cfg.AckTimeout)
	}
	s.count.Pushed++
	s.do(Send{l.peer, msg, urgent})
	s.rideReceipt(l)
}

// addHop counts one more link; 255 means that or more.
func addHop(hops uint8) uint8 {
	if hops == 255 {
		return hops
	}
	return hops + 1
}

func (s *State) onPush(l *link, m *Push) {
	s.count.Received++
	mi := s.missing[missingOf(m.Rumor)]
	v := s.take(l, m.Rumor, m.Hops, m.Landmark, false)
	switch v {
	case VerdictDuplicate:
		v = s.pushedTwice(l, m)
	case VerdictNew:
		s.broughtBy(l, m, mi)
	}
	l.receipts = append(l.receipts, v)
	switch {
	case len(l.receipts) >= MaxVerdicts/16:
		s.sendReceipt(l)
	case v == VerdictNew:
		s.receiptIn(l, s.receiptDelay())
	default:
		s.receiptIn(l, receiptSoon) // it changes what the neighbour does
	}
}

// receiptDelay is how long good news of pushes is gathered, longer in calm times.
func (s *State) receiptDelay() time.Duration {
	delay := s.cfg.ReceiptDelay
	if s.calm() {
		delay *= calmFactor
	}
	if s.cfg.AckTimeout == 0 {
		return delay
	}
	return min(delay, s.cfg.AckTimeout/2)
}

// receiptIn has a link's receipts leave after a while, if they do not before.
func (s *State) receiptIn(l *link, d time.Duration) {
	if at := s.now.Add(d); l.receiptsAt.IsZero() || at.Before(l.receiptsAt) {
		l.receiptsAt = at
	}
	s.schedule(taskReceipts, l.receiptsAt)
}

// rideReceipt sends a link's receipts together with something else, which costs less
// than a message of their own, if they have waited for an eighth of their time: among many
// pushes each would carry one.
func (s *State) rideReceipt(l *link) {
	if len(l.receipts) > 0 && l.receiptsAt.Sub(s.now) <= s.receiptDelay()*7/8 {
		s.sendReceipt(l)
	}
}

// take decides about a rumor that a neighbour sent, cheapest check first. filled
// says that it came by anti-entropy.
func (s *State) take(l *link, r *Rumor, hops uint8, landmark uint64, filled bool) Verdict {
	now := s.millis()
	switch {
	case r.Network != s.cfg.Network:
		s.count.WrongNetwork++
		return s.invalid(l)
	case r.Kind == KindPresence:
		return s.takePresence(l, r, hops, filled)
	case s.known(l, r, hops):
		s.count.Duplicates++
		return VerdictDuplicate
	case s.windows.seen(r):
		s.heedTwin(l, r)
		s.count.Duplicates++
		return VerdictDuplicate
	case s.store.superseded(r):
		s.count.Stale++
		return VerdictStale
	case r.Expires <= now:
		s.count.Expired++
		return VerdictStale
	case !s.takesPart(groupOf(r)):
		if r.Origin == s.cfg.Self && r.Epoch >= s.epoch {
			if v, ok := s.verify(l, r, now); !ok {
				return v
			}
			s.foreignEpoch(r, l.peer)
		}
		s.count.Unwanted++
		return VerdictUnwanted
	case !s.store.hasRoom(r):
		s.count.NoRoom++
		return VerdictBusy
	case ahead(r, now): // nobody's allowance pays for it
		s.count.Skewed++
		return VerdictStale
	case !filled && !s.mayPush(r):
		s.count.TooFast++
		return VerdictBusy
	case !s.admitsOrigin(l, r):
		return VerdictBusy
	}
	admission := s.admit(l, r)
	if admission == putOff {
		s.count.TooFast++
		return VerdictBusy
	}
	if v, ok := s.verify(l, r, now); !ok {
		return v
	}
	s.pay(admission, r)
	if !filled {
		s.payPush(r)
	}
	if !s.windows.mark(r) {
		s.count.NoRoom++
		return VerdictBusy
	}
	if r.Origin == s.cfg.Self {
		s.foreignEpoch(r, l.peer)
	}
	if r.Size() > largeRumor || !s.travels(r, landmark) {
		landmark = 0 // it goes by the shared tree from here
	}
	e := &entry{r: r, state: held, hops: max(hops, 1), learnt: s.now, filled: filled, from: l.peer, landmark: landmark}
	s.notMissing(r, &e.holders)
	e.holders.set(l.slot)
	s.store.add(e)
	s.scheduleExpiry(r)
	s.count.Accepted++
	s.learnRoute(r, l.peer)
	s.observeLearnt(e)
	s.tellAll(e)
	return VerdictNew
}

// verify makes the checks that every kind of rumor passes once.
func (s *State) verify(l *link, r *Rumor, now int64) (Verdict, bool) {
	switch {
	case ahead(r, now):
		s.count.Skewed++
		return VerdictStale, false
	case !s.cfg.Verifier.Work(r.ID, r.Nonce):
		s.count.BadWork++
		return s.invalid(l), false
	case !s.cfg.Verifier.Signature(r):
		s.count.BadSignature++
		return s.invalid(l), false
	}
	return VerdictNew, true
}

// ahead reports whether a rumor was made in the future.
func ahead(r *Rumor, now int64) bool { return r.Created > now+MaxSkew.Milliseconds() }

// known handles a rumor that the store has: the neighbour has it too, and if it
// came a shorter way, it may have further to go.
func (s *State) known(l *link, r *Rumor, hops uint8) bool {
	e := s.store.entries[r.ID]
	if e == nil {
		return false
	}
	e.holders.set(l.slot)
	if hops = max(hops, 1); hops < e.hops {
		saved := e.hops - hops
		s.store.shorter(e, hops)
		if e.r.TTL != 0 {
			if !e.goesAgain(saved) {
				return true
			}
			// Whoever got it from here with more hops may have come to the end of
			// its way too early.
			e.holders = bitset{}
			e.holders.set(l.slot)
		}
		if !e.filled {
			s.spread(e)
		}
	}
	return true
}

// goesAgain reports whether a limited rumor that came by fewer links than before goes to
// everybody again. Hops are anybody's word, and by 254 of them, 253, and so on, one proof
// of work would flood the network as often.
func (e *entry) goesAgain(saved uint8) bool {
	if !e.spreadable() {
		return true // nothing of it leaves yet
	}
	e.fewer += saved
	switch {
	case e.again < maxAgain:
		e.again++
	case e.fewer < e.hops:
		return false
	}
	e.fewer = 0
	return true
}

// validated is called when the modules have vouched for a rumor.
func (s *State) validated(e *entry) {
	s.store.accept(e)
	s.observeSettled(e, OutcomeValid)
	e.ready = s.now
	if e.filled {
		s.news(groupOf(e.r), e.from)
	} else {
		s.spread(e)
	}
}

func (s *State) scheduleExpiry(r *Rumor) {
	s.schedule(taskExpiry, s.at(r.Expires))
	s.after(taskWindows, windowPause)
}

// invalid counts against a neighbour, over all its links, what an honest one never sends.
func (s *State) invalid(l *link) Verdict {
	if !l.meter.invalid.take(s.now, maxInvalid, invalidPause) {
		s.cutOff(l, "sent too many invalid rumors")
	}
	return VerdictInvalid
}

// onReceipt settles the oldest unanswered pushes.
func (s *State) onReceipt(l *link, m *Receipt) {
	if len(m.Verdicts) > len(l.unanswered) {
		s.cutOff(l, "answered pushes that were never sent")
		return
	}
	excused := false
	for i, v := range m.Verdicts {
		p := &l.unanswered[i]
		switch v {
		case VerdictNew:
			l.proven[p.group] = true
			if p.shared {
				s.keep(l, p.group)
			}
			if p.up && !excused { // several rumors at once may have been held back by another
				excused = true
				s.doubt(l, v)
			}
			if !p.guided { // whose children say so themselves
				s.keepChild(l, sourceKey{p.group, p.origin})
			}
		case VerdictDuplicate:
			s.prune(l, p.group)
		case VerdictElsewhere:
			s.steer(l, sourceKey{p.group, p.origin}, false)
		case VerdictKnown:
			if p.up {
				s.doubt(l, v)
			}
		case VerdictUnwanted:
			s.forgetHolder(l, p.group, p.id)
			if l.wants(p.group) { // by now it takes the type again
				l.retry = true
				s.after(taskLinks, 0)
			}
		case VerdictBusy:
			s.forgetHolder(l, p.group, p.id)
			l.retry = true
			s.after(taskLinks, time.Second)
		}
	}
	l.unanswered = slices.Delete(l.unanswered, 0, len(m.Verdicts))
	if len(l.unanswered) == 0 && cap(l.unanswered) > usualUnanswered {
		l.unanswered = nil // what a burst needed, such as joining, is given back
	}
}

// forgetHolder notes that a neighbour lacks a rumor after all.
func (s *State) forgetHolder(l *link, g Group, id RumorID) {
	if holders := s.holdersOf(g, id); holders != nil {
		holders.clear(l.slot)
	}
}

// sendReceipts sends those that have to leave by then, and returns when the next do.
func (s *State) sendReceipts(by time.Time) time.Time {
	var next time.Time
	for _, l := range s.linkOrder {
		if l == nil || len(l.receipts) == 0 {
			continue
		}
		if !l.receiptsAt.After(by) {
			s.sendReceipt(l)
		}
		if at := l.receiptsAt; !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

func (s *State) sendReceipt(l *link) {
	if len(l.receipts) == 0 {
		return
	}
	// One message at a time: of two that a full queue refuses, the order would
	// be lost.
	n := min(len(l.receipts), MaxVerdicts)
	s.do(Send{To: l.peer, Msg: &Receipt{slices.Clone(l.receipts[:n])}})
	l.receiptsAt = time.Time{}
	if l.receipts = slices.Delete(l.receipts, 0, n); len(l.receipts) > 0 {
		s.receiptIn(l, receiptSoon)
	}
}

// onSendDropped repairs the books for a message that never left. A rumor is
// brought by anti-entropy when the link has room again; what only this link can
// say is said again.
func (s *State) onSendDropped(ev SendDropped) {
	s.count.SendsDropped++
	l := s.links[ev.To]
	if l == nil {
		return
	}
	switch m := ev.Msg.(type) {
	case *Push:
		for i := len(l.unanswered) - 1; i >= 0; i-- {
			if l.unanswered[i].id == m.Rumor.ID {
				l.unanswered = slices.Delete(l.unanswered, i, i+1)
				break
			}
		}
		s.forgetHolder(l, groupOf(m.Rumor), m.Rumor.ID)
	case *Fill:
		s.forgetHolder(l, groupOf(m.Rumor), m.Rumor.ID)
	case *Receipt:
		// The neighbour counts verdicts: none may be lost.
		l.receipts = append(slices.Clip(m.Verdicts), l.receipts...)
		l.receiptsAt = time.Time{}
		s.receiptIn(l, time.Second)
		return
	case *Have:
		s.withdraw(l, m.Group, m.IDs)
		l.waysUntold = l.waysUntold || len(m.Near) > 0
	case *Interests:
		l.untold = true
	case *PeersRequest:
		l.askedPeers = false
	}
	l.retry = true
	s.after(taskLinks, time.Second)
}

// lateReceipts looks for pushes that a neighbour did not answer in time and
// has others carry those rumors. It returns when the next one is late.
func (s *State) lateReceipts(l *link) time.Time {
	if s.cfg.AckTimeout == 0 {
		return time.Time{}
	}
	for i := range l.unanswered {
		p := &l.unanswered[i]
		if p.late {
			continue
		}
		if at := p.at.Add(s.cfg.AckTimeout); at.After(s.now) {
			return at
		}
		p.late = true
		s.count.LateReceipts++
		if e := s.store.entries[p.id]; e != nil {
			e.landmark = 0
			s.spread(e) // to whoever lacks it; this link still counts as a holder
			if s.takesPart(p.group) {
				l.retry = true // a comparison tells whether it came
			}
		}
	}
	return time.Time{}
}
