package identity

import (
	"bytes"
	stdcrypto "crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

var rumorID = sha256.Sum256([]byte("a rumor"))

func signers(t testing.TB) []*Identity {
	t.Helper()
	fresh, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return []*Identity{fresh, parsed(t, "ed25519-pkcs8.pem"), parsed(t, "rsa2048-pkcs1.pem")}
}

func TestSignAndVerify(t *testing.T) {
	ids := append(signers(t), parsed(t, "rsa4096-pkcs1.pem"))
	for i, id := range ids {
		sig, err := id.Sign(rumorID)
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify(id.ID(), id.Public(), rumorID, sig); err != nil {
			t.Errorf("%v: %v", id, err)
		}
		m := message(rumorID)
		if libp2p := must(id.private.Sign(m[:])); !bytes.Equal(sig, libp2p) {
			t.Errorf("%v: signature %x, libp2p's is %x", id, sig, libp2p)
		}
		other := ids[(i+1)%len(ids)]
		if err := Verify(other.ID(), other.Public(), rumorID, sig); !errors.Is(err, ErrSignature) {
			t.Errorf("signature of %v passes for %v: %v", id, other, err)
		}
		if err := Verify(other.ID(), id.Public(), rumorID, sig); err == nil {
			t.Errorf("signature and key of %v pass for %v", id, other)
		}
	}
}

// Both schemes are deterministic, so what is signed, and how, can be held to
// the signatures that openssl makes of the same bytes.
func TestGoldenSignature(t *testing.T) {
	for name, want := range map[string]string{
		"ed25519-pkcs8.pem": "0559992209d53aed577f1b229c0e61cbd5d83e3305443166da24b95695033b472951e3ce3867ecbbce7cc4a8841bec14df6bb8d55edf3734c369e0301a3c8401",
		"rsa2048-pkcs1.pem": "8330571e3e8c984ac38443b3ede746fc55ba64cc443504015bdbd56e4aca8d8e",
	} {
		sig, err := parsed(t, name).Sign(rumorID)
		if err != nil {
			t.Fatal(err)
		}
		if len(sig) > 64 { // only its digest is kept here
			digest := sha256.Sum256(sig)
			sig = digest[:]
		}
		if got := hex.EncodeToString(sig); got != want {
			t.Errorf("%s: signature %s, want %s", name, got, want)
		}
	}
}

// Every flipped bit of origin, public key, rumor id or signature is noticed.
func TestVerifyNoticesEveryBit(t *testing.T) {
	for _, id := range signers(t)[1:] {
		sig, err := id.Sign(rumorID)
		if err != nil {
			t.Fatal(err)
		}
		flip := func(b []byte, bit int) []byte {
			b = bytes.Clone(b)
			b[bit/8] ^= 1 << (bit % 8)
			return b
		}
		for bit := range 8 * len(id.ID()) {
			if Verify(peer.ID(flip([]byte(id.ID()), bit)), id.Public(), rumorID, sig) == nil {
				t.Errorf("%s: bit %d of the origin is not covered", id.Kind(), bit)
			}
		}
		for bit := range 8 * len(id.Public()) {
			if err := Verify(id.ID(), flip(id.Public(), bit), rumorID, sig); !errors.Is(err, ErrPublicKey) {
				t.Errorf("%s: bit %d of the public key: %v", id.Kind(), bit, err)
			}
		}
		for bit := range 8 * len(rumorID) {
			if err := Verify(id.ID(), id.Public(), [32]byte(flip(rumorID[:], bit)), sig); !errors.Is(err, ErrSignature) {
				t.Errorf("%s: bit %d of the rumor id: %v", id.Kind(), bit, err)
			}
		}
		for bit := range 8 * len(sig) {
			if err := Verify(id.ID(), id.Public(), rumorID, flip(sig, bit)); !errors.Is(err, ErrSignature) {
				t.Errorf("%s: bit %d of the signature: %v", id.Kind(), bit, err)
			}
		}
		for _, size := range []int{0, 1, len(sig) - 1, len(sig) + 1, 4096} {
			if err := Verify(id.ID(), id.Public(), rumorID, append(sig, make([]byte, 4096)...)[:size]); !errors.Is(err, ErrSignature) {
				t.Errorf("%s: signature of %d bytes: %v", id.Kind(), size, err)
			}
		}
	}
}

func TestVerifyTakesOneEncodingOnly(t *testing.T) {
	ed, rs := parsed(t, "ed25519-pkcs8.pem"), parsed(t, "rsa2048-pkcs1.pem")
	edSig, _ := ed.Sign(rumorID)
	rsSig, _ := rs.Sign(rumorID)
	edPub, err := crypto.MarshalPublicKey(ed.PrivKey().GetPublic())
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(ed.ID(), edPub, rumorID, edSig); !errors.Is(err, ErrPublicKey) {
		t.Errorf("a key that the peer ID embeds, given once more: %v", err)
	}
	if err := Verify(rs.ID(), nil, rumorID, rsSig); !errors.Is(err, ErrPublicKey) {
		t.Errorf("RSA without its public key: %v", err)
	}
	// The same key with an unknown protobuf field behind it: libp2p's decoder
	// takes it, and the hash of these bytes is a peer ID of its own.
	odd := append(bytes.Clone(rs.Public()), 0x18, 0x01)
	if _, err := crypto.UnmarshalPublicKey(odd); err != nil {
		t.Fatalf("libp2p no longer takes this encoding, choose another one: %v", err)
	}
	digest := sha256.Sum256(odd)
	if err := Verify(peer.ID("\x12\x20"+string(digest[:])), odd, rumorID, rsSig); !errors.Is(err, ErrPublicKey) {
		t.Errorf("a second encoding of an RSA key: %v", err)
	}
}

func TestVerifyRefusesOtherOrigins(t *testing.T) {
	secp, _, err := crypto.GenerateSecp256k1Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, _, err := crypto.ECDSAKeyPairFromKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key             crypto.PrivKey
		without, within error // without and with the public key in pub
	}{
		{secp, ErrOrigin, ErrOrigin},  // its peer ID embeds the key, and shows its kind
		{ec, ErrPublicKey, ErrOrigin}, // its peer ID has the form of an RSA one
	} {
		id := must(peer.IDFromPrivateKey(c.key))
		m := message(rumorID)
		sig := must(c.key.Sign(m[:]))
		if err := Verify(id, nil, rumorID, sig); err != c.without {
			t.Errorf("%s key, not given: %v", c.key.Type(), err)
		}
		if err := Verify(id, must(crypto.MarshalPublicKey(c.key.GetPublic())), rumorID, sig); err != c.within {
			t.Errorf("%s key, given: %v", c.key.Type(), err)
		}
	}
	for _, id := range []peer.ID{"", "x", peer.ID(make([]byte, 38)), peer.ID("\x12\x20"), peer.ID(make([]byte, 1<<16))} {
		if err := Verify(id, nil, rumorID, nil); !errors.Is(err, ErrOrigin) {
			t.Errorf("origin %q…: %v", string(id[:min(len(id), 4)]), err)
		}
	}
}

// RSA keys outside the limits are refused from others as they are from us.
func TestVerifyHoldsOthersToTheLimits(t *testing.T) {
	for _, name := range []string{"refused-rsa1024-pkcs8.pem", "refused-rsa2048-exponent.pem"} {
		key := rsaFixture(t, name)
		private, _, err := crypto.KeyPairFromStdKey(key)
		if err != nil {
			t.Fatal(err)
		}
		m := message(rumorID)
		digest := sha256.Sum256(m[:])
		sig := must(rsa.SignPKCS1v15(nil, key, stdcrypto.SHA256, digest[:]))
		pub := must(crypto.MarshalPublicKey(private.GetPublic()))
		if err := Verify(must(peer.IDFromPrivateKey(private)), pub, rumorID, sig); !errors.Is(err, ErrPublicKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A signature made for another purpose must not verify as one of a rumor.
func TestSignaturesAreBoundToTheirPurpose(t *testing.T) {
	for _, id := range signers(t) {
		for _, m := range [][]byte{
			rumorID[:],
			append([]byte("noise-libp2p-static-key:"), rumorID[:]...),
			append([]byte("hearsay rumor v2\x00"), rumorID[:]...),
		} {
			sig, err := id.PrivKey().Sign(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := Verify(id.ID(), id.Public(), rumorID, sig); !errors.Is(err, ErrSignature) {
				t.Errorf("%s: signature of %q passes as one of a rumor: %v", id.Kind(), m, err)
			}
		}
	}
}

func TestRefusingIsLean(t *testing.T) {
	ed, rs := parsed(t, "ed25519-pkcs8.pem"), parsed(t, "rsa2048-pkcs1.pem")
	sig := make([]byte, 64)
	if n := testing.AllocsPerRun(10, func() { Verify(ed.ID(), nil, rumorID, sig) }); n != 0 {
		t.Errorf("refusing an Ed25519 signature: %v allocations", n)
	}
	if n := testing.AllocsPerRun(10, func() { Verify(rs.ID(), sig, rumorID, sig) }); n != 0 {
		t.Errorf("refusing an RSA public key: %v allocations", n)
	}
}

// Neither printing nor encoding an identity shows its private key.
func TestIdentityKeepsItsSecret(t *testing.T) {
	for _, id := range signers(t) {
		raw, err := id.PrivKey().Raw()
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
			out := fmt.Sprintf(verb, id)
			for _, secret := range []string{string(raw[:16]), hex.EncodeToString(raw[:16]), fmt.Sprint(raw[:16])[1:20]} {
				if bytes.Contains([]byte(out), []byte(secret)) {
					t.Errorf("%s shows the private key of %v", verb, id)
				}
			}
		}
	}
}
