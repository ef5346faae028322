package values

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// KeySize is the size of a key in bytes.
const KeySize = 32

// Key is the name of a value; any 32 bytes are one.
type Key [KeySize]byte

// Limits of a record.
const (
	// MaxValue is the largest value in bytes: what both PUT and SUCCESS of the
	// module API can carry.
	MaxValue = 65495
	// MaxTTL is the longest time from creation to expiry. Nobody can take a value
	// back, and memory is others' memory.
	MaxTTL = 12 * time.Hour
	// MaxSkew is how far ahead of ours a signer's clock may be.
	MaxSkew = time.Minute
	// maxRecord is the largest record in bytes: an RSA-8192 signer's with a value
	// of MaxValue and the longest network name.
	maxRecord = MaxValue + 3<<10

	maxSigner    = 64   // bytes of a peer ID
	maxPublicKey = 1200 // bytes of an RSA-8192 public key and what libp2p wraps it in
	maxSignature = 1024 // bytes, RSA-8192
)

const recordVersion = 1

// domain keeps a record's signature from meaning anything elsewhere, and
// signatures of elsewhere from meaning anything here.
var domain = []byte("hearsay/value/1\x00")

// Record is a value as it travels: signed, and not to be modified.
type Record struct {
	Network  string
	Key      Key
	Sequence uint64 // of this signer and key; the highest counts
	Created  time.Time
	Expires  time.Time
	Signer   peer.ID
	Value    []byte

	raw    []byte // all of it, as on the wire
	signed []byte // what the signature is over, within raw
	public []byte // the signer's public key if its ID does not embed it, within raw
	sig    []byte // within raw
	digest [sha256.Size]byte
}

// On the wire, big-endian: u32 length of the signed part, signed part, u16 length
// of the public key, public key, signature. The signed part: u8 version, u8
// length of the network, network, key, u64 sequence, i64 created and i64 expires
// in milliseconds since 1970, u8 length of the signer, signer, value.

// Sign makes a record. Times are cut to milliseconds.
func Sign(private crypto.PrivKey, network string, key Key, value []byte, sequence uint64, created, expires time.Time) (*Record, error) {
	switch {
	case len(value) == 0:
		return nil, errors.New("the value is empty")
	case len(value) > MaxValue:
		return nil, fmt.Errorf("a value of %d bytes: at most %d fit", len(value), MaxValue)
	case len(network) > 255:
		return nil, fmt.Errorf("a network name of %d bytes: at most 255 fit", len(network))
	}
	signer, err := peer.IDFromPrivateKey(private)
	if err != nil {
		return nil, err
	}
	var public []byte
	if _, err := signer.ExtractPublicKey(); err != nil {
		if public, err = crypto.MarshalPublicKey(private.GetPublic()); err != nil {
			return nil, err
		}
	}
	signed := []byte{recordVersion, byte(len(network))}
	signed = append(signed, network...)
	signed = append(signed, key[:]...)
	signed = binary.BigEndian.AppendUint64(signed, sequence)
	signed = binary.BigEndian.AppendUint64(signed, uint64(created.UnixMilli()))
	signed = binary.BigEndian.AppendUint64(signed, uint64(expires.UnixMilli()))
	signed = append(signed, byte(len(signer)))
	signed = append(signed, signer...)
	signed = append(signed, value...)
	sig, err := private.Sign(append(bytes.Clone(domain), signed...))
	if err != nil {
		return nil, err
	}
	raw := binary.BigEndian.AppendUint32(nil, uint32(len(signed)))
	raw = append(raw, signed...)
	raw = binary.BigEndian.AppendUint16(raw, uint16(len(public)))
	raw = append(raw, public...)
	return ParseRecord(append(raw, sig...))
}

var errMalformed = errors.New("not a record")

// ParseRecord reads a record, which keeps raw. It checks sizes and nothing else:
// see [Record.Check].
func ParseRecord(raw []byte) (*Record, error) {
	r := &Record{raw: raw}
	if len(raw) > maxRecord {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", errMalformed, len(raw), maxRecord)
	}
	in := cutter{rest: raw}
	r.signed = in.take(int(in.u32()))
	r.public = in.take(int(in.u16()))
	r.sig = in.rest
	if in.short || len(r.public) > maxPublicKey || len(r.sig) == 0 || len(r.sig) > maxSignature {
		return nil, errMalformed
	}
	in = cutter{rest: r.signed}
	if v := in.u8(); v != recordVersion && !in.short {
		return nil, fmt.Errorf("%w of a version known here: %d", errMalformed, v)
	}
	r.Network = string(in.take(int(in.u8())))
	copy(r.Key[:], in.take(KeySize))
	r.Sequence = in.u64()
	r.Created, r.Expires = time.UnixMilli(int64(in.u64())), time.UnixMilli(int64(in.u64()))
	r.Signer = peer.ID(in.take(int(in.u8())))
	r.Value = in.rest
	if in.short || len(r.Signer) == 0 || len(r.Signer) > maxSigner || len(r.Value) == 0 || len(r.Value) > MaxValue {
		return nil, errMalformed
	}
	r.digest = sha256.Sum256(raw)
	return r, nil
}

// Reasons for which a record is refused.
var (
	ErrKey       = errors.New("the record is of another key")
	ErrNetwork   = errors.New("the record is of another network")
	ErrExpired   = errors.New("the record has expired")
	ErrTimes     = errors.New("the record lives too long, or begins in the future")
	ErrSignature = errors.New("the record's signature is wrong")
)

// Check is nil if the record may be kept and told of now, under this key in this
// network. The signature is looked at last, it is the dearest.
func (r *Record) Check(network string, key Key, now time.Time) error {
	if err := r.checkUnder(network, key, now); err != nil {
		return err
	}
	return r.checkSignature()
}

// checkUnder is Check but for the signature.
func (r *Record) checkUnder(network string, key Key, now time.Time) error {
	if err := r.checkCheap(network, now); err != nil {
		return err
	}
	if r.Key != key {
		return ErrKey
	}
	return nil
}

func (r *Record) checkCheap(network string, now time.Time) error {
	switch {
	case r.Network != network:
		return ErrNetwork
	case !r.Alive(now):
		return ErrExpired
	case r.Expires.Sub(r.Created) > MaxTTL, r.Created.After(now.Add(MaxSkew)):
		return ErrTimes
	}
	return nil
}

func (r *Record) checkSignature() error {
	key, err := r.Signer.ExtractPublicKey()
	if err != nil {
		if key, err = crypto.UnmarshalPublicKey(r.public); err != nil || !r.Signer.MatchesPublicKey(key) {
			return ErrSignature
		}
	} else if len(r.public) != 0 {
		return ErrSignature // two encodings of one record
	}
	message := make([]byte, 0, len(domain)+len(r.signed))
	message = append(append(message, domain...), r.signed...)
	if ok, err := key.Verify(message, r.sig); err != nil || !ok {
		return ErrSignature
	}
	return nil
}

// Alive reports whether the record has not expired.
func (r *Record) Alive(now time.Time) bool { return now.Before(r.Expires) }

// Newer reports whether r is to be preferred to o, a record of the same key and
// signer: the higher sequence number, then the smaller digest. It is a total
// order; of a record and itself neither is newer.
func (r *Record) Newer(o *Record) bool {
	if r.Sequence != o.Sequence {
		return r.Sequence > o.Sequence
	}
	return bytes.Compare(r.digest[:], o.digest[:]) < 0
}

// vouched tells how much the key itself says for the record.
func (r *Record) vouched() int {
	if sha256.Sum256(r.Value) == r.Key {
		return 2
	}
	if sha256.Sum256([]byte(r.Signer)) == r.Key {
		return 1
	}
	return 0
}

// cutter takes fields off a message.
type cutter struct {
	rest  []byte
	short bool // more was asked for than there was
}

func (c *cutter) take(n int) []byte {
	if n < 0 || n > len(c.rest) {
		c.short, c.rest = true, nil
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cutter) u8() uint8 {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cutter) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cutter) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cutter) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}
