package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// As much of protobuf as the specification uses, as strict as it demands;
// see docs/protocol/transport.md, "Frames".

// wire types
const (
	number = iota + 1 // varint
	fixed             // 8 bytes, least significant first
	chunk             // length and bytes
	many              // chunk, any number of times
)

// form is the fields that a message has.
type form map[uint64]int

// message is the fields that were found.
type message struct {
	form    form
	numbers map[uint64]uint64
	chunks  map[uint64][][]byte
	skipped []skipped
}

// skipped is a field that is not known.
type skipped struct {
	Field uint64 `json:"field"`
	Wire  uint64 `json:"wire_type"`
	Value octets `json:"value"` // as it stands, without a length
}

const maxUnknown = 64

var errShort = errors.New("it ends early")

// takeVarint reads a number in its shortest form.
func takeVarint(b []byte) (n uint64, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	switch {
	case size == 0:
		return 0, nil, errShort
	case size < 0:
		return 0, nil, errors.New("a number of more than 64 bits")
	case size > 1 && b[size-1] == 0:
		return 0, nil, errors.New("a number that is longer than it need be")
	}
	return n, b[size:], nil
}

func varint(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// fields reads a message. Unknown fields count against what a frame may have.
func fields(b []byte, unknown *int, f form) (*message, error) {
	m := &message{form: f, numbers: map[uint64]uint64{}, chunks: map[uint64][][]byte{}}
	for len(b) > 0 {
		tag, rest, err := takeVarint(b)
		if err != nil {
			return nil, err
		}
		field, wire := tag>>3, tag&7
		if field == 0 || field >= 1<<29 {
			return nil, fmt.Errorf("field number %d", field)
		}
		var n uint64
		var value []byte
		kind := 0
		switch wire {
		case 0:
			before := rest
			if n, rest, err = takeVarint(rest); err != nil {
				return nil, err
			}
			kind, value = number, before[:len(before)-len(rest)]
		case 1:
			if len(rest) < 8 {
				return nil, errShort
			}
			kind, value, rest = fixed, rest[:8], rest[8:]
			n = binary.LittleEndian.Uint64(value)
		case 2:
			var size uint64
			if size, rest, err = takeVarint(rest); err != nil {
				return nil, err
			}
			if size > uint64(len(rest)) {
				return nil, errShort
			}
			kind, value, rest = chunk, rest[:size], rest[size:]
		case 5:
			if len(rest) < 4 {
				return nil, errShort
			}
			value, rest = rest[:4], rest[4:]
		default:
			return nil, fmt.Errorf("wire type %d", wire)
		}
		b = rest
		want, known := f[field]
		if !known {
			if *unknown--; *unknown < 0 {
				return nil, errors.New("too many unknown fields")
			}
			m.skipped = append(m.skipped, skipped{field, wire, value})
			continue
		}
		if kind != want && !(want == many && kind == chunk) {
			return nil, fmt.Errorf("field %d has wire type %d", field, wire)
		}
		_, twice := m.numbers[field]
		if want != many && (twice || len(m.chunks[field]) > 0) {
			return nil, fmt.Errorf("field %d twice", field)
		}
		if kind == chunk {
			m.chunks[field] = append(m.chunks[field], value)
		} else {
			m.numbers[field] = n
		}
	}
	return m, nil
}

func (m *message) has(field uint64) bool {
	_, ok := m.numbers[field]
	return ok || len(m.chunks[field]) > 0
}

func (m *message) number(field uint64) uint64 { return m.numbers[field] }

func (m *message) bytes(field uint64) []byte {
	if c := m.chunks[field]; len(c) > 0 {
		return c[0]
	}
	return nil
}

func (m *message) all(field uint64) [][]byte { return m.chunks[field] }
