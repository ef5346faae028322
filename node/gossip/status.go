package gossip

import (
	"cmp"
	"slices"
	"time"
)

// Status is a copy of what a core knows, for people and for tests.
type Status struct {
	Neighbours []NeighbourStatus // by peer
	Members    []MemberStatus    // presences, this node's own among them; by peer
	Candidates []CandidateStatus // by peer
	Interests  []uint16          // what local modules take
	Modules    int
	Kept, Held int // rumors
	Epoch, Seq uint64
	Counters   Counters
	// Copied is since when another node is known to use this node's hostkey, zero
	// = none does; CopiedBy is the neighbour that brought its last rumor.
	Copied   time.Time
	CopiedBy PeerID
}

// NeighbourStatus describes a link.
type NeighbourStatus struct {
	Peer       PeerID
	Since      time.Time
	Dialled    bool
	Interests  []uint16
	RTT        time.Duration // of the last ping, 0 = none answered yet
	Unanswered int           // pushes without a verdict
	Net        NetGroup
	Tree       []uint16 // data types that are pushed down the link in full, as far as both ends take them
	Presence   bool     // presences are, too
}

// MemberStatus describes a node whose presence is known.
type MemberStatus struct {
	Peer      PeerID
	Epoch     uint64 // of its presence
	Seq       uint64
	Left      bool
	Since     time.Time // of joining or leaving, as seen here
	Agent     string
	Interests []uint16
	Record    []byte
	Key       []byte // certificate of the key for private messages, not verified
	Ports     []Port
	Expires   int64     // Unix ms
	Accusers  int       // members that name it as lost, this node included
	Suspected time.Time // since when it is a suspect, zero = it is none
	Lost      time.Time // since when it is taken for lost, zero = it is not
	Twofaced  time.Time // when it was seen to have signed two rumors with one number, zero = never
}

// CandidateStatus describes a peer that could be dialled, or is linked.
type CandidateStatus struct {
	Peer    PeerID
	Source  Source
	Fails   int       // dials in a row
	Next    time.Time // not dialled before
	Dialing bool
	Lost    time.Time // end of its last link, zero = never had one
	Gone    bool      // it announced its leave
	Met     time.Time // when it last answered or was a neighbour, zero = never
	Net     NetGroup
	Record  *PeerRecord // the newest that was heard of, nil = none
}

// Status copies what the core knows. It costs time in proportion to that.
func (s *State) Status() Status {
	st := Status{
		Interests: s.interests(),
		Modules:   len(s.modules),
		Kept:      s.store.kept,
		Held:      s.store.held,
		Epoch:     s.epoch,
		Seq:       s.seq,
		Counters:  s.count,
	}
	if s.isCopied() {
		st.Copied, st.CopiedBy = s.copied.since, s.copied.via
	}
	for _, l := range s.links {
		st.Neighbours = append(st.Neighbours, NeighbourStatus{
			l.peer, l.since, l.dialled, slices.Clone([]uint16(l.interests)), l.rtt, len(l.unanswered), l.net,
			s.tree(l), !l.lazy[GroupPresence]})
	}
	for _, m := range s.members {
		st.Members = append(st.Members, s.memberStatus(m))
	}
	for _, c := range s.candidates {
		st.Candidates = append(st.Candidates, CandidateStatus{
			c.peer, c.source, c.fails, c.next, c.dialling, c.lost, c.gone, c.met, c.net, c.record})
	}
	slices.SortFunc(st.Neighbours, func(a, b NeighbourStatus) int { return cmp.Compare(a.Peer, b.Peer) })
	slices.SortFunc(st.Members, func(a, b MemberStatus) int { return cmp.Compare(a.Peer, b.Peer) })
	slices.SortFunc(st.Candidates, func(a, b CandidateStatus) int { return cmp.Compare(a.Peer, b.Peer) })
	return st
}

// Brief is what of a Status costs nothing to tell.
type Brief struct {
	Candidates int
	// Unreached is how many of the candidates could not be dialled, as long as
	// there is no link.
	Unreached int
	Counters  Counters
	CopiedBy  PeerID // "" = no other node uses this node's hostkey
}

// Brief tells what is looked at again and again, at the same cost however many
// nodes are known.
func (s *State) Brief() Brief {
	b := Brief{Candidates: len(s.candidates), Counters: s.count}
	if len(s.links) == 0 {
		for _, c := range s.candidateOrder {
			if c.fails > 0 && !c.gone {
				b.Unreached++
			}
		}
	}
	if s.isCopied() {
		b.CopiedBy = s.copied.via
	}
	return b
}

func (s *State) memberStatus(m *member) MemberStatus {
	st := MemberStatus{
		Peer: m.r.Origin, Epoch: m.r.Epoch, Seq: m.r.Seq, Left: m.p.Left, Since: m.since, Agent: m.p.Agent,
		Interests: m.p.Interests, Record: m.p.Record, Key: m.p.Key, Ports: m.p.Ports, Expires: m.r.Expires, Twofaced: s.twofaced[m.r.Origin].at}
	if d := m.doubt; d != nil {
		st.Accusers, _ = d.count(m.r.version(), s.cfg.Self)
		st.Suspected, st.Lost = d.suspected, d.lost
	}
	return st
}

// Member tells what is known of one node, false if its presence is not here.
func (s *State) Member(p PeerID) (MemberStatus, bool) {
	m := s.members[p]
	if m == nil {
		return MemberStatus{}, false
	}
	return s.memberStatus(m), true
}
