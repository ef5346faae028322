package values

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// unsigned makes a record as the store sees it, without the price of a signature.
func unsigned(key Key, signer string, sequence uint64, size int, expires time.Time) *Record {
	r := &Record{Network: "net", Key: key, Sequence: sequence, Created: noon, Expires: expires, Signer: peer.ID(signer), Value: make([]byte, size), raw: make([]byte, size+200)}
	binary.BigEndian.PutUint64(r.digest[:], sequence)
	copy(r.digest[8:], key[:8])
	copy(r.digest[16:], signer)
	return r
}

func TestStorePerSigner(t *testing.T) {
	s := newStore("self")
	kept, later := 0, noon.Add(time.Hour)
	for i := range 100 {
		if s.put(unsigned(testKey(i), "a", 1, 60_000, later), noon) == verdictKept {
			kept++
		}
	}
	if kept != MaxSignerBytes/(60_000+200+overhead) || s.signed["a"] > MaxSignerBytes {
		t.Errorf("%d records of one signer, %d bytes", kept, s.signed["a"])
	}
	if v := s.put(unsigned(testKey(0), "a", 2, 60_000, later), noon); v != verdictKept {
		t.Errorf("replacing: verdict %d", v)
	}
	if v := s.put(unsigned(testKey(0), "b", 1, 60_000, later), noon); v != verdictKept {
		t.Errorf("another signer: verdict %d", v)
	}
	s.sweepAll(later)
	if n, b := s.size(); n != 0 || b != 0 || len(s.signed) != 0 || len(s.keys) != 0 {
		t.Errorf("after all expired: %d records, %d bytes", n, b)
	}
}

func TestStorePerKey(t *testing.T) {
	s := newStore("self")
	later := noon.Add(time.Hour)
	for i := range 12 {
		want := verdictKept
		if i >= maxSigners {
			want = verdictFull
		}
		if v := s.put(unsigned(testKey(1), string(rune('a'+i)), 100, 10, later), noon); v != want {
			t.Errorf("signer %d: verdict %d", i, v)
		}
	}
	if v := s.put(unsigned(testKey(1), "self", 1, 10, later), noon); v != verdictKept {
		t.Errorf("own: verdict %d", v)
	}
	if got := s.get(testKey(1), noon); len(got) != maxSigners+1 || got[0].Signer != "a" {
		t.Errorf("%d records", len(got))
	}
	// A renewal keeps its place, an older record changes nothing.
	if v := s.put(unsigned(testKey(1), "a", 101, 10, later), noon); v != verdictKept {
		t.Errorf("renewal: verdict %d", v)
	}
	if v := s.put(unsigned(testKey(1), "a", 99, 10, later), noon); v != verdictOlder {
		t.Errorf("rollback: verdict %d", v)
	}
	if got := s.get(testKey(1), noon); got[0].Signer != "a" || got[0].Sequence != 101 {
		t.Errorf("the first is %v %d", got[0].Signer, got[0].Sequence)
	}
	// An expired one makes room.
	s.put(unsigned(testKey(1), "b", 200, 10, noon.Add(time.Second)), noon)
	if v := s.put(unsigned(testKey(1), "late", 1, 10, later), noon.Add(time.Second)); v != verdictKept {
		t.Errorf("after an expiry: verdict %d", v)
	}
}

// 100,000 PUTs of thousands of signers: memory stays flat, and what is kept in the
// end is what lies nearest.
func TestStoreFlood(t *testing.T) {
	s := newStore("self")
	later := noon.Add(time.Hour)
	s.put(unsigned(testKey(-1), "self", 1, 1000, later), noon)
	for i := range 100_000 {
		r := unsigned(testKey(i), string(binary.BigEndian.AppendUint32(nil, uint32(i/20))), 1, 1, later)
		r.raw = flood // which is charged and takes memory once
		s.put(r, noon)
		if s.bytes > MaxBytes {
			t.Fatalf("%d bytes after %d PUTs", s.bytes, i)
		}
	}
	if n, b := s.size(); n < 3000 || b < MaxBytes*9/10 {
		t.Errorf("%d records, %d bytes", n, b)
	}
	if s.of(testKey(-1), "self", noon) == nil {
		t.Error("the own value was displaced")
	}
	// The mean remoteness of what is kept is well below that of what was not.
	near := 0
	for key := range s.keys {
		if remoteness(s.self, key)[0] < 0x08 {
			near++
		}
	}
	if near*10 < len(s.keys)*8 {
		t.Errorf("of %d kept only %d are near", len(s.keys), near)
	}
}

var flood = make([]byte, 20_200)

// What a peer may store per second is bounded.
func TestPutsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newTestKey(t)
		self, _ := peer.IDFromPrivateKey(key)
		s, err := New(Config{Network: "net", Self: self, Key: key,
			Nearest: func([32]byte, int) []peer.AddrInfo { return nil },
			Call:    func(context.Context, peer.AddrInfo, []byte) ([]byte, error) { return nil, errGone }})
		if err != nil {
			t.Fatal(err)
		}
		other, _, _ := crypto.GenerateEd25519Key(rand.Reader)
		count := func(n int) (kept int) {
			for range n {
				r, err := Sign(other, "net", testKey(1), []byte("v"), uint64(s.count.kept.Load()+1), time.Now(), time.Now().Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				if s.accept("flooder", r, time.Now()) == verdictKept {
					kept++
				}
			}
			return kept
		}
		if n := count(1000); n != peerPutsBurst {
			t.Errorf("%d at once", n)
		}
		time.Sleep(time.Second)
		if n := count(1000); n < peerPuts-1 || n > peerPuts+1 {
			t.Errorf("%d a second later", n)
		}
		if st := s.Stats(); st.Busy == 0 || st.Records != 1 {
			t.Errorf("%+v", st)
		}
		for i := range 3 * maxBuckets {
			s.puts.allow(peer.ID(string(rune(i+200))), time.Now())
		}
		if n := len(s.puts.peers.index); n > maxBuckets {
			t.Errorf("%d buckets", n)
		}
	})
}
