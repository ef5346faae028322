package gossip

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// A uniform sample of all nodes that were ever heard of, whoever talks most
// (Bortnikov et al., "Brahms: Byzantine Resilient Random Membership Sampling",
// 2009). Each slot orders all peers in a secret way of its own and keeps the
// first; hearing of a peer a thousand times moves it no further. So a slot is a
// uniform choice of the set of peers that were heard of, and slots are
// independent of each other. What an attacker can do is to be many.

// samplerSlots is how many peers the sample has.
const samplerSlots = 64

// sampler is the sample.
type sampler struct {
	rng   *rand.Rand
	key   [16]byte // keeps others from computing who comes first
	slots [samplerSlots]sampled
}

// sampled is one slot.
type sampled struct {
	seed uint64 // of the order in which this slot sees peers
	rank uint64 // of the peer in it
	rec  PeerRecord
}

func newSampler(rng *rand.Rand) sampler {
	m := sampler{rng: rng}
	binary.LittleEndian.PutUint64(m.key[:], rng.Uint64())
	binary.LittleEndian.PutUint64(m.key[8:], rng.Uint64())
	for i := range m.slots {
		m.slots[i].seed = rng.Uint64()
	}
	return m
}

// digest is what a slot ranks a peer by.
func (m *sampler) digest(p PeerID) [2]uint64 {
	var b [64]byte // on the stack, for peer IDs of usual size
	h := sha256.Sum256(append(append(b[:0], m.key[:]...), p...))
	return [2]uint64{binary.LittleEndian.Uint64(h[:]), binary.LittleEndian.Uint64(h[8:])}
}

// rank orders peers for one slot. The digest is unpredictable; mixing it with
// the slot's seed (the finisher of SplitMix64, twice) makes the slots differ.
func rank(d [2]uint64, seed uint64) uint64 {
	mix := func(x uint64) uint64 {
		x ^= x >> 30
		x *= 0xbf58476d1ce4e5b9
		x ^= x >> 27
		x *= 0x94d049bb133111eb
		return x ^ x>>31
	}
	return mix(mix(d[0]+seed) ^ d[1])
}

// offer shows a peer to all slots.
func (m *sampler) offer(r PeerRecord) {
	d := m.digest(r.Peer)
	for i := range m.slots {
		m.slots[i].offer(r, d)
	}
}

func (t *sampled) offer(r PeerRecord, d [2]uint64) {
	switch {
	case t.rec.Peer == r.Peer:
		if r.Seq > t.rec.Seq {
			t.rec = r
		}
	case t.rec.Peer == "":
		t.rank, t.rec = rank(d, t.seed), r
	default:
		if k := rank(d, t.seed); k < t.rank {
			t.rank, t.rec = k, r
		}
	}
}

// holds reports whether a peer is in a slot.
func (m *sampler) holds(p PeerID) bool {
	for i := range m.slots {
		if m.slots[i].rec.Peer == p {
			return true
		}
	}
	return false
}

// drop empties the slots that hold a peer and begins them anew, with the peers
// that all gives.
func (m *sampler) drop(p PeerID, all func() []PeerRecord) {
	var known []PeerRecord
	for i := range m.slots {
		if m.slots[i].rec.Peer != p {
			continue
		}
		if known == nil {
			known = all()
		}
		m.slots[i] = sampled{seed: m.rng.Uint64()}
		for _, r := range known {
			m.slots[i].offer(r, m.digest(r.Peer))
		}
	}
}

// sample is up to n different peers out of random slots.
func (m *sampler) sample(n int) []PeerRecord {
	var list []PeerRecord
	seen := make(map[PeerID]bool)
	for _, i := range m.rng.Perm(samplerSlots) {
		if r := m.slots[i].rec; r.Peer != "" && !seen[r.Peer] && len(list) < n {
			seen[r.Peer] = true
			list = append(list, r)
		}
	}
	return list
}

// one is the peer in a random slot.
func (m *sampler) one() (PeerRecord, bool) {
	first := m.rng.IntN(samplerSlots)
	for i := range m.slots {
		if r := m.slots[(first+i)%samplerSlots].rec; r.Peer != "" {
			return r, true
		}
	}
	return PeerRecord{}, false
}

// Sample is up to n different peers, at most 64, drawn uniformly from all that
// this node has heard of and not found dead, with the newest signed record that
// was heard of each (Bytes is empty if there was none). What two calls return
// overlaps: it comes from the same 64 slots.
func (s *State) Sample(n int) []PeerRecord { return s.sampler.sample(n) }

// heardOf shows the sampler a peer.
func (s *State) heardOf(p PeerID, r *PeerRecord) {
	if p == s.cfg.Self {
		return
	}
	if r == nil {
		r = &PeerRecord{Peer: p}
	}
	s.sampler.offer(*r)
}

// provedDead takes a peer out of the sample. Who has no neighbours is cut off
// itself and proves nothing about others.
func (s *State) provedDead(p PeerID) {
	if len(s.links) == 0 {
		return
	}
	s.sampler.drop(p, func() []PeerRecord {
		known := make([]PeerRecord, 0, 2*maxCandidates)
		for _, c := range s.candidateOrder {
			if c.peer != p && c.fails == 0 && !c.gone {
				r := PeerRecord{Peer: c.peer}
				if c.record != nil {
					r = *c.record
				}
				known = append(known, r)
			}
		}
		for _, m := range s.someMembers(maxCandidates) {
			if c := s.candidates[m.r.Origin]; m.r.Origin != p && (c == nil || c.fails == 0) {
				known = append(known, *m.record())
			}
		}
		return known
	})
}
