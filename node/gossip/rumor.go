package gossip

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// PeerID is the binary form of a libp2p peer ID. The core compares and orders
// it, and knows nothing else about it.
type PeerID string

// RumorID is SHA-256 over a rumor's signed bytes.
type RumorID [sha256.Size]byte

// String is the first 8 bytes in hexadecimal, enough to tell rumors apart in a log.
func (id RumorID) String() string { return hex.EncodeToString(id[:8]) }

// ShortID is the beginning of a RumorID. It names a rumor where a mistake costs
// little: between neighbours, of rumors that are under way.
type ShortID [8]byte

// Short is the beginning of an ID.
func (id RumorID) Short() ShortID { return ShortID(id[:8]) }

// Kind says how a rumor is kept and told.
type Kind uint8

const (
	// KindEvent is told once to every module that wants its data type.
	KindEvent Kind = 1
	// KindState has a key; only the newest version per (origin, data type, key) counts.
	KindState Kind = 2
	// KindPresence is the state rumor by which a node says that it is here, or left.
	KindPresence Kind = 3
	// KindPrivate is an event whose payload is sealed to its recipients.
	KindPrivate Kind = 4
)

// Limits of a rumor, in bytes unless the name says otherwise.
const (
	// Version is the version of the signed layout.
	Version = 1
	// MaxPayload is the most data one ANNOUNCE of the module API can carry:
	// 65,535 less 8 bytes of header.
	MaxPayload = 65527
	// MaxNetwork bounds a network's name.
	MaxNetwork = 32
	// MaxPeerID bounds a peer ID: RSA IDs have 34 bytes, Ed25519 ones 38, an
	// identity-hashed key at most 42 and a prefix.
	MaxPeerID = 64
	// MaxKey bounds the key of a state rumor.
	MaxKey = 255
	// MaxSigned bounds the signed bytes: every field at its limit.
	MaxSigned = 1 + 1 + MaxNetwork + 1 + 1 + MaxPeerID + 8 + 8 + 2 + 1 + MaxKey + 8 + 8 + 1 + MaxPayload
	// MaxSignature bounds a signature: RSA with 8192 bits.
	MaxSignature = 1024
	// MaxPublicKey bounds a marshalled public key: RSA with 8192 bits.
	MaxPublicKey = 1100
	// MaxLifetime bounds how long a rumor may live. Windows and stores may
	// forget nothing before its rumors are expired, so this bounds memory too.
	MaxLifetime = 24 * time.Hour
	// MaxSkew is how far in the future a rumor's creation may lie: the
	// difference that two honest clocks are allowed.
	MaxSkew = time.Minute
)

// Header is everything signed except the payload.
type Header struct {
	Network  string // the network's name, 1 to MaxNetwork bytes
	Kind     Kind
	Origin   PeerID // who made and signed it
	Epoch    uint64 // the origin's epoch: larger after each of its starts
	Seq      uint64 // counts from 1 in each epoch; (Origin, Epoch, Seq) is never used twice
	DataType uint16 // of the module API; 0 for presence
	Key      string // of a state rumor, else empty
	Created  int64  // Unix milliseconds
	Expires  int64  // Unix milliseconds, after Created and at most MaxLifetime later
	TTL      uint8  // hops it may travel, 0 = unlimited
}

// Rumor is one piece of news with the proof that its origin said it. It is
// immutable: nodes hand it on as they got it, byte for byte.
type Rumor struct {
	Header
	// Signed is Header and Payload in the layout of Encode, kept as received.
	Signed []byte
	// Payload is the end of Signed.
	Payload []byte
	// ID is SHA-256 of Signed.
	ID RumorID
	// Nonce is the proof of work over ID.
	Nonce uint64
	// Signature is the origin's over ID.
	Signature []byte
	// PublicKey is the origin's marshalled public key if its peer ID does not
	// embed it (RSA), else empty.
	PublicKey []byte

	presence *Presence // of a presence rumor, once it was read
}

// Size is about what a rumor occupies in memory and on the wire, in bytes.
func (r *Rumor) Size() int {
	return len(r.Signed) + len(r.Signature) + len(r.PublicKey) + 64
}

// Version of a superseding rumor: a later epoch wins, then a later sequence number.
type version struct{ epoch, seq uint64 }

func (v version) newer(w version) bool {
	return v.epoch > w.epoch || v.epoch == w.epoch && v.seq > w.seq
}

func (r *Rumor) version() version { return version{r.Epoch, r.Seq} }

// Encode lays out a header and its payload for signing, big-endian:
//
//	version u8 · network (u8 length, bytes) · kind u8 · origin (u8 length, bytes) ·
//	epoch u64 · seq u64 · data type u16 · key (u8 length, bytes) ·
//	created u64 · expires u64 · TTL u8 · payload
//
// Every field has a fixed place or a length before it, so that two different
// rumors never share an encoding. It fails if a field is over its limit.
func Encode(h Header, payload []byte) ([]byte, error) {
	if err := h.check(len(payload)); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 41+len(h.Network)+len(h.Origin)+len(h.Key)+len(payload))
	b = append(b, Version, byte(len(h.Network)))
	b = append(b, h.Network...)
	b = append(b, byte(h.Kind), byte(len(h.Origin)))
	b = append(b, h.Origin...)
	b = binary.BigEndian.AppendUint64(b, h.Epoch)
	b = binary.BigEndian.AppendUint64(b, h.Seq)
	b = binary.BigEndian.AppendUint16(b, h.DataType)
	b = append(b, byte(len(h.Key)))
	b = append(b, h.Key...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Created))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Expires))
	b = append(b, h.TTL)
	return append(b, payload...), nil
}

// NewRumor lays out an unsealed rumor: its proof of work and signature are the
// sealer's to add. It fails as Encode does.
func NewRumor(h Header, payload []byte) (*Rumor, error) {
	signed, err := Encode(h, payload)
	if err != nil {
		return nil, err
	}
	return &Rumor{Header: h, Signed: signed, Payload: signed[len(signed)-len(payload):], ID: sha256.Sum256(signed)}, nil
}

// ErrRumor is wrapped by every error about the form of a rumor.
var ErrRumor = errors.New("malformed rumor")

// ParseRumor reads signed bytes, which it keeps. Only the one encoding that
// Encode gives is accepted. Proof and signature are not looked at.
func ParseRumor(signed []byte) (*Rumor, error) {
	if len(signed) > MaxSigned {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrRumor, len(signed), MaxSigned)
	}
	p := parser{rest: signed}
	if v := p.u8(); v != Version {
		return nil, fmt.Errorf("%w: version %d, this node speaks %d", ErrRumor, v, Version)
	}
	h := Header{
		Network:  p.text(),
		Kind:     Kind(p.u8()),
		Origin:   PeerID(p.text()),
		Epoch:    p.u64(),
		Seq:      p.u64(),
		DataType: p.u16(),
		Key:      p.text(),
		Created:  int64(p.u64()),
		Expires:  int64(p.u64()),
		TTL:      p.u8(),
	}
	if p.short {
		return nil, fmt.Errorf("%w: ends early", ErrRumor)
	}
	if err := h.check(len(p.rest)); err != nil {
		return nil, err
	}
	return &Rumor{Header: h, Signed: signed, Payload: p.rest, ID: sha256.Sum256(signed)}, nil
}

// check enforces what holds for every rumor, whoever made it.
func (h *Header) check(payload int) error {
	switch {
	case h.Network == "" || len(h.Network) > MaxNetwork:
		return fmt.Errorf("%w: network name of %d bytes, allowed are 1 to %d", ErrRumor, len(h.Network), MaxNetwork)
	case h.Kind < KindEvent || h.Kind > KindPrivate:
		return fmt.Errorf("%w: kind %d is unknown", ErrRumor, h.Kind)
	case h.Origin == "" || len(h.Origin) > MaxPeerID:
		return fmt.Errorf("%w: origin of %d bytes, allowed are 1 to %d", ErrRumor, len(h.Origin), MaxPeerID)
	case h.Epoch == 0 || h.Seq == 0:
		return fmt.Errorf("%w: epoch %d, seq %d: both count from 1", ErrRumor, h.Epoch, h.Seq)
	case len(h.Key) > MaxKey:
		return fmt.Errorf("%w: key of %d bytes, at most %d", ErrRumor, len(h.Key), MaxKey)
	case h.Kind != KindState && h.Key != "":
		return fmt.Errorf("%w: only state rumors have a key", ErrRumor)
	case h.Created < 0 || h.Expires <= h.Created || h.Expires-h.Created > MaxLifetime.Milliseconds():
		return fmt.Errorf("%w: created %d, expires %d (Unix ms): it must live up to %v", ErrRumor, h.Created, h.Expires, MaxLifetime)
	case payload > MaxPayload:
		return fmt.Errorf("%w: payload of %d bytes, at most %d", ErrRumor, payload, MaxPayload)
	}
	return nil
}

// parser reads fixed fields and remembers whether it ran out of bytes.
type parser struct {
	rest  []byte
	short bool
}

func (p *parser) take(n int) []byte {
	if len(p.rest) < n {
		p.short, p.rest = true, nil
		return make([]byte, n)
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) u8() byte     { return p.take(1)[0] }
func (p *parser) u16() uint16  { return binary.BigEndian.Uint16(p.take(2)) }
func (p *parser) u64() uint64  { return binary.BigEndian.Uint64(p.take(8)) }
func (p *parser) text() string { return string(p.take(int(p.u8()))) }
