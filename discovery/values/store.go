package values

import (
	"container/heap"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Limits of what a node keeps, in memory.
const (
	// MaxBytes is the most that all records take together.
	MaxBytes = 64 << 20
	// MaxSignerBytes is the most that the records of one signer take, this node's
	// own among them: what others would not keep is not kept here either.
	MaxSignerBytes = 1 << 20
	// maxSigners is how many signers a key may have. More would be of no use to a
	// reader who gets one value, and 8 records of 64 KiB are a large answer as it is.
	maxSigners = 8
	// overhead is what a record is charged beyond its bytes: maps, pointers.
	overhead = 512
	// evictionSample is how many records are looked at for the farthest one.
	evictionSample = 16
)

// entry is a kept record.
type entry struct {
	*Record
	heard time.Time // when it came, or was offered, last
	moved time.Time // when it came first, or was handed on last
	far   place     // remoteness of its key
	index int       // in expiries
}

func (e *entry) cost() int { return len(e.raw) + overhead }

// store keeps records by key and, within a key, in the order in which their
// signers came. A record that replaces one of the same signer takes its place.
type store struct {
	id   peer.ID // of this node
	self place

	mu     sync.Mutex
	keys   map[Key][]*entry
	order  expiries
	bytes  int
	count  int
	signed map[peer.ID]int // bytes by signer
	past   map[Key]past
	lost   counts // what was displaced, expired
}

type counts struct{ displaced, expired uint64 }

func newStore(self peer.ID) *store {
	return &store{id: self, self: home(self), keys: make(map[Key][]*entry), signed: make(map[peer.ID]int), past: make(map[Key]past)}
}

// judge says what would become of a record, without a look at its signature.
func (s *store) judge(key Key, signer peer.ID, sequence uint64, digest [32]byte, now time.Time) (v verdict, known *entry) {
	for _, e := range s.keys[key] {
		if e.Signer != signer || !e.Alive(now) {
			continue
		}
		switch {
		case e.digest == digest:
			return verdictKept, e
		case e.Sequence > sequence:
			return verdictOlder, e
		}
		return verdictWanted, e
	}
	if signer == s.id && sequence < s.least(key, now) {
		return verdictOlder, nil
	}
	return verdictWanted, nil
}

// offer answers an offer, and notes that the record was heard of.
func (s *store) offer(q *request, now time.Time) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, known := s.judge(q.key, q.signer, q.sequence, q.digest, now)
	if v == verdictKept {
		known.heard = now
	}
	return v
}

// admits says whether put would keep the record, so that the signature of one
// that it would not is never looked at.
func (s *store) admits(r *Record, now time.Time) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, _ := s.room(r, now, false)
	return v
}

// put keeps a record that has been checked.
func (s *store) put(r *Record, now time.Time) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, known := s.room(r, now, true)
	if v != verdictWanted {
		if v == verdictKept {
			known.heard = now
		}
		return v
	}
	if r.Signer == s.id {
		s.remember(r, known)
	}
	if known != nil {
		s.charge(known, -1)
		known.Record, known.heard = r, now
		heap.Fix(&s.order, known.index)
		s.charge(known, +1)
		return verdictKept
	}
	e := &entry{Record: r, heard: now, moved: now, far: remoteness(s.self, r.Key)}
	s.keys[r.Key] = append(s.keys[r.Key], e)
	heap.Push(&s.order, e)
	s.charge(e, +1)
	return verdictKept
}

// room judges a record and, if it is wanted, looks for room, which it makes if
// take is set. What has expired is in nobody's way.
func (s *store) room(r *Record, now time.Time, take bool) (verdict, *entry) {
	s.sweep(now)
	v, known := s.judge(r.Key, r.Signer, r.Sequence, r.digest, now)
	if v != verdictWanted {
		return v, known
	}
	if known != nil && !r.Newer(known.Record) {
		return verdictOlder, known
	}
	more := len(r.raw) + overhead
	if known != nil {
		more -= known.cost()
	} else if !s.hasSigner(r, take) {
		return verdictFull, nil
	}
	if s.signed[r.Signer]+more > MaxSignerBytes {
		return verdictFull, nil
	}
	if s.bytes+more > MaxBytes && !s.displace(r, more, take) {
		return verdictFull, nil
	}
	return verdictWanted, known
}

// hasSigner says whether a key takes one more signer. This node's own has a place
// beyond the others. One that the key vouches for has one, too: that of the last
// one that it does not vouch for.
func (s *store) hasSigner(r *Record, take bool) bool {
	list := s.keys[r.Key]
	others := len(list)
	if slices.ContainsFunc(list, func(e *entry) bool { return e.Signer == s.id }) {
		others--
	}
	if others < maxSigners || r.Signer == s.id {
		return true
	}
	if r.vouched() == 0 {
		return false
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].vouched() < r.vouched() && list[i].Signer != s.id {
			if take {
				s.lost.displaced++
				s.remove(list[i])
			}
			return true
		}
	}
	return false
}

// displace makes room for a record at the cost of others' that are farther away,
// for one of this node's at the cost of any of others': they have 63 of 64 MiB.
func (s *store) displace(r *Record, more int, take bool) bool {
	for s.bytes+more > MaxBytes {
		e := s.farthest()
		if e == nil || r.Signer != s.id && !remoteness(s.self, r.Key).less(e.far) {
			return false
		}
		if !take {
			return true
		}
		s.lost.displaced++
		s.remove(e)
	}
	return true
}

// farthest is the farthest of a few of others' records, nil if there are none.
func (s *store) farthest() (farthest *entry) {
	seen := 0
	for _, list := range s.keys { // in the map's order, which is a different one each time
		var last *entry
		for _, e := range slices.Backward(list) {
			if e.Signer != s.id {
				last = e
				break
			}
		}
		if last == nil {
			continue
		}
		if farthest == nil || farthest.far.less(last.far) {
			farthest = last
		}
		if seen++; seen == evictionSample {
			break
		}
	}
	return farthest
}

// sweep drops what has expired, and looks at nothing else: a record costs the
// logarithm of how many there are, once.
func (s *store) sweep(now time.Time) {
	for len(s.order) > 0 && !s.order[0].Alive(now) {
		s.lost.expired++
		s.remove(s.order[0])
	}
}

// sweepAll is sweep for whoever does not hold mu, and of what is remembered, too.
func (s *store) sweepAll(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	s.forgetOver(now)
}

func (s *store) remove(e *entry) {
	list := s.keys[e.Key]
	i := slices.Index(list, e)
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(s.keys, e.Key)
	} else {
		s.keys[e.Key] = list
	}
	heap.Remove(&s.order, e.index)
	s.charge(e, -1)
}

func (s *store) charge(e *entry, sign int) {
	s.bytes += sign * e.cost()
	s.count += sign
	if s.signed[e.Signer] += sign * e.cost(); s.signed[e.Signer] == 0 {
		delete(s.signed, e.Signer)
	}
}

// get returns what is alive of a key, first come first.
func (s *store) get(key Key, now time.Time) (records []*Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.keys[key] {
		if e.Alive(now) {
			records = append(records, e.Record)
		}
	}
	return records
}

// of returns the record of a signer for a key, nil if there is none alive.
func (s *store) of(key Key, signer peer.ID, now time.Time) *Record {
	for _, r := range s.get(key, now) {
		if r.Signer == signer {
			return r
		}
	}
	return nil
}

// quiet returns the keys of which a record has not been heard of since then, or
// was not handed on from here since moved.
func (s *store) quiet(heard, moved time.Time) (keys []Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, list := range s.keys {
		if slices.ContainsFunc(list, func(e *entry) bool { return !e.heard.After(heard) || !e.moved.After(moved) }) {
			keys = append(keys, key)
		}
	}
	return keys
}

// touch notes that the records of a key are handed on.
func (s *store) touch(key Key, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.keys[key] {
		e.heard, e.moved = now, now
	}
}

// size returns how many records there are and what they are charged.
func (s *store) size() (records, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.bytes
}
