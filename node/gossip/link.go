package gossip

import (
	"slices"
	"time"
)

// Links: the neighbours, what they want, and whether they are alive.

// link is a neighbour. What is looked at for every rumor on every link comes first,
// so that it is in one or two lines of a processor's cache.
type link struct {
	peer      PeerID
	slot      int
	interests typeSet   // nil until they came
	few       [4]uint16 // the memory of interests, if they fit
	carries   bool      // it said so with them
	relayed   bool      // through a third peer: see relayed.go
	leaving   bool      // it ends the link
	left      bool      // because it shuts down

	net     NetGroup
	meter   *meter // of what it may still do
	dialled bool
	apart   bool // it was a candidate on what may be another island
	beyond  bool // more of its group are neighbours of own choice than may be
	look    bool // it was dialled to see what it has
	overdue bool // and had what should have been here long before
	since   time.Time

	unanswered []pushed            // oldest first
	receipts   []Verdict           // not yet sent
	receiptsAt time.Time           // when they leave
	lazy       map[Group]bool      // not in the group's tree
	rooted     map[*source]bool    // in the tree of an origin, or not; else as lazy says
	grafted    map[Group]time.Time // until when it is not pruned
	needed     map[Group]time.Time // when something new came or went by the group's tree
	proven     map[Group]bool      // something new came or went this way
	compared   map[Group]time.Time // last, since it is shared
	brought    map[Group]time.Time // when something new came last
	boasts     int                 // how often it was slower than it said
	boasted    time.Time           // what it says of times is not believed before
	excuses    int                 // how often it said that it had not got either what it should have brought, since it brought something
	faults     int                 // how often it was found to have kept something to itself
	distrusted time.Time           // until when it is next hop to no landmark
	haves      []have              // not yet told
	offered    map[RumorID]bool    // by their IDs, at most offeredIDs; what is not asked for it has
	offeredAt  time.Time           // since when
	resent     map[RumorID]uint8   // how often it was given what it should have, at most maxResent
	resentAt   time.Time           // since when
	told       int                 // rumors that are missing here and of which it told first

	retry      bool // something did not get through: compare stores
	untold     bool // our Interests did not get through
	waysUntold bool // nor did how far landmarks are, and whether it is the next hop

	heard  time.Time // when the last message came
	pinged time.Time // when the last ping went, zero = answered
	number uint64    // of the last ping
	pings  bool      // it pings, too
	yields bool      // it is its turn to ping
	spared bool      // it was silent for too long, and pinged once more
	rtt    time.Duration
	trips  int       // how often it was measured, up to newTrips
	tripAt time.Time // last

	greeted    bool      // it was asked for peers, or need not be
	askedPeers bool      // our PeersRequest is open
	introduced bool      // it was told our record
	answers    allowance // to its own
	dull       bool      // its last list had nothing new
	fillBudget int       // bytes that anti-entropy may send it
	fillSince  time.Time // when the budget was last topped up
}

// setInterests keeps a neighbour's interests, next to the rest of the link if they are
// few.
func (l *link) setInterests(set typeSet) {
	if len(set) <= len(l.few) {
		set = append(l.few[:0], set...)
	}
	l.interests = set
}

// wants reports whether a neighbour takes part in a group.
func (l *link) wants(g Group) bool {
	switch {
	case l.leaving:
		return false
	case g == GroupPresence:
		return true
	case g.Carried():
		return l.carries
	}
	return l.interests.has(uint16(g))
}

// put sets m[k], in a map that is made when it is needed: most links never need
// most of theirs.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[k] = v
}

func (s *State) onLinkUp(ev LinkUp) {
	if s.links[ev.Peer] != nil {
		s.dropLink(s.links[ev.Peer])
	}
	swap, look := false, false
	if c := s.candidates[ev.Peer]; c != nil && c.dialling {
		swap, look = c.swap && ev.Dialled, c.look && ev.Dialled
		s.dialEnded(c)
	}
	beyond := ev.Dialled && s.beyond(ev.Net)
	if s.isBanned(ev.Peer) {
		s.refuseLink(ev.Peer, ByeMisbehaved, "it misbehaved")
		return
	}
	if s.leaving {
		s.refuseLink(ev.Peer, ByeLeaving, "this node is leaving")
		return
	}
	if !ev.Dialled {
		s.called(ev)
	}
	if ev.Relayed && !s.needsRelayed() || !s.accepts(ev) && !s.evictFor(ev) {
		s.count.LinksRefused++
		s.refuseLink(ev.Peer, ByeFull, "enough neighbours")
		return
	}
	l := &link{
		peer:       ev.Peer,
		net:        ev.Net,
		meter:      s.meterOf(ev.Peer),
		dialled:    ev.Dialled,
		relayed:    ev.Relayed,
		beyond:     beyond,
		look:       look,
		since:      s.now,
		heard:      s.now,
		lazy:       make(map[Group]bool),
		proven:     make(map[Group]bool),
		fillBudget: fillBurst,
		fillSince:  s.now,
	}
	l.slot = slices.Index(s.linkOrder, nil)
	if l.slot < 0 {
		l.slot = len(s.linkOrder)
		s.linkOrder = append(s.linkOrder, nil)
	}
	s.linkOrder[l.slot] = l
	s.links[ev.Peer] = l
	if len(s.links) == 1 && !s.grown {
		s.fillAt = s.now.Add(s.jitter(firstTime))
	}
	s.stir()
	s.linked(l)
	s.do(PeerEvent{ev.Peer, PeerLinked})
	if !l.relayed {
		s.enoughDirect()
	}
	s.reached(ev.Peer)

	s.do(Send{To: l.peer, Msg: &Interests{s.interests(), s.cfg.Carry}})
	if m := s.members[s.cfg.Self]; m != nil {
		m.holders.set(l.slot)
		s.push(l, &Push{Rumor: m.r, Hops: addHop(m.hops)}, false)
	}
	if s.cfg.PeerExchange {
		s.greet(l)
		if s.cfg.Shuffle > 0 {
			s.after(taskShuffle, s.jitter(max(s.cfg.Shuffle>>s.hurry, min(s.cfg.Shuffle, time.Second))))
		}
	}
	if swap {
		s.swapped(l)
	}
	if l.dialled {
		s.boundDHT(l)
	}
	s.sharePresences(l)
	s.after(taskLinks, 0)
	if s.cfg.AntiEntropy > 0 {
		s.after(taskSync, s.jitter(s.cfg.AntiEntropy))
	}
	s.planLook(l)
}

// refuseLink sends a peer away with a reason, and with the addresses of others
// if it came because it knows nobody.
func (s *State) refuseLink(p PeerID, why ByeReason, words string) {
	if why == ByeFull && s.cfg.PeerExchange {
		s.do(Send{To: p, Msg: &PeerList{s.roomy(p)}})
	}
	s.do(Send{To: p, Msg: &Bye{why}})
	s.do(Hangup{Peer: p, Reason: words})
}

// roomy is a list of peers for one that found no room here: the latest neighbours,
// who joined last and have the fewest themselves. If peers were named at random,
// newcomers would all try the early nodes, which are full.
func (s *State) roomy(asker PeerID) []PeerRecord {
	latest := make([]*link, 0, len(s.links))
	for _, l := range s.linkOrder {
		if l != nil && !l.leaving && l.peer != asker {
			latest = append(latest, l)
		}
	}
	slices.SortStableFunc(latest, func(a, b *link) int { return b.since.Compare(a.since) })
	var list []PeerRecord
	named := make(map[PeerID]bool)
	for _, l := range latest {
		if c := s.candidates[l.peer]; c != nil && c.record != nil && len(list) < MaxOffered/2 {
			list = append(list, *c.record)
			named[l.peer] = true
		}
	}
	return s.choose(list, MaxOffered/2, asker, func(c *candidate) bool { return !named[c.peer] })
}

func (s *State) onLinkDown(ev LinkDown) {
	if l := s.links[ev.Peer]; l != nil {
		s.dropLink(l)
		s.lostLink(l)
		if !l.leaving {
			s.lostWithoutWord(l.peer)
		}
	}
}

// dropLink forgets everything about a link, and what was pushed down it
// without an answer.
func (s *State) dropLink(l *link) {
	for _, e := range s.store.entries {
		e.holders.clear(l.slot)
	}
	for _, m := range s.members {
		m.holders.clear(l.slot)
	}
	delete(s.links, l.peer)
	if c := s.candidates[l.peer]; c != nil {
		c.linked = false
	}
	s.linkOrder[l.slot] = nil
	s.stir()
	l.meter.used = s.now
	s.treesLose(l)
	s.syncGone(l.peer)
	s.mendTrees(l)
	s.do(PeerEvent{l.peer, PeerUnlinked})
}

// cutOff ends the link to a neighbour that broke the protocol.
func (s *State) cutOff(l *link, why string) {
	if s.links[l.peer] != l {
		return
	}
	s.count.Misbehaviour++
	s.ban(l.peer)
	s.do(Send{To: l.peer, Msg: &Bye{ByeMisbehaved}, Urgent: true})
	s.do(Hangup{Peer: l.peer, Reason: why, Now: true, Banned: true})
	s.dropLink(l)
	s.lostLink(l)
}

// onBroke cuts off a neighbour for what it sent. Once is enough: on the way nothing is damaged
// unnoticed, and a later version has protocol IDs, kinds and fields of its own for what it adds.
func (s *State) onBroke(ev Broke) {
	if l := s.links[ev.Peer]; l != nil {
		s.cutOff(l, "broke the protocol")
	}
}

// ban keeps a peer out for banTime. When the list is full of live bans the new
// one is not noted: the peer is still cut off, and has to earn it again.
func (s *State) ban(p PeerID) {
	if len(s.banned) >= maxBanned {
		for q, until := range s.banned {
			if !until.After(s.now) {
				delete(s.banned, q)
			}
		}
	}
	if len(s.banned) < maxBanned {
		s.banned[p] = s.now.Add(banTime)
	}
}

// isBanned reports whether a peer must not come yet.
func (s *State) isBanned(p PeerID) bool {
	return len(s.banned) > 0 && s.banned[p].After(s.now)
}

func (s *State) onReceived(ev Received) {
	l := s.links[ev.From]
	if l == nil {
		// A peer that was refused, or cut off, still gets to say a little.
		if m, ok := ev.Msg.(*Bye); ok {
			s.onRefusal(ev.From, m)
		}
		return
	}
	l.heard, l.spared = s.now, false
	switch m := ev.Msg.(type) {
	case *Push:
		s.onPush(l, m)
	case *Receipt:
		s.onReceipt(l, m)
	case *Have:
		s.onHave(l, m)
	case *Graft:
		s.onGraft(l, m)
	case *Interests:
		s.onInterests(l, m)
	case *Ping:
		// The two ends take turns, for one ping shows both that the other is alive.
		l.pings, l.yields = true, !l.pinged.IsZero() && s.cfg.Self > l.peer
		s.do(Send{To: l.peer, Msg: &Pong{m.Number}})
	case *Pong:
		if !l.pinged.IsZero() && m.Number == l.number {
			l.measured(s.now)
			s.schedule(taskLinks, l.nextPing())
		}
	case *PeersRequest:
		s.onPeersRequest(l, m)
	case *PeerList:
		s.onPeerList(l, m)
	case *Bye:
		s.onBye(l, m)
	case *Sync:
		s.onSync(l, m)
	case *Want:
		s.onWant(l, m)
	case *Fill:
		s.onFill(l, m)
	}
}

// onInterests replaces what a neighbour takes. Types that are shared from now
// on are compared, and those that are not have no ways to landmarks by it.
func (s *State) onInterests(l *link, m *Interests) {
	before := slices.Clone(l.interests)
	l.setInterests(newTypeSet(m.Types))
	for _, t := range before {
		if v := s.groves[GroupOf(t)]; v != nil && !l.interests.has(t) {
			s.groveLoses(v, l) // it hands nothing of this on any more
		}
	}
	s.withdrawUnwanted(l)
	for _, t := range m.Types {
		switch {
		case before.has(t):
		case s.takers[t] > 0:
			s.shared(l, GroupOf(t))
			s.treesGain(l, GroupOf(t))
		default:
			s.offer(l, t)
		}
	}
	began := m.Carries && !l.carries
	if l.carries = m.Carries; began {
		s.shareCarried(l)
	}
}

// interestsChanged tells everybody what this node takes now.
func (s *State) interestsChanged() {
	msg := &Interests{s.interests(), s.cfg.Carry}
	for _, l := range s.linkOrder {
		if l != nil {
			s.do(Send{To: l.peer, Msg: msg})
		}
	}
	s.announcePresence()
	s.after(taskDial, memberPause) // to find others who take it
	s.lookSoon()
}

func (s *State) onBye(l *link, m *Bye) {
	if m.Reason == ByeFull {
		// The list of other peers that it sends goes another way and may come
		// later than this. It ends the link itself.
		l.leaving = true
		if l.look {
			s.lookSoon() // at another
		}
		s.onRefusal(l.peer, m)
		return
	}
	l.leaving, l.left = true, m.Reason == ByeLeaving
	s.do(Hangup{Peer: l.peer, Reason: "it said goodbye"})
	s.dropLink(l)
	s.lostLink(l)
	s.onRefusal(l.peer, m)
}

// checkLinks pings silent neighbours, gives dead ones up, and looks for late
// receipts.
func (s *State) checkLinks() time.Time {
	next := time.Time{}
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, l := range slices.Clone(s.linkOrder) {
		if l == nil {
			continue
		}
		switch {
		case l.pinged.IsZero() && !l.nextPing().After(s.now):
			s.ping(l)
		case !l.pinged.IsZero() && s.now.Sub(l.pinged) >= pingDead-pingInterval:
			if l.heard.After(l.pinged) {
				s.ping(l) // alive, and the pong is behind a long queue
				break
			}
			if s.doubtsItself() && !l.spared {
				s.ping(l) // its pong may be here and not read
				l.spared = true
				break
			}
			s.count.DeadLinks++
			s.do(Hangup{Peer: l.peer, Reason: "silent for too long", Now: true})
			s.dropLink(l)
			s.lostLink(l)
			s.lostWithoutWord(l.peer)
			continue
		}
		if l.pinged.IsZero() {
			sooner(l.nextPing())
		} else {
			sooner(l.pinged.Add(pingDead - pingInterval))
		}
		sooner(s.lateReceipts(l))
		if l.untold {
			l.untold = false
			s.do(Send{To: l.peer, Msg: &Interests{s.interests(), s.cfg.Carry}})
		}
		if l.waysUntold {
			l.waysUntold = false
			s.tellWays(l)
		}
		if l.retry {
			l.retry = false
			s.syncWith(l)
		}
	}
	return next
}

// silence is how long nothing may be heard on a link before it is pinged.
func (l *link) silence() time.Duration {
	if l.yields {
		return pingInterval + pingTurn
	}
	return pingInterval
}

// nextPing is when a neighbour is pinged that has answered the last one.
func (l *link) nextPing() time.Time {
	if l.number == 0 {
		return l.since
	}
	pause := oldTrip
	if l.trips < newTrips {
		pause = newTrip
	}
	return sooner(l.heard.Add(l.silence()), l.tripAt.Add(pause))
}

// measured takes in how long the ping that was just answered took. A node that is busy
// answers late, so what was measured counts only a little if it is more than before.
func (l *link) measured(now time.Time) {
	trip := now.Sub(l.pinged)
	if l.trips > 0 && trip > l.rtt {
		trip = l.rtt + (trip-l.rtt)/8
	}
	l.rtt, l.pinged, l.tripAt = trip, time.Time{}, now
	l.trips = min(l.trips+1, newTrips)
}

func (s *State) ping(l *link) {
	l.number++
	l.pinged, l.yields = s.now, l.pings
	s.do(Send{To: l.peer, Msg: &Ping{l.number}})
}

// jitter spreads periodic work: d, give or take a quarter.
func (s *State) jitter(d time.Duration) time.Duration {
	return d - d/4 + time.Duration(s.cfg.Rand.Int64N(int64(d)/2+1))
}
