package wire

import "google.golang.org/protobuf/encoding/protowire"

// maxUnknown is how many fields of a frame may be unknown. Each costs a few
// nanoseconds however long it is; the limit keeps a frame of 130,000 two-byte
// fields from costing a millisecond.
const maxUnknown = 64

// Kinds of field in a schema. The zero value is a field that does not exist.
const (
	varint   = 1 + fieldType(protowire.VarintType)
	fixed64  = 1 + fieldType(protowire.Fixed64Type)
	chunk    = 1 + fieldType(protowire.BytesType)
	repeated = fieldType(1 << 7)
)

type fieldType uint8

// schema gives the type of every field of a message by its number.
type schema []fieldType

// scanner walks through the known fields of one message:
//
//	for s.next() {
//		switch s.field { … s.number … s.bytes … }
//	}
//	return s.err
type scanner struct {
	rest    []byte
	schema  schema
	unknown *int // unknown fields that the frame may still have

	field  protowire.Number
	number uint64 // value of a varint or fixed64 field
	bytes  []byte // value of a chunk, part of the frame
	seen   uint32 // by field number
	err    error
}

// next finds the next known field. It returns false at the end and on the first
// error, which may also be set from outside.
func (s *scanner) next() bool {
	for len(s.rest) > 0 && s.err == nil {
		if s.one() {
			return s.err == nil
		}
	}
	return false
}

// one reads a field and reports whether it is known.
func (s *scanner) one() bool {
	tag := s.varint()
	if s.err != nil {
		return false
	}
	field, kind := protowire.DecodeTag(tag)
	if field < protowire.MinValidNumber || field > protowire.MaxValidNumber {
		s.err = malformed("field number out of range")
		return false
	}
	s.field = field
	switch kind {
	case protowire.VarintType:
		s.number = s.varint()
	case protowire.Fixed64Type:
		n, size := protowire.ConsumeFixed64(s.rest)
		s.number = n
		s.skip(size)
	case protowire.Fixed32Type: // in no message yet, perhaps in a later one
		_, size := protowire.ConsumeFixed32(s.rest)
		s.skip(size)
	case protowire.BytesType:
		n := s.varint()
		if s.err == nil && n > uint64(len(s.rest)) {
			s.err = malformed("field %d has %d bytes, only %d are left", field, n, len(s.rest))
		}
		if s.err == nil {
			s.bytes = s.rest[:n:n]
			s.rest = s.rest[n:]
		}
	default: // groups, which proto3 does not have
		s.err = malformed("field %d is of type %d", field, kind)
	}
	if s.err != nil {
		return false
	}
	if int(field) >= len(s.schema) || s.schema[field] == 0 {
		if *s.unknown--; *s.unknown < 0 {
			s.err = malformed("more than %d unknown fields", maxUnknown)
		}
		return false
	}
	want := s.schema[field]
	if 1+fieldType(kind) != want&^repeated {
		s.err = malformed("field %d is of type %d", field, kind)
		return false
	}
	if s.seen&(1<<field) != 0 && want&repeated == 0 {
		s.err = malformed("field %d comes twice", field)
		return false
	}
	s.seen |= 1 << field
	return true
}

// varint reads a number in its shortest form.
func (s *scanner) varint() uint64 {
	n, size := protowire.ConsumeVarint(s.rest)
	if size > 1 && s.rest[size-1] == 0 {
		s.err = malformed("a number is written longer than it need be")
		return 0
	}
	s.skip(size)
	return n
}

func (s *scanner) skip(size int) {
	if size < 0 {
		s.err = malformed("%v", protowire.ParseError(size))
		return
	}
	s.rest = s.rest[size:]
}

// upTo is the number just read, which must not be over limit.
func (s *scanner) upTo(limit uint64) uint64 {
	if s.number > limit {
		s.err = malformed("field %d is %d, at most %d", s.field, s.number, limit)
		return 0
	}
	return s.number
}

// within is the chunk just read, which must have from least to most bytes.
func (s *scanner) within(least, most int) []byte {
	if n := len(s.bytes); n < least || n > most {
		s.err = malformed("field %d has %d bytes, allowed are %d to %d", s.field, n, least, most)
		return nil
	}
	return s.bytes
}
