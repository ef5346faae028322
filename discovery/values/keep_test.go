package values

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// handing fills a node with records of others that only it has and that it has not
// heard of for long, and returns when it has begun to hand them on. left is how many
// are still to come.
func (w *world) handing(n *simNode, records int) (left func() int) {
	w.t.Helper()
	left = func() int {
		now := time.Now()
		return len(n.store.quiet(now.Add(-handOnAfter), now.Add(-handOnAlways)))
	}
	now := time.Now()
	var signer crypto.PrivKey
	for i := range records {
		if i%500 == 0 { // of one there is no room for all
			signer, _ = w.newKey()
		}
		r, err := Sign(signer, "test", testKey(1_000_000+i), []byte("an attacker's"), 1, now, now.Add(time.Hour))
		if err != nil {
			w.t.Fatal(err)
		}
		if v := n.store.put(r, now.Add(-handOnAfter)); v != verdictKept {
			w.t.Fatalf("verdict %d", v)
		}
	}
	for range 2 * handOnAfter / 8 / time.Second {
		if left() < records {
			return left
		}
		time.Sleep(time.Second)
	}
	w.t.Fatal("nothing is handed on")
	return nil
}

// Who fills a node with records, which take minutes to hand on, does not keep what is
// put there from being spread.
func TestHandingOnDelaysNoPut(t *testing.T) {
	bubble(t, 15, func(w *world) {
		const many = 2000
		w.populate(30)
		for _, n := range w.order[:9] {
			n.says(saysNothing)
		}
		n := w.order[20]
		left := w.handing(n, many)
		if _, err := n.Put(testKey(1), []byte("v"), time.Minute, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		copies := w.copies(n, testKey(1))
		t.Logf("5 s after the PUT: %d copies elsewhere, %d of %d keys still to be handed on", copies, left(), many)
		if copies < placeNodes {
			t.Errorf("%d copies", copies)
		}
		if left() < many/2 {
			t.Error("the round is nearly through, which makes it too easy")
		}

		// It ends with the node, and not with the last key.
		before := left()
		w.kill(n)
		if done := before - left(); done > maxSpreads {
			t.Errorf("%d more keys are handed on at the end", done)
		}
	})
}

// copies is how many other nodes have what a node put.
func (w *world) copies(of *simNode, key Key) (n int) {
	for _, o := range w.order {
		if o != of && o.store.of(key, of.id, time.Now()) != nil {
			n++
		}
	}
	return n
}

// Where everybody answers in a millisecond, handing on does not use up what others take
// from this node: they take its own values, and refuse nothing that is handed on.
func TestHandingOnLeavesRoom(t *testing.T) {
	bubble(t, 16, func(w *world) {
		const many = 4000
		w.populate(12)
		for _, n := range w.order {
			n.beside.Store(true)
		}
		n := w.order[5]
		left := w.handing(n, many)
		time.Sleep(500 * time.Millisecond)
		if _, err := n.Put(testKey(1), []byte("v"), time.Minute, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		copies := w.copies(n, testKey(1))
		t.Logf("0.1 s after the PUT: %d copies elsewhere, %d of %d keys still to be handed on", copies, left(), many)
		if copies < placeNodes {
			t.Errorf("%d copies", copies)
		}
		time.Sleep(15 * time.Second)
		if left() == 0 {
			t.Error("the round is through, which makes it too easy")
		}
		for i, o := range w.order {
			if records, _ := o.store.size(); records < handOnBurst+10*handOnRate {
				t.Errorf("node %d has %d records", i, records)
			}
			if busy := o.Stats().Busy; busy != 0 {
				t.Errorf("node %d refuses %d", i, busy)
			}
		}
	})
}

// One round of handing on goes on at a time, though others are due; an own value goes out
// at once though silent nodes have all its slots; and Run returns when it has ended.
func TestRoundsOfHandingOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		peers, offers, most, puts := 0, 0, 0, 0
		offered := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			offers += by
			most = max(most, offers)
		}
		s := lone(t)
		s.cfg.Nearest = func([32]byte, int) []peer.AddrInfo {
			mu.Lock()
			defer mu.Unlock()
			peers++ // another one each time: who has been silent is asked no more
			return []peer.AddrInfo{{ID: peer.ID(fmt.Sprint("peer ", peers))}}
		}
		s.cfg.Call = func(ctx context.Context, _ peer.AddrInfo, request []byte) ([]byte, error) {
			switch kind(request[0]) {
			case kindFind:
				return new(response).encode(), nil
			case kindPut: // of an own value: nobody wants the others
				mu.Lock()
				defer mu.Unlock()
				puts++
				return (&response{verdict: verdictKept}).encode(), nil
			}
			offered(+1)
			defer offered(-1)
			<-ctx.Done()
			time.Sleep(time.Second)
			return nil, ctx.Err()
		}
		const keys = 1000 // which take 3 s each: several rounds' time
		for i := range keys {
			s.store.put(unsigned(testKey(i), "other", 1, 1, time.Now().Add(time.Hour)), time.Now().Add(-handOnAfter))
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.Run(ctx)
		}()
		time.Sleep(handOnAfter / 2)
		synctest.Wait()
		if offers == 0 || most > places*maxSpreads {
			t.Errorf("%d offers at the end, %d at the same time", offers, most)
		}
		if _, err := s.Put(testKey(-1), []byte("v"), time.Minute, 0); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if puts != places {
			t.Errorf("an own value is given to %d nodes while others' are handed on", puts)
		}
		cancel()
		<-ended
		if offers != 0 {
			t.Errorf("%d offers go on after Run", offers)
		}
		synctest.Wait()
	})
}
