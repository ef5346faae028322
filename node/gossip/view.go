package gossip

import (
	"math"
	"slices"
	"time"
)

// The passive view: the peers that could be dialled. See dial.go for when.

// candidate is a peer that this node has heard of and could dial.
type candidate struct {
	peer      PeerID
	source    Source
	informant PeerID // who named it, "" = nobody, or it has been met since
	record    *PeerRecord
	net       NetGroup
	known     time.Time // when it was first heard of, or seen by a way of our own
	met       time.Time // when it last answered, or was a neighbour; zero = never
	reached   time.Time // the same, but only if this node dialled: nobody gets that by coming here
	anchor    bool      // it was a neighbour for long in the last run
	// apart says that it was found by a way that does not lead over neighbours,
	// and has not been one: then it may be on another island. So may those that
	// it named when it had no room: via is who did that.
	apart bool
	via   PeerID

	pause              // when it may be dialled
	linked   bool      // it is a neighbour
	dialling bool      // or probed
	probing  bool      // it is only a probe
	lost     time.Time // when its last link ended, zero = never had one
	takes    []uint16  // data types that it is said to take
	gone     bool      // it announced its leave
	missed   bool      // its last link broke without a goodbye
	refused  bool      // it had no room when it was last asked
	wanted   bool      // it takes a type for which neighbours are missing
	swap     bool      // it is being dialled to take another's place
	look     bool      // it is being dialled to see what it has (look.go)

	like kin // counters of those that have something in common with it
}

// onCandidate takes in a peer that the driver found.
func (s *State) onCandidate(ev Candidate) {
	if ev.Peer == s.cfg.Self || ev.Peer == "" || s.leaving {
		return
	}
	s.hear(ev, "")
}

// hear notes that a peer exists and can be dialled. informant is the neighbour
// that named it, "" = it was not named by one.
func (s *State) hear(ev Candidate, informant PeerID) {
	c := s.candidates[ev.Peer]
	seen := ev.Source == SourceLAN || ev.Source == SourceContact // somebody saw it right now
	if ev.Net == "" {
		ev.Net = s.netGroup(ev.Record)
	}
	if c == nil || c.fails > 0 || ev.Record != nil && (c.record == nil || ev.Record.Seq > c.record.Seq) {
		s.heardOf(ev.Peer, ev.Record) // else the sampler has seen it
	}
	switch {
	case c == nil:
		c = &candidate{peer: ev.Peer, source: ev.Source, informant: informant, net: ev.Net, known: s.now, anchor: ev.Anchor}
		c.apart = ev.Source != SourceExchange && ev.Source != SourceInbound
		if !s.room(c) {
			return
		}
		c.pause = s.pauses.take(ev.Peer)
		c.next = later(c.next, s.now)
		// A first contact does not know of who comes, or both ends were given each
		// other by hand, and the transport tries a handshake that failed again.
		if s.cfg.Self > ev.Peer && (ev.Source != SourceContact || len(s.links) > 0) {
			c.next = later(c.next, s.now.Add(s.courtesy()))
		}
		s.addCandidate(c)
		s.planDial(c)
	case seen && s.links[ev.Peer] == nil && !c.dialling:
		s.change(c, func() { c.source, c.informant = ev.Source, "" })
		c.gone = false
		c.known = s.now
		again := s.now
		if s.cfg.Self > ev.Peer {
			again = s.now.Add(s.courtesy())
		}
		c.next = later(earlier(c.next, again), c.flapsUntil())
		s.planDial(c)
	}
	if len(ev.Takes) > 0 {
		if c.saidToTake(ev.Takes); s.lacksTakers(ev.Takes) {
			s.after(taskDial, memberPause)
		}
	}
	if r := ev.Record; r != nil && (c.record == nil || r.Seq > c.record.Seq || c.record.Seq == 0) {
		own := *r // the list that it came in need not be kept
		c.record = &own
		if s.links[ev.Peer] == nil && ev.Net != "" && ev.Net != c.net {
			s.change(c, func() { c.net = ev.Net })
		}
	}
}

// recall makes a peer of the sample a candidate again.
func (s *State) recall(r PeerRecord) {
	ev := Candidate{Peer: r.Peer, Source: SourceExchange}
	if len(r.Bytes) > 0 {
		ev.Record = &r
	}
	s.hear(ev, "")
}

func (s *State) addCandidate(c *candidate) {
	c.linked = s.links[c.peer] != nil
	s.candidates[c.peer] = c
	s.candidateOrder = append(s.candidateOrder, c)
	s.shares.add(c)
}

// change alters what a candidate is counted by.
func (s *State) change(c *candidate, f func()) {
	s.shares.remove(c)
	f()
	s.shares.add(c)
}

// forget drops a candidate, but not when it may be dialled again.
func (s *State) forget(i int) {
	c := s.candidateOrder[i]
	s.shares.remove(c)
	s.pauses.put(c.peer, c.pause, s.now)
	delete(s.candidates, c.peer)
	s.candidateOrder = slices.Delete(s.candidateOrder, i, i+1)
	s.count.CandidatesPruned++
}

const (
	// Of roomSample candidates one is forgotten when there are too many. To look at
	// all of them each time is most of what large simulations cost.
	roomSample = 32
	roomStride = 89 // a prime that does not divide maxCandidates
)

// kinds says of which kinds there are as many as there may be.
type kinds struct{ net, informant, source bool }

// useless says how little a candidate is worth: most if it left, then the more
// the more often it failed, then if there are too many of its kind, then if
// nobody but another peer says that it exists. What is worth keeping has 0.
func (s *State) useless(c *candidate) int {
	switch {
	case c.gone:
		return math.MaxInt
	case c.missed:
		return 0
	case c.fails > 0:
		return 100 + c.fails
	case c.like.over():
		return 3
	case c.source != SourceExchange && c.source != SourceInbound:
		return 0
	case c.met.IsZero():
		return 2
	}
	return 1
}

// room sees to it that there is room for a new candidate, and reports whether
// there is. The most useless of roomSample random candidates goes, or the most
// useless of all if none of these may, so that what stays is a sample of all that
// was heard of. Who is linked or being dialled stays.
//
// While there is room anybody may fill it; after that a newcomer of whose kind
// there are too many can only take the place of one of its own kind, or of one
// that is of no use at all.
func (s *State) room(fresh *candidate) bool {
	if len(s.candidates) < maxCandidates {
		return true
	}
	full := kinds{s.shares.netFull(fresh), s.shares.informantFull(fresh), s.shares.sourceFull(fresh)}
	n := len(s.candidateOrder)
	worst, most := -1, 0
	first := s.cfg.Rand.IntN(n)
	for k := range n {
		if k == roomSample && worst >= 0 {
			break
		}
		// A stride that has no factor in common with n comes by all of them.
		i := (first + k*roomStride) % n
		c := s.candidateOrder[i]
		if c.dialling || c.linked {
			continue
		}
		u := s.useless(c)
		if u <= most || u < 100 && (full.net && c.net != fresh.net || full.informant && c.informant != fresh.informant || full.source && c.source != fresh.source) {
			continue
		}
		worst, most = i, u
	}
	if worst < 0 {
		return false
	}
	s.forget(worst)
	return true
}

// linked notes that a candidate became a neighbour.
func (s *State) linked(l *link) {
	c := s.candidates[l.peer]
	if c == nil {
		c = &candidate{peer: l.peer, source: SourceInbound, known: s.now, net: l.net}
		if !s.room(c) {
			return
		}
		c.pause = s.pauses.take(l.peer)
		s.addCandidate(c)
	}
	s.heardOf(l.peer, c.record)
	s.change(c, func() {
		c.informant = ""
		if l.net != "" {
			c.net = l.net // where it really is
		}
	})
	c.met = s.now
	if l.dialled {
		c.reached = s.now
	}
	l.apart = c.apart
	c.fails, c.gone, c.missed, c.refused, c.anchor, c.apart = 0, false, false, false, false, false
	c.linked = true
}

// lostLink plans how to get a neighbour back, or another in its place.
func (s *State) lostLink(l *link) {
	c := s.candidates[l.peer]
	if c != nil {
		c.lost, c.met = s.now, s.now
		if l.dialled {
			c.reached = s.now
		}
		c.missed = !l.leaving
		c.gone = c.gone || l.left
		if c.missed {
			s.boundMissed()
			c.linkBroke(s.now.Sub(l.since))
		}
		pause := retryFirst
		if s.cfg.Self > l.peer {
			pause += s.courtesy()
		}
		c.next = later(c.next, s.now.Add(pause)) // it may have said when to come again
		c.next = later(c.next, c.flapsUntil())
	}
	s.after(taskDial, 0)
}

// missedCandidates counts those whose link broke without a goodbye.
func (s *State) missedCandidates() (n int, longest *candidate) {
	for _, c := range s.candidateOrder {
		if c.missed {
			if n++; longest == nil || c.lost.Before(longest.lost) {
				longest = c
			}
		}
	}
	return n, longest
}

// boundMissed lets those that were lost longest ago become ordinary candidates
// when there are more than maxLost.
func (s *State) boundMissed() {
	for {
		n, longest := s.missedCandidates()
		if n <= maxLost {
			return
		}
		longest.missed = false
	}
}

// onRefusal notes that a peer does not want us.
func (s *State) onRefusal(p PeerID, m *Bye) {
	c := s.candidates[p]
	if c == nil {
		return
	}
	switch m.Reason {
	case ByeLeaving:
		c.gone = true
		s.provedDead(p)
	case ByeFull:
		c.refused = true
		pause := refusedPause
		if l := s.links[p]; l != nil && l.apart {
			s.turnedAway(c)
			pause = apartPause
		}
		c.next = s.now.Add(s.jitter(pause))
	case ByeMisbehaved:
		c.next = s.now.Add(banTime)
	}
}

// turnedAway notes that a peer that may be on another island has no room. Those
// that it names are on the same island, and may have some.
func (s *State) turnedAway(c *candidate) {
	c.apart = true
	for _, other := range s.candidateOrder {
		if other.informant == c.peer && !other.linked {
			other.apart, other.via = true, c.peer
		}
	}
}

// memberChanged makes a node whose presence was heard a candidate.
func (s *State) memberChanged(m *member) {
	c := s.candidates[m.r.Origin]
	if m.p.Left {
		if c != nil {
			c.gone = true
		}
		s.provedDead(m.r.Origin)
		return
	}
	if len(m.p.Record) > 0 {
		s.heardOf(m.r.Origin, m.record())
	}
	if c != nil {
		c.gone = false
		if s.cfg.PeerExchange && len(m.p.Record) > 0 {
			c.record = m.record()
		}
	}
	if !s.full() || s.lacksTakers(m.p.Interests) {
		s.after(taskDial, memberPause)
	}
}

// record is the peer record of a presence; its epoch orders it among others.
func (m *member) record() *PeerRecord {
	// Epochs are milliseconds where libp2p numbers records by nanoseconds.
	return &PeerRecord{Peer: m.r.Origin, Seq: m.r.Epoch * 1_000_000, Bytes: m.p.Record}
}

// someMembers is up to about n random members that can be dialled, some of them
// perhaps twice.
func (s *State) someMembers(n int) []*member {
	var list []*member
	for range min(2*n, len(s.presences)) {
		m := s.presenceByID[s.presences[s.cfg.Rand.IntN(len(s.presences))].ID]
		if m.here() && len(m.p.Record) > 0 && m.r.Origin != s.cfg.Self && len(list) < n {
			list = append(list, m)
		}
	}
	return list
}

// drawMembers makes candidates of up to want random members. The presences are
// the largest view that a node has, so most neighbours come from here.
func (s *State) drawMembers(want int) {
	if !s.cfg.PeerExchange || want <= 0 {
		return
	}
	for range min(2*want, len(s.presences)) {
		m := s.presenceByID[s.presences[s.cfg.Rand.IntN(len(s.presences))].ID]
		p := m.r.Origin
		if c := s.candidates[p]; c != nil {
			s.drawnByChance(c)
		} else if m.here() && len(m.p.Record) > 0 && p != s.cfg.Self {
			s.hear(Candidate{Peer: p, Source: SourceExchange, Record: m.record()}, "")
		}
	}
}
