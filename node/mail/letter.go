package mail

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"hearsay/node/envelope"
)

// ID names a message. Its sender draws it by chance.
type ID [16]byte

// String is 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText makes it String in JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText gave.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// ParseID reads what String gave.
func ParseID(s string) (id ID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q names no message: that is 32 hexadecimal digits", s)
	}
	return ID(b), nil
}

// Limits of what an envelope's text says, in bytes unless the name says otherwise.
const (
	letterVersion = 1
	letterHead    = 1 + 1 + 1 + 16 + 8 + 8
	// MaxText bounds the text of a message: what fits into an envelope.
	MaxText = envelope.MaxText - letterHead
	// maxAcknowledged is how many messages one receipt acknowledges.
	maxAcknowledged = 64
	// maxSkew is the difference that two honest clocks are allowed.
	maxSkew = time.Minute
	// maxLife bounds how long a message can be on its way; it is what rumors may
	// live (gossip.MaxLifetime).
	maxLife = 24 * time.Hour
)

// kind says what a letter is.
type kind byte

const (
	kindMessage kind = 1
	kindReceipt kind = 2
)

// flagReceipt: the sender wants a receipt.
const flagReceipt = 1

// letter is what is in an envelope:
//
//	version u8 · kind u8 · flags u8 · ID · created u64 · expires u64 (Unix ms) · body
//
// The body is a message's text, or the IDs that a receipt acknowledges.
type letter struct {
	kind    kind
	flags   byte
	id      ID
	created time.Time
	expires time.Time
	body    []byte
}

func (l *letter) encode() []byte {
	b := append(make([]byte, 0, letterHead+len(l.body)), letterVersion, byte(l.kind), l.flags)
	b = append(b, l.id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.created.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(l.expires.UnixMilli()))
	return append(b, l.body...)
}

// errLetter is wrapped by every error about a letter that is sealed and signed and
// yet not as it should be.
var errLetter = errors.New("mail: not a letter that this node takes")

// parseLetter reads a letter and checks its times against now.
func parseLetter(b []byte, now time.Time) (*letter, error) {
	if len(b) < letterHead || b[0] != letterVersion {
		return nil, fmt.Errorf("%w: %d bytes, or of another version", errLetter, len(b))
	}
	l := &letter{kind: kind(b[1]), flags: b[2], id: ID(b[3:19]), body: b[letterHead:]}
	created, expires := binary.BigEndian.Uint64(b[19:]), binary.BigEndian.Uint64(b[27:])
	if created >= 1<<52 || expires <= created || expires-created > uint64(maxLife.Milliseconds()) {
		return nil, fmt.Errorf("%w: it lives from %d to %d (Unix ms)", errLetter, created, expires)
	}
	l.created, l.expires = time.UnixMilli(int64(created)), time.UnixMilli(int64(expires))
	switch {
	case l.created.After(now.Add(maxSkew)):
		return nil, fmt.Errorf("%w: it is of the future: %v", errLetter, l.created)
	case !l.expires.After(now):
		return nil, fmt.Errorf("%w: it has expired", errLetter)
	case l.kind == kindReceipt && (len(l.body) == 0 || len(l.body)%16 != 0 || len(l.body) > 16*maxAcknowledged):
		return nil, fmt.Errorf("%w: a receipt of %d bytes", errLetter, len(l.body))
	case l.kind != kindMessage && l.kind != kindReceipt:
		return nil, fmt.Errorf("%w: of kind %d", errLetter, l.kind)
	}
	return l, nil
}

// acknowledged are the messages that a receipt is for.
func (l *letter) acknowledged() (ids []ID) {
	for b := l.body; len(b) >= 16; b = b[16:] {
		ids = append(ids, ID(b[:16]))
	}
	return ids
}
