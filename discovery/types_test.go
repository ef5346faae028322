package discovery

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

// typeBook is a DHT for a typeFinder in a synctest bubble: when what was done
// where. Each job takes so long.
type typeBook struct {
	*typeFinder
	watch    *watcher
	mu       sync.Mutex
	adverts  map[string][]time.Time
	searches map[string][]time.Time
	atOnce   int
	most     int // jobs at once
	fails    error
	holds    []peer.AddrInfo
	got      map[uint16]int
}

func newTypeBook(t *testing.T, takes time.Duration) *typeBook {
	b := &typeBook{typeFinder: newTypeFinder("test"), watch: newWatcher(nil), adverts: make(map[string][]time.Time), searches: make(map[string][]time.Time), got: make(map[uint16]int)}
	work := func(book map[string][]time.Time, place string) error {
		b.mu.Lock()
		book[place] = append(book[place], time.Now())
		b.atOnce++
		b.most = max(b.most, b.atOnce)
		b.mu.Unlock()
		time.Sleep(takes)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.atOnce--
		return b.fails
	}
	b.advertise = func(_ context.Context, place string) error { return work(b.adverts, place) }
	b.search = func(_ context.Context, place string) (<-chan peer.AddrInfo, error) {
		if err := work(b.searches, place); err != nil {
			return nil, err
		}
		c := make(chan peer.AddrInfo, len(b.holds))
		for _, info := range b.holds {
			c <- info
		}
		close(c)
		return c, nil
	}
	b.found = func(_ peer.AddrInfo, dataType uint16) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.got[dataType]++
	}
	var running sync.WaitGroup
	running.Go(func() { b.run(t.Context(), func(ctx context.Context) bool { return ctx.Err() == nil }, b.watch) })
	b.mu.Lock()
	t.Cleanup(func() {
		b.mu.Unlock()
		running.Wait() // in the bubble: its time stands still once the test has returned
	})
	return b
}

// pass lets time pass. The rest of the time the test has the book to itself.
func (b *typeBook) pass(d time.Duration) {
	b.mu.Unlock()
	defer b.mu.Lock()
	time.Sleep(d)
	synctest.Wait()
}

// A type that is taken is written down with growing pauses, and looked for only
// while takers are missing; when it is taken no more both end.
func TestTypesAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTypeBook(t, 0)
		b.holds = []peer.AddrInfo{{ID: newID(t), Addrs: addrs("/ip4/10.0.0.1/tcp/1")}}
		b.set([]TypeWish{{Type: 7, Taken: true, Missing: true}, {Type: 8, Missing: true}, {Type: 9, Taken: true}})
		b.pass(time.Second)
		const seven, eight, nine = "/hearsay/test/type/7", "/hearsay/test/type/8", "/hearsay/test/type/9"
		if len(b.adverts[seven]) != 1 || len(b.searches[seven]) != 1 || len(b.adverts[eight]) != 0 || len(b.searches[eight]) != 1 || len(b.searches[nine]) != 0 {
			t.Fatalf("in the first second: adverts %v, searches %v", b.adverts, b.searches)
		}
		if b.got[7] != 1 || b.got[8] != 1 {
			t.Errorf("found: %v", b.got)
		}
		b.pass(2 * time.Hour)
		checkGrowing(t, "searching", b.searches[seven], kadFirstPause, kadLastPause)
		checkGrowing(t, "advertising", b.adverts[seven], kadFirstAdvert, kadLastAdvert)

		b.set([]TypeWish{{Type: 7, Taken: true}})
		before, eights := len(b.searches[seven]), len(b.searches[eight])
		b.pass(time.Hour)
		if len(b.searches[seven]) != before || len(b.searches[eight]) != eights {
			t.Error("searched for what is not missing")
		}
		b.set([]TypeWish{{Type: 7, Taken: true, Missing: true}})
		b.pass(time.Second)
		if len(b.searches[seven]) != before+1 {
			t.Error("what is missing again is not looked for at once")
		}
		b.set(nil)
		adverts := len(b.adverts[seven])
		b.pass(2 * time.Hour)
		if len(b.adverts[seven]) != adverts {
			t.Error("written down although it is taken no more")
		}
	})
}

// After a change of the network a type is written down and looked for at once, and once
// more when the host has noticed what its addresses are.
func TestTypesFollowTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTypeBook(t, 0)
		b.set([]TypeWish{{Type: 7, Taken: true, Missing: true}})
		b.pass(6 * time.Hour)
		seven := b.place(7)
		adverts, searches := len(b.adverts[seven]), len(b.searches[seven])
		move(b.watch, "elsewhere")
		b.pass(0)
		if got, also := len(b.adverts[seven])-adverts, len(b.searches[seven])-searches; got != 1 || also != 1 {
			t.Errorf("after a change of the network written down %d times, looked for %d times at once", got, also)
		}
		b.pass(kadFirstAdvert * 5 / 4)
		if got := len(b.adverts[seven]) - adverts; got != 2 {
			t.Errorf("written down %d times within 75 s", got)
		}
		checkGrowing(t, "searching", b.searches[seven][searches:], kadFirstPause, kadLastPause)
	})
}

// Of more types than are served at once each has its turn, again and again, and
// none more often than others.
func TestTypesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTypeBook(t, 100*time.Millisecond)
		const types = 10 * kadTypes
		var wishes []TypeWish
		for i := range types {
			wishes = append(wishes, TypeWish{Type: uint16(i), Taken: true, Missing: i%2 == 0})
		}
		b.set(wishes)
		for range 60 {
			b.set(wishes) // nothing new
			b.pass(time.Minute)
			if served, waiting := b.counts(); served != kadTypes || served+waiting != types {
				t.Fatalf("%d served, %d wait", served, waiting)
			}
		}
		fewest, most := types, 0
		for i := range types {
			n := len(b.adverts[b.place(uint16(i))])
			fewest, most = min(fewest, n), max(most, n)
		}
		if fewest < 4 || most > 2*fewest+1 {
			t.Errorf("each of %d types was written down %d to %d times in an hour", types, fewest, most)
		}
		if b.most > kadTypeJobs {
			t.Errorf("%d look-ups at once, at most %d", b.most, kadTypeJobs)
		}
	})
}

// What fails is tried again, with a pause.
func TestTypesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTypeBook(t, 0)
		b.fails = fmt.Errorf("no luck")
		b.set([]TypeWish{{Type: 7, Taken: true}})
		b.pass(5 * time.Minute)
		if n := len(b.adverts[b.place(7)]); n < 8 || n > 15 {
			t.Errorf("tried %d times in five minutes", n)
		}
		b.fails = nil
		b.pass(kadAlonePause * 5 / 4)
		n := len(b.adverts[b.place(7)])
		b.pass(kadFirstAdvert * 5 / 4)
		if got := len(b.adverts[b.place(7)]); got != n+1 {
			t.Errorf("%d times after it succeeded", got-n)
		}
	})
}

// Two of eight hosts take a type: they find each other by it, with its number,
// and nobody else is said to take it.
func TestTypeRendezvous(t *testing.T) {
	noLeak(t)
	var mu sync.Mutex
	said := make(map[peer.ID]map[peer.ID]bool) // who was told that who takes the type
	var hosts []host.Host
	var all []*Discovery
	for i := range 8 {
		h := newHost(t, "/ip4/127.0.0.1/tcp/0")
		d := running(t, Config{Host: h, Network: "test", Kademlia: true, Found: func(c Candidate) {
			mu.Lock()
			defer mu.Unlock()
			for _, dataType := range c.Types {
				if dataType != 4711 {
					t.Errorf("host %d is told of type %d", i, dataType)
				}
				if said[h.ID()] == nil {
					said[h.ID()] = make(map[peer.ID]bool)
				}
				said[h.ID()][c.Info.ID] = true
			}
		}})
		hosts, all = append(hosts, h), append(all, d)
	}
	all[1].SetTypes([]TypeWish{{Type: 4711, Taken: true, Missing: true}})
	all[7].SetTypes([]TypeWish{{Type: 4711, Taken: true, Missing: true}})
	for i, h := range hosts[1:] { // a line
		do(t, h.Connect(t.Context(), peer.AddrInfo{ID: hosts[i].ID(), Addrs: hosts[i].Addrs()}))
	}
	eventually(t, "the two takers have found each other", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return said[hosts[1].ID()][hosts[7].ID()] && said[hosts[7].ID()][hosts[1].ID()]
	})
	mu.Lock()
	defer mu.Unlock()
	if len(said) != 2 || len(said[hosts[1].ID()]) != 1 {
		t.Errorf("who takes the type: %v", said)
	}
	if s := all[1].Status().Kademlia; s.Types != 1 || s.WaitingTypes != 0 {
		t.Errorf("status: %+v", s)
	}
}
