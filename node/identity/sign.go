package identity

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"

	libp2p "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// domain precedes the rumor id in what is signed. libp2p's own signatures with
// the same key begin with "noise-libp2p-static-key:" or a length-prefixed
// "libp2p-peer-record", hence no text that one of them covers equals ours.
const domain = "hearsay rumor v1\x00"

const messageSize = len(domain) + sha256.Size

// Why [Verify] refuses. The errors are fixed values: a flood of forgeries must
// not cost more than the checks themselves.
var (
	// ErrOrigin: the peer ID is neither that of an Ed25519 nor, in form, of an
	// RSA key. Only those two kinds may be a hostkey.
	ErrOrigin = errors.New("identity: origin is not the peer ID of an Ed25519 or RSA key")
	// ErrPublicKey: the public key is missing, does not belong to the origin,
	// is given although the peer ID embeds it, or breaks the limits on RSA.
	ErrPublicKey = errors.New("identity: public key does not fit the origin")
	// ErrSignature: the signature is not the origin's signature of this id.
	ErrSignature = errors.New("identity: signature is not the origin's")
)

func message(id [32]byte) (m [messageSize]byte) {
	copy(m[copy(m[:], domain):], id[:])
	return m
}

// Sign signs a rumor id: 64 bytes with Ed25519, as many as the modulus has with
// RSA (PKCS #1 v1.5 with SHA-256; 512 bytes at 4096 bits). The signed message
// is "hearsay rumor v1", a zero byte, and the id.
func (i *Identity) Sign(id [32]byte) ([]byte, error) {
	m := message(id)
	return i.sign(m[:])
}

// zip215 has signatures verified by the rule that Verify names.
var zip215 = &ed25519.Options{Verify: ed25519.VerifyOptionsZIP_215}

// Layout of a peer ID (libp2p peer ID specification): a multihash, either the
// identity "hash" of a marshalled Ed25519 key or the SHA-256 of a marshalled
// RSA key.
const (
	ed25519Prefix = "\x00\x24\x08\x01\x12\x20" // identity, 36 bytes: type 1, 32 bytes of key
	ed25519IDSize = len(ed25519Prefix) + ed25519.PublicKeySize
	sha256Prefix  = "\x12\x20" // SHA2-256, 32 bytes
	sha256IDSize  = len(sha256Prefix) + sha256.Size
)

// Verify checks that sig is origin's signature of the rumor id, and returns nil
// or one of [ErrOrigin], [ErrPublicKey] and [ErrSignature]. pub is what
// [Identity.Public] gives: empty for an Ed25519 origin, because a second place
// for the same key would allow two encodings of one rumor; for an RSA origin
// the very bytes whose hash is the peer ID.
//
// What is a valid Ed25519 signature is said by ZIP-215 (the cofactored equation of RFC
// 8032), of every input exactly, and not by crypto/ed25519, which refuses some that
// ZIP-215 takes: nodes that verify alone and those that verify in batches ([Verifier])
// must agree, else somebody could make a rumor that half of a network believes.
func Verify(origin peer.ID, pub []byte, id [32]byte, sig []byte) error {
	m := message(id)
	key, embedded := embeddedKey(origin)
	switch {
	case embedded:
		if len(pub) != 0 {
			return ErrPublicKey
		}
		if !ed25519.VerifyWithOptions(key[:], m[:], sig, zip215) {
			return ErrSignature
		}
		return nil

	case len(origin) == sha256IDSize && origin[:len(sha256Prefix)] == sha256Prefix:
		// The hash is by far the cheapest check, so it comes first.
		if digest := sha256.Sum256(pub); string(digest[:]) != string(origin[len(sha256Prefix):]) {
			return ErrPublicKey
		}
		key, err := rsaKey(origin, pub)
		if err != nil {
			return err
		}
		digest := sha256.Sum256(m[:])
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) != nil {
			return ErrSignature
		}
		return nil
	}
	return ErrOrigin
}

// rsaKey parses a public key whose bytes have been found to hash to origin.
func rsaKey(origin peer.ID, pub []byte) (*rsa.PublicKey, error) {
	parsed, err := libp2p.UnmarshalPublicKey(pub)
	if err != nil {
		return nil, ErrPublicKey
	}
	std, err := libp2p.PubKeyToStdKey(parsed)
	if err != nil {
		return nil, ErrPublicKey
	}
	key, ok := std.(*rsa.PublicKey)
	if !ok {
		return nil, ErrOrigin // an ECDSA key: libp2p knows it, hostkeys do not
	}
	if bits := key.N.BitLen(); bits < MinRSABits || bits > MaxRSABits || key.E > MaxRSAExponent {
		return nil, ErrPublicKey
	}
	// A key has several encodings and libp2p derives the peer ID from one of
	// them. The others would be origins that no connection can ever have.
	if !origin.MatchesPublicKey(parsed) {
		return nil, ErrPublicKey
	}
	return key, nil
}
