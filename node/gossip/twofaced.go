package gossip

import "time"

// Equivocation: an origin that signs two rumors with one number can tell different
// nodes different things. Each node keeps the first that it verified and tells no
// other (window.go). Who meets the second one has the proof, says so, and gives it to
// whoever compares with it, once for each origin: so everybody knows it soon.

const (
	// maxTwofaced bounds the origins that are remembered to have equivocated, and
	// twofacedMemory is for how long.
	maxTwofaced    = 256
	twofacedMemory = time.Hour
	// maxProofBytes bounds the rumors that are kept whole as proofs: until they expire, or
	// the first proof after twofacedMemory comes. What is beyond it goes, the oldest first:
	// everybody has it by then, and only its ID is needed here.
	maxProofBytes = 4 << 20
)

// number names what an origin may say once.
type number struct {
	origin
	seq uint64
}

func numberOf(r *Rumor) number { return number{origin{r.Origin, r.Epoch}, r.Seq} }

// twofaced is when an origin was seen to have equivocated, and by what.
type twofaced struct {
	at     time.Time
	number number
}

// heedTwin looks whether a rumor whose number was seen is another than the one
// that is stored. One proof for each origin is enough, so it is looked for at the
// price of one signature in twofacedMemory, and within what the neighbour may tell.
func (s *State) heedTwin(l *link, r *Rumor) {
	first := s.store.numbers[numberOf(r)]
	if first == nil || first.r.ID == r.ID || r.Expires <= s.millis() || !s.takesPart(groupOf(r)) {
		return
	}
	if two, known := s.twofaced[r.Origin]; known && s.now.Sub(two.at) < twofacedMemory {
		return
	}
	if !s.twofacedRoom() {
		return
	}
	admission := s.admit(l, r)
	if admission == putOff {
		return
	}
	if _, ok := s.verify(l, r, s.millis()); !ok {
		return
	}
	s.pay(admission, r)
	s.count.Equivocations++
	s.twofaced[r.Origin] = twofaced{s.now, numberOf(r)}
	s.do(PeerEvent{r.Origin, PeerEquivocated})
	if s.store.outdated(r) {
		return // the store goes by the newest version that came, and by the first of two
	}
	// Whoever lacks it fetches it, and has the proof, too.
	e := s.remember(r)
	e.from = l.peer
	e.holders.set(l.slot)
	s.store.addProof(e, r)
	s.news(groupOf(r), l.peer)
}

// twofacedRoom reports whether one more origin can be remembered to have equivocated.
// Else nothing is looked at: what is not remembered would be looked at again and again.
func (s *State) twofacedRoom() bool {
	if len(s.twofaced) < maxTwofaced {
		return true
	}
	for o, two := range s.twofaced {
		if s.now.Sub(two.at) >= twofacedMemory {
			delete(s.twofaced, o)
		}
	}
	return len(s.twofaced) < maxTwofaced
}

// addProof keeps a rumor of which only the ID was remembered whole, to give it away.
func (st *store) addProof(e *entry, r *Rumor) {
	e.r, e.proof = r, true
	st.proofBytes += r.Size()
	st.proofs = append(st.proofs, e)
	for st.proofBytes > maxProofBytes || e.learnt.Sub(st.proofs[0].learnt) >= twofacedMemory {
		st.dropProof(st.proofs[0])
		st.proofs = st.proofs[1:]
	}
}

// dropProof leaves of a proof what is remembered of anything refused.
func (st *store) dropProof(e *entry) {
	if e.proof {
		st.proofBytes -= e.r.Size()
		e.r, e.proof = e.r.idOnly(), false
	}
}

// idOnly is a rumor without what costs memory: its header is needed to find it again.
func (r *Rumor) idOnly() *Rumor { return &Rumor{Header: r.Header, ID: r.ID} }
