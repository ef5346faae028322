package values

import "time"

// maxPast is how many keys' past a node remembers; where it is more, what would be
// over first is forgotten. Only who puts here can make it grow.
const maxPast = 4096

// past is what is remembered of a key under which this node has put a value that
// expires before an earlier one would have. Others that did not hear of it still
// have the earlier one, and may give it back.
type past struct {
	sequence uint64    // of the newest value put here
	until    time.Time // when the last of the earlier ones expires
}

// remember notes that a record of this node's is kept, and took the place of before
// if that is not nil.
func (s *store) remember(r *Record, before *entry) {
	p, known := s.past[r.Key]
	p.sequence = r.Sequence
	if before != nil && before.Expires.After(p.until) {
		p.until = before.Expires
	}
	if !p.until.After(r.Expires) {
		delete(s.past, r.Key)
		return
	}
	if !known && len(s.past) >= maxPast {
		s.forget()
	}
	s.past[r.Key] = p
}

// forget drops the past that is over first.
func (s *store) forget() {
	var first Key
	var at time.Time
	for key, p := range s.past {
		if at.IsZero() || p.until.Before(at) {
			first, at = key, p.until
		}
	}
	delete(s.past, first)
}

// forgetOver drops every past that is over.
func (s *store) forgetOver(now time.Time) {
	for key, p := range s.past {
		if !now.Before(p.until) {
			delete(s.past, key)
		}
	}
}

// least is the lowest sequence number that a record of this node's may have under
// a key, as far as its past is remembered.
func (s *store) least(key Key, now time.Time) uint64 {
	if p, ok := s.past[key]; ok && now.Before(p.until) {
		return p.sequence
	}
	return 0
}

// replaced says whether this node signed the record and has put another one in its
// place since, even one that has expired.
func (s *store) replaced(r *Record, now time.Time) bool {
	if r.Signer != s.id {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.Sequence < s.least(r.Key, now)
}

// next is the lowest sequence number that a new record of this node's may have.
func (s *store) next(key Key, now time.Time) uint64 {
	before := s.of(key, s.id, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	least := s.least(key, now)
	if before != nil {
		least = max(least, before.Sequence)
	}
	return least + 1
}
