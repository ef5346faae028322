package discovery

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestWatcherTellsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		type observation struct {
			surroundings
			err error
		}
		var next atomic.Pointer[observation]
		see := func(key string, err error) { next.Store(&observation{surroundings{key: key}, err}) }
		see("a", nil)
		w := newWatcher(func() (surroundings, error) { o := next.Load(); return o.surroundings, o.err })
		w.look()
		var running sync.WaitGroup
		running.Go(func() { w.run(ctx, time.Second) })
		defer running.Wait() // in the bubble: its time stands still once the test has returned
		defer cancel()
		wait := func() { time.Sleep(time.Second); synctest.Wait() }

		got, changed := w.current()
		wait()
		if got.key != "a" || isClosed(changed) {
			t.Errorf("got %q, changed %v; nothing happened", got.key, isClosed(changed))
		}
		see("b", errors.New("too many open files"))
		wait()
		if isClosed(changed) {
			t.Error("a failed observation was taken for a change")
		}
		see("b", nil)
		wait()
		if got, _ := w.current(); got.key != "b" || !isClosed(changed) {
			t.Errorf("got %q, changed %v, want the change to b", got.key, isClosed(changed))
		}
		if _, changed := w.current(); isClosed(changed) {
			t.Error("the next change is announced before it has come")
		}
	})
}

func TestObserveThisMachine(t *testing.T) {
	s, err := observe(addrs("/ip4/127.0.0.1/tcp/7", "/ip4/0.0.0.0/tcp/8"))
	if err != nil {
		t.Fatal(err)
	}
	listen := make(map[string]bool)
	for _, a := range s.listen {
		listen[a.String()] = true
	}
	if !listen["/ip4/127.0.0.1/tcp/7"] || !listen["/ip4/127.0.0.1/tcp/8"] || listen["/ip4/0.0.0.0/tcp/8"] {
		t.Errorf("listen addresses are not resolved: %v", s.listen)
	}
	again, err := observe(addrs("/ip4/0.0.0.0/tcp/8", "/ip4/127.0.0.1/tcp/7"))
	if err != nil || again.key != s.key {
		t.Errorf("the same surroundings have another key: %q and %q (%v)", s.key, again.key, err)
	}
	other, err := observe(addrs("/ip4/127.0.0.1/tcp/9"))
	if err != nil || other.key == s.key {
		t.Errorf("another listen address has the same key %q (%v)", other.key, err)
	}
	for _, l := range s.links {
		if l.Name == "lo" {
			t.Error("loopback is taken for a link to others")
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	listening := addrs("/ip4/0.0.0.0/tcp/8", "/ip6/::/tcp/8")
	for b.Loop() {
		if _, err := observe(listening); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWatcherSparesLooks: it does not look while it is told that nothing is new, for
// some time, and at once when something is.
func TestWatcherSparesLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var looks atomic.Int32
		var news atomic.Bool
		w := newWatcher(func() (surroundings, error) { looks.Add(1); return surroundings{}, nil })
		w.told = news.Load
		var running sync.WaitGroup
		running.Go(func() { w.run(ctx, time.Second) })
		defer running.Wait()
		defer cancel()
		after := func(polls int, want int32) {
			t.Helper()
			time.Sleep(time.Duration(polls) * time.Second)
			synctest.Wait()
			if n := looks.Load(); n != want {
				t.Errorf("%d looks, want %d", n, want)
			}
		}
		after(lookAnyway-1, 0)
		after(1, 1)
		news.Store(true)
		after(1, 2)
		after(1, 3)
		news.Store(false)
		after(lookAnyway-1, 3)
		after(1, 4)
	})
}
