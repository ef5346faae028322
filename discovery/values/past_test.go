package values

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// nearAll is a node, not the first, that should have what is put under the key at
// each of its places.
func (w *world) nearAll(key Key) *simNode {
	w.t.Helper()
	for _, n := range w.order[1:] {
		near := 0
		for _, at := range placesOf(key) {
			nearer := 0
			for _, o := range w.order[1:] {
				if home(o.id).distance(at).less(home(n.id).distance(at)) {
					nearer++
				}
			}
			if nearer < placeNodes {
				near++
			}
		}
		if near == places {
			return n
		}
	}
	w.t.Fatal("no node is near all places")
	return nil
}

// saysNothing is how a silent node answers.
func saysNothing(peer.ID, []byte) []byte { return nil }

// A value that lives for a second takes the place of one that lives for an hour,
// and then there is none, though a holder is silent all that time; and when that
// one speaks again and hands the old value on, its owner does not take it back.
func TestShortLifeAfterLongOne(t *testing.T) {
	bubble(t, 13, func(w *world) {
		w.populate(12)
		key := testKey(1)
		owner, deaf := w.order[0], w.nearAll(key)
		w.put(owner, key, "old", time.Hour)
		if len(deaf.store.get(key, time.Now())) != 1 {
			t.Fatal("the old value is not where it should be")
		}
		deaf.says(saysNothing)
		if _, err := owner.Put(key, []byte("new"), time.Second, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(700 * time.Millisecond)
		for _, n := range w.order[1:] {
			if n != deaf {
				for _, r := range n.store.get(key, time.Now()) {
					if string(r.Value) != "new" {
						t.Errorf("a holder still has %q", r.Value)
					}
				}
			}
		}
		time.Sleep(1800 * time.Millisecond)
		for i, n := range w.order {
			if v := n.value(key); n != deaf && v != "" {
				t.Errorf("node %d gets %q after the expiry", i, v)
			}
		}

		deaf.answer.Store(nil)
		for _, pause := range []time.Duration{2 * silence, time.Minute, 20 * time.Minute, 20 * time.Minute} {
			time.Sleep(pause)
			if v := owner.value(key); v != "" {
				t.Errorf("the owner gets %q", v)
			}
			if len(owner.All(w.ctx, key)) != 0 || len(owner.store.get(key, time.Now())) != 0 {
				t.Error("the owner has the old value again")
			}
		}
		copies := 0
		for _, n := range w.order {
			copies += len(n.store.get(key, time.Now()))
		}
		if copies < 2 {
			t.Error("the old value was not handed on, which makes it too easy")
		}
		w.put(owner, key, "newest", time.Hour)
		for i, n := range w.order {
			if v := n.value(key); v != "newest" {
				t.Errorf("node %d gets %q", i, v)
			}
		}
	})
}

// A value that is replaced while it is being spread, which takes two seconds where
// a node is silent, is given to nobody any more.
func TestReplacedWhileItIsSpread(t *testing.T) {
	bubble(t, 14, func(w *world) {
		w.populate(12)
		key := testKey(1)
		owner, deaf := w.order[0], w.nearAll(key)
		deaf.says(saysNothing)
		asked := owner.Stats().Calls
		if _, err := owner.Put(key, []byte("old"), time.Hour, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if owner.Stats().Calls == asked {
			t.Fatal("the old value is not being spread yet")
		}
		for i, n := range w.order[1:] {
			if len(n.store.get(key, time.Now())) != 0 {
				t.Fatalf("node %d has the old value already", i+1)
			}
		}
		if _, err := owner.Put(key, []byte("new"), time.Second, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		for i, n := range w.order {
			if v := n.value(key); v != "" {
				t.Errorf("node %d gets %q", i, v)
			}
		}
	})
}

// What is remembered is bounded, and over in its time.
func TestPastIsBounded(t *testing.T) {
	s := newStore("self")
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * 2 * time.Second) }
	last := maxPast + 9
	for i := range last + 1 {
		s.put(unsigned(testKey(i), "self", 1, 10, at(i).Add(5*time.Hour)), at(i))
		if v := s.put(unsigned(testKey(i), "self", 2, 10, at(i).Add(time.Second)), at(i)); v != verdictKept {
			t.Fatalf("verdict %d", v)
		}
	}
	if len(s.past) != maxPast {
		t.Errorf("%d keys are remembered", len(s.past))
	}
	now := at(last + 1)
	old := func(i int) *Record { return unsigned(testKey(i), "self", 1, 10, now.Add(6*time.Hour)) }
	if v := s.put(old(last), now); v != verdictOlder || !s.replaced(old(last), now) || s.next(testKey(last), now) != 3 {
		t.Errorf("what was replaced last: verdict %d", v)
	}
	if v := s.put(unsigned(testKey(last), "other", 1, 10, now.Add(time.Hour)), now); v != verdictKept {
		t.Errorf("another signer: verdict %d", v)
	}
	if v := s.put(old(0), now); v != verdictKept {
		t.Errorf("what is forgotten: verdict %d", v)
	}
	// One that outlives all before it needs no memory.
	s.put(unsigned(testKey(last), "self", 3, 10, now.Add(6*time.Hour)), now)
	if len(s.past) != maxPast-1 {
		t.Errorf("%d keys are remembered", len(s.past))
	}
	s.sweepAll(now.Add(5 * time.Hour))
	if len(s.past) != 0 {
		t.Errorf("%d keys are remembered when all is over", len(s.past))
	}
}
