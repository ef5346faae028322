package envelope

import (
	"crypto/hpke"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/identity"
)

// Key is what envelopes to a node are opened with: an X25519 key. It is safe for
// concurrent use.
type Key struct{ private hpke.PrivateKey }

// NewKey makes a key by chance.
func NewKey() (*Key, error) {
	private, err := kem.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("envelope: making a key: %w", err)
	}
	return &Key{private}, nil
}

// ParseKey reads what Key.Bytes gave.
func ParseKey(b []byte) (*Key, error) {
	private, err := kem.NewPrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: a private key of %d bytes: %w", ErrForm, len(b), err)
	}
	return &Key{private}, nil
}

// Bytes are the 32 bytes of the private key, to be kept where nobody else reads.
func (k *Key) Bytes() ([]byte, error) { return k.private.Bytes() }

// GoString keeps the private key out of %#v.
func (k *Key) GoString() string { return "envelope.Key{…}" }

// Certificate says to which key envelopes to a node are sealed.
type Certificate struct {
	Peer peer.ID
	Key  [keySize]byte
	// Seq tells a node's certificates apart: the one with the greatest counts.
	// Unix milliseconds are good ones.
	Seq     uint64
	Expires time.Time // in whole milliseconds
	// Bytes is the certificate as it is told, with the node's signature.
	Bytes []byte
}

// MaxCertificate bounds a certificate, in bytes.
const MaxCertificate = 1 + 1 + maxPeerID + keySize + 8 + 8 + 2 + maxPublicKey + 2 + maxSignature

// Certify vouches for a key with the hostkey of the node that it belongs to.
func Certify(id *identity.Identity, key *Key, seq uint64, expires time.Time) (*Certificate, error) {
	self := id.ID()
	b := append([]byte{version, byte(len(self))}, self...)
	b = append(b, key.private.PublicKey().Bytes()...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint64(b, uint64(max(0, expires.UnixMilli())))
	b, err := appendSignature(b, id, certificateStatement(b))
	if err != nil {
		return nil, err
	}
	return ParseCertificate(b, expires.Add(-time.Millisecond))
}

func certificateStatement(b []byte) []byte {
	return slices.Concat([]byte("hearsay envelope key v1\x00"), b)
}

// ErrExpired: a certificate is too old to seal to.
var ErrExpired = fmt.Errorf("%w: the certificate has expired", ErrRecipients)

// ParseCertificate reads and verifies a certificate, whose bytes it keeps. The
// error wraps ErrForm or ErrForged, or is ErrExpired if it expired before now.
func ParseCertificate(b []byte, now time.Time) (*Certificate, error) {
	if len(b) > MaxCertificate {
		return nil, fmt.Errorf("%w: a certificate of %d bytes, at most %d", ErrForm, len(b), MaxCertificate)
	}
	p := parser{rest: b}
	if v := p.u8(); v != version {
		return nil, fmt.Errorf("%w: a certificate of version %d", ErrForm, v)
	}
	c := &Certificate{Peer: peer.ID(p.take(int(p.u8()))), Bytes: b}
	copy(c.Key[:], p.take(keySize))
	c.Seq = p.u64()
	millis := p.u64()
	statement := certificateStatement(b[:len(b)-len(p.rest)])
	public, signature := p.take(int(p.u16())), p.take(int(p.u16()))
	if p.short || len(p.rest) > 0 || c.Peer == "" || len(c.Peer) > maxPeerID || millis > 1<<62 {
		return nil, fmt.Errorf("%w: a certificate of %d bytes", ErrForm, len(b))
	}
	c.Expires = time.UnixMilli(int64(millis))
	if !c.Expires.After(now) {
		return nil, ErrExpired
	}
	if _, err := kem.NewPublicKey(c.Key[:]); err != nil {
		return nil, fmt.Errorf("%w: the key of %v: %w", ErrForm, c.Peer, err)
	}
	if err := checkSignature(c.Peer, public, statement, signature); err != nil {
		return nil, err
	}
	return c, nil
}
