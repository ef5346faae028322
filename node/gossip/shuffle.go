package gossip

import "time"

// Exchange of peers. A new neighbour is asked for many, and from then on a
// random one, every Config.Shuffle, is given some and gives as many: the shuffle
// of HyParView (Leitão, Pereira, Rodrigues, 2007) in one step instead of a
// random walk. A newcomer needs no walk to be known either: it asks its first
// contact for MaxRecords peers and dials Config.Degree of them, and these name
// it to others by their shuffles.
//
// What others name is hearsay. Records are signed by those whom they speak of,
// so nobody can be given false addresses, but there may be any number of made-up
// peers: so each informant may teach only so much, and only so fast.

const (
	// A neighbour may name informantBurst peers, and one more every second.
	informantBurst = MaxRecords
	// Pause between two answers to requests for peers on one link.
	tellPause = 10 * time.Second
	// Of what a shuffle offers, so many are neighbours; the rest is from the
	// passive view.
	offeredLinks = MaxOffered / 3
	// One shuffle in probeEvery is accompanied by a probe.
	probeEvery = 4
)

// allowance is what a peer may still tell of others.
type allowance struct {
	records int
	at      time.Time // when it was last topped up
}

// mayTell uses up one record of a peer's allowance. The allowance outlives links,
// so that a peer that comes again and again has no more of it.
func (s *State) mayTell(p PeerID) bool {
	a := s.informants[p]
	if a == nil {
		if len(s.informants) >= maxInformants {
			for q, b := range s.informants {
				if s.links[q] == nil && s.now.Sub(b.at) >= informantBurst*time.Second {
					delete(s.informants, q) // it has all of it again
				}
			}
			if len(s.informants) >= maxInformants {
				return false
			}
		}
		a = &allowance{informantBurst, s.now}
		s.informants[p] = a
	}
	if more := int(s.now.Sub(a.at) / time.Second); more > 0 {
		a.records = min(a.records+more, informantBurst)
		a.at = a.at.Add(time.Duration(more) * time.Second)
	}
	if a.records == 0 {
		return false
	}
	a.records--
	return true
}

// askPeers asks a neighbour for peers. One answer is taken.
func (s *State) askPeers(l *link, offer []PeerRecord) {
	l.askedPeers = true
	s.do(Send{To: l.peer, Msg: &PeersRequest{offer}})
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
	var with []*link
	for _, l := range s.linkOrder {
		if l != nil && !l.leaving {
			with = append(with, l)
		}
	}
	if len(with) == 0 || s.leaving {
		return time.Time{} // the next link begins again
	}
	s.drawMembers(maxCandidates/2 - len(s.candidates))
	l := with[s.cfg.Rand.IntN(len(with))]
	offer := s.introduction()
	offer = s.choose(offer, offeredLinks, l.peer, func(c *candidate) bool { return s.links[c.peer] != nil })
	offer = s.choose(offer, MaxOffered, l.peer, func(c *candidate) bool { return s.links[c.peer] == nil })
	s.count.Shuffles++
	s.askPeers(l, offer)
	// What was sampled long ago becomes a candidate again.
	for _, r := range s.sampler.sample(1) {
		s.recall(r)
	}
	if s.shuffles++; s.shuffles%probeEvery == 0 {
		s.probe()
	}
	return s.now.Add(s.jitter(s.cfg.Shuffle))
}

// choose adds to list up to most random peers whose record can be handed on, for
// one that asks.
func (s *State) choose(list []PeerRecord, most int, asker PeerID, fit func(*candidate) bool) []PeerRecord {
	for _, i := range s.cfg.Rand.Perm(len(s.candidateOrder)) {
		if len(list) >= most {
			break
		}
		c := s.candidateOrder[i]
		if c.record != nil && c.peer != asker && !c.gone && c.fails == 0 && fit(c) {
			list = append(list, *c.record)
		}
	}
	return list
}

// peerList is a random choice of up to n peers for one that asks.
func (s *State) peerList(asker PeerID, n int) *PeerList {
	return &PeerList{s.choose(nil, n, asker, func(*candidate) bool { return true })}
}

// onPeersRequest takes in what a neighbour offers and answers with peers that
// this node believes to be up: many at first, then as many as it could be given.
func (s *State) onPeersRequest(l *link, m *PeersRequest) {
	first := l.toldPeers.IsZero()
	if !s.cfg.PeerExchange || !first && s.now.Sub(l.toldPeers) < tellPause {
		s.count.RecordsRefused += uint64(len(m.Records))
		return
	}
	l.toldPeers = s.now
	n := MaxOffered
	if first {
		n = MaxRecords
	}
	s.do(Send{To: l.peer, Msg: s.peerList(l.peer, n)})
	s.learn(l, m.Records[:min(len(m.Records), MaxOffered)])
}

// onPeerList takes in the peers that we asked for.
func (s *State) onPeerList(l *link, m *PeerList) {
	if !l.askedPeers || !s.cfg.PeerExchange {
		s.count.RecordsRefused += uint64(len(m.Records))
		return
	}
	l.askedPeers = false
	s.learn(l, m.Records[:min(len(m.Records), MaxRecords)])
}

// learn takes in what a neighbour says of itself and of others.
func (s *State) learn(l *link, records []PeerRecord) {
	for i := range records {
		r := &records[i]
		switch {
		case r.Peer == s.cfg.Self || r.Peer == "":
		case r.Peer == l.peer:
			s.hear(Candidate{Peer: r.Peer, Source: SourceInbound, Record: r}, "")
		case !s.mayTell(l.peer):
			s.count.RecordsRefused++
		default:
			s.hear(Candidate{Peer: r.Peer, Source: SourceExchange, Record: r}, l.peer)
		}
	}
}
