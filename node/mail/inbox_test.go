package mail

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// readNow is what a reader is told without waiting.
func readNow(r *Reader) (all []Event) {
	for {
		e, changed := r.poll()
		if changed != nil {
			return all
		}
		all = append(all, e)
	}
}

// Receipts, however many, take no room from letters, nor these from receipts; neither
// turns the order in which they came.
func TestReceiptsBesideLetters(t *testing.T) {
	m := &Mail{inbox: newInbox(time.Now())}
	from := m.ReadNew()
	for i := range 10 {
		m.inbox.addLetter(&Letter{Text: fmt.Append(nil, i)})
	}
	last := m.inbox.seq
	for range 3 * maxReceipts {
		m.inbox.addReceipt(&Receipt{})
	}
	all := readNow(from)
	if len(all) != 10+maxReceipts || all[9].Letter == nil || all[10].Receipt == nil {
		t.Fatalf("%d events are kept, want 10 letters and %d receipts", len(all), maxReceipts)
	}
	for i, e := range all {
		if i > 0 && e.Seq <= all[i-1].Seq {
			t.Errorf("event %d has number %d, the one before %d", i, e.Seq, all[i-1].Seq)
		}
		if e.Missed != (i == 10) {
			t.Errorf("event %d: missed %v; only receipts before the first that is kept were", i, e.Missed)
		}
	}
	if got := readNow(m.Read(0)); got[0].Missed || !got[10].Missed {
		t.Error("who reads from the beginning misses nothing before the first event, and receipts after the letters")
	}
	for after, missed := range map[uint64]bool{last: true, all[10].Seq - 2: true, all[10].Seq - 1: false} {
		if got := readNow(m.Read(after)); len(got) == 0 || slices.ContainsFunc(got, func(e Event) bool { return e.Missed }) != missed {
			t.Errorf("after event %d: %d events, something missed is not %v", after, len(got), missed)
		}
	}
	var deleted int
	for range maxLetters {
		for _, c := range m.inbox.addLetter(&Letter{}) {
			if c.Value == nil {
				deleted++
			}
		}
	}
	if all := readNow(m.Read(0)); len(all) != maxLetters+maxReceipts || all[0].Receipt == nil || deleted != 10 {
		t.Errorf("%d events are kept after %d letters more, and %d are deleted from the disk, want 10", len(all), maxLetters, deleted)
	}
}

// Readers are told that they missed something where they did, and only there.
func TestMissed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	m := &Mail{inbox: newInbox(time.Now())}
	first := m.inbox.seq + 1
	senders := []peer.ID{"one", "who writes as much", "another", "a stranger"}
	text := make([]byte, MaxText)
	var letters []Event   // that are to be kept
	var receipts []uint64 // all that there were
	write := func(from peer.ID, size int) {
		l := &Letter{From: from, Text: text[:size]}
		m.inbox.addLetter(l)
		letters = append(letters, Event{Seq: m.inbox.seq, Letter: l})
		for {
			count, bytes, all := make(map[peer.ID]int), make(map[peer.ID]int), 0
			for _, e := range letters {
				count[e.Letter.From]++
				bytes[e.Letter.From] += len(e.Letter.Text)
				all += len(e.Letter.Text)
			}
			has := count
			switch {
			case all > maxLettersBytes:
				has = bytes
			case len(letters) <= maxLetters:
				return
			}
			old := slices.MaxFunc(letters[:len(letters)-1], func(a, b Event) int {
				return cmp.Or(cmp.Compare(has[a.Letter.From], has[b.Letter.From]), cmp.Compare(b.Seq, a.Seq))
			})
			letters = slices.DeleteFunc(letters, func(e Event) bool { return e.Seq == old.Seq })
		}
	}
	kept := func(seq uint64) bool {
		return slices.ContainsFunc(letters, func(e Event) bool { return e.Seq == seq }) || slices.Contains(receipts[max(0, len(receipts)-maxReceipts):], seq)
	}
	readers := make([]*Reader, 8)
	for i := range readers {
		readers[i] = m.ReadNew()
	}
	for range 60 {
		letter, large := r.IntN(2) == 0, r.IntN(3) == 0
		for range r.IntN(150) {
			if letter {
				from, size := senders[min(r.IntN(2*len(senders)), len(senders)-1)], r.IntN(100)
				if large {
					size = r.IntN(MaxText)
				}
				write(from, size)
			} else {
				m.inbox.addReceipt(&Receipt{})
				receipts = append(receipts, m.inbox.seq)
			}
		}
		reader := readers[r.IntN(len(readers))]
		for range r.IntN(300) {
			missed, next := false, max(first, reader.after+1)
			for ; next <= m.inbox.seq && !kept(next); next++ {
				missed = true
			}
			e, changed := reader.poll()
			if changed != nil {
				if next <= m.inbox.seq {
					t.Fatalf("nothing is read after %d, and %d is kept", reader.after, next)
				}
				break
			}
			if e.Seq != next || e.Missed != missed {
				t.Fatalf("event %d is read, missed %v; want %d, %v", e.Seq, e.Missed, next, missed)
			}
		}
	}
}

// Whoever writes much pushes out nobody else's letters, on the disk neither; readers are
// told where its own are missing, after a restart, too.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, b, _, reopen := withJournal(t)
		stranger := p.add("", nil)
		p.send(a, "first", Options{}, b)
		large := strings.Repeat("x", MaxText)
		for range maxLettersBytes/MaxText + 5 {
			p.send(stranger, large, Options{}, b)
		}
		p.send(a, "second", Options{}, b)
		for range maxLetters {
			p.send(stranger, "x", Options{}, b)
		}
		p.send(a, "third", Options{}, b)
		check := func(when string) {
			t.Helper()
			sameAsStore(t, b)
			var texts []string
			var missed []int
			all := readNow(b.Read(0))
			for i, e := range all {
				if e.Letter.From == a.id.ID() {
					texts = append(texts, string(e.Letter.Text))
				}
				if e.Missed {
					missed = append(missed, i)
				}
			}
			if len(all) != maxLetters || !slices.Equal(texts, []string{"first", "second", "third"}) {
				t.Fatalf("%s: %d letters are kept, of one who wrote little %q", when, len(all), texts)
			}
			// All that is missing came after the first and before the third letter that is kept.
			if !slices.Contains(missed, 2) || slices.ContainsFunc(missed, func(i int) bool { return i == 0 || i > 2 }) {
				t.Errorf("%s: something is missed before %v", when, missed)
			}
			if rest := readNow(b.Read(all[1].Seq)); !rest[0].Missed {
				t.Errorf("%s: a reader that comes again is not told that it missed something", when)
			}
		}
		check("at once")
		b.end()
		reopen()
		check("after a restart")
	})
}

// What has just come stays, though nobody has as many bytes as its sender, or each has
// written one.
func TestNewestStays(t *testing.T) {
	for _, size := range []int{0, MaxText - 1} {
		m := &Mail{inbox: newInbox(time.Now())}
		var forgotten []change
		for i := 0; len(forgotten) == 0; i++ {
			forgotten = m.inbox.addLetter(&Letter{From: peer.ID(fmt.Sprint(i)), Text: make([]byte, size)})[1:]
		}
		m.inbox.addLetter(&Letter{From: "the newest", Text: make([]byte, MaxText)})
		all := readNow(m.Read(0))
		if first, last := all[0].Letter.From, all[len(all)-1].Letter.From; first != "2" || last != "the newest" {
			t.Errorf("of letters of %d bytes those from %q to %q are kept", size, first, last)
		}
	}
}

// After a start with a clock that is behind, a reader that comes again is told all that
// is kept, and that it may have missed something; as soon as it has it reads on from there.
func TestReaderIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t}
		a, b := p.add("", nil), p.add("", nil)
		p.send(a, "before", Options{}, b)
		seen := readNow(b.Read(0))[0].Seq
		b.mu.Lock()
		b.inbox = newInbox(time.Now().Add(-time.Hour))
		b.inbox.loaded()
		b.mu.Unlock()
		early := b.Read(seen)
		p.send(a, "after", Options{}, b)
		p.send(a, "later", Options{}, b)
		for name, r := range map[string]*Reader{"that came first": early, "that comes now": b.Read(seen)} {
			all := readNow(r)
			if len(all) != 2 || !all[0].Missed || all[1].Missed {
				t.Fatalf("a reader %s is told %+v", name, all)
			}
			if again := readNow(b.Read(all[0].Seq)); len(again) != 1 || again[0].Missed {
				t.Errorf("going on it is told %+v", again)
			}
		}
		if fresh := readNow(b.Read(0)); len(fresh) != 2 || fresh[0].Missed {
			t.Errorf("a new reader is told %+v", fresh)
		}
	})
}

// A reader that comes again after a restart is told that it missed something if that
// can be.
func TestMissedOverRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, b, _, reopen := withJournal(t)
		p.send(a, "the first", Options{}, b)
		early := readNow(b.Read(0))[0].Seq
		for i := range maxLetters + 10 {
			p.send(a, fmt.Sprint(i), Options{}, b)
		}
		b.end()
		reopen()
		kept := readNow(b.Read(0))
		if len(kept) != maxLetters || kept[0].Missed {
			t.Fatalf("%d events are kept, the first is %+v", len(kept), kept[0])
		}
		for after, missed := range map[uint64]bool{early: true, kept[0].Seq - 2: true, kept[0].Seq - 1: false, kept[0].Seq: false, kept[9].Seq: false} {
			all := readNow(b.Read(after))
			if all[0].Missed != missed || all[1].Missed {
				t.Errorf("after event %d, of which %d is the first kept: missed %v, then %v, want %v, false", after, kept[0].Seq, all[0].Missed, all[1].Missed, missed)
			}
		}
		// Of a node that lost its journal nothing is known.
		b.end()
		time.Sleep(time.Minute)
		p.start(b, filepath.Dir(b.cfg.Keys.path), nil)
		p.send(a, "the last", Options{}, b)
		if all := readNow(b.Read(early)); len(all) != 1 || !all[0].Missed {
			t.Errorf("with nothing kept: %+v", all)
		}
		if all := readNow(b.reader); len(all) != 1 || all[0].Missed {
			t.Errorf("for a new reader: %+v", all)
		}
	})
}
