package values

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	mrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

var noon = time.UnixMilli(1_800_000_000_000)

func newTestKey(t testing.TB) crypto.PrivKey {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t testing.TB, key crypto.PrivKey, value string, sequence uint64) *Record {
	t.Helper()
	r, err := Sign(key, "net", testKey(1), []byte(value), sequence, noon, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRecordSizes(t *testing.T) {
	for _, kind := range []int{crypto.Ed25519, crypto.RSA} {
		key, _, err := crypto.GenerateKeyPairWithReader(kind, 2048, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, MaxValue} {
			r, err := Sign(key, "net", testKey(1), make([]byte, n), 7, noon, noon.Add(MaxTTL))
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseRecord(bytes.Clone(r.raw))
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Check("net", testKey(1), noon); err != nil || len(again.Value) != n || again.Sequence != 7 || !again.Expires.Equal(noon.Add(MaxTTL)) {
				t.Errorf("%d bytes: %v", n, err)
			}
			if (len(r.public) == 0) != (kind == crypto.Ed25519) {
				t.Errorf("a public key of %d bytes travels", len(r.public))
			}
		}
		for _, n := range []int{0, MaxValue + 1} {
			if _, err := Sign(key, "net", testKey(1), make([]byte, n), 7, noon, noon.Add(time.Hour)); err == nil {
				t.Errorf("a value of %d bytes is signed", n)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	key := newTestKey(t)
	good := signed(t, key, "v", 1)
	sign := func(network string, created, expires time.Time) *Record {
		r, err := Sign(key, network, testKey(1), []byte("v"), 1, created, expires)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, c := range map[string]struct {
		r    *Record
		key  Key
		at   time.Time
		want error
	}{
		"good":                  {good, testKey(1), noon, nil},
		"last millisecond":      {good, testKey(1), noon.Add(time.Hour - time.Millisecond), nil},
		"at its expiry":         {good, testKey(1), noon.Add(time.Hour), ErrExpired},
		"another key":           {good, testKey(2), noon, ErrKey},
		"another network":       {sign("other", noon, noon.Add(time.Hour)), testKey(1), noon, ErrNetwork},
		"12 h":                  {sign("net", noon, noon.Add(MaxTTL)), testKey(1), noon, nil},
		"longer":                {sign("net", noon, noon.Add(MaxTTL+time.Millisecond)), testKey(1), noon, ErrTimes},
		"a minute ahead":        {sign("net", noon.Add(MaxSkew), noon.Add(time.Hour)), testKey(1), noon, nil},
		"further ahead":         {sign("net", noon.Add(MaxSkew+time.Millisecond), noon.Add(time.Hour)), testKey(1), noon, ErrTimes},
		"expires before it was": {sign("net", noon.Add(time.Second), noon.Add(time.Millisecond)), testKey(1), noon, nil}, // short, but alive
	} {
		if err := c.r.Check("net", c.key, c.at); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Whatever byte of a record is changed, it is not accepted any more.
func TestForgery(t *testing.T) {
	rsa, _, err := crypto.GenerateKeyPairWithReader(crypto.RSA, 2048, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.PrivKey{newTestKey(t), rsa} {
		r := signed(t, key, "a value", 1)
		for i := range r.raw {
			for _, flip := range []byte{1, 0x80} {
				raw := bytes.Clone(r.raw)
				raw[i] ^= flip
				if forged, err := ParseRecord(raw); err == nil && forged.Check("net", testKey(1), noon) == nil {
					t.Fatalf("byte %d can be changed", i)
				}
			}
		}
		for i := range r.raw {
			if cut, err := ParseRecord(r.raw[:i]); err == nil && cut.Check("net", testKey(1), noon) == nil {
				t.Fatalf("it can be cut to %d bytes", i)
			}
		}
		if more, err := ParseRecord(append(bytes.Clone(r.raw), 0)); err == nil && more.Check("net", testKey(1), noon) == nil {
			t.Error("a byte can be added")
		}
	}
}

// A signature of the same bytes without the domain is none, and neither is that
// of another key whose public key is sent along.
func TestSignatureIsBound(t *testing.T) {
	key, other := newTestKey(t), newTestKey(t)
	r := signed(t, key, "v", 1)
	sig, _ := key.Sign(r.signed)
	raw := append(bytes.Clone(r.raw[:len(r.raw)-len(r.sig)]), sig...)
	if bare, err := ParseRecord(raw); err != nil || bare.Check("net", testKey(1), noon) != ErrSignature {
		t.Error("the domain does not matter")
	}
	public, _ := crypto.MarshalPublicKey(other.GetPublic())
	sig, _ = other.Sign(append(bytes.Clone(domain), r.signed...))
	raw = append(bytes.Clone(r.raw[:4+len(r.signed)]), 0, byte(len(public)))
	raw = append(append(raw, public...), sig...)
	if foreign, err := ParseRecord(raw); err != nil || foreign.Check("net", testKey(1), noon) != ErrSignature {
		t.Error("anybody can sign")
	}
}

// Newer is a total order: any shuffle is sorted the same way.
func TestNewerIsATotalOrder(t *testing.T) {
	key := newTestKey(t)
	var all []*Record
	for i := range 12 {
		all = append(all, signed(t, key, string(rune('a'+i)), uint64(i/3)))
	}
	order := func(a, b *Record) int {
		switch {
		case a.Newer(b):
			return -1
		case b.Newer(a):
			return 1
		}
		return 0
	}
	want := slices.Clone(all)
	slices.SortFunc(want, order)
	for _, a := range all {
		for _, b := range all {
			if n := order(a, b); (n == 0) != (a == b) || n != -order(b, a) {
				t.Fatal("two records are not ordered")
			}
		}
	}
	for range 100 {
		mrand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		slices.SortFunc(all, order)
		if !slices.Equal(all, want) {
			t.Fatal("another order")
		}
	}
	if want[0].Sequence != 3 || want[11].Sequence != 0 {
		t.Error("the highest sequence number is not first")
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(signed(f, newTestKey(f), "v", 1).raw)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRecord(raw)
		if err != nil {
			return
		}
		if len(r.Value) == 0 || len(r.Value) > MaxValue || len(r.Signer) > maxSigner || !bytes.Equal(r.raw, raw) {
			t.Fatalf("%+v", r)
		}
		r.Check("net", testKey(1), noon)
	})
}

// FuzzMessage: what is read is written the same way, and nothing is larger than
// the limits say.
func FuzzMessage(f *testing.F) {
	key := newTestKey(f)
	r := signed(f, key, "v", 1)
	id, _ := peer.IDFromPrivateKey(key)
	for _, q := range []*request{
		{kind: kindFind, place: placesOf(testKey(1))[0]}, {kind: kindGet, place: placesOf(testKey(1))[2], key: testKey(1)},
		{kind: kindPut, record: r}, {kind: kindOffer, key: r.Key, sequence: 9, digest: r.digest, signer: id},
	} {
		f.Add(uint8(q.kind), q.encode())
	}
	f.Add(uint8(kindGet), (&response{near: []peer.AddrInfo{{ID: id}}, records: []*Record{r, r}}).encode())
	f.Add(uint8(kindPut), (&response{verdict: verdictBusy}).encode())
	f.Fuzz(func(t *testing.T, k uint8, b []byte) {
		if q, err := decodeRequest(b); err == nil && !bytes.Equal(q.encode(), b) {
			t.Fatalf("request % x became % x", b, q.encode())
		}
		p, err := decodeResponse(kind(k), b)
		if err != nil {
			return
		}
		if len(p.near) > maxNear || len(p.records) > maxSigners || len(b) > maxResponse {
			t.Fatalf("%d nodes, %d records, %d bytes", len(p.near), len(p.records), len(b))
		}
		if again, err := decodeResponse(kind(k), p.encode()); err != nil || len(again.near) != len(p.near) || len(again.records) != len(p.records) || again.verdict != p.verdict {
			t.Fatalf("response % x does not come back: %v", b, err)
		}
	})
}

// What is kept of one record of an answer does not keep all of the answer, which
// may be eight times as large.
func TestRecordsDoNotKeepTheirAnswer(t *testing.T) {
	key := newTestKey(t)
	var p response
	for i := range maxSigners {
		p.records = append(p.records, signed(t, key, string(bytes.Repeat([]byte{byte('a' + i)}, MaxValue)), uint64(i)))
	}
	b := p.encode()
	got, err := decodeResponse(kindGet, b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	for i, r := range got.records {
		if sha256.Sum256(r.raw) != r.digest || r.Check("net", testKey(1), noon) != nil || !bytes.Equal(r.Value, p.records[i].Value) {
			t.Errorf("record %d lies in the answer", i)
		}
		if cap(r.raw) > maxRecord+1<<13 {
			t.Errorf("record %d takes %d bytes", i, cap(r.raw))
		}
	}
}

// Whoever is near one place of a key is far from the others, and the first place is the
// plain hash.
func TestPlacesAreFarApart(t *testing.T) {
	for i := range 1000 {
		all := placesOf(testKey(i))
		key := testKey(i)
		if all[0] != sha256.Sum256(append([]byte("hearsay/place\x00"), key[:]...)) {
			t.Fatalf("the first place of key %d is at %x", i, all[0])
		}
		for j, p := range all {
			for _, q := range all[:j] {
				if d := p.distance(q); d[0] < 64 {
					t.Fatalf("places %x and %x of key %d are near each other", p, q, i)
				}
			}
		}
	}
}
