package identity

import (
	"crypto/ed25519"

	"github.com/hdevalence/ed25519consensus"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Signed is what [Verify] is asked about.
type Signed struct {
	Origin    peer.ID
	Public    []byte
	ID        [32]byte
	Signature []byte
}

// VerifyAll reports whether [Verify] takes every signature of a batch, all of which
// must be of Ed25519 origins: it is false for a batch with another one, and for an
// empty one. False says that some are bad, not which: Verify tells that of each.
//
// It tests one equation, the sum of all those that Verify tests, each times a random
// number of 128 bits. So it takes a bad signature with a probability of 2⁻¹²⁸, and each
// costs less the more there are: README.md has figures. Both test the cofactored
// equation, for of the other one, which crypto/ed25519 tests, the sum does not hold
// exactly when each does.
func VerifyAll(batch []Signed) bool {
	v := ed25519consensus.NewPreallocatedBatchVerifier(len(batch))
	for i := range batch {
		s := &batch[i]
		key, ok := embeddedKey(s.Origin)
		if !ok || len(s.Public) != 0 {
			return false
		}
		m := message(s.ID)
		v.Add(key[:], m[:], s.Signature)
	}
	return v.Verify()
}

// Batchable reports whether a signature of this origin can be in a batch: whether it
// is the peer ID of an Ed25519 key.
func Batchable(origin peer.ID) bool {
	return len(origin) == ed25519IDSize && origin[:len(ed25519Prefix)] == ed25519Prefix
}

// embeddedKey is the key of an Ed25519 origin.
func embeddedKey(origin peer.ID) (key [ed25519.PublicKeySize]byte, ok bool) {
	if ok = Batchable(origin); ok {
		copy(key[:], origin[len(ed25519Prefix):])
	}
	return key, ok
}
