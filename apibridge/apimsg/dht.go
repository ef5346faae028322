package apimsg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Put (650) asks the peer to store a value under a key. There is no reply.
type Put struct {
	TTL         uint16 // seconds, a hint
	Replication uint8  // copies wished for, a hint
	Key         [KeySize]byte
	Value       []byte // 1 to MaxValue bytes
}

// Get (651) asks for the value of a key. The answer is Success or Failure.
type Get struct {
	Key [KeySize]byte
}

// Success (652) answers a Get with the value.
type Success struct {
	Key   [KeySize]byte
	Value []byte // 1 to MaxValue bytes
}

// Failure (653) answers a Get whose value was not found.
type Failure struct {
	Key [KeySize]byte
}

// Type returns TypePut.
func (*Put) Type() Type { return TypePut }

// Type returns TypeGet.
func (*Get) Type() Type { return TypeGet }

// Type returns TypeSuccess.
func (*Success) Type() Type { return TypeSuccess }

// Type returns TypeFailure.
func (*Failure) Type() Type { return TypeFailure }

// Size returns 40 bytes and those of the value.
func (m *Put) Size() int { return putHeader + len(m.Value) }

// Size returns 36 bytes.
func (*Get) Size() int { return keyedHeader }

// Size returns 36 bytes and those of the value.
func (m *Success) Size() int { return keyedHeader + len(m.Value) }

// Size returns 36 bytes.
func (*Failure) Size() int { return keyedHeader }

func (m *Put) check() error     { return checkValue(m.Value) }
func (*Get) check() error       { return nil }
func (m *Success) check() error { return checkValue(m.Value) }
func (*Failure) check() error   { return nil }

func checkValue(value []byte) error {
	if len(value) == 0 {
		return errors.New("the value is empty")
	}
	if len(value) > MaxValue {
		return fmt.Errorf("a value of %d bytes: at most %d fit both PUT and SUCCESS", len(value), MaxValue)
	}
	return nil
}

func (m *Put) appendBody(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.TTL)
	dst = append(dst, m.Replication, 0)
	dst = append(dst, m.Key[:]...)
	return append(dst, m.Value...)
}

func (m *Put) decode(frame []byte) error {
	m.TTL = binary.BigEndian.Uint16(frame[4:])
	m.Replication = frame[6]
	copy(m.Key[:], frame[8:])
	m.Value = frame[putHeader:]
	return nil
}

func (m *Get) appendBody(dst []byte) []byte { return append(dst, m.Key[:]...) }

func (m *Get) decode(frame []byte) error {
	copy(m.Key[:], frame[HeaderSize:])
	return nil
}

func (m *Success) appendBody(dst []byte) []byte {
	dst = append(dst, m.Key[:]...)
	return append(dst, m.Value...)
}

func (m *Success) decode(frame []byte) error {
	copy(m.Key[:], frame[HeaderSize:])
	m.Value = frame[keyedHeader:]
	return nil
}

func (m *Failure) appendBody(dst []byte) []byte { return append(dst, m.Key[:]...) }

func (m *Failure) decode(frame []byte) error {
	copy(m.Key[:], frame[HeaderSize:])
	return nil
}
