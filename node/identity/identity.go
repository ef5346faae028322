// Package identity is the hostkey: the key pair that makes a node the same
// node after a restart, gives it its peer ID, and signs its rumors.
//
// The key lives in a PEM file of its own. Keys of the inherited ecosystem (RSA,
// PKCS#1 or PKCS#8) are taken as they are; a node that has none makes itself an
// Ed25519 key, which signs and verifies many times faster (see README.md) and
// whose peer ID carries the public key, so that rumors need not. Whatever else a
// file may hold is refused with a sentence that says what it is and what to do.
//
// A signature here covers a rumor id (SHA-256 of everything the origin says)
// behind a text that names its purpose, so that it can never be passed off as
// a signature made for another end with the same key, such as a handshake or a
// peer record, nor the other way round.
package identity

import (
	stded25519 "crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// Kinds of hostkey, as they are shown to people.
const (
	Ed25519 = "Ed25519"
	RSA     = "RSA"
)

// Limits of an RSA hostkey. Below 2048 bits a key is breakable within a
// rumor's time; above 8192 bits libp2p speaks with nobody. Every exponent in
// use is at most 65537; larger ones would only make neighbours spend more than
// twice the time on each signature.
const (
	MinRSABits     = 2048
	MaxRSABits     = 8192
	MaxRSAExponent = 65537
)

// Identity is a hostkey and what follows from it. It does not change and is
// safe for concurrent use. Its fields are hidden so that no log line, dump or
// JSON answer can hold the private key by accident.
type Identity struct {
	private crypto.PrivKey
	sign    func([]byte) ([]byte, error) // a rumor; not a key, for a key could be printed
	id      peer.ID
	public  []byte // see Public
	kind    string
	bits    int
}

// New makes an Ed25519 identity that exists in memory only.
func New() (*Identity, error) {
	private, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("identity: making an Ed25519 key: %w", err)
	}
	return newIdentity(private, Ed25519, ed25519Bits)
}

const ed25519Bits = 8 * stded25519.PublicKeySize

func newIdentity(private crypto.PrivKey, kind string, bits int) (*Identity, error) {
	public, err := crypto.MarshalPublicKey(private.GetPublic())
	if err != nil {
		return nil, fmt.Errorf("identity: encoding the public key: %w", err)
	}
	id, err := peer.IDFromPublicKey(private.GetPublic())
	if err != nil {
		return nil, fmt.Errorf("identity: deriving the peer ID: %w", err)
	}
	i := &Identity{private: private, sign: private.Sign, id: id, public: public, kind: kind, bits: bits}
	if kind == Ed25519 {
		key, err := private.Raw()
		if err != nil {
			return nil, fmt.Errorf("identity: unwrapping the key: %w", err)
		}
		i.public = nil
		i.sign = func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil } // in half the time
	}
	return i, nil
}

// ID is the peer ID: 12D3Koo… (Ed25519) or Qm… (RSA).
func (i *Identity) ID() peer.ID { return i.id }

// PrivKey is the private key, for libp2p's handshakes and peer records.
func (i *Identity) PrivKey() crypto.PrivKey { return i.private }

// Public is what others need besides the peer ID to verify our signatures, the
// pub argument of [Verify]: nil for Ed25519, whose peer ID embeds the key, and
// libp2p's protobuf encoding of the public key for RSA (299 bytes for 2048
// bits, 555 for 4096). The caller must not change it.
func (i *Identity) Public() []byte { return i.public }

// Kind is [Ed25519] or [RSA].
func (i *Identity) Kind() string { return i.kind }

// Bits is the size of the key in bits: 256 for Ed25519, 2048 … 8192 for RSA.
func (i *Identity) Bits() int { return i.bits }

// String shows the public side, for example "12D3Koo… (Ed25519, 256 bits)".
func (i *Identity) String() string {
	return fmt.Sprintf("%s (%s, %d bits)", i.id, i.kind, i.bits)
}

// GoString keeps the private key out of %#v.
func (i *Identity) GoString() string { return "identity.Identity{" + i.String() + "}" }

// MarshalPEM encodes the private key as PKCS#8 PEM ("PRIVATE KEY"), which
// [Parse] and every common tool read.
func (i *Identity) MarshalPEM() ([]byte, error) {
	key, err := crypto.PrivKeyToStdKey(i.private)
	if err != nil {
		return nil, fmt.Errorf("identity: unwrapping the key: %w", err)
	}
	if k, ok := key.(*stded25519.PrivateKey); ok {
		key = *k // x509 knows the value only
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("identity: encoding the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockPKCS8, Bytes: der}), nil
}

// fromEd25519 wraps a key that x509 has parsed.
func fromEd25519(key stded25519.PrivateKey) (*Identity, error) {
	private, err := crypto.UnmarshalEd25519PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return newIdentity(private, Ed25519, ed25519Bits)
}

// fromRSA wraps a key that x509 has parsed and checked. libp2p's own decoder
// is used because it holds the size to libp2p's limits once more.
func fromRSA(key *rsa.PrivateKey) (*Identity, error) {
	private, err := crypto.UnmarshalRsaPrivateKey(x509.MarshalPKCS1PrivateKey(key))
	if err != nil {
		return nil, err
	}
	return newIdentity(private, RSA, key.N.BitLen())
}
