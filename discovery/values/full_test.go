package values

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// lone is a service that knows nobody.
func lone(t *testing.T) *Service {
	t.Helper()
	key := newTestKey(t)
	self, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Network: "net", Self: self, Key: key,
		Nearest: func([32]byte, int) []peer.AddrInfo { return nil },
		Call:    func(context.Context, peer.AddrInfo, []byte) ([]byte, error) { return nil, errGone }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill puts records of others into a store, all nearer to it than most keys are,
// until it has no room for another one.
func fill(t *testing.T, s *store, now, expires time.Time) {
	t.Helper()
	for i := 0; ; i++ {
		key := testKey(1_000_000 + i)
		if remoteness(s.self, key)[0] >= 8 {
			continue
		}
		r := unsigned(key, string(binary.BigEndian.AppendUint32(nil, uint32(i/20))), 1, 1, expires)
		r.raw = flood
		if s.bytes+len(flood)+overhead > MaxBytes {
			return
		}
		if v := s.put(r, now); v != verdictKept {
			t.Fatalf("verdict %d with %d bytes", v, s.bytes)
		}
	}
}

// Who fills a node with records that are nearer to it than its own values does not
// keep it from putting them: it puts its whole MiB, in large values and in small
// ones, of which there are more than of others' records.
func TestOthersDoNotKeepANodeFromPutting(t *testing.T) {
	for name, size := range map[string]int{"large": 50_000, "small": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := lone(t)
				fill(t, s.store, time.Now(), time.Now().Add(time.Hour))
				before, _ := s.store.size()
				mine := 0
				for ; ; mine++ {
					_, err := s.Put(testKey(mine), make([]byte, size), time.Hour, 0)
					if errors.Is(err, ErrFull) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					if _, b := s.store.size(); b > MaxBytes {
						t.Fatalf("%d bytes after %d values", b, mine+1)
					}
				}
				if want := MaxSignerBytes / (size + 300 + overhead); mine < want {
					t.Errorf("%d values are taken, and not %d", mine, want)
				}
				for i := range mine {
					if r := s.Get(t.Context(), testKey(i)); r == nil || len(r.Value) != size {
						t.Fatalf("value %d of %d is gone", i, mine)
					}
				}
				if n, _ := s.store.size(); n-mine < before-MaxSignerBytes/len(flood)-1 {
					t.Errorf("of %d records of others %d are left", before, n-mine)
				}
			})
		})
	}
}

// Others' records displace what is farther, and nothing else.
func TestOthersDisplaceOnlyWhatIsFarther(t *testing.T) {
	s := newStore("self")
	fill(t, s, noon, noon.Add(time.Hour))
	before, _ := s.size()
	far := 0
	for remoteness(s.self, testKey(far))[0] < 8 {
		far++
	}
	r := unsigned(testKey(far), "another", 1, 1, noon.Add(time.Hour))
	r.raw = flood
	if v := s.put(r, noon); v != verdictFull {
		t.Errorf("one that is farther: verdict %d", v)
	}
	if n, _ := s.size(); n != before || s.lost.displaced != 0 {
		t.Errorf("%d records of %d are left", n, before)
	}
	near := 0
	for remoteness(s.self, testKey(near))[0] != 0 {
		near++
	}
	r = unsigned(testKey(near), "another", 1, 1, noon.Add(time.Hour))
	r.raw = flood
	if v := s.put(r, noon); v != verdictKept || s.of(r.Key, r.Signer, noon) != r {
		t.Errorf("one that is nearer than most: verdict %d", v)
	}
	if n, _ := s.size(); n != before || s.lost.displaced != 1 {
		t.Errorf("for one that is nearer %d records gave way, and %d of %d are left", s.lost.displaced, n, before)
	}
}

// What has expired is in nobody's way, from the millisecond of its expiry: neither
// of the same signer's records, nor of others', nor of those that are farther.
func TestExpiredRecordsMakeRoom(t *testing.T) {
	soon, later := noon.Add(time.Second), noon.Add(time.Hour)
	s := newStore("self")
	for i := range 100 {
		s.put(unsigned(testKey(i), "a", 1, 60_000, soon), noon)
	}
	if v := s.put(unsigned(testKey(100), "a", 1, 60_000, later), soon.Add(-time.Millisecond)); v != verdictFull {
		t.Errorf("before the expiry: verdict %d", v)
	}
	if v := s.put(unsigned(testKey(100), "a", 1, 60_000, later), soon); v != verdictKept {
		t.Errorf("at the expiry: verdict %d", v)
	}

	s = newStore("self")
	fill(t, s, noon, soon)
	before, _ := s.size()
	far := 0
	for remoteness(s.self, testKey(far))[0] < 8 {
		far++
	}
	r := unsigned(testKey(far), "another", 1, 1, later)
	r.raw = flood
	if v := s.admits(r, soon); v != verdictWanted {
		t.Errorf("a full memory, expired: verdict %d", v)
	}
	if v := s.put(r, soon); v != verdictKept {
		t.Errorf("a full memory, expired: verdict %d", v)
	}
	if n, b := s.size(); n != 1 || b != len(flood)+overhead || s.lost.displaced != 0 || s.lost.expired != uint64(before) {
		t.Errorf("%d records, %d bytes, %+v", n, b, s.lost)
	}
}

// A record that lives longer than the one that it replaces, and one that lives
// shorter, are dropped at their own expiry and not at the other's.
func TestReplacedRecordsExpireInTheirTurn(t *testing.T) {
	s := newStore("self")
	for i, seconds := range []int{5, 1, 4, 2, 3} {
		s.put(unsigned(testKey(i), "a", 1, 10, noon.Add(time.Duration(seconds)*time.Second)), noon)
	}
	s.put(unsigned(testKey(1), "a", 2, 10, noon.Add(10*time.Second)), noon) // 1 s before
	s.put(unsigned(testKey(0), "a", 2, 10, noon.Add(time.Second)), noon)    // 5 s before
	for second, want := range []int{5, 4, 3, 2, 1, 1, 1, 1, 1, 1, 0} {
		s.sweepAll(noon.Add(time.Duration(second) * time.Second))
		if n, _ := s.size(); n != want || len(s.order) != want {
			t.Errorf("%d records, %d of them in order, after %d s, want %d", n, len(s.order), second, want)
		}
	}
}

// A module puts as much as fits for a second, over and over: the next value is
// taken as soon as that has expired, here and at others.
func TestExpiredValuesMakeRoom(t *testing.T) {
	bubble(t, 12, func(w *world) {
		w.populate(12)
		owner, reader := w.order[0], w.order[7]
		for round := range 6 { // at different times since the last sweep
			for i := range 15 {
				if _, err := owner.Put(testKey(i), make([]byte, MaxValue), time.Second, 1); err != nil {
					t.Fatalf("round %d, value %d: %v", round, i, err)
				}
			}
			if _, err := owner.Put(testKey(100), make([]byte, MaxValue), time.Second, 1); !errors.Is(err, ErrFull) {
				t.Fatalf("round %d: one too many: %v", round, err)
			}
			time.Sleep(1500 * time.Millisecond)
			if _, err := owner.Put(testKey(200+round), make([]byte, MaxValue), time.Second, 1); err != nil {
				t.Fatalf("round %d, with all expired: %v", round, err)
			}
			time.Sleep(500 * time.Millisecond)
			if owner.Get(w.ctx, testKey(200+round)) == nil || reader.Get(w.ctx, testKey(200+round)) == nil {
				t.Errorf("round %d: the value is not found", round)
			}
			time.Sleep(time.Second)
		}
	})
}
