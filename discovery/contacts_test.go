package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// fakeWorld is a world around a contactLoop, to be used in a synctest bubble.
// The test owns it, except while pass lets time pass.
type fakeWorld struct {
	contactWorld
	mu       sync.Mutex
	answers  peer.ID // who answers at the address, "" for nobody
	up       peer.ID // who is connected
	around   surroundings
	resolves error
	asked    []time.Time
	found    []peer.AddrInfo
	foundAt  []time.Time
	learnt   []peer.ID
}

func newFakeWorld(self peer.ID) *fakeWorld {
	w := new(fakeWorld)
	w.contactWorld = contactWorld{
		self: self,
		watch: newWatcher(func() (surroundings, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.around, nil
		}),
		connected: func(id peer.ID) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.up == id
		},
		lookup: func(context.Context, string, string) ([]netip.Addr, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, w.resolves
		},
		ask: func(context.Context, ma.Multiaddr) (peer.ID, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.asked = append(w.asked, time.Now())
			if w.answers == "" {
				return "", errors.New("connection refused")
			}
			return w.answers, nil
		},
		found: func(info peer.AddrInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.found = append(w.found, info)
			w.foundAt = append(w.foundAt, time.Now())
		},
		learnt: func(_ string, id peer.ID) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.learnt = append(w.learnt, id)
		},
	}
	w.mu.Lock()
	return w
}

// start runs a loop; the function that it returns lets time pass.
func (w *fakeWorld) start(t *testing.T, text string, learnt peer.ID) (*contactLoop, func(time.Duration)) {
	l := newContactLoop(mustContact(t, text), learnt, w.contactWorld)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { l.run(ctx) })
	t.Cleanup(func() {
		cancel()
		w.mu.Unlock()
		running.Wait() // in the bubble: its time stands still once the test has returned
	})
	w.pass(0)
	return l, w.pass
}

func (w *fakeWorld) pass(d time.Duration) {
	w.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
}

// surround changes what the network looks like.
func (w *fakeWorld) surround(s surroundings) {
	w.around = s
	w.mu.Unlock()
	w.watch.look()
	synctest.Wait()
	w.mu.Lock()
}

// checkPauses checks that attempts begin at once, come with growing pauses from
// one second to one minute, give or take a quarter, and do not end.
func checkPauses(t *testing.T, begin time.Time, at []time.Time, total time.Duration) {
	t.Helper()
	if len(at) == 0 || !at[0].Equal(begin) {
		t.Fatalf("the first attempt does not come at once: %v", at)
	}
	want := contactFirstPause
	for i := range len(at) - 1 {
		got := at[i+1].Sub(at[i])
		if got < want*3/4 || got > want*5/4 {
			t.Errorf("pause %d is %v, want %v give or take a quarter", i, got, want)
		}
		want = min(2*want, contactLastPause)
	}
	if last := begin.Add(total).Sub(at[len(at)-1]); last > contactLastPause*5/4 {
		t.Errorf("no attempt in the last %v", last)
	}
}

func TestUnreachableContactIsTriedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld(newID(t))
		begin := time.Now()
		l, pass := w.start(t, "192.0.2.7:4001", "")
		pass(2 * time.Hour)
		checkPauses(t, begin, w.asked, 2*time.Hour)
		s := l.snapshot()
		if s.State != ContactUnreachable || s.LastError == "" || s.Attempts != len(w.asked) || !s.NextTry.After(time.Now()) {
			t.Errorf("status: %+v", s)
		}
		// The network changes: at once, and quickly for a while.
		tries := len(w.asked)
		w.surround(surroundings{key: "another"})
		if len(w.asked) != tries+1 {
			t.Error("not tried when the network changed")
		}
		pass(1250 * time.Millisecond)
		if len(w.asked) != tries+2 {
			t.Error("not tried again soon after the network changed")
		}
		// It is switched on at last.
		w.answers = newID(t)
		pass(contactLastPause * 5 / 4)
		if len(w.found) == 0 || w.found[0].ID != w.answers || fmt.Sprint(w.found[0].Addrs) != "[/ip4/192.0.2.7/tcp/4001]" {
			t.Errorf("found %v", w.found)
		}
		if !slices.Equal(w.learnt, []peer.ID{w.answers}) {
			t.Errorf("learnt %v, want it once", w.learnt)
		}
	})
}

func TestPinnedContactIsHandedOverUntilConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld(newID(t))
		id := mustID(t, someID)
		begin := time.Now()
		l, pass := w.start(t, "/dns/node.example/tcp/4001/p2p/"+someID, "")
		pass(time.Hour)
		checkPauses(t, begin, w.foundAt, time.Hour)
		if len(w.asked) != 0 || len(w.learnt) != 0 {
			t.Error("a peer whose ID is known was asked for it")
		}
		if w.found[0].ID != id || fmt.Sprint(w.found[0].Addrs) != "[/ip4/192.0.2.7/tcp/4001]" {
			t.Errorf("found %v", w.found[0])
		}
		if s := l.snapshot(); s.State != ContactFound || !s.Pinned {
			t.Errorf("status: %+v", s)
		}

		w.up = id
		pass(contactLastPause * 5 / 4)
		n := len(w.found)
		pass(time.Hour)
		if s := l.snapshot(); s.State != ContactConnected || s.Attempts != 0 || len(w.found) != n {
			t.Errorf("status: %+v; %d candidates while connected", s, len(w.found)-n)
		}
		w.up = ""
		pass(contactCheck)
		if len(w.found) == n {
			t.Error("not handed over again soon after the connection was lost")
		}
	})
}

func TestContactChangesItsIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld(newID(t))
		old, changed := newID(t), newID(t)
		w.answers = old
		l, pass := w.start(t, "node.example:4001", old)
		if len(w.learnt) != 0 || len(w.found) != 1 || w.found[0].ID != old {
			t.Fatalf("learnt %v, found %v; the ID was known", w.learnt, w.found)
		}
		w.up = old
		pass(time.Minute)
		w.up, w.answers = "", changed
		pass(10 * time.Second)
		if !slices.Equal(w.learnt, []peer.ID{changed}) || w.found[len(w.found)-1].ID != changed {
			t.Errorf("learnt %v, found %v", w.learnt, w.found)
		}
		if s := l.snapshot(); s.ID != changed || s.FormerID != old {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestContactIsThisNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld(newID(t))
		// By its listen address, without a question.
		w.surround(surroundings{key: "x", listen: addrs("/ip4/192.0.2.7/tcp/4001")})
		l, pass := w.start(t, "node.example:4001", "")
		pass(time.Hour)
		if s := l.snapshot(); s.State != ContactSelf || len(w.asked)+len(w.found) != 0 {
			t.Errorf("status: %+v, asked %d times, found %v", s, len(w.asked), w.found)
		}
		// By the ID that answers, behind a router.
		w.answers = w.self
		w.surround(surroundings{key: "y"})
		pass(time.Hour)
		if s := l.snapshot(); s.State != ContactSelf || len(w.learnt)+len(w.found) != 0 {
			t.Errorf("status: %+v, learnt %v, found %v", s, w.learnt, w.found)
		}
		if n := len(w.asked); n > 61 {
			t.Errorf("asked itself %d times in an hour", n)
		}
	})
}

func TestNameWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld(newID(t))
		w.resolves = errors.New("no such host")
		w.answers = newID(t)
		l, pass := w.start(t, "node.example:4001", "")
		pass(time.Minute)
		if s := l.snapshot(); s.State != ContactUnreachable || s.LastError != "no such host" || len(w.found) != 0 {
			t.Errorf("status: %+v, found %v", s, w.found)
		}
		w.resolves = nil
		pass(contactLastPause * 5 / 4)
		if s := l.snapshot(); s.State != ContactFound || s.LastError != "" {
			t.Errorf("status: %+v", s)
		}
	})
}

// Of a name's addresses, the one that answered comes first.
func TestAskAll(t *testing.T) {
	w := newFakeWorld(newID(t))
	id := newID(t)
	w.ask = func(_ context.Context, a ma.Multiaddr) (peer.ID, error) {
		if a.String() == "/ip4/192.0.2.2/tcp/1" {
			return id, nil
		}
		return "", errors.New("no route")
	}
	l := newContactLoop(mustContact(t, "node.example:1"), "", w.contactWorld)
	got, order, err := l.askAll(t.Context(), addrs("/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/1", "/ip6/2001:db8::1/tcp/1"))
	if err != nil || got != id || fmt.Sprint(order) != "[/ip4/192.0.2.2/tcp/1 /ip6/2001:db8::1/tcp/1 /ip4/192.0.2.1/tcp/1]" {
		t.Errorf("%v at %v, %v", got, order, err)
	}
}
