package gossip

import (
	"cmp"
	"slices"
	"time"
)

// When to dial which candidate, and when again.

const (
	// Both ends of a new pair hear of each other at the same time. If both
	// dialled, TCP would open one connection from two initiators and Noise
	// would fail on it; so the larger peer ID waits this long, and as much
	// again at random.
	courtesy = time.Second
	// A peer that does not answer is dialled again after retryFirst, then after
	// twice as long each time, up to retrySoon while it was heard of or lost
	// within retryRecent, and up to retryLate after that. One that nobody but
	// other peers ever spoke of, and that was never met, waits for retryLate at
	// once: made-up peers could all lead to one victim's address.
	retryFirst  = time.Second
	retrySoon   = 8 * time.Second
	retryRecent = 10 * time.Minute
	retryLate   = 10 * time.Minute
	// Lost neighbours are retried for lostMemory, all of them together about
	// once in retryLost: an island finds the others soon after it can.
	retryLost  = 30 * time.Second
	lostMemory = 24 * time.Hour
	// A peer whose links keep breaking within flapTime is dialled at most
	// flapDials times a minute.
	flapTime  = 30 * time.Second
	flapDials = 5
	// A peer was met or reached lately if it was within metLately.
	metLately = 10 * time.Minute
	// Who had no room is asked again after refusedPause, or apartPause if it may
	// be on another island.
	refusedPause = time.Minute
	apartPause   = 10 * time.Second
	// Who has neighbours enough dials one stranger in apartPace: one link is enough
	// to join two islands, and where everybody is full of quiet nodes' addresses they
	// must not all be dialled.
	apartPace = 2 * time.Second
	// strangerPause is how long a peer's presence may take to get here.
	strangerPause = 3 * time.Second
	// memberPause gathers presences before neighbours are drawn from them.
	memberPause = 20 * time.Millisecond
	// A newcomer that has its first neighbour dials no other for firstTime, and then
	// one in fillPace, with fillDials under way, until it has had neighbours enough
	// once: to be known to all it needs one. Where many join by one contact, all the
	// links at once would take the processor's time from telling who is there.
	firstTime = time.Second
	fillPace  = 50 * time.Millisecond
	fillDials = 2
	// Later, while two thirds of Degree are left, it fills the first lost place at once and
	// then one in refillPace. Where many are lost at once, the handshakes of all would
	// be in the way of what is on its way (integration/bench, kill).
	refillPace = 200 * time.Millisecond
	// One place in sampleShare goes to a peer of the sample, if it can be dialled.
	sampleShare = 3
)

// pause is what keeps a peer from being dialled. It outlives the candidate: who
// is forgotten and named again is not new.
type pause struct {
	next  time.Time             // not dialled before
	fails int                   // since the last link
	flaps int                   // links in a row that broke soon
	dials *[flapDials]time.Time // the last ones, nil = none
}

// linkBroke notes that a link broke after a while.
func (p *pause) linkBroke(after time.Duration) {
	if after < flapTime {
		p.flaps++
	} else {
		p.flaps = 0
	}
}

// dialled notes a dial.
func (p *pause) dialled(now time.Time) {
	if p.dials == nil {
		p.dials = new([flapDials]time.Time)
	}
	copy(p.dials[1:], p.dials[:])
	p.dials[0] = now
}

// flapsUntil is when a peer whose links keep breaking may be dialled again.
func (p *pause) flapsUntil() time.Time {
	if p.flaps > 1 && p.dials != nil && !p.dials[flapDials-1].IsZero() {
		return p.dials[flapDials-1].Add(time.Minute)
	}
	return time.Time{}
}

// pauses remembers the pauses of peers that were forgotten, the last maxPauses.
type pauses struct {
	of    map[PeerID]pause
	order []PeerID // in which they were put, those that were taken among them
}

func (s *pauses) put(p PeerID, of pause, now time.Time) {
	if of.fails == 0 && of.flaps == 0 && !of.next.After(now) {
		return
	}
	if len(s.order) == maxPauses {
		delete(s.of, s.order[0])
		s.order = slices.Delete(s.order, 0, 1)
	}
	s.of[p] = of
	s.order = append(s.order, p)
}

// take is the pause of a peer, which is not remembered any more.
func (s *pauses) take(p PeerID) pause {
	of, known := s.of[p]
	if known {
		delete(s.of, p)
		s.order = slices.DeleteFunc(s.order, func(q PeerID) bool { return q == p })
	}
	return of
}

// planDial sees to it that a candidate is looked at when it may be dialled.
func (s *State) planDial(c *candidate) {
	at := c.next
	if s.full() && !c.wanted && !c.missed {
		if !s.apart(c) {
			return
		}
		at = later(at, c.known.Add(strangerPause))
	}
	if !c.wanted && !s.stranger(c) {
		until, waits := s.fillWait()
		if waits && until.IsZero() && !c.apart {
			return // a dial that ends comes by all of them
		}
		if !c.apart {
			at = later(at, until)
		}
	}
	s.schedule(taskDial, later(at, s.now))
}

func (s *State) courtesy() time.Duration {
	return courtesy + time.Duration(s.cfg.Rand.Int64N(int64(courtesy)))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (s *State) onReached(ev Reached) {
	c := s.candidates[ev.Peer]
	if c == nil || !c.dialling {
		return
	}
	s.dialEnded(c)
	c.fails, c.gone, c.met, c.reached = 0, false, s.now, s.now
	s.change(c, func() { c.informant = "" })
}

func (s *State) onDialFailed(ev DialFailed) {
	c := s.candidates[ev.Peer]
	if c == nil || !c.dialling {
		return
	}
	s.dialEnded(c)
	s.count.DialsFailed++
	c.fails++
	c.anchor = false
	if c.fails > 1 || c.met.IsZero() {
		s.provedDead(c.peer)
	}
	limit := retryLate
	lately := s.now.Sub(c.known) < retryRecent || !c.lost.IsZero() && s.now.Sub(c.lost) < retryRecent
	pause := retryFirst << min(c.fails-1, 16)
	switch {
	case s.merelyNamed(c):
		pause = retryLate
	case lately || c.source == SourceContact:
		limit = retrySoon
	case c.missed && s.now.Sub(c.lost) < lostMemory:
		n, _ := s.missedCandidates()
		limit = min(retryLate, retryLost*time.Duration(n))
	case c.missed:
		c.missed = false
	}
	c.next = later(c.next, s.now.Add(s.jitter(min(pause, limit))))
	c.next = later(c.next, c.flapsUntil())
}

// merelyNamed reports whether there is no more to a candidate than what other
// peers say. A node without neighbours cannot be so choosy.
func (s *State) merelyNamed(c *candidate) bool {
	return (c.source == SourceExchange || c.source == SourceKademlia) &&
		c.met.IsZero() && s.members[c.peer] == nil && len(s.links) > 0
}

// provedReal is called when the presence of a peer is first heard: it is more than
// merely named, and need not wait as long as if it were.
func (s *State) provedReal(p PeerID) {
	c := s.candidates[p]
	if c == nil || c.fails == 0 || c.gone || s.links[p] != nil {
		return
	}
	c.next = later(earlier(c.next, s.now.Add(s.jitter(retrySoon))), c.flapsUntil())
	s.planDial(c)
}

func (s *State) dialEnded(c *candidate) {
	c.dialling, c.probing, c.swap, c.look = false, false, false, false
	s.dials--
	s.after(taskDial, 0)
}

// stranger reports whether a peer may belong to an island that lost touch: its
// link broke without a goodbye, or it was found and its presence never came
// here. It is dialled even by who has neighbours enough.
func (s *State) stranger(c *candidate) bool {
	return c.missed || s.apart(c) && s.now.Sub(c.known) >= strangerPause
}

// apart reports whether nothing says that a candidate is on this node's side.
func (s *State) apart(c *candidate) bool {
	if !c.apart || s.members[c.peer] != nil {
		return false
	}
	// One neighbour on the same island is enough to be on it.
	there := cmp.Or(c.via, c.peer)
	for _, l := range s.linkOrder {
		if l == nil || l.leaving || s.now.Sub(l.since) < strangerPause {
			continue
		}
		if d := s.candidates[l.peer]; l.peer == there || d != nil && d.via == there {
			c.apart = false
			return false
		}
	}
	return true
}

// dialMissing dials candidates while neighbours are missing, and strangers even
// then, and returns when the next one may be dialled.
func (s *State) dialMissing() time.Time {
	if s.leaving {
		return time.Time{}
	}
	if s.dials >= maxDials || len(s.links) >= (acceptFactor+1)*s.cfg.Degree {
		return time.Time{} // a dial that ends, or a link that is lost, comes back here
	}
	if at := s.noDialBefore(); at.After(s.now) {
		return at
	}
	places := s.places()
	full := places <= 0
	s.grown = s.grown || places+s.dials <= 0
	until, waits := s.fillWait()
	if !full && !waits {
		s.drawMembers(places)
	}
	s.drawTakers()
	// While a place may not be filled yet, only those are looked at that are dialled
	// for a reason: newcomers come here with each peer that they hear of.
	var room [maxCandidates]*candidate
	ready := room[:0]
	var next time.Time
	if waits && !full {
		next = until // then the presences are drawn from, too
	}
	for _, c := range s.candidateOrder {
		at := c.next
		switch {
		case c.dialling || c.gone || c.linked || s.isBanned(c.peer):
			continue
		case c.wanted || c.missed:
		case full && !s.apart(c):
			continue
		case full:
			at = later(later(at, c.known.Add(strangerPause)), s.strangerAt)
		case waits && !s.apart(c):
			continue
		case waits:
			at = later(at, c.known.Add(strangerPause))
		}
		if !at.After(s.now) {
			ready = append(ready, c)
		} else {
			next = sooner(next, at)
		}
	}
	if len(ready) == 0 {
		return next
	}
	var left []*candidate // those whose group has neighbours enough
	chosen := s.chosen()
	_, dht := s.ofDHT()
	for _, c := range s.inOrder(ready, max(places, 0), chosen) {
		reason := c.wanted || s.stranger(c)
		switch {
		case s.noDialBefore().After(s.now):
			s.schedule(taskDial, s.noDialBefore())
		case s.dials >= maxDials || places <= 0 && !reason:
			// a dial that ends, or a link that is lost, comes back here
		case places <= 0 && !c.wanted && !c.missed && s.strangerAt.After(s.now):
			s.schedule(taskDial, s.strangerAt)
		case !reason && s.waitsToFill():
			// it is looked at again then
		case c.net != "" && chosen[c.net] >= groupLinks && !reason:
			left = append(left, c)
		case !s.mayFromDHT(c, dht):
			// the DHT has had its share
		default:
			if c.source == SourceKademlia {
				dht++
			}
			if places <= 0 && !c.wanted && !c.missed {
				s.strangerAt = s.now.Add(apartPace)
			}
			if !reason {
				s.filling()
			}
			chosen[c.net]++
			places--
			s.dial(c)
		}
	}
	for _, c := range left {
		if s.waitsToFill() || s.dials >= maxDials || places <= 0 || s.othersThan(chosen) || s.noDialBefore().After(s.now) {
			break
		}
		if !s.mayFromDHT(c, dht) {
			continue
		}
		if c.source == SourceKademlia {
			dht++
		}
		places--
		s.filling()
		s.dial(c)
	}
	return next
}

// fillWait reports whether a place may not be filled yet, see firstTime and refillPace,
// and until when; zero = until a dial ends.
func (s *State) fillWait() (until time.Time, waits bool) {
	switch {
	case len(s.links) == 0, s.grown && 3*len(s.links) < 2*s.cfg.Degree:
		return time.Time{}, false
	case !s.grown && s.dials >= fillDials:
		return time.Time{}, true
	}
	return s.fillAt, s.fillAt.After(s.now)
}

// waitsToFill is fillWait for one that has to be dialled as soon as that is over.
func (s *State) waitsToFill() bool {
	until, waits := s.fillWait()
	if waits {
		s.schedule(taskDial, until)
	}
	return waits
}

// filling notes that a place is being filled.
func (s *State) filling() {
	switch {
	case s.grown:
		s.fillAt = s.now.Add(s.jitter(refillPace))
	case len(s.links) > 0:
		s.fillAt = s.now.Add(s.jitter(fillPace))
	}
}

func (s *State) dial(c *candidate) {
	c.dialling = true
	c.dialled(s.now)
	s.dials++
	s.copied.dialled = s.now
	s.count.Dials++
	s.do(Dial{Peer: c.peer, Record: c.record, Named: s.merelyNamed(c), Probe: c.probing})
}

// inOrder says which of the candidates to dial first. Anchors come before all,
// and what failed last. Network groups take turns. Who was reached lately is
// better than who was not, since a place is to be filled now. Apart from that chance
// decides, so that overlays do not cluster round the peers that everybody heard
// of first; a part of it by the sample, so that nobody can sway it by talking
// much.
func (s *State) inOrder(ready []*candidate, places int, chosen map[NetGroup]int) []*candidate {
	s.cfg.Rand.Shuffle(len(ready), func(i, j int) { ready[i], ready[j] = ready[j], ready[i] })
	var sampled []PeerID
	for range min(places, maxDials) {
		if s.cfg.Rand.IntN(sampleShare) == 0 {
			if r, ok := s.sampler.one(); ok {
				sampled = append(sampled, r.Peer)
			}
		}
	}
	// One number says how good each is, the least first, and where it is in ready.
	var ranks [maxCandidates]uint64
	const turnAt, placeBits = 18, 16
	keys, groups := ranks[:0], false
	for i, c := range ready {
		quality := uint64(2)
		switch {
		case slices.Contains(sampled, c.peer):
			quality = 0
		case s.now.Sub(c.reached) < metLately:
			quality = 1
		}
		k := uint64(min(c.fails, 1<<16-1))<<(turnAt+16) | quality<<placeBits | uint64(i)
		if !c.anchor {
			k |= 1 << 63
		}
		keys = append(keys, k)
		groups = groups || c.net != ""
	}
	slices.Sort(keys)
	if groups {
		turns := make(map[NetGroup]int)
		for i, k := range keys {
			if net := ready[k&(1<<placeBits-1)].net; net != "" {
				keys[i] |= uint64(min(chosen[net]+turns[net], 1<<16-1)) << turnAt
				turns[net]++
			}
		}
		slices.Sort(keys)
	}
	var room [maxCandidates]*candidate
	shuffled := append(room[:0], ready...)
	for i, k := range keys {
		ready[i] = shuffled[k&(1<<placeBits-1)]
	}
	return ready
}

// probe tests whether a remembered peer is still there, so that those that are
// not are known before they are needed (the feelers of Bitcoin Core): of the
// sample first, then of those that were met longest ago or never.
func (s *State) probe() {
	if s.dials >= maxDials {
		return
	}
	var target *candidate
	better := func(c *candidate) bool {
		a, b := s.sampler.holds(c.peer), target != nil && s.sampler.holds(target.peer)
		return target == nil || a && !b || a == b && c.met.Before(target.met)
	}
	for _, c := range s.candidateOrder {
		if c.dialling || c.gone || c.linked || c.next.After(s.now) || s.now.Sub(c.met) < metLately {
			continue
		}
		if better(c) {
			target = c
		}
	}
	if target == nil {
		return
	}
	s.count.Probes++
	target.probing = true
	s.dial(target)
}
