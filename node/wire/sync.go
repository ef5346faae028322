package wire

import (
	"bytes"

	"hearsay/node/gossip"
)

const idSize = len(gossip.RumorID{})

var rangeSchema = schema{1: varint, 2: chunk, 3: varint, 4: chunk, 5: chunk}

func decodeSync(s *scanner) *gossip.Sync {
	m := &gossip.Sync{}
	// Ranges are counted first: they come one by one, and a list that grows by
	// doubling costs twice its size.
	count := *s
	unknown := *s.unknown
	count.unknown = &unknown
	n := 0
	for n <= gossip.MaxRanges && count.next() {
		if count.field == 3 {
			n++
		}
	}
	if n > gossip.MaxRanges {
		s.err = malformed("more than %d ranges", gossip.MaxRanges)
		return m
	}
	if n > 0 {
		m.Ranges = make([]gossip.Range, 0, n)
	}
	ids := gossip.MaxIDs // that may still come
	var from gossip.Point
	for s.next() {
		switch s.field {
		case 1:
			m.Group = gossip.Group(s.upTo(uint64(gossip.MaxGroup)))
		case 2:
			m.Floor = int64(s.upTo(1<<63 - 1))
		case 3:
			inner := scanner{rest: s.bytes, schema: rangeSchema, unknown: s.unknown}
			r := decodeRange(&inner, from, len(m.Ranges) == n-1, ids)
			if s.err = inner.err; s.err != nil {
				return m
			}
			ids -= len(r.IDs)
			from = r.End
			m.Ranges = append(m.Ranges, r)
		}
	}
	return m
}

// decodeRange reads the Range that begins at from and may hold so many IDs.
func decodeRange(s *scanner, from gossip.Point, last bool, ids int) gossip.Range {
	var r gossip.Range
	var delta uint64
	for s.next() {
		switch s.field {
		case 1:
			delta = s.upTo(1<<63 - 1 - uint64(from.Created))
		case 2:
			prefix := s.within(0, idSize)
			if n := len(prefix); n > 0 && prefix[n-1] == 0 {
				s.err = malformed("an ID prefix ends in zero")
			}
			copy(r.End.ID[:], prefix)
		case 3:
			r.Mode = gossip.RangeMode(s.upTo(uint64(gossip.RangeIDs)))
		case 4:
			copy(r.Fingerprint[:], s.within(len(r.Fingerprint), len(r.Fingerprint)))
		case 5:
			r.IDs = decodeIDs(s, ids)
		}
	}
	if s.err != nil {
		return r
	}
	if last {
		if delta != 0 || r.End.ID != (gossip.RumorID{}) {
			s.err = malformed("the last range has an end")
		}
	} else {
		r.End.Created = from.Created + int64(delta)
		if !before(from, r.End) {
			s.err = malformed("the ends of ranges do not ascend")
		}
	}
	if has := s.seen&(1<<4) != 0; has != (r.Mode == gossip.RangeFingerprint) {
		s.err = malformed("a range of mode %d with a fingerprint, or without one: %v", r.Mode, has)
	}
	if len(r.IDs) > 0 && r.Mode != gossip.RangeIDs {
		s.err = malformed("a range of mode %d with IDs", r.Mode)
	}
	return r
}

// decodeGroupIDs reads the messages that are a group and IDs of rumors in it.
func decodeGroupIDs(s *scanner) (g gossip.Group, ids []gossip.RumorID) {
	for s.next() {
		switch s.field {
		case 1:
			g = gossip.Group(s.upTo(uint64(gossip.MaxGroup)))
		case 2:
			ids = decodeIDs(s, gossip.MaxIDs)
		}
	}
	return g, ids
}

// decodeIDs copies the IDs out of the chunk just read.
func decodeIDs(s *scanner, most int) []gossip.RumorID {
	n := len(s.bytes) / idSize
	if len(s.bytes)%idSize != 0 || n > most {
		s.err = malformed("%d bytes of IDs: %d bytes each, at most %d of them here", len(s.bytes), idSize, most)
		return nil
	}
	if n == 0 {
		return nil
	}
	ids := make([]gossip.RumorID, n)
	for i := range ids {
		copy(ids[i][:], s.bytes[i*idSize:])
	}
	return ids
}

func before(p, q gossip.Point) bool {
	if p.Created != q.Created {
		return p.Created < q.Created
	}
	return bytes.Compare(p.ID[:], q.ID[:]) < 0
}

// checkSync refuses what decodeSync would.
func checkSync(m *gossip.Sync) error {
	if !m.Group.Valid() {
		return malformed("group %d, at most %d", m.Group, gossip.MaxGroup)
	}
	if m.Floor < 0 {
		return malformed("floor %d is negative", m.Floor)
	}
	if len(m.Ranges) > gossip.MaxRanges {
		return malformed("%d ranges, at most %d", len(m.Ranges), gossip.MaxRanges)
	}
	ids := 0
	var from gossip.Point
	for i := range m.Ranges {
		r := &m.Ranges[i]
		if i == len(m.Ranges)-1 {
			if r.End != (gossip.Point{}) {
				return malformed("the last range has an end")
			}
		} else if r.End.Created < 0 || !before(from, r.End) {
			return malformed("the ends of ranges do not ascend")
		}
		from = r.End
		switch {
		case r.Mode > gossip.RangeIDs:
			return malformed("range of mode %d, at most %d", r.Mode, gossip.RangeIDs)
		case r.Mode != gossip.RangeIDs && len(r.IDs) > 0:
			return malformed("a range of mode %d with IDs", r.Mode)
		case r.Mode != gossip.RangeFingerprint && r.Fingerprint != (gossip.Fingerprint{}):
			return malformed("a range of mode %d with a fingerprint", r.Mode)
		}
		if ids += len(r.IDs); ids > gossip.MaxIDs {
			return malformed("more than %d IDs", gossip.MaxIDs)
		}
	}
	return nil
}

func appendSync(b []byte, m *gossip.Sync) []byte {
	b = appendNumber(b, 1, uint64(m.Group))
	b = appendNumber(b, 2, uint64(m.Floor))
	var from int64
	for i := range m.Ranges {
		r := &m.Ranges[i]
		b = appendMessage(b, 3, 0, func(b []byte) []byte {
			if i < len(m.Ranges)-1 {
				b = appendNumber(b, 1, uint64(r.End.Created-from))
				b = appendChunk(b, 2, bytes.TrimRight(r.End.ID[:], "\x00"))
			}
			b = appendNumber(b, 3, uint64(r.Mode))
			if r.Mode == gossip.RangeFingerprint {
				b = appendTagged(b, 4, r.Fingerprint[:])
			}
			return appendIDs(b, 5, r.IDs)
		})
		from = r.End.Created
	}
	return b
}
