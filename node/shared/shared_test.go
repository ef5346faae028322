package shared

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/journal"
)

const (
	alice = peer.ID("alice")
	bob   = peer.ID("bob")
)

// said is a rumor that a node published.
type said struct {
	key      string
	payload  []byte
	lifetime time.Duration
	at       time.Time
}

// speaker is a State of alice's whose words are kept.
type speaker struct {
	*State
	mu    sync.Mutex
	said  []said
	tries int   // to say something
	err   error // what that fails with
	end   func()
}

func newSpeaker(t *testing.T, store Store) *speaker {
	t.Helper()
	s := &speaker{}
	var err error
	s.State, err = New(Config{Self: alice, Lifetime: time.Hour, Store: store, Publish: func(_ context.Context, key string, payload []byte, lifetime time.Duration) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tries++; s.err != nil {
			return s.err
		}
		s.said = append(s.said, said{key, payload, lifetime, time.Now()})
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	s.end = func() { cancel(); <-done }
	t.Cleanup(func() { s.end() })
	synctest.Wait()
	return s
}

// all is what was said so far.
func (s *speaker) all() []said {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.said)
}

// fail has what is said from now on fail.
func (s *speaker) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func openJournal(t *testing.T, path string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// from is what bob says, as a rumor.
func from(p peer.ID, seq uint64, key, value string, set time.Time) Rumor {
	o := &own{Value: []byte(value), Set: set.UnixMilli()}
	if value == "deleted" {
		o = &own{Deleted: true, Set: set.UnixMilli()}
	}
	return Rumor{Origin: p, Epoch: 1, Seq: seq, Key: key, Expires: time.Now().Add(time.Hour), Payload: o.encode()}
}

func values(entries []Entry) (all []string) {
	for _, e := range entries {
		all = append(all, fmt.Sprintf("%s %s=%s", string(e.Peer), e.Key, e.Value))
	}
	return all
}

func expect(t *testing.T, s *State, want ...string) {
	t.Helper()
	if got := values(s.Get("", "")); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// changes is what a watcher was told so far.
func changes(t *testing.T, w *Watcher) (all []string) {
	t.Helper()
	synctest.Wait()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for {
		c, err := w.Next(over)
		if err != nil {
			return all
		}
		text := fmt.Sprintf("%s %s=%s", string(c.Peer), c.Key, c.Value)
		if c.Deleted {
			text += " deleted"
		}
		if c.Expired {
			text += " expired"
		}
		all = append(all, text)
	}
}

// Own values are said at once, and again every half of their life as long as the
// node runs; others notice no renewal.
func TestOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		w := s.Watch()
		defer w.Close()
		if err := s.Set(t.Context(), "mood", []byte("good")); err != nil {
			t.Fatal(err)
		}
		if len(s.all()) != 1 || s.all()[0].key != "mood" || s.all()[0].lifetime != time.Hour {
			t.Fatalf("said %+v", s.all())
		}
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		if n := len(s.all()); n < 20 || n > 22 {
			t.Errorf("said %d times in 10 h, want every half hour", n)
		}
		other, _ := New(Config{Self: bob, Lifetime: time.Hour})
		ow := other.Watch()
		for i, a := range s.all() {
			other.Take(Rumor{Origin: alice, Epoch: 1, Seq: uint64(i + 1), Key: a.key, Expires: a.at.Add(a.lifetime), Payload: a.payload})
		}
		if got := changes(t, ow); !slices.Equal(got, []string{"alice mood=good"}) {
			t.Errorf("another is told %q", got)
		}
		if got := changes(t, w); !slices.Equal(got, []string{"alice mood=good"}) {
			t.Errorf("the node itself is told %q", got)
		}
		expect(t, s.State, "alice mood=good")
	})
}

// A key that is deleted is said to be for one life, and is forgotten then.
func TestDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "journal.db")
		j := openJournal(t, path)
		s := newSpeaker(t, j)
		if err := s.Delete(t.Context(), "mood"); !errors.Is(err, ErrNoKey) {
			t.Errorf("what is not there: %v", err)
		}
		s.Set(t.Context(), "mood", []byte("good"))
		w := s.Watch()
		if err := s.Delete(t.Context(), "mood"); err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), "mood"); !errors.Is(err, ErrNoKey) {
			t.Errorf("twice: %v", err)
		}
		if got := changes(t, w); !slices.Equal(got, []string{"alice mood= deleted"}) {
			t.Errorf("told %q", got) // of what changed twice the last
		}
		expect(t, s.State)
		// A restart says it again, for the rest of its life.
		time.Sleep(20 * time.Minute)
		s.end()
		j.Close()
		j = openJournal(t, path)
		s = newSpeaker(t, j)
		if len(s.all()) != 1 || s.all()[0].payload[1] != flagDeleted || s.all()[0].lifetime > 40*time.Minute || s.all()[0].lifetime < 39*time.Minute {
			t.Errorf("after a restart said %+v", s.all())
		}
		expect(t, s.State)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if len(s.all()) != 1 || len(s.own) != 0 {
			t.Errorf("said %d times, %d keys left", len(s.all()), len(s.own))
		}
		n := 0
		j.Values(journal.OwnState, func([]byte, json.RawMessage) error { n++; return nil })
		if n != 0 {
			t.Errorf("%d keys on the disk", n)
		}
	})
}

// onDisk lists the own keys that a store has.
func onDisk(t *testing.T, store Store) (keys []string) {
	t.Helper()
	if err := store.Values(journal.OwnState, func(key []byte, _ json.RawMessage) error {
		keys = append(keys, string(key))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return keys
}

// Keys that were deleted and ran out while the node was away leave the disk, which
// would be full one day.
func TestDeletedWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := openJournal(t, filepath.Join(t.TempDir(), "journal.db"))
		var changes []journal.Change
		for i := range 256 { // all that it holds
			changes = append(changes, journal.Change{Bucket: journal.OwnState, Key: fmt.Append(nil, i), Value: &own{Deleted: true, Expires: time.Now().UnixMilli()}})
		}
		if err := j.SaveValues(changes...); err != nil {
			t.Fatal(err)
		}
		s := newSpeaker(t, j)
		if n := len(onDisk(t, j)); n != 0 {
			t.Errorf("%d keys are left on the disk", n)
		}
		if err := s.Set(t.Context(), "mood", []byte("good")); err != nil {
			t.Error(err)
		}
	})
}

// grudging is a store that does not delete while it keeps.
type grudging struct {
	Store
	keeps atomic.Bool
}

func (g *grudging) SaveValues(changes ...journal.Change) error {
	if g.keeps.Load() && slices.ContainsFunc(changes, func(c journal.Change) bool { return c.Value == nil }) {
		return errors.New("nothing is deleted now")
	}
	return g.Store.SaveValues(changes...)
}

// Deleted keys that cannot be taken off the disk are taken off later, unless they
// have values again.
func TestDeletedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &grudging{Store: openJournal(t, filepath.Join(t.TempDir(), "journal.db"))}
		s := newSpeaker(t, store)
		set := func(key string) {
			t.Helper()
			if err := s.Set(t.Context(), key, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range []string{"a", "b"} {
			set(key)
			if err := s.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		store.keeps.Store(true)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if len(s.own) != 0 {
			t.Errorf("%d keys are not forgotten", len(s.own))
		}
		set("a")
		s.end()
		s = newSpeaker(t, store) // which cannot delete either
		if keys := onDisk(t, store); !slices.Equal(keys, []string{"a", "b"}) {
			t.Errorf("on the disk are %q", keys)
		}
		set("b")
		if err := s.Delete(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		store.keeps.Store(false)
		set("c")
		if keys := onDisk(t, store); !slices.Equal(keys, []string{"a", "c"}) {
			t.Errorf("on the disk are %q", keys)
		}
		expect(t, s.State, "alice a=", "alice c=")
	})
}

// What a node said survives its restart, and is said again then.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "journal.db")
		j := openJournal(t, path)
		s := newSpeaker(t, j)
		s.Set(t.Context(), "a", []byte("1"))
		s.Set(t.Context(), "a", []byte("2"))
		s.Set(t.Context(), "b", []byte{0, 255})
		s.end()
		j.Close()
		time.Sleep(100 * time.Hour)
		j = openJournal(t, path)
		s = newSpeaker(t, j)
		expect(t, s.State, "alice a=2", "alice b=\x00\xff")
		if len(s.all()) != 2 {
			t.Errorf("said %d values", len(s.all()))
		}
	})
}

// What cannot be said now is on the disk, and said as soon as it can be.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		s.fail(errors.New("no epoch"))
		if err := s.Set(t.Context(), "a", []byte("1")); err == nil || !strings.Contains(err.Error(), "as soon as it can be") {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
		s.fail(nil)
		time.Sleep(2 * retryPause)
		synctest.Wait()
		if len(s.all()) != 1 {
			t.Errorf("said %d times", len(s.all()))
		}
	})
}

// Of others' the newest version counts, whatever order they come in.
func TestOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		w := s.Watch()
		defer w.Close()
		now := time.Now()
		s.Take(from(bob, 5, "a", "five", now))
		s.Take(from(bob, 4, "a", "four", now.Add(-time.Second)))
		s.Take(from(bob, 6, "b", "six", now))
		expect(t, s.State, "bob a=five", "bob b=six")
		if got := changes(t, w); !slices.Equal(got, []string{"bob a=five", "bob b=six"}) {
			t.Errorf("told %q", got)
		}
		s.Take(from(bob, 7, "b", "deleted", now.Add(time.Second)))
		s.Take(from(bob, 6, "b", "six", now))
		s.Take(from(alice, 9, "a", "from herself", now)) // of an earlier run of this node
		expect(t, s.State, "bob a=five")
		if got := changes(t, w); !slices.Equal(got, []string{"bob b= deleted"}) {
			t.Errorf("told %q", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := changes(t, w); !slices.Equal(got, []string{"bob a= expired"}) {
			t.Errorf("told %q", got)
		}
		if len(s.entries) != 0 || len(s.byPeer) != 0 {
			t.Errorf("%d entries of %d nodes are left", len(s.entries), len(s.byPeer))
		}
	})
}

// What is out of form is left out and counted.
func TestIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		good := from(bob, 1, "k", "v", time.Now())
		for _, change := range []func(*Rumor){
			func(r *Rumor) { r.Key = "" },
			func(r *Rumor) { r.Key = strings.Repeat("k", MaxKey+1) },
			func(r *Rumor) { r.Key = "a\x1b[31m" },
			func(r *Rumor) { r.Key = "a\xff" },
			func(r *Rumor) { r.Payload = nil },
			func(r *Rumor) { r.Payload = r.Payload[:9] },
			func(r *Rumor) { r.Payload = append([]byte{2}, r.Payload[1:]...) },
			func(r *Rumor) { r.Payload = make([]byte, payloadHead+MaxValue+1) },
		} {
			bad := good
			change(&bad)
			s.Take(bad)
		}
		if n := s.Counters()["state_ignored"]; n != 8 {
			t.Errorf("%d ignored, want 8", n)
		}
		expect(t, s.State)
	})
}

// Keys and sizes are bounded: the own by a refusal, others' by forgetting what they
// set first, and the own are never forgotten for others'.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		for i := range MaxKeys {
			if err := s.Set(t.Context(), fmt.Sprint(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Set(t.Context(), "more", nil); !errors.Is(err, ErrKeys) {
			t.Errorf("one key too many: %v", err)
		}
		if err := s.Set(t.Context(), "0", make([]byte, MaxValue)); err != nil {
			t.Errorf("the largest value: %v", err)
		}
		if err := s.Set(t.Context(), "0", make([]byte, MaxValue+1)); !errors.Is(err, ErrValue) {
			t.Errorf("a larger one: %v", err)
		}
		if err := s.Set(t.Context(), "a\nb", nil); !errors.Is(err, ErrKey) {
			t.Errorf("a key of two lines: %v", err)
		}
		now := time.Now()
		for i := range maxPeerEntries + 10 {
			s.Take(from(bob, uint64(i+1), fmt.Sprint("key", i), "v", now.Add(time.Duration(i)*time.Millisecond)))
		}
		if n := len(s.Get(bob, "")); n != maxPeerEntries || len(s.Get(bob, "key9")) != 0 || len(s.Get(bob, "key10")) != 1 {
			t.Errorf("%d of bob's are kept, the oldest: %d", n, len(s.Get(bob, "key9")))
		}
		for i := range maxEntries {
			s.Take(from(peer.ID(fmt.Sprint("peer", i/100)), uint64(i+1), fmt.Sprint("key", i), "v", now))
		}
		if n := len(s.Get("", "")); n > maxEntries || len(s.Get(alice, "")) != MaxKeys {
			t.Errorf("%d are kept, %d of them its own", n, len(s.Get(alice, "")))
		}
	})
}

// Watchers are told of what is forgotten for others, as long as it had a value, and
// show what Get shows.
func TestWatchForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		w := s.Watch()
		defer w.Close()
		now := time.Now()
		seq := uint64(0)
		take := func(key, value string, set int) {
			seq++
			s.Take(from(bob, seq, key, value, now.Add(time.Duration(set)*time.Millisecond)))
		}
		for i := range maxPeerEntries {
			take(fmt.Sprint("key", i), "v", i)
		}
		take("key1", "deleted", 1)
		if got := changes(t, w); len(got) != maxPeerEntries {
			t.Errorf("told of %d keys", len(got))
		}
		take("more", "v", 1000) // for which key0 has to go
		if got := changes(t, w); !slices.Equal(got, []string{"bob key0= expired", "bob more=v"}) {
			t.Errorf("told %q", got)
		}
		take("even more", "v", 1001) // for which what was deleted has to
		if got := changes(t, w); !slices.Equal(got, []string{"bob even more=v"}) {
			t.Errorf("told %q", got)
		}
		take("key0", "v", 0) // said again, and key2 is the first now
		if got := changes(t, w); !slices.Equal(got, []string{"bob key2= expired", "bob key0=v"}) {
			t.Errorf("told %q", got)
		}
	})
}

// A watcher that sleeps is told the last word on every key, and first all there is.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		now := time.Now()
		s.Take(from(bob, 1, "before", "v", now))
		w := s.Watch()
		for i := range 10_000 {
			s.Take(from(bob, uint64(i+2), fmt.Sprint("key", i%3), fmt.Sprint(i), now.Add(time.Duration(i)*time.Millisecond)))
		}
		got := changes(t, w)
		slices.Sort(got)
		if want := []string{"bob before=v", "bob key0=9999", "bob key1=9997", "bob key2=9998"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		w.Close()
		s.Take(from(bob, 20_000, "after", "v", now))
		if got := changes(t, w); len(got) != 0 {
			t.Errorf("told %q after it was closed", got)
		}
	})
}
