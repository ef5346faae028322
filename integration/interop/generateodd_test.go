package main

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"slices"

	"filippo.io/edwards25519"
	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/gossip"
	"hearsay/node/identity"
)

// oddlySigned is an event with a signature of alice's that no honest program makes: a
// point of order 8 is added to its R. It is valid by ZIP-215, and not without the 8.
func (m *maker) oddlySigned() *gossip.Rumor {
	r := m.seal(m.alice, gossip.Header{Kind: gossip.KindEvent, Epoch: moment, Seq: 6, DataType: 1000}, []byte("odd"))
	digest := sha512.Sum512(secret("alice"))
	private := must[*edwards25519.Scalar](m)(edwards25519.NewScalar().SetBytesWithClamping(digest[:32]))
	nonce := must[*edwards25519.Scalar](m)(edwards25519.NewScalar().SetUniformBytes(slices.Concat(secret("odd"), secret("nonce"))))
	order8 := must[[]byte](m)(hex.DecodeString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
	point := new(edwards25519.Point).ScalarBaseMult(nonce)
	point.Add(point, must[*edwards25519.Point](m)(new(edwards25519.Point).SetBytes(order8)))
	key := ed25519.NewKeyFromSeed(secret("alice")).Public().(ed25519.PublicKey)
	message := append([]byte("hearsay rumor v1\x00"), r.ID[:]...)
	hash := sha512.Sum512(slices.Concat(point.Bytes(), key, message))
	k := must[*edwards25519.Scalar](m)(edwards25519.NewScalar().SetUniformBytes(hash[:]))
	r.Signature = append(point.Bytes(), edwards25519.NewScalar().MultiplyAdd(k, private, nonce).Bytes()...)
	if err := identity.Verify(libpeer.ID(r.Origin), nil, r.ID, r.Signature); err != nil || ed25519.Verify(key, message, r.Signature) {
		m.Fatalf("%v by ZIP-215, and %v without the cofactor", err, ed25519.Verify(key, message, r.Signature))
	}
	return r
}
