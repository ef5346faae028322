package apimsg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Message is a message of any type: a pointer to [Announce], [Notify],
// [Notification], [Validation], [NSEQuery], [NSEEstimate], [RPSQuery],
// [RPSPeer], [Put], [Get], [Success] or [Failure].
type Message interface {
	// Type returns the number in the message's header.
	Type() Type
	// Size returns the size of the whole message in bytes, also where it
	// exceeds [MaxSize] and the message therefore cannot be sent.
	Size() int

	// check tells what keeps the message from being sent.
	check() error
	// appendBody appends what follows the header.
	appendBody(dst []byte) []byte
	// decode takes the fields from a whole message, whose size is within the
	// limits of its type. Byte slices alias frame.
	decode(frame []byte) error
}

// Append appends the whole message, header and body, to dst, so that one Write
// can send it: the clients of this API read a header, and then a body with a
// single read. It fails, and returns dst as it was, if the message does not
// fit into [MaxSize] bytes or has fields that the layout does not allow.
func Append(dst []byte, m Message) ([]byte, error) {
	if m == nil {
		return dst, errors.New("apimsg: no message to encode")
	}
	size := m.Size()
	if size > MaxSize {
		return dst, fmt.Errorf("apimsg: %v of %d bytes: at most %d fit", m.Type(), size, MaxSize)
	}
	if err := m.check(); err != nil {
		return dst, fmt.Errorf("apimsg: %v: %w", m.Type(), err)
	}
	dst = slices.Grow(dst, size)
	dst = binary.BigEndian.AppendUint16(dst, uint16(size))
	dst = binary.BigEndian.AppendUint16(dst, uint16(m.Type()))
	return m.appendBody(dst), nil
}

// Parse reads one whole message. Byte slices of the result alias frame. The
// error is a [*Violation]; a frame that is shorter or longer than its size
// field says is one too.
func Parse(frame []byte) (Message, error) {
	if len(frame) < HeaderSize {
		return nil, &Violation{Kind: BadSize, Size: len(frame)}
	}
	size, t, err := parseHeader(frame)
	if err != nil {
		return nil, err
	}
	if size != len(frame) {
		return nil, &Violation{Kind: BadLength, Type: t, Size: len(frame)}
	}
	m := t.newMessage()
	if err := m.decode(frame); err != nil {
		return nil, err
	}
	return m, nil
}

// parseHeader judges all that a header tells by itself. b has HeaderSize bytes
// at least.
func parseHeader(b []byte) (size int, t Type, err error) {
	size, t = int(binary.BigEndian.Uint16(b)), Type(binary.BigEndian.Uint16(b[2:]))
	if size < HeaderSize {
		return 0, 0, &Violation{Kind: BadSize, Type: t, Size: size}
	}
	least, most, known := t.limits()
	if !known {
		return 0, 0, &Violation{Kind: BadType, Type: t, Size: size}
	}
	if size < least || size > most {
		return 0, 0, &Violation{Kind: BadLength, Type: t, Size: size}
	}
	return size, t, nil
}

// Kind says which rule a message breaks.
type Kind uint8

// The kinds of violations.
const (
	BadSize      Kind = 1 + iota // the size field is below the 4 bytes of the header
	BadType                      // no message has this type
	BadDirection                 // a message of another API, or one that only the other side sends
	BadLength                    // the body's length does not fit the type
)

// String describes the kind in words.
func (k Kind) String() string {
	switch k {
	case BadSize:
		return "size below the header's"
	case BadType:
		return "unknown type"
	case BadDirection:
		return "not a message for this side"
	case BadLength:
		return "body of a wrong length"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Violation is a message that breaks the rules of the API. The connection it
// came over is to be closed, since nothing behind it can be trusted to be a
// message.
type Violation struct {
	Kind Kind
	Type Type // as the header has it
	Size int  // in bytes, as the header has it
}

// Error names the rule and the message.
func (v *Violation) Error() string {
	if v.Kind == BadSize {
		return fmt.Sprintf("apimsg: a message of %d bytes: the header alone takes %d", v.Size, HeaderSize)
	}
	return fmt.Sprintf("apimsg: %v of %d bytes: %v", v.Type, v.Size, v.Kind)
}
