package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/journal"
)

// records is how many records a store has in a bucket.
func records(t *testing.T, s Store, bucket journal.Bucket) (n int) {
	t.Helper()
	if err := s.Values(bucket, func([]byte, json.RawMessage) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// sameAsStore fails unless a node's store has what it remembers, and nothing else.
func sameAsStore(t *testing.T, n *person) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	told, letters := newTold(), newInbox(time.Now())
	if err := errors.Join(n.cfg.Store.Values(journal.Told, told.load), n.cfg.Store.Values(journal.Letters, letters.load)); err != nil {
		t.Error(err)
	}
	if !maps.Equal(told.of, n.told.of) || !maps.Equal(told.floors, n.told.floors) {
		t.Errorf("%d told messages and %d floors are in the store, want %d and %d", len(told.of), len(told.floors), len(n.told.of), len(n.told.floors))
	}
	texts := func(b *inbox) map[uint64]string {
		all := make(map[uint64]string)
		for _, e := range b.events {
			if e.Letter != nil {
				all[e.Seq] = string(e.Letter.Text)
			}
		}
		return all
	}
	if got, want := texts(&letters), texts(&n.inbox); !maps.Equal(got, want) || letters.lost != n.inbox.lost || records(t, n.cfg.Store, journal.Letters) != len(n.inbox.records()) {
		t.Errorf("the letters in the store are %v, up to %d some are missing, want %v, %d", got, letters.lost, want, n.inbox.lost)
	}
}

// A node starts with a journal in which records cannot be read, keeps the others, and
// deletes those. There may be letters whose recipients are none, of a time at which
// their names were not looked at.
func TestUnreadableRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, b, j, reopen := withJournal(t)
		p.send(a, "before", Options{Relay: true}, b)
		b.end()
		last := b.inbox.seq + 1
		if err := j.SaveValues(
			change{Bucket: journal.Letters, Key: letterKey(last), Value: Letter{From: a.id.ID(), To: []peer.ID{"", b.id.ID()}, Text: []byte("bad")}},
			change{Bucket: journal.Letters, Key: letterKey(3), Value: "no letter"},
			change{Bucket: journal.Letters, Key: []byte("short"), Value: Letter{From: a.id.ID(), To: []peer.ID{b.id.ID()}}},
			toldChange(toldKey{a.id.ID(), ID{9}}.bytes(), "no times"),
			toldChange([]byte("?"), toldTimes{}),
			toldChange([]byte("m"), toldTimes{}),
		); err != nil {
			t.Fatal(err)
		}
		j = reopen()
		if b.inbox.seq < last {
			t.Errorf("events are counted from %d, and a reader may have seen %d", b.inbox.seq, last)
		}
		sameAsStore(t, b)
		p.tell(p.carried[0])
		want(t, b, "before")
		p.send(a, "after", Options{}, b)
		want(t, b, "after")
		sameAsStore(t, b)
		if told, letters := records(t, j, journal.Told), records(t, j, journal.Letters); told != 2 || letters != 2 {
			t.Errorf("%d told messages and %d letters are on the disk, want 2 each", told, letters)
		}
	})
}

// A clock on the wall that leaps by a day and more while a node runs, and back, has
// nothing told again: a letter is forgotten once it has expired by both clocks.
func TestToldIsKeptOverALeap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, b, j, reopen := withJournal(t)
		p.send(a, "once", Options{Relay: true, NoReceipt: true}, b)
		want(t, b, "once")
		leapt := func(by time.Duration, left int) { // sweep as a node whose clock is set
			t.Helper()
			b.sweep(time.Now().Add(by))
			if n := records(t, j, journal.Told); n != left {
				t.Errorf("by a clock that leapt by %v: %d told messages are on the disk, want %d", by, n, left)
			}
		}
		leapt(25*time.Hour, 1)
		b.end()
		j = reopen()
		p.tell(p.carried[0])
		want(t, b, "once") // it is kept for readers, and told no second time
		b.end()
		time.Sleep(time.Hour + maxSkew + time.Second) // the letter's life
		leapt(-2*time.Hour, 1)
		leapt(0, 0)
	})
}

// fragile is a store that takes nothing while it is broken.
type fragile struct {
	Store
	broken   atomic.Bool
	attempts atomic.Int32
}

func (f *fragile) SaveValues(changes ...journal.Change) error {
	f.attempts.Add(1)
	if f.broken.Load() {
		return errors.New("no space")
	}
	return f.Store.SaveValues(changes...)
}

// What a store did not take for a while it has soon after, whatever came and was
// forgotten meanwhile, and only then the user is told that all is well.
func TestBrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := openJournal(t, filepath.Join(dir, "journal.db"))
		store := &fragile{Store: j}
		var trouble atomic.Bool
		p := &post{t: t, warn: func(err error) { trouble.Store(err != nil) }}
		a := p.add("", nil)
		b := p.add(dir, store)
		say := func(text string) { p.send(a, text, Options{Relay: true, NoReceipt: true}, b) }
		say("1")
		sameAsStore(t, b)
		store.broken.Store(true)
		say("2")
		if !trouble.Load() {
			t.Error("the user is not told that nothing is saved")
		}
		time.Sleep(2 * time.Hour) // 1 and 2 cannot come again
		say("3")
		store.broken.Store(false)
		if synctest.Wait(); !trouble.Load() {
			t.Error("the user is told that all is well, and 3 messages are not saved")
		}
		time.Sleep(catchUpPause)
		say("4")
		if trouble.Load() {
			t.Error("the user is told that something is wrong with all saved")
		}
		sameAsStore(t, b)

		// It is not tried for each message, and without another message, too.
		store.broken.Store(true)
		before := store.attempts.Load()
		for i := range 20 {
			say(fmt.Sprint(5 + i))
		}
		if n := store.attempts.Load() - before; n > 2 {
			t.Errorf("20 messages at once made %d attempts", n)
		}
		store.broken.Store(false)
		time.Sleep(2 * sweepPause)
		if synctest.Wait(); trouble.Load() {
			t.Error("the user is told that something is wrong with all saved by a sweep")
		}
		sameAsStore(t, b)

		b.end()
		p.start(b, dir, j)
		var all []string
		for i := range 24 {
			all = append(all, fmt.Sprint(1+i))
		}
		for _, c := range p.carried {
			p.tell(c)
		}
		want(t, b, all...)
	})
}

// What is wrong with the key and what is wrong with the store are shown until each is
// over, and not until the other is.
func TestTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		keys, away := filepath.Join(dir, "keys"), filepath.Join(dir, "away")
		move := func(from, to string) {
			t.Helper()
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(keys, 0o700); err != nil {
			t.Fatal(err)
		}
		var shown atomic.Value // text, "" = nothing is wrong
		p := &post{t: t, warn: func(err error) {
			text := ""
			if err != nil {
				text = err.Error()
			}
			shown.Store(text)
		}}
		store := &fragile{Store: openJournal(t, filepath.Join(dir, "journal.db"))}
		b, a := p.add(keys, store), p.add("", nil)
		say := func() { p.send(a, "x", Options{Relay: true, NoReceipt: true}, b) }
		const key, disk = "cannot be renewed", "cannot be written down"
		expect := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			text, _ := shown.Load().(string)
			if strings.Contains(text, key) != slices.Contains(want, key) || strings.Contains(text, disk) != slices.Contains(want, disk) || (text == "") != (len(want) == 0) || strings.Contains(text, "\n") {
				t.Errorf("%s: shown is %q, want what %q", when, text, want)
			}
		}
		old := func() {
			b.cfg.Keys.mu.Lock()
			defer b.cfg.Keys.mu.Unlock()
			b.cfg.Keys.created[0] = b.cfg.Keys.created[0].Add(-keyAge - time.Second)
			move(keys, away)
		}
		minute := func() { time.Sleep(sweepPause + time.Second) }

		old()
		minute()
		expect("the key cannot be renewed", key)
		move(away, keys)
		minute()
		expect("the key is renewed")

		store.broken.Store(true)
		say()
		expect("a letter was not saved", disk)
		minute()
		expect("the key is well", disk)
		old()
		minute()
		expect("both", key, disk)
		store.broken.Store(false)
		say()
		expect("a letter was saved, the key cannot be renewed", key)
		move(away, keys)
		minute()
		expect("all is well")
	})
}

// A floor that was raised again, and messages that it made forgotten, are made up for.
func TestBrokenStoreAndFloors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p := &post{t: t}
		b := p.add(dir, openJournal(t, filepath.Join(dir, "journal.db")))
		b.mu.Lock()
		now := time.Now()
		for i := range 2 * maxToldPeer {
			created := now.Add(time.Duration(i) * time.Millisecond)
			b.told.note("flood", &letter{id: ID{byte(i), byte(i >> 8)}, created: created, expires: created.Add(time.Hour)})
			if i == maxToldPeer+1 || i == 2*maxToldPeer-1 {
				b.disk = disk{behind: true}
				b.save(nil)
			}
		}
		floors := len(b.told.floors)
		b.mu.Unlock()
		if floors == 0 {
			t.Error("no floor was raised")
		}
		sameAsStore(t, b)
	})
}

// A journal with more letters than are kept has as many as are kept after a start.
func TestTooManyLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p := &post{t: t}
		j := openJournal(t, filepath.Join(dir, "journal.db"))
		b := p.add("", nil)
		self := b.id.ID()
		changes := []change{{Bucket: journal.Letters, Key: []byte(lostKey), Value: 1}}
		for i := range maxLetters + 50 {
			l := Letter{From: self, To: []peer.ID{self}, Text: fmt.Append(nil, i)}
			changes = append(changes, change{Bucket: journal.Letters, Key: letterKey(uint64(2 + i)), Value: l})
		}
		if err := j.SaveValues(changes...); err != nil {
			t.Fatal(err)
		}
		b.end()
		p.start(b, dir, j)
		sameAsStore(t, b)
		if n := records(t, j, journal.Letters); n != maxLetters+1 {
			t.Errorf("%d letters are on the disk, want %d", n-1, maxLetters) // and which the last is that is not
		}
	})
}
