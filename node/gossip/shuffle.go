package gossip

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Exchange of peers. A new neighbour is asked for many, and from then on a
// random one, every Config.Shuffle, is given some and gives as many: the shuffle
// of HyParView (Leitão, Pereira, Rodrigues, 2007) in one step instead of a
// random walk. A newcomer needs no walk to be known either: it asks its first
// contact for MaxRecords peers and dials Config.Degree of them, and these name
// it to others by their shuffles. Where presences tell of as many it need not ask.
//
// What others name is hearsay. Records are signed by those whom they speak of,
// so nobody can be given false addresses, but there may be any number of made-up
// peers: so each informant may teach only so much, and only so fast.

const (
	// A neighbour may name informantBurst peers, and one more every second.
	informantBurst = MaxRecords
	// On one link tellBurst requests for peers are answered, and one more every
	// tellPause.
	tellBurst = 3
	tellPause = 10 * time.Second
	// A newcomer begins with shuffles at Config.Shuffle / 2^shuffleHurry, and
	// halves its pace when idleShuffles had no news.
	shuffleHurry = 5
	idleShuffles = 3
	// greetPause is less than a newcomer waits before it dials a second neighbour.
	greetPause = firstTime / 2
	// Who knows so many peers is no newcomer.
	enoughCandidates = maxCandidates / 2
	// Of what a shuffle offers, so many are neighbours; the rest is from the
	// passive view.
	offeredLinks = MaxOffered / 3
	// One shuffle in probeEvery is accompanied by a probe.
	probeEvery = 4
	// One shuffle in swapEvery is accompanied by a swap of neighbours.
	swapEvery = 2
)

// askPeers asks a neighbour for peers. One answer is taken.
func (s *State) askPeers(l *link, offer []PeerRecord) {
	l.askedPeers, l.introduced = true, true
	s.do(Send{To: l.peer, Msg: &PeersRequest{offer}})
}

// greet asks a new neighbour for peers: who knows few says no more than who it is
// and is given many, who knows enough exchanges as in a shuffle with one that it
// chose, and leaves it to those who came to ask. A newcomer, which dials no second
// neighbour for a while, first sees whether presences tell it enough.
func (s *State) greet(l *link) {
	first := !s.grown && len(s.links) == 1
	if first && s.now.Sub(l.since) < greetPause {
		s.schedule(taskGreet, l.since.Add(greetPause))
		return
	}
	l.greeted = true
	switch {
	case first && s.toldEnough():
	case len(s.candidates) < enoughCandidates:
		s.askPeers(l, s.introduction())
	case l.dialled:
		s.askPeers(l, s.trade(l))
	}
}

// toldEnough reports whether presences tell of as many nodes as this one wants neighbours.
func (s *State) toldEnough() bool {
	n := 0
	for p, m := range s.members {
		if p == s.cfg.Self || !m.here() || len(m.p.Record) == 0 {
			continue
		}
		if n++; n >= s.cfg.Degree {
			return true
		}
	}
	return false
}

// greetAll greets those who were not greeted yet.
func (s *State) greetAll() time.Time {
	for _, l := range s.linkOrder {
		if l != nil && !l.greeted {
			s.greet(l)
		}
	}
	return time.Time{} // what has to wait has scheduled it
}

// trade is a choice of peers to exchange: this node, neighbours, and others.
func (s *State) trade(l *link) []PeerRecord {
	given := s.choose(s.introduction(), offeredLinks, l.peer, func(c *candidate) bool { return c.linked })
	return s.choose(given, MaxOffered, l.peer, func(c *candidate) bool { return !c.linked })
}

// introduction is what a new neighbour is told without asking: who this is.
func (s *State) introduction() []PeerRecord {
	if s.own.record == nil {
		return nil
	}
	return []PeerRecord{*s.own.record}
}

// shuffle exchanges peers with a random neighbour.
func (s *State) shuffle() time.Time {
	l := s.partner()
	if l == nil || s.leaving {
		return time.Time{} // the next link begins again
	}
	s.drawMembers(maxCandidates/2 - len(s.candidates))
	s.count.Shuffles++
	s.askPeers(l, s.trade(l))
	// What was sampled long ago becomes a candidate again.
	if r, ok := s.sampler.one(); ok {
		s.recall(r)
	}
	if s.shuffles++; s.shuffles%probeEvery == 0 {
		s.probe()
	}
	s.swap()
	return s.now.Add(s.jitter(s.shufflePause()))
}

// shufflePause is short as long as a node that knows few peers learns of more.
func (s *State) shufflePause() time.Duration {
	switch {
	case len(s.candidates) >= maxCandidates/2:
		s.hurry = 0
	case s.taught == 0:
		if s.idle++; s.idle == idleShuffles {
			s.idle, s.hurry = 0, max(s.hurry-1, 0)
		}
	case s.taught >= MaxOffered/2:
		s.hurry = min(s.hurry+1, shuffleHurry)
	}
	s.taught = 0
	return max(s.cfg.Shuffle>>s.hurry, min(s.cfg.Shuffle, time.Second))
}

// swap dials a random peer that shall take the place of another.
//
// Nodes that join together first link with each other, which makes long chains;
// half of the links are swapped once, as soon as better ones are known. Where
// presences are told neighbours are drawn from everybody, and it is not needed.
//
// Where peers are in network groups it goes on, once in swapEvery shuffles: who
// talked first may have been an attacker. Groups take turns in it, so that in
// the end own choices are spread over groups as what was heard of is, but for the DHT,
// which has no more than its share.
func (s *State) swap() {
	early := s.swaps > 0 && len(s.presences) <= len(s.candidates)/4
	enough := len(s.candidates) >= min(8*s.cfg.Degree, maxCandidates/2)
	refresh := s.shuffles%swapEvery == 0
	if s.dials >= maxDials || !s.full() || s.crowded() && !refresh || !(early && enough) && !refresh {
		return
	}
	var fit []*candidate
	nets := make(map[NetGroup]int)
	_, dht := s.ofDHT()
	for _, c := range s.candidateOrder {
		if c.dialling || c.gone || c.linked || c.fails > 0 || c.next.After(s.now) || s.isBanned(c.peer) ||
			!early && c.net == "" || c.source == SourceKademlia && dht >= s.dhtLinks() {
			continue
		}
		fit = append(fit, c)
		nets[c.net]++
	}
	if len(fit) == 0 {
		return
	}
	s.cfg.Rand.Shuffle(len(fit), func(i, j int) { fit[i], fit[j] = fit[j], fit[i] })
	best := fit[0]
	if best.net != "" {
		// One of a random group of those with the fewest neighbours.
		chosen := s.chosen()
		groups := slices.Sorted(maps.Keys(nets))
		fewest := chosen[slices.MinFunc(groups, func(a, b NetGroup) int { return cmp.Compare(chosen[a], chosen[b]) })]
		groups = slices.DeleteFunc(groups, func(g NetGroup) bool { return chosen[g] > fewest })
		net := groups[s.cfg.Rand.IntN(len(groups))]
		best = fit[slices.IndexFunc(fit, func(c *candidate) bool { return c.net == net })]
	}
	s.swaps--
	best.swap = true
	s.dial(best)
}

// swapped ends another link of this node's own choice for a new one: one of the
// group with the most of them, or the oldest where there are no groups.
func (s *State) swapped(fresh *link) {
	if len(s.links) <= s.cfg.Degree {
		return
	}
	var own []*link
	for _, l := range s.linkOrder {
		if l != nil && l != fresh && l.dialled && !l.leaving {
			own = append(own, l)
		}
	}
	if len(own) < (s.cfg.Degree+1)/2 {
		return
	}
	s.cfg.Rand.Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
	chosen := s.chosen()
	old := slices.MaxFunc(own, func(a, b *link) int {
		if a.net == "" || b.net == "" {
			return cmp.Compare(b.since.UnixNano(), a.since.UnixNano()) // the older: an early acquaintance
		}
		return cmp.Compare(chosen[a.net], chosen[b.net])
	})
	s.refuseLink(old.peer, ByeFull, "another took its place")
	s.dropLink(old)
}

// choose adds to list up to most random peers whose record can be handed on, for
// one that asks.
func (s *State) choose(list []PeerRecord, most int, asker PeerID, fit func(*candidate) bool) []PeerRecord {
	var order [maxCandidates]uint16 // shuffled as far as it is needed
	n := min(len(s.candidateOrder), len(order))
	list = slices.Grow(list, min(n, most-len(list)))
	for i := range n {
		order[i] = uint16(i)
	}
	for i := 0; i < n && len(list) < most; i++ {
		j := i + s.cfg.Rand.IntN(n-i)
		order[i], order[j] = order[j], order[i]
		c := s.candidateOrder[order[i]]
		if c.record != nil && c.peer != asker && !c.gone && c.fails == 0 && fit(c) {
			list = append(list, *c.record)
		}
	}
	return list
}

// onPeersRequest takes in what a neighbour offers and answers with peers that
// this node believes to be up: many at first, then as many as it could be given.
func (s *State) onPeersRequest(l *link, m *PeersRequest) {
	first := l.answers.at.IsZero()
	if !s.cfg.PeerExchange || !l.answers.take(s.now, tellBurst, tellPause) {
		s.count.RecordsRefused += uint64(len(m.Records))
		return
	}
	n := MaxOffered
	if first && !l.dialled && len(m.Records) < MaxOffered/2 {
		n = MaxRecords // it came because it knows few
	}
	var list []PeerRecord
	if !l.introduced {
		list, l.introduced = s.introduction(), true
	}
	s.do(Send{To: l.peer, Msg: &PeerList{s.choose(list, n, l.peer, func(*candidate) bool { return true })}})
	s.learn(l, m.Records[:min(len(m.Records), MaxOffered)])
}

// onPeerList takes in the peers that we asked for, or were going to ask for: who has no
// room for a newcomer names others at once.
func (s *State) onPeerList(l *link, m *PeerList) {
	if !l.askedPeers && l.greeted || !s.cfg.PeerExchange {
		s.count.RecordsRefused += uint64(len(m.Records))
		return
	}
	l.askedPeers, l.greeted = false, true
	before := s.taught
	s.learn(l, m.Records[:min(len(m.Records), MaxRecords)])
	l.dull = s.taught == before
	if c := s.candidates[l.peer]; c != nil && c.refused && l.apart {
		s.turnedAway(c) // its Bye was faster
	}
}

// learn takes in what a neighbour says of itself and of others.
func (s *State) learn(l *link, records []PeerRecord) {
	for i := range records {
		r := &records[i]
		switch {
		case r.Peer == s.cfg.Self || r.Peer == "":
		case r.Peer == l.peer:
			s.hear(Candidate{Peer: r.Peer, Source: SourceInbound, Record: r}, "")
		case !l.meter.told.take(s.now, informantBurst, time.Second):
			s.count.RecordsRefused++
		default:
			if s.candidates[r.Peer] == nil {
				s.taught++
			}
			s.hear(Candidate{Peer: r.Peer, Source: SourceExchange, Record: r}, l.peer)
		}
	}
}
