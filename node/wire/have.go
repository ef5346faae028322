package wire

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"

	"hearsay/node/gossip"
)

// Have and Graft: lists of short rumor IDs.

const shortSize = len(gossip.ShortID{})

var (
	haveSchema  = schema{1: varint, 2: chunk, 3: chunk, 4: varint, 5: chunk}
	graftSchema = schema{1: varint, 2: chunk, 3: chunk}
)

func decodeHave(s *scanner) *gossip.Have {
	m := &gossip.Have{}
	for s.next() {
		switch s.field {
		case 1:
			m.Group = gossip.Group(s.upTo(uint64(gossip.MaxGroup)))
		case 2:
			m.IDs = decodeShortIDs(s, gossip.MaxIDs)
		case 3:
			if len(s.bytes)%2 != 0 || len(s.bytes) > 2*gossip.MaxIDs {
				s.err = malformed("%d bytes of times held: 2 bytes each, at most %d of them", len(s.bytes), gossip.MaxIDs)
				return m
			}
			if n := len(s.bytes) / 2; n > 0 {
				m.Held = make([]uint16, n)
			}
			for i := range m.Held {
				m.Held[i] = binary.BigEndian.Uint16(s.bytes[2*i:])
			}
		case 4:
			m.Ask = s.upTo(1) == 1
		case 5:
			m.Near = decodeNear(s)
		}
	}
	if s.err == nil {
		s.err = checkHave(m)
	}
	return m
}

func decodeGraft(s *scanner) *gossip.Graft {
	m := &gossip.Graft{}
	for s.next() {
		switch s.field {
		case 1:
			m.Group = gossip.Group(s.upTo(uint64(gossip.MaxGroup)))
		case 2:
			m.IDs = decodeShortIDs(s, gossip.MaxIDs)
		case 3:
			m.Origins = decodeShortIDs(s, gossip.MaxIDs-len(m.IDs))
		}
	}
	if s.err == nil {
		s.err = checkGraft(m)
	}
	return m
}

// decodeShortIDs copies the IDs out of the chunk just read.
func decodeShortIDs(s *scanner, most int) []gossip.ShortID {
	n := len(s.bytes) / shortSize
	if len(s.bytes)%shortSize != 0 || n > most {
		s.err = malformed("%d bytes of short IDs: %d bytes each, at most %d of them here", len(s.bytes), shortSize, most)
		return nil
	}
	if n == 0 {
		return nil
	}
	ids := make([]gossip.ShortID, n)
	for i := range ids {
		copy(ids[i][:], s.bytes[i*shortSize:])
	}
	return ids
}

// nearSize is the size of one distance: the landmark, its number, the distance, and
// 1 if the receiver is the next hop.
const nearSize = 8 + 4 + 2 + 1

func decodeNear(s *scanner) []gossip.Near {
	n := len(s.bytes) / nearSize
	if len(s.bytes)%nearSize != 0 || n > gossip.MaxNear {
		s.err = malformed("%d bytes of distances: %d bytes each, at most %d of them", len(s.bytes), nearSize, gossip.MaxNear)
		return nil
	}
	if n == 0 {
		return nil
	}
	near := make([]gossip.Near, n)
	for i := range near {
		b := s.bytes[i*nearSize:]
		if b[14] > 1 {
			s.err = malformed("next hop %d, allowed are 0 and 1", b[14])
			return nil
		}
		near[i] = gossip.Near{
			Landmark: binary.BigEndian.Uint64(b), Number: binary.BigEndian.Uint32(b[8:]),
			Distance: binary.BigEndian.Uint16(b[12:]), Parent: b[14] == 1,
		}
	}
	return near
}

func appendNear(b []byte, near []gossip.Near) []byte {
	if len(near) == 0 {
		return b
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, 5, protowire.BytesType), uint64(nearSize*len(near)))
	for _, d := range near {
		b = binary.BigEndian.AppendUint64(b, d.Landmark)
		b = binary.BigEndian.AppendUint32(b, d.Number)
		b = binary.BigEndian.AppendUint16(b, d.Distance)
		if d.Parent {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return b
}

func checkHave(m *gossip.Have) error {
	switch {
	case len(m.Near) > gossip.MaxNear:
		return malformed("%d distances, at most %d", len(m.Near), gossip.MaxNear)
	case !m.Group.Valid() || len(m.IDs) > gossip.MaxIDs:
		return malformed("%d IDs (at most %d) in group %d", len(m.IDs), gossip.MaxIDs, m.Group)
	case len(m.Held) != 0 && len(m.Held) != len(m.IDs):
		return malformed("%d times held for %d IDs", len(m.Held), len(m.IDs))
	}
	return nil
}

func checkGraft(m *gossip.Graft) error {
	if !m.Group.Valid() || len(m.IDs)+len(m.Origins) > gossip.MaxIDs {
		return malformed("%d IDs (at most %d) in group %d", len(m.IDs)+len(m.Origins), gossip.MaxIDs, m.Group)
	}
	return nil
}

func appendHave(dst []byte, m *gossip.Have) ([]byte, error) {
	if err := checkHave(m); err != nil {
		return dst, err
	}
	return appendFrame(dst, fieldHave, len(m.IDs)*(shortSize+2)+len(m.Near)*nearSize, func(b []byte) []byte {
		b = appendShortIDs(appendNumber(b, 1, uint64(m.Group)), 2, m.IDs)
		if len(m.Held) > 0 {
			b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.BytesType), uint64(2*len(m.Held)))
			for _, ms := range m.Held {
				b = binary.BigEndian.AppendUint16(b, ms)
			}
		}
		if m.Ask {
			b = appendNumber(b, 4, 1)
		}
		return appendNear(b, m.Near)
	}), nil
}

func appendGraft(dst []byte, m *gossip.Graft) ([]byte, error) {
	if err := checkGraft(m); err != nil {
		return dst, err
	}
	return appendFrame(dst, fieldGraft, (len(m.IDs)+len(m.Origins))*shortSize, func(b []byte) []byte {
		b = appendShortIDs(appendNumber(b, 1, uint64(m.Group)), 2, m.IDs)
		return appendShortIDs(b, 3, m.Origins)
	}), nil
}

func appendShortIDs(b []byte, field protowire.Number, ids []gossip.ShortID) []byte {
	if len(ids) == 0 {
		return b
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(len(ids)*shortSize))
	for i := range ids {
		b = append(b, ids[i][:]...)
	}
	return b
}
