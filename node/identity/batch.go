package identity

import (
	"github.com/hashicorp/golang-lru/simplelru"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// Signed is what [Verify] is asked about.
type Signed struct {
	Origin    peer.ID
	Public    []byte
	ID        [32]byte
	Signature []byte
}

// keysKept is how many origins a Verifier remembers. It keeps the keys of those that come
// again, as it computes with them, of 1.5 KiB each.
const keysKept = 64

// Verifier verifies signatures in batches, and keeps what it computed of the keys of
// those who signed last, which is a third of the work. Who came once is only remembered:
// presences that are told to a newcomer are of a hundred nodes that may say nothing more.
// It is for one goroutine at a time.
type Verifier struct {
	keys  *simplelru.LRU // of *ed25519.ExpandedPublicKey by peer.ID, or nil for one that came once
	batch *ed25519.BatchVerifier
}

// NewVerifier makes a Verifier that knows no keys.
func NewVerifier() *Verifier {
	keys, err := simplelru.NewLRU(keysKept, nil)
	if err != nil {
		panic(err) // only of a size below 1
	}
	return &Verifier{keys: keys, batch: ed25519.NewBatchVerifier()}
}

// All reports whether [Verify] takes every signature of a batch, all of which must be of
// Ed25519 origins: it is false for a batch with another one, and for an empty one. False
// says that some are bad, not which: Verify tells that of each.
//
// It tests one equation, the sum of all those that Verify tests, each times a random
// number of 128 bits. So it takes a bad signature with a probability of 2⁻¹²⁸, and each
// costs less the more there are: README.md has figures. Both test the cofactored
// equation, for of the other one, which crypto/ed25519 tests, the sum does not hold
// exactly when each does.
func (v *Verifier) All(batch []Signed) bool {
	v.batch.Reset()
	for i := range batch {
		s := &batch[i]
		key := v.key(s.Origin)
		if key == nil || len(s.Public) != 0 {
			return false
		}
		m := message(s.ID)
		v.batch.AddExpandedWithOptions(key, m[:], s.Signature, zip215)
	}
	return v.batch.VerifyBatchOnly(nil)
}

// key is the key of an origin, or nil if it is none of Ed25519.
func (v *Verifier) key(origin peer.ID) *ed25519.ExpandedPublicKey {
	kept, again := v.keys.Get(origin)
	if k, ok := kept.(*ed25519.ExpandedPublicKey); ok {
		return k
	}
	raw, ok := embeddedKey(origin)
	if !ok {
		return nil
	}
	k, err := ed25519.NewExpandedPublicKey(raw[:])
	if err != nil {
		return nil
	}
	if again {
		v.keys.Add(origin, k)
	} else {
		v.keys.Add(origin, nil)
	}
	return k
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
