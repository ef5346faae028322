package gossip

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Views: the peers that could be dialled, and when to dial which.

// candidate is a peer that this node has heard of and could dial.
type candidate struct {
	peer     PeerID
	source   Source
	record   *PeerRecord
	known    time.Time // when it was first heard of
	next     time.Time // not dialled before
	fails    int       // since the last link
	dialling bool
	lost     time.Time // when its last link ended, zero = never had one
	gone     bool      // it announced its leave
	missed   bool      // its last link broke without a goodbye
	refused  bool      // it had no room when it was last asked
	wanted   bool      // it takes a type for which neighbours are missing
}

const (
	// Both ends of a new pair hear of each other at the same time. If both
	// dialled, TCP would open one connection from two initiators and Noise
	// would fail on it; so the larger peer ID waits this long, and as much
	// again at random.
	courtesy = time.Second
	// A peer that does not answer is dialled again after retryFirst, then after
	// twice as long each time, up to retrySoon while it was heard of or lost
	// within retryRecent, and up to retryLate after that.
	retryFirst  = time.Second
	retrySoon   = 8 * time.Second
	retryRecent = 10 * time.Minute
	retryLate   = 10 * time.Minute
	// strangerPause is how long a peer's presence may take to get here.
	strangerPause = 3 * time.Second
	// memberPause gathers presences before neighbours are drawn from them.
	memberPause = 20 * time.Millisecond
	// Pause between two answers to requests for peers on one link.
	tellPause = 10 * time.Second
)

func (s *State) onCandidate(ev Candidate) {
	if ev.Peer == s.cfg.Self || ev.Peer == "" || s.leaving {
		return
	}
	s.hear(ev.Peer, ev.Source, ev.Record)
}

// hear notes that a peer exists and can be dialled.
func (s *State) hear(p PeerID, source Source, record *PeerRecord) {
	c := s.candidates[p]
	seen := source == SourceLAN || source == SourceContact // somebody saw it right now
	switch {
	case c == nil:
		if len(s.candidates) >= maxCandidates && !s.forgetOne() {
			return
		}
		c = &candidate{peer: p, source: source, known: s.now, next: s.now}
		if s.cfg.Self > p {
			c.next = s.now.Add(s.courtesy())
		}
		s.addCandidate(c)
		s.planDial(c)
	case seen && s.links[p] == nil && !c.dialling:
		c.gone = false
		c.known = s.now
		again := s.now
		if s.cfg.Self > p {
			again = s.now.Add(s.courtesy())
		}
		c.next = earlier(c.next, again)
		s.planDial(c)
	}
	if record != nil && (c.record == nil || record.Seq > c.record.Seq || c.record.Seq == 0) {
		c.record = record
	}
}

func (s *State) addCandidate(c *candidate) {
	s.candidates[c.peer] = c
	s.candidateOrder = append(s.candidateOrder, c)
}

// planDial sees to it that a candidate is looked at when it may be dialled.
func (s *State) planDial(c *candidate) {
	at := c.next
	if s.full() && !c.wanted && !c.missed {
		at = later(at, c.known.Add(strangerPause))
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

// useless says how little a candidate is worth: most if it left, then the more
// the more often it failed.
func (c *candidate) useless() int {
	if c.gone {
		return math.MaxInt
	}
	return c.fails
}

// forgetOne makes room for a new candidate: one that left goes first, then the
// one that failed most, then any that was merely named by others or came by
// itself, so that what stays is a sample of all that was heard of. Who is linked
// or being dialled stays.
func (s *State) forgetOne() bool {
	worst, seen := -1, 0
	for i, c := range s.candidateOrder {
		if c.dialling || s.links[c.peer] != nil || c.useless() == 0 && c.source != SourceExchange && c.source != SourceInbound {
			continue
		}
		switch {
		case worst < 0 || c.useless() > s.candidateOrder[worst].useless():
			worst, seen = i, 1
		case c.useless() == s.candidateOrder[worst].useless():
			if seen++; s.cfg.Rand.IntN(seen) == 0 {
				worst = i
			}
		}
	}
	if worst < 0 {
		return false
	}
	delete(s.candidates, s.candidateOrder[worst].peer)
	s.candidateOrder = slices.Delete(s.candidateOrder, worst, worst+1)
	s.count.CandidatesPruned++
	return true
}

// linked notes that a candidate became a neighbour.
func (s *State) linked(p PeerID) {
	c := s.candidates[p]
	if c == nil {
		if len(s.candidates) >= maxCandidates && !s.forgetOne() {
			return
		}
		c = &candidate{peer: p, source: SourceInbound, known: s.now}
		s.addCandidate(c)
	}
	c.fails, c.gone, c.missed, c.refused = 0, false, false, false
}

// lostLink plans how to get a neighbour back, or another in its place.
func (s *State) lostLink(l *link) {
	c := s.candidates[l.peer]
	if c != nil {
		c.lost = s.now
		c.missed = !l.leaving
		c.gone = c.gone || l.left
		pause := retryFirst
		if s.cfg.Self > l.peer {
			pause += s.courtesy()
		}
		c.next = later(c.next, s.now.Add(pause)) // it may have said when to come again
	}
	s.after(taskDial, 0)
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
	case ByeFull:
		c.next = s.now.Add(s.jitter(time.Minute))
		c.refused = true
	case ByeMisbehaved:
		c.next = s.now.Add(banTime)
	}
}

// memberChanged makes a node whose presence was heard a candidate.
func (s *State) memberChanged(m *member) {
	if m.p.Left {
		if c := s.candidates[m.r.Origin]; c != nil {
			c.gone = true
		}
		return
	}
	if c := s.candidates[m.r.Origin]; c != nil {
		c.gone = false
	}
	if c := s.candidates[m.r.Origin]; c != nil && s.cfg.PeerExchange && len(m.p.Record) > 0 {
		c.record = m.record()
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

// drawMembers makes candidates of up to want random members. The presences are
// the largest view that a node has, so most neighbours come from here.
func (s *State) drawMembers(want int) {
	if !s.cfg.PeerExchange {
		return
	}
	for range min(2*want, len(s.presences)) {
		m := s.presenceByID[s.presences[s.cfg.Rand.IntN(len(s.presences))].ID]
		if p := m.r.Origin; !m.p.Left && len(m.p.Record) > 0 && s.candidates[p] == nil && p != s.cfg.Self {
			s.hear(p, SourceExchange, m.record())
		}
	}
}

func (s *State) onDialFailed(ev DialFailed) {
	c := s.candidates[ev.Peer]
	if c == nil || !c.dialling {
		return
	}
	s.dialEnded(c)
	s.count.DialsFailed++
	c.fails++
	limit := retryLate
	if s.now.Sub(c.known) < retryRecent || !c.lost.IsZero() && s.now.Sub(c.lost) < retryRecent || c.source == SourceContact {
		limit = retrySoon
	}
	pause := retryFirst << min(c.fails-1, 16)
	c.next = later(c.next, s.now.Add(s.jitter(min(pause, limit))))
}

func (s *State) dialEnded(c *candidate) {
	c.dialling = false
	s.dials--
	s.after(taskDial, 0)
}

// stranger reports whether a peer may belong to an island that lost touch: its
// link broke without a goodbye, or its presence never came here. It is dialled
// even by who has neighbours enough.
func (s *State) stranger(c *candidate) bool {
	return c.missed || s.members[c.peer] == nil && s.now.Sub(c.known) >= strangerPause
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
	places := s.places()
	full := places <= 0
	if !full {
		s.drawMembers(places)
	}
	s.drawTakers()
	var ready []*candidate
	var next time.Time
	for _, c := range s.candidateOrder {
		at := c.next
		switch {
		case c.dialling || c.gone || s.links[c.peer] != nil || s.banned[c.peer].After(s.now):
			continue
		case full && c.wanted:
		case full && (s.crowded() || s.members[c.peer] != nil && !c.missed):
			continue
		case full && !c.missed:
			at = later(at, c.known.Add(strangerPause))
		}
		if !at.After(s.now) {
			ready = append(ready, c)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	// Chance decides among equals, so that overlays do not cluster round the
	// peers that everybody heard of first; but what failed comes last.
	s.cfg.Rand.Shuffle(len(ready), func(i, j int) { ready[i], ready[j] = ready[j], ready[i] })
	slices.SortStableFunc(ready, func(a, b *candidate) int { return cmp.Compare(a.fails, b.fails) })
	for _, c := range ready {
		if s.dials >= maxDials || !c.wanted && places <= 0 && (s.crowded() || !s.stranger(c)) {
			continue // a dial that ends, or a link that is lost, comes back here
		}
		places--
		c.dialling = true
		s.dials++
		s.count.Dials++
		s.do(Dial{c.peer, c.record})
	}
	return next
}

// onPeersRequest answers with peers that this node believes to be up.
func (s *State) onPeersRequest(l *link) {
	if !s.cfg.PeerExchange || s.now.Sub(l.toldPeers) < tellPause {
		return
	}
	l.toldPeers = s.now
	s.do(Send{To: l.peer, Msg: s.peerList(l.peer)})
}

// peerList is a random choice of up to MaxRecords peers for one that asks.
func (s *State) peerList(asker PeerID) *PeerList {
	list := new(PeerList)
	if len(s.candidateOrder) == 0 {
		return list
	}
	first := s.cfg.Rand.IntN(len(s.candidateOrder))
	for i := range s.candidateOrder {
		c := s.candidateOrder[(first+i)%len(s.candidateOrder)]
		if c.record != nil && c.peer != asker && !c.gone && c.fails == 0 {
			list.Records = append(list.Records, *c.record)
		}
		if len(list.Records) == MaxRecords {
			break
		}
	}
	return list
}

// onPeerList takes in the peers that we asked for.
func (s *State) onPeerList(l *link, m *PeerList) {
	if !l.askedPeers || !s.cfg.PeerExchange {
		s.count.RecordsRefused += uint64(len(m.Records))
		return
	}
	l.askedPeers = false
	for _, r := range m.Records[:min(len(m.Records), MaxRecords)] {
		if r.Peer == s.cfg.Self || r.Peer == "" {
			continue
		}
		s.hear(r.Peer, SourceExchange, &r)
	}
}
