package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"filippo.io/edwards25519"
	"github.com/hdevalence/ed25519consensus"
	"github.com/libp2p/go-libp2p/core/peer"
)

// signedBatch is so many good signatures, each of another origin and ID.
func signedBatch(t testing.TB, n int) []Signed {
	t.Helper()
	batch := make([]Signed, n)
	for i := range batch {
		id := must(New())
		batch[i] = Signed{Origin: id.ID(), ID: sha256.Sum256([]byte{byte(i)})}
		batch[i].Signature = must(id.Sign(batch[i].ID))
	}
	return batch
}

func (s Signed) verify() error { return Verify(s.Origin, s.Public, s.ID, s.Signature) }

// torsion is a point of order 8.
func torsion() *edwards25519.Point {
	b := must(hex.DecodeString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
	return must(new(edwards25519.Point).SetBytes(b))
}

func number(seed string) *edwards25519.Scalar {
	h := sha512.Sum512([]byte(seed))
	return must(edwards25519.NewScalar().SetUniformBytes(h[:]))
}

func originOf(key []byte) peer.ID { return peer.ID(ed25519Prefix + string(key)) }

// odd signs by hand, with inKey added to the public key and inR to the signature's R.
func odd(id [32]byte, inKey, inR *edwards25519.Point) Signed {
	secret, nonce := number("secret"), number("nonce")
	key := new(edwards25519.Point).ScalarBaseMult(secret)
	r := new(edwards25519.Point).ScalarBaseMult(nonce)
	key.Add(key, inKey)
	r.Add(r, inR)
	m := message(id)
	h := sha512.Sum512(slices.Concat(r.Bytes(), key.Bytes(), m[:]))
	k := must(edwards25519.NewScalar().SetUniformBytes(h[:]))
	s := edwards25519.NewScalar().MultiplyAdd(k, secret, nonce)
	return Signed{Origin: originOf(key.Bytes()), ID: id, Signature: slices.Concat(r.Bytes(), s.Bytes())}
}

// strange are signatures of which implementations of Ed25519 do not all say the same,
// and what ZIP-215 says of them.
func strange(t testing.TB) map[string]struct {
	Signed
	valid bool
} {
	t.Helper()
	type verdict = struct {
		Signed
		valid bool
	}
	zero, small := edwards25519.NewIdentityPoint(), torsion()
	plain := odd(rumorID, zero, zero)
	// s and s + L are the same to whoever does not look whether it is below L.
	l, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	high := plain
	s := slices.Clone(plain.Signature[32:])
	slices.Reverse(s)
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), l).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	high.Signature = slices.Concat(plain.Signature[:32], sum)
	// y = 1 + p is 1, the neutral element, in a second encoding.
	second := bytes.Repeat([]byte{0xff}, 32)
	second[0], second[31] = 0xee, 0x7f
	none := make([]byte, 32)
	notOnCurve := append([]byte{2}, none[1:]...)
	return map[string]verdict{
		"ordinary":             {plain, true},
		"torsion in R":         {odd(rumorID, zero, small), true},
		"torsion in the key":   {odd(rumorID, small, zero), true},
		"torsion in both":      {odd(rumorID, small, small), true},
		"small key and R":      {Signed{Origin: originOf(small.Bytes()), ID: rumorID, Signature: slices.Concat(small.Bytes(), none)}, true},
		"key encoded oddly":    {Signed{Origin: originOf(second), ID: rumorID, Signature: slices.Concat(zero.Bytes(), none)}, true},
		"R encoded oddly":      {Signed{Origin: originOf(zero.Bytes()), ID: rumorID, Signature: slices.Concat(second, none)}, true},
		"s above the order":    {high, false},
		"key not on the curve": {Signed{Origin: originOf(notOnCurve), ID: rumorID, Signature: plain.Signature}, false},
		"R not on the curve":   {Signed{Origin: plain.Origin, ID: rumorID, Signature: slices.Concat(notOnCurve, plain.Signature[32:])}, false},
		"small R, other s":     {Signed{Origin: plain.Origin, ID: rumorID, Signature: slices.Concat(small.Bytes(), plain.Signature[32:])}, false},
	}
}

// Alone, in a batch of one, and among others: always the same verdict.
func TestStrangeSignatures(t *testing.T) {
	kept := NewVerifier() // which keeps the keys from the second time on
	others := signedBatch(t, 5)
	for name, c := range strange(t) {
		if err := c.verify(); (err == nil) != c.valid || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: alone: %v", name, err)
		}
		for range 8 { // other random numbers each time
			if NewVerifier().All([]Signed{c.Signed}) != c.valid || kept.All([]Signed{c.Signed}) != c.valid {
				t.Errorf("%s: another verdict in a batch of one", name)
			}
			if kept.All(slices.Insert(slices.Clone(others), 2, c.Signed)) != c.valid {
				t.Errorf("%s: another verdict among others", name)
			}
		}
	}
	for name, c := range strange(t) {
		m := message(c.ID)
		if ed25519consensus.Verify([]byte(c.Origin[len(ed25519Prefix):]), m[:], c.Signature) != c.valid {
			t.Errorf("%s: another implementation of ZIP-215 says otherwise", name)
		}
	}
	// That there is something to agree about: the standard library refuses these.
	for _, name := range []string{"torsion in R", "torsion in the key"} {
		c := strange(t)[name]
		m := message(rumorID)
		if ed25519.Verify([]byte(c.Origin[len(ed25519Prefix):]), m[:], c.Signature) {
			t.Errorf("%s: valid without the cofactor, too", name)
		}
	}
}

// A batch is good if and only if each is: whichever are bad, however they are.
func TestVerifier(t *testing.T) {
	v := NewVerifier()
	rnd := rand.New(rand.NewPCG(1, 1))
	good := signedBatch(t, 33)
	rsa := parsed(t, "rsa2048-pkcs1.pem")
	spoil := map[string]func(s *Signed){
		"signature": func(s *Signed) {
			s.Signature = slices.Clone(s.Signature)
			s.Signature[rnd.IntN(64)] ^= 1 << rnd.IntN(8)
		},
		"short":      func(s *Signed) { s.Signature = s.Signature[:63] },
		"long":       func(s *Signed) { s.Signature = append(slices.Clone(s.Signature), 0) },
		"none":       func(s *Signed) { s.Signature = nil },
		"ID":         func(s *Signed) { s.ID[rnd.IntN(32)] ^= 1 << rnd.IntN(8) },
		"other's":    func(s *Signed) { s.Origin = rsa.ID() },
		"public key": func(s *Signed) { s.Public = []byte{1} },
		"no origin":  func(s *Signed) { s.Origin = "" },
	}
	for n := range len(good) {
		if got := v.All(good[:n]); got != (n > 0) {
			t.Errorf("%d good ones: %v", n, got)
		}
	}
	for name, f := range spoil {
		for k := 1; k <= 3; k++ {
			batch := slices.Clone(good[:8])
			bad := rnd.Perm(len(batch))[:k]
			for _, i := range bad {
				f(&batch[i])
			}
			if v.All(batch) {
				t.Errorf("%s: %d bad ones are not noticed", name, k)
			}
			for i, s := range batch {
				if (s.verify() != nil) != slices.Contains(bad, i) {
					t.Errorf("%s: number %d of which %v are bad: %v", name, i, bad, s.verify())
				}
			}
		}
	}
	// Two errors that would cancel each other out if the equations were only added up.
	pair := []Signed{odd(rumorID, edwards25519.NewIdentityPoint(), edwards25519.NewIdentityPoint()), odd([32]byte{1}, edwards25519.NewIdentityPoint(), edwards25519.NewIdentityPoint())}
	one := number("one more")
	for i, by := range []*edwards25519.Scalar{one, edwards25519.NewScalar().Negate(one)} {
		s := must(edwards25519.NewScalar().SetCanonicalBytes(pair[i].Signature[32:]))
		pair[i].Signature = slices.Concat(pair[i].Signature[:32], s.Add(s, by).Bytes())
	}
	if v.All(pair) {
		t.Error("errors that cancel each other out are not noticed")
	}
	if signed := (Signed{Origin: rsa.ID(), Public: rsa.Public(), ID: rumorID, Signature: must(rsa.Sign(rumorID))}); signed.verify() != nil || v.All([]Signed{signed}) || Batchable(rsa.ID()) {
		t.Error("RSA in a batch")
	}
}

// Keys are kept of those who signed last, and not once only; the others' are computed
// again.
func TestVerifierKeys(t *testing.T) {
	v := NewVerifier()
	batch := signedBatch(t, keysKept+1)
	check := func(batch []Signed) {
		t.Helper()
		if !v.All(batch) {
			t.Fatal("refused")
		}
	}
	isKept := func(i int) bool {
		k, _ := v.keys.Peek(batch[i].Origin)
		return k != nil
	}
	check(batch[:2])
	if isKept(0) || isKept(1) {
		t.Error("the key of one that came once is kept")
	}
	check(batch[1:2])
	if isKept(0) || !isKept(1) {
		t.Error("the key of one that came again is not kept")
	}
	check(batch[1:2])
	check(batch[2:])
	if n := v.keys.Len(); n != keysKept || v.keys.Contains(batch[0].Origin) || !isKept(1) {
		t.Errorf("%d origins remembered: want the last %d", n, keysKept)
	}
	for _, c := range strange(t) {
		v.All([]Signed{c.Signed})
	}
	if off := strange(t)["key not on the curve"].Origin; v.keys.Contains(off) {
		t.Error("a key is kept that is none")
	}
}

// FuzzAgreement: whatever a key and a signature are, they are valid alone exactly when
// they are in a batch, and when another implementation says so.
func FuzzAgreement(f *testing.F) {
	for _, c := range strange(f) {
		f.Add([]byte(c.Origin[len(ed25519Prefix):]), c.ID[:], c.Signature)
	}
	good := signedBatch(f, 1)[0]
	v := NewVerifier()
	f.Fuzz(func(t *testing.T, key, id, sig []byte) {
		if len(key) != ed25519.PublicKeySize {
			return
		}
		s := Signed{Origin: originOf(key), Signature: sig}
		copy(s.ID[:], id)
		valid := s.verify() == nil
		if v.All([]Signed{s}) != valid || v.All([]Signed{good, s}) != valid {
			t.Errorf("alone: %v, and not so in a batch", valid)
		}
		m := message(s.ID)
		if ed25519consensus.Verify(key, m[:], sig) != valid {
			t.Errorf("alone: %v, and not so for another implementation of ZIP-215", valid)
		}
		if ed25519.Verify(key, m[:], sig) && !valid {
			t.Error("what the standard library takes is refused")
		}
	})
}
