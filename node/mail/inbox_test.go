package mail

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
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
	var letters, receipts []uint64 // all that there were
	kept := func(seq uint64) bool {
		has := func(all []uint64, most int) bool { return slices.Contains(all[max(0, len(all)-most):], seq) }
		return has(letters, maxLetters) || has(receipts, maxReceipts)
	}
	readers := make([]*Reader, 8)
	for i := range readers {
		readers[i] = m.ReadNew()
	}
	for range 60 {
		letter := r.IntN(2) == 0
		for range r.IntN(150) {
			if letter {
				m.inbox.addLetter(&Letter{})
				letters = append(letters, m.inbox.seq)
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
