package main

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"math/big"
	"slices"

	"filippo.io/edwards25519"
)

// publicKey is a hostkey's public half; see docs/protocol/identity.md.
type publicKey struct {
	marshalled []byte
	ed         ed25519.PublicKey // nil: RSA
	rsa        *rsa.PublicKey
}

// readKey reads a marshalled public key, of which there is one encoding.
func readKey(b []byte) (*publicKey, error) {
	m, err := fields(b, new(maxUnknown), form{1: number, 2: chunk})
	if err != nil {
		return nil, err
	}
	data := m.bytes(2)
	k := &publicKey{marshalled: b}
	switch m.number(1) {
	case 0:
		any, err := x509.ParsePKIXPublicKey(data)
		if err != nil {
			return nil, err
		}
		var ok bool
		if k.rsa, ok = any.(*rsa.PublicKey); !ok {
			return nil, errors.New("not an RSA key")
		}
		if n := k.rsa.N.BitLen(); n < 2048 || n > 8192 || k.rsa.E > 65537 {
			return nil, errors.New("an RSA key out of the limits")
		}
		again, err := x509.MarshalPKIXPublicKey(k.rsa)
		if err != nil || !bytes.Equal(again, data) {
			return nil, errors.New("another encoding of an RSA key")
		}
	case 1:
		if len(data) != ed25519.PublicKeySize {
			return nil, errors.New("an Ed25519 key of another size")
		}
		k.ed = data
	default:
		return nil, errors.New("a key of another type")
	}
	if !bytes.Equal(b, slices.Concat([]byte{8, byte(m.number(1)), 18}, varint(uint64(len(data))), data)) {
		return nil, errors.New("another encoding of a key")
	}
	return k, nil
}

// peerID is the binary form.
func (k *publicKey) peerID() []byte {
	if k.ed != nil {
		return append([]byte{0, byte(len(k.marshalled))}, k.marshalled...)
	}
	sum := sha256.Sum256(k.marshalled)
	return append([]byte{0x12, 0x20}, sum[:]...)
}

func (k *publicKey) verify(message, signature []byte) bool {
	if k.ed != nil {
		return cofactored(k.ed, message, signature)
	}
	sum := sha256.Sum256(message)
	return rsa.VerifyPKCS1v15(k.rsa, crypto.SHA256, sum[:], signature) == nil
}

// cofactored is the rule for Ed25519: 8(sB - R - kA) = 0 for s below the order, and A and
// R any encodings of points. crypto/ed25519 has another one.
func cofactored(key, message, signature []byte) bool {
	if len(signature) != ed25519.SignatureSize {
		return false
	}
	a, err := new(edwards25519.Point).SetBytes(key)
	if err != nil {
		return false
	}
	r, err := new(edwards25519.Point).SetBytes(signature[:32])
	if err != nil {
		return false
	}
	s, err := edwards25519.NewScalar().SetCanonicalBytes(signature[32:])
	if err != nil {
		return false
	}
	hash := sha512.Sum512(slices.Concat(signature[:32], key, message))
	k, err := edwards25519.NewScalar().SetUniformBytes(hash[:])
	if err != nil {
		return false
	}
	left := new(edwards25519.Point).ScalarBaseMult(s)
	left.Subtract(left, r)
	left.Subtract(left, new(edwards25519.Point).ScalarMult(k, a))
	return left.MultByCofactor(left).Equal(edwards25519.NewIdentityPoint()) == 1
}

// keyOf finds the key of a peer: in its ID, or beside the signature.
func keyOf(peer, beside []byte) (*publicKey, error) {
	if len(peer) == 38 && peer[0] == 0 && peer[1] == 36 {
		if len(beside) > 0 {
			return nil, errors.New("a key in two places")
		}
		return readKey(peer[2:])
	}
	k, err := readKey(beside)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(k.peerID(), peer) {
		return nil, errors.New("a key that is not the peer's")
	}
	return k, nil
}

// peer is a peer ID, in JSON in base58.
type peer []byte

const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// MarshalText gives base58.
func (p peer) MarshalText() ([]byte, error) {
	var digits []byte
	for n, base := new(big.Int).SetBytes(p), big.NewInt(58); n.Sign() > 0; {
		var digit big.Int
		n.DivMod(n, base, &digit)
		digits = append(digits, alphabet[digit.Int64()])
	}
	for _, b := range p {
		if b != 0 {
			break
		}
		digits = append(digits, alphabet[0])
	}
	slices.Reverse(digits)
	return digits, nil
}

// UnmarshalText reads base58.
func (p *peer) UnmarshalText(text []byte) error {
	n, zeros := new(big.Int), 0
	for i, c := range text {
		digit := bytes.IndexByte([]byte(alphabet), c)
		if digit < 0 {
			return errors.New("not base58")
		}
		if digit == 0 && i == zeros {
			zeros++
		}
		n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(digit)))
	}
	*p = append(make([]byte, zeros), n.Bytes()...)
	return nil
}

// decodeKeyVector reads a marshalled key, and verifies a signature by it.
func decodeKeyVector(v *vector) (any, error) {
	var given struct {
		Seed      octets `json:"seed,omitempty"` // Ed25519: the private key of RFC 8032
		Message   octets `json:"message"`
		Signature octets `json:"signature"`
	}
	if err := strict(v.Given, &given); err != nil {
		return nil, err
	}
	k, err := readKey(v.Bytes)
	if err != nil {
		return nil, err
	}
	if k.ed != nil && (len(given.Seed) != ed25519.SeedSize || !ed25519.NewKeyFromSeed(given.Seed).Public().(ed25519.PublicKey).Equal(k.ed)) {
		return nil, errors.New("another seed")
	}
	if !k.verify(given.Message, given.Signature) {
		return nil, errors.New("a bad signature")
	}
	type key struct {
		Type string `json:"type"`
		Bits int    `json:"bits"`
		ID   octets `json:"peer_id"`
		Text peer   `json:"peer_id_text"`
	}
	if k.ed != nil {
		return key{"Ed25519", 256, k.peerID(), k.peerID()}, nil
	}
	return key{"RSA", k.rsa.N.BitLen(), k.peerID(), k.peerID()}, nil
}
