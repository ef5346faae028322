package gossip

import (
	"math"
	"time"
)

// How large the network is.
//
// Presences go to everybody, so in an ordinary network a node knows all others
// and needs only count. That costs an attacker a signature and a proof of work
// for each node that he makes up, over and over again, and it makes no
// difference who he names or how often.
//
// Two kinds of nodes cannot be counted: those that are Quiet, and those whose
// presence found no room (maxMembers). How many they are is estimated by capture
// and recapture (Chapman, "Some properties of the hypergeometric distribution
// with applications to zoological censuses", 1951): the m members are marked
// animals, and the c peers that came to this node of late are caught at random, for
// whom somebody dials does not depend on what this node knows of him (callers.go). If r of
// them are members, the share of members in all is Beta(r+1, c-r+1) distributed
// (Laplace's rule of succession), which gives for the number of all, m divided by
// that share,
//
//	mean m(c+1)/r,  variance m²(c+1)(c-r+1) / (r²(r-1)),
//
// but for the correction of a finite population. Comers of one network group
// count for one, so that who comes in numbers weighs little. A node that never
// met any that it could not count takes it that there are none.
//
// Change makes a count uncertain, too. Of who is suspected, or late with the
// renewal of its presence, half is counted. As many as joined or left a moment ago
// may be doing so unheard. And nodes that vanish are missed only after lossUnseen:
// how many they are is told by how many were found lost of late.

const (
	// joinsSettle is how long a change takes to get everywhere.
	joinsSettle = strangerPause
	// lossUnseen is how long it takes until a node that vanished is taken for
	// lost: links are given up in silence, and suspicions run out.
	lossUnseen = pingDead + pingInterval + suspicionMax
	// lossMemory is how far back losses tell how frequent they are.
	lossMemory = 2 * time.Minute
	// fullMemory is how long a node whose members found no room counts as one that
	// does not know all.
	fullMemory = time.Hour
)

// Size is how many nodes the network has, this one included, as far as one of
// them can tell.
type Size struct {
	Nodes float64
	// Deviation is the standard deviation of Nodes; 0 = each was counted and none
	// is in doubt.
	Deviation float64
}

// Size estimates how many nodes there are. It costs time in proportion to the
// number of members.
func (s *State) Size() Size {
	known := s.census()
	m, unknown := known.members, 0.0
	for _, d := range s.candidateOrder {
		if s.members[d.peer] == nil && s.isThere(d) {
			unknown++
		}
	}
	others, variance := m, 0.0
	if unknown > 0 || !s.membersFull.IsZero() && s.now.Sub(s.membersFull) < fullMemory {
		c, r := s.comers()
		others, variance = recapture(m, c, r)
		others = max(others, m+unknown)
	}
	variance += known.doubtful*known.doubtful/4 + known.moving*known.moving/4
	unseen := known.lost * lossUnseen.Seconds() / lossMemory.Seconds()
	if known.lost > 0 {
		// How many there are, how well that is known, and that they are whole ones.
		variance += unseen + unseen*unseen/known.lost + 1./4
	}
	return Size{Nodes: 1 + max(others-known.doubtful/2-unseen, 0), Deviation: math.Sqrt(variance)}
}

// recapture estimates how many there are of whom m are known, if r of c random
// ones are. With r of at most one there may be any number.
func recapture(m, c, r float64) (all, variance float64) {
	if r <= 1 {
		all = (m+1)*(c+1)/(r+1) - 1
		return all, all * all
	}
	finite := max(0, (m-r)/m) // no chance is left when all that are known were met
	all = (m+1)*(c+1)/(r+1-finite) - 1
	variance = finite * m * m * (c + 1) * (c - r + 1) / (r * r * (r - 1))
	if variance == 0 {
		return all, 0 // all may be 0, too: who was met has left, and nobody else is known
	}
	// The deviation grows with the truth: where many were met by chance, both are
	// larger than they look. So it is that of one deviation more. And r is a whole
	// number: without the twentieth more a few combinations of members and comers fall
	// just short of 95 %.
	above := 1.05 * (1 + math.Sqrt(variance)/all)
	return all, variance * above * above
}

// isThere reports whether a candidate is a neighbour, for long enough to be known
// as a member, or was met lately.
func (s *State) isThere(c *candidate) bool {
	if l := s.links[c.peer]; l != nil {
		return !l.leaving && s.now.Sub(l.since) >= joinsSettle
	}
	return c.fails == 0 && !c.gone && !c.missed && !c.met.IsZero() && s.now.Sub(c.met) < metLately
}

// census is what presences say about the other nodes.
type census struct {
	members  float64 // that are here
	doubtful float64 // of them, that may not be
	moving   float64 // joined or left a moment ago
	lost     float64 // were found lost of late
}

func (s *State) census() (n census) {
	now := s.millis()
	lately := func(at time.Time, within time.Duration) bool { return s.now.Sub(at) < within }
	for p, m := range s.members {
		if p == s.cfg.Self {
			continue
		}
		if !m.isLost() && lately(m.since, joinsSettle) {
			n.moving++
		}
		switch {
		case m.p.Left:
		case m.isLost():
			if lately(m.doubt.lost, lossMemory) {
				n.lost++
			}
		default:
			n.members++
			// Who lives renews before the last third of its presence's life.
			late := m.r.Expires - (m.r.Expires-m.r.Created)/3 + joinsSettle.Milliseconds()
			if now > late || m.doubt != nil && !m.doubt.suspected.IsZero() {
				n.doubtful++
			}
		}
	}
	return n
}

// Drawn is a node that was drawn from all.
type Drawn struct {
	Peer   PeerID
	Record []byte // its signed peer record
	Ports  []Port // that its presence tells
}

// Draw draws one of the other nodes, each as likely as any other and
// independently of what was drawn before. It is one of the members, or, with the
// probability with which a node of this network is none, a peer of the sample
// that is none either. false = nobody is known.
func (s *State) Draw() (Drawn, bool) {
	here := 0
	for _, m := range s.members {
		if s.drawable(m) {
			here++
		}
	}
	if here == 0 || s.cfg.Rand.Float64()*(s.Size().Nodes-1) >= float64(here) {
		if d, ok := s.drawStranger(); ok || here == 0 {
			return d, ok
		}
	}
	for {
		m := s.presenceByID[s.presences[s.cfg.Rand.IntN(len(s.presences))].ID]
		if s.drawable(m) {
			return Drawn{m.r.Origin, m.p.Record, m.p.Ports}, true
		}
	}
}

func (s *State) drawable(m *member) bool {
	return m.here() && len(m.p.Record) > 0 && m.r.Origin != s.cfg.Self && (m.doubt == nil || m.doubt.suspected.IsZero())
}

// drawStranger draws a peer of the sample that announces no presence and that
// was met lately: that others name a peer is no reason to use it.
func (s *State) drawStranger() (Drawn, bool) {
	for _, i := range s.cfg.Rand.Perm(samplerSlots) {
		r := s.sampler.slots[i].rec
		c := s.candidates[r.Peer]
		if len(r.Bytes) > 0 && s.members[r.Peer] == nil && c != nil && s.isThere(c) {
			return Drawn{Peer: r.Peer, Record: r.Bytes}, true
		}
	}
	return Drawn{}, false
}
