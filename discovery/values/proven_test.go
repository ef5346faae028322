package values

import (
	"bytes"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// signatureChecks counts the checks of signatures from now on, by the public key that
// each takes out of the signer's ID.
func signatureChecks(t *testing.T) *atomic.Int64 {
	count := new(atomic.Int64)
	read := crypto.PubKeyUnmarshallers[crypto.Ed25519]
	crypto.PubKeyUnmarshallers[crypto.Ed25519] = func(b []byte) (crypto.PubKey, error) {
		count.Add(1)
		return read(b)
	}
	t.Cleanup(func() { crypto.PubKeyUnmarshallers[crypto.Ed25519] = read })
	return count
}

// A look-up gets one record from many holders and checks its signature once; or once for
// each place when several have answered at the same moment, for no search waits for others.
func TestLookupChecksSignaturesOnce(t *testing.T) {
	checks := signatureChecks(t)
	bubble(t, 17, func(w *world) {
		w.populate(30)
		if others := w.put(w.order[0], testKey(1), "v", time.Hour); others < 15 {
			t.Fatalf("%d others have it", others)
		}
		holders := func() (answered uint64) {
			for _, n := range w.order {
				answered += n.Stats().Asked
			}
			return answered
		}
		readers, began := w.order[1:], checks.Load()
		for i, n := range readers {
			asked, before := holders(), checks.Load()
			if all := n.All(w.ctx, testKey(1)); len(all) != 1 || string(all[0].Value) != "v" {
				t.Fatalf("node %d gets %d values", 1+i, len(all))
			}
			if n := holders() - asked; n < 2*placeNodes {
				t.Fatalf("%d nodes are asked, which makes it too easy", n)
			}
			if n := checks.Load() - before; n < 1 || n > places {
				t.Errorf("node %d checks %d signatures", 1+i, n)
			}
		}
		if n := checks.Load() - began; n >= 2*int64(len(readers)) {
			t.Errorf("%d look-ups check %d signatures: the places share nothing", len(readers), n)
		}
	})
}

// forgeries are copies of a record with a bit changed each, as far as they are well-formed
// and have not expired.
func forgeries(r *Record) (all []*Record) {
	for i := range r.raw {
		raw := bytes.Clone(r.raw)
		raw[i] ^= 1
		if forged, err := ParseRecord(raw); err == nil && forged.Alive(time.Now()) {
			all = append(all, forged)
		}
	}
	return all
}

// Wrong records before, among and after right ones are rejected, each time that they
// come, and right ones are when their time is over or the key is another one.
func TestWrongAmongRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, known := lone(t), new(proven)
		r, err := Sign(newTestKey(t), "net", testKey(1), []byte("a value"), 1, time.Now(), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		wrong := forgeries(r)
		if len(wrong) < len(r.sig) {
			t.Fatalf("%d forgeries", len(wrong))
		}
		mixed := slices.Concat(wrong, []*Record{r}, wrong, []*Record{r}, wrong)
		for round := range 3 {
			if good := s.checked(testKey(1), mixed, known); len(good) != 2 || good[0] != r || good[1] != r {
				t.Errorf("round %d: %d of %d are taken", round, len(good), len(mixed))
			}
			if n := s.Stats().Rejected; n != uint64(3*(round+1)*len(wrong)) {
				t.Errorf("round %d: %d rejected", round, n)
			}
		}
		before := s.Stats().Rejected
		if good := s.checked(testKey(2), []*Record{r}, known); len(good) != 0 || s.Stats().Rejected != before+1 {
			t.Errorf("%d are taken under another key", len(good))
		}
		time.Sleep(time.Hour)
		if good := s.checked(testKey(1), []*Record{r}, known); len(good) != 0 || s.Stats().Rejected != before+1 {
			t.Errorf("%d are taken that have expired", len(good))
		}
	})
}

// Holders that send a forgery beside the right record are not believed by any look-up.
func TestForgersAmongHolders(t *testing.T) {
	bubble(t, 18, func(w *world) {
		w.populate(30)
		owner := w.order[0]
		w.put(owner, testKey(1), "v", time.Hour)
		right := owner.store.of(testKey(1), owner.id, time.Now())
		raw := bytes.Clone(right.raw)
		raw[4+len(right.signed)-1] ^= 1 // the value's last byte
		forged, err := ParseRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range w.order[1:20] {
			both := []*Record{right, forged}
			if i%2 == 0 {
				slices.Reverse(both)
			}
			n.says(func(from peer.ID, message []byte) []byte {
				q, err := decodeRequest(message)
				if err != nil || q.kind != kindGet {
					return n.Handle(from, message)
				}
				return (&response{near: n.near(q.place, from), records: both}).encode()
			})
		}
		for i, n := range w.order[20:] {
			if all := n.All(w.ctx, testKey(1)); len(all) != 1 || string(all[0].Value) != "v" {
				t.Errorf("node %d gets %d values: %v", 20+i, len(all), all)
			}
			if rejected := n.Stats().Rejected; rejected < places {
				t.Errorf("node %d rejects %d records", 20+i, rejected)
			}
		}
	})
}
