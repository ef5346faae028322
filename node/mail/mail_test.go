package mail

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/direct"
	"hearsay/node/envelope"
)

func want(t *testing.T, n *person, texts ...string) {
	t.Helper()
	if got, _ := n.got(t); !slices.Equal(got, texts) {
		t.Errorf("read %q, want %q", got, texts)
	}
}

// Each recipient gets it the way that there is; the sender is told which, and by
// the receipt that it arrived.
func TestTwoWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t}
		a, b, c, d := p.add("", nil), p.add("", nil), p.add("", nil), p.add("", nil)
		p.cut = func(from, to peer.ID) error {
			if to == b.id.ID() {
				return nil
			}
			return errNotReachable
		}
		sent := p.send(a, "hello", Options{}, b, c)
		if w := sent.Deliveries; w[0].Way != Direct || w[0].Arrived.IsZero() || w[1].Way != Relayed || !w[1].Arrived.IsZero() || w[1].Problem == "" {
			t.Errorf("at once: %+v", w)
		}
		want(t, b, "hello")
		want(t, c, "hello")
		want(t, d)
		time.Sleep(5 * time.Second)
		if _, receipts := a.got(t); receipts != 1 {
			t.Errorf("%d receipts, want 1", receipts)
		}
		if now, ok := a.Sent(sent.ID); !ok || now.Arrived() != 2 {
			t.Errorf("later: %+v", now)
		}
		if a.relayed != 1 || b.relayed != 0 || c.relayed != 1 {
			t.Errorf("rumors of a, b and c: %d, %d, %d, want 1, 0, 1", a.relayed, b.relayed, c.relayed)
		}
		p.send(a, "without", Options{NoReceipt: true, Relay: true}, b, c)
		time.Sleep(time.Minute)
		want(t, b, "without")
		if _, receipts := a.got(t); receipts != 0 || b.relayed != 0 || c.relayed != 1 {
			t.Errorf("%d receipts that were not wanted", receipts)
		}
	})
}

// Who has only just come has no key yet that others know: it is waited for, as long
// as the sender wants, and no longer than it takes.
func TestKeyIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t}
		a, b, c := p.add("", nil), p.add("", nil), p.add("", nil)
		p.mu.Lock()
		key := b.cert
		b.cert = nil
		p.mu.Unlock()
		to := []peer.ID{b.id.ID(), c.id.ID()}
		began := time.Now()
		if _, err := a.Send(t.Context(), to[:1], []byte("now"), Options{}); !errors.Is(err, ErrNobody) || time.Since(began) != 0 {
			t.Errorf("without patience: %v after %v", err, time.Since(began))
		}
		sent, err := a.Send(t.Context(), to, []byte("soon"), Options{Patience: time.Second})
		if err != nil || time.Since(began) != time.Second || sent.Deliveries[0].Way != Nowhere || sent.Deliveries[1].Way != Direct {
			t.Errorf("with too little patience: %+v, %v after %v", sent.Deliveries, err, time.Since(began))
		}
		began = time.Now()
		time.AfterFunc(time.Second, func() { a.KeyKnown(c.id.ID(), c.certificate()) })
		time.AfterFunc(2*time.Second, func() {
			p.mu.Lock()
			b.cert = key
			p.mu.Unlock()
			a.KeyKnown(b.id.ID(), key)
		})
		sent, err = a.Send(t.Context(), to, []byte("here"), Options{Patience: time.Minute})
		if err != nil || time.Since(began) != 2*time.Second || sent.Arrived() != 2 {
			t.Errorf("with patience: %+v, %v after %v", sent.Deliveries, err, time.Since(began))
		}
		began = time.Now()
		if sent = p.send(a, "again", Options{Patience: time.Minute}, b, c); sent.Arrived() != 2 || time.Since(began) != 0 {
			t.Errorf("with both keys known: %+v after %v", sent.Deliveries, time.Since(began))
		}
	})
}

// Who does not answer straight gets a rumor after a while, and is not tried again
// for a minute; a link to it ends that.
func TestFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t}
		a, b := p.add("", nil), p.add("", nil)
		p.cut = func(from, to peer.ID) error { return context.DeadlineExceeded }
		try := func(want time.Duration) {
			t.Helper()
			began := time.Now()
			if s := p.send(a, "x", Options{NoReceipt: true}, b); s.Deliveries[0].Way != Relayed || time.Since(began) != want {
				t.Errorf("%+v after %v, want a rumor after %v", s.Deliveries[0], time.Since(began), want)
			}
		}
		try(directPatience)
		try(0)
		a.Met(b.id.ID())
		try(directPatience)
		time.Sleep(failureTime)
		try(directPatience)
	})
}

// The same message by both ways, again, by whoever kept it, and after a restart is
// told once.
func TestToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, b, _, reopen := withJournal(t)
		p.send(a, "once", Options{Relay: true}, b)
		want(t, b, "once")
		rumor := p.carried[0]
		for range 3 {
			if answer := b.Receive(a.id.ID(), rumor.sealed); answer != direct.Known {
				t.Errorf("again: %v", answer)
			}
			p.tell(rumor)
		}
		want(t, b)
		for range 2 {
			b.end()
			reopen()
			p.tell(rumor)
			want(t, b, "once") // it is kept for readers, and told no second time
		}
		// Whoever kept it longer than it lives meets a closed door.
		time.Sleep(time.Hour)
		p.tell(rumor)
		want(t, b)
		if answer := b.Receive(a.id.ID(), rumor.sealed); answer != direct.Refused {
			t.Errorf("after its life: %v", answer)
		}
		time.Sleep(2 * sweepPause)
		synctest.Wait()
		if n := len(b.told.of); n != 0 {
			t.Errorf("%d messages are remembered that nobody can bring again", n)
		}
		// Receipts for the rumor went out once.
		if n := b.relayed; n > 1 {
			t.Errorf("%d receipts", n)
		}
	})
}

// What is not the sender's, of another network, or of another time is refused, and
// nothing of it is told.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t}
		a, b, c := p.add("", nil), p.add("", nil), p.add("", nil)
		cert, err := a.certificateOf(b.id.ID(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().Truncate(time.Millisecond)
		good := letter{kind: kindMessage, id: ID{1}, created: now, expires: now.Add(time.Minute), body: []byte("x")}
		seal := func(change func(*letter, *envelope.About)) []byte {
			l, about := good, envelope.About{Network: network, Origin: a.id.ID()}
			change(&l, &about)
			sealed, err := envelope.Seal(about, a.id, []*envelope.Certificate{cert}, l.encode())
			if err != nil {
				t.Fatal(err)
			}
			return sealed
		}
		same := func(*letter, *envelope.About) {}
		for name, try := range map[string]struct {
			sealed []byte
			from   peer.ID
			want   direct.Answer
		}{
			"another network":  {seal(func(_ *letter, a *envelope.About) { a.Network = "other" }), a.id.ID(), direct.NotForUs},
			"another's name":   {seal(same), c.id.ID(), direct.NotForUs},
			"garbage":          {make([]byte, 600), a.id.ID(), direct.Refused},
			"nothing":          {nil, a.id.ID(), direct.Refused},
			"expired":          {seal(func(l *letter, _ *envelope.About) { l.created, l.expires = now.Add(-time.Hour), now }), a.id.ID(), direct.Refused},
			"of the future":    {seal(func(l *letter, _ *envelope.About) { l.created, l.expires = now.Add(2*time.Minute), now.Add(time.Hour) }), a.id.ID(), direct.Refused},
			"for ever":         {seal(func(l *letter, _ *envelope.About) { l.expires = now.Add(maxLife + time.Millisecond) }), a.id.ID(), direct.Refused},
			"backwards":        {seal(func(l *letter, _ *envelope.About) { l.expires = l.created }), a.id.ID(), direct.Refused},
			"no such kind":     {seal(func(l *letter, _ *envelope.About) { l.kind = 3 }), a.id.ID(), direct.Refused},
			"half a receipt":   {seal(func(l *letter, _ *envelope.About) { l.kind, l.body = kindReceipt, make([]byte, 24) }), a.id.ID(), direct.Refused},
			"an empty receipt": {seal(func(l *letter, _ *envelope.About) { l.kind, l.body = kindReceipt, nil }), a.id.ID(), direct.Refused},
			"a huge receipt":   {seal(func(l *letter, _ *envelope.About) { l.kind, l.body = kindReceipt, make([]byte, 65*16) }), a.id.ID(), direct.Refused},
			"somebody else's":  {seal(same), a.id.ID(), direct.Told},
		} {
			if got := b.Receive(try.from, try.sealed); got != try.want {
				t.Errorf("%s: %v, want %v", name, got, try.want)
			}
			if got := c.Receive(try.from, try.sealed); try.want == direct.Told && got != direct.NotForUs {
				t.Errorf("%s: c says %v", name, got)
			}
		}
		want(t, b, "x")
		want(t, c)
	})
}

// Receipts are gathered, are sent once, and are not receipted; from one who cannot
// be reached they cost at most one rumor a second, however much is sent.
func TestReceiptStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t, cut: unreachable}
		a, b := p.add("", nil), p.add("", nil)
		for i := range 200 {
			p.send(a, fmt.Sprint(i), Options{}, b)
		}
		began := time.Now()
		time.Sleep(10 * time.Second)
		texts, _ := b.got(t)
		if len(texts) != 200 {
			t.Errorf("%d messages", len(texts))
		}
		if most := int(time.Since(began)/receiptPause) + 2; b.relayed > most || b.relayed == 0 {
			t.Errorf("%d rumors with receipts in %v, at most %d", b.relayed, time.Since(began), most)
		}
		_, receipts := a.got(t)
		if lost := int(b.Counters()["mail_receipts_lost"]); receipts+lost != 200 || receipts < maxAcknowledged {
			t.Errorf("%d receipts and %d lost of 200", receipts, lost)
		}
		before := a.relayed + b.relayed
		time.Sleep(time.Hour)
		if n := a.relayed + b.relayed; n != before {
			t.Errorf("%d more rumors with nothing said", n-before)
		}
	})
}

// A forged receipt, for a message that the forger did not get, changes nothing.
func TestReceiptOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t, cut: unreachable, lost: func(peer.ID) bool { return true }}
		a, b, c := p.add("", nil), p.add("", nil), p.add("", nil)
		sent := p.send(a, "for b", Options{}, b)
		c.acknowledge(t.Context(), a.id.ID(), []ID{sent.ID, {9}})
		p.tell(p.carried[len(p.carried)-1])
		synctest.Wait()
		if now, _ := a.Sent(sent.ID); now.Arrived() != 0 {
			t.Errorf("%+v", now)
		}
	})
}

// Readers see everything in order, from where they say; what they miss they are
// told of; what is kept is bounded, on the disk too.
func TestReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, b, _, reopen := withJournal(t)
		slow := b.ReadNew()
		for i := range maxLetters + 10 {
			p.send(a, fmt.Sprint(i), Options{}, b)
		}
		read := func(r *Reader) (all []Event) {
			over, cancel := context.WithCancel(t.Context())
			cancel()
			for {
				e, err := r.Next(over)
				if err != nil {
					return all
				}
				all = append(all, e)
			}
		}
		all := read(slow)
		if len(all) != maxLetters || !all[0].Missed || string(all[0].Letter.Text) != "10" || all[1].Missed {
			t.Fatalf("a slow reader reads %d, the first %+v", len(all), all[0])
		}
		if again := read(b.Read(all[99].Seq)); len(again) != maxLetters-100 || again[0].Seq <= all[99].Seq {
			t.Errorf("taken up after 100: %d", len(again))
		}
		p.send(a, strings.Repeat("x", MaxText), Options{}, b)
		b.end()
		reopen()
		kept := read(b.Read(0))
		if len(kept) == 0 || len(kept) > maxLetters || len(kept[len(kept)-1].Letter.Text) != MaxText {
			t.Errorf("%d kept over a restart", len(kept))
		}
		p.send(a, "after", Options{}, b)
		if later := read(b.Read(kept[len(kept)-1].Seq)); len(later) != 1 || string(later[0].Letter.Text) != "after" {
			t.Errorf("after the restart: %+v", later)
		}
		for range maxLettersBytes/MaxText + 5 {
			p.send(a, strings.Repeat("y", MaxText), Options{}, b)
		}
		if b.inbox.bytes > maxLettersBytes {
			t.Errorf("%d bytes are kept", b.inbox.bytes)
		}
	})
}

// Whatever is remembered of what was told has room for so much; beyond it old
// messages are refused, and nothing is told twice.
func TestToldIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	now := time.UnixMilli(1_800_000_000_000)
	tl := newTold()
	type said struct {
		from peer.ID
		l    letter
	}
	var all []said
	for i := range maxTold + 4*maxToldPeer {
		from := peer.ID("flood")
		if i%3 > 0 {
			from = peer.ID(fmt.Sprint("peer ", r.IntN(40)))
		}
		created := now.Add(time.Duration(i) * time.Millisecond)
		s := said{from, letter{id: ID{byte(i), byte(i >> 8), byte(i >> 16)}, created: created, expires: created.Add(time.Hour)}}
		if known, old := tl.knows(from, &s.l); known || old {
			t.Fatalf("message %d of %s, which is new, counts as %v, %v", i, from, known, old)
		}
		tl.note(from, &s.l)
		all = append(all, s)
		if len(tl.of) > maxTold || tl.bySend[from] > maxToldPeer || len(tl.floors) > maxFloors {
			t.Fatalf("%d remembered, %d of %s, %d floors", len(tl.of), tl.bySend[from], from, len(tl.floors))
		}
	}
	for i, s := range all {
		if known, old := tl.knows(s.from, &s.l); !known && !old {
			t.Fatalf("message %d would be told again", i)
		}
	}
	if changes := tl.expire(now.Add(48 * time.Hour)); len(tl.of) != 0 || len(tl.floors) != 0 || len(changes) == 0 {
		t.Errorf("%d remembered and %d floors when all has expired", len(tl.of), len(tl.floors))
	}
}

// The key is kept over restarts, is nobody else's to read, and is replaced when it
// is old; what is under way to the one before is still read, for as long as it can be.
func TestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p := &post{t: t}
		a, b := p.add("", nil), p.add(dir, nil)
		info, err := os.Stat(filepath.Join(dir, KeyFile))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		first := b.certificate()
		b.end()
		p.start(b, dir, nil)
		parse := func(b []byte) *envelope.Certificate {
			c, err := envelope.ParseCertificate(b, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		if c, d := parse(first), parse(b.certificate()); c.Key != d.Key {
			t.Error("a restart made another key")
		}
		p.lost = func(peer.ID) bool { return true }
		old := parse(b.certificate())
		time.Sleep(keyAge - time.Minute)
		// Whoever has only an old presence of b seals to its old key.
		p.send(a, "to the old key", Options{Relay: true, NoReceipt: true}, b)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		renewed := parse(b.certificate())
		if renewed.Key == old.Key || renewed.Seq <= old.Seq {
			t.Errorf("after %v the key is the same: %v; sequence %d, then %d", keyAge, renewed.Key == old.Key, old.Seq, renewed.Seq)
		}
		p.tell(p.carried[0])
		want(t, b, "to the old key")
		p.lost = nil
		p.send(a, "to the new key", Options{}, b)
		want(t, b, "to the new key")
		b.end()
		p.start(b, dir, nil)
		if b.cfg.Keys.count() != 2 {
			t.Errorf("%d keys after a restart, want the old one, too", b.cfg.Keys.count())
		}
		time.Sleep(certificateLife + maxLife + 2*sweepPause)
		synctest.Wait()
		if n := b.cfg.Keys.count(); n != 1 {
			t.Errorf("%d keys, want the old one forgotten", n)
		}
		for name, text := range map[string]string{
			"garbage": "hello", "no time": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
			"not a key": "-----BEGIN PRIVATE KEY-----\nCreated: 2026-01-01T00:00:00Z\n\nAAAA\n-----END PRIVATE KEY-----\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, KeyFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadKeys(dir, b.id, time.Now()); err == nil || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, KeyFile), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKeys(dir, b.id, time.Now()); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("readable by others: %v", err)
		}
	})
}

// A flood of carried rumors that are for others costs a bounded queue, and what
// comes after it is read.
func TestFloodOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t, cut: unreachable}
		a, b, c := p.add("", nil), p.add("", nil), p.add("", nil)
		p.send(a, "for c", Options{NoReceipt: true}, c)
		b.end() // nobody opens while it comes
		for range maxOpening + 100 {
			b.Carried(a.id.ID(), p.carried[0].sealed)
		}
		if n := b.Counters()["mail_overflow"]; n != 100 {
			t.Errorf("%d left out, want 100", n)
		}
	})
}

func TestParseID(t *testing.T) {
	id := ID{1, 2, 255}
	if got, err := ParseID(id.String()); err != nil || got != id {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "00", strings.Repeat("0", 33), strings.Repeat("g", 32)} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// A letter is read as it was written, and nothing else is taken for one.
func FuzzParseLetter(f *testing.F) {
	now := time.UnixMilli(1_800_000_000_000)
	f.Add((&letter{kind: kindMessage, created: now, expires: now.Add(time.Minute), body: []byte("x")}).encode())
	f.Add((&letter{kind: kindReceipt, created: now, expires: now.Add(time.Minute), body: make([]byte, 32)}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseLetter(b, now)
		if err != nil {
			if !errors.Is(err, errLetter) {
				t.Errorf("%v", err)
			}
			return
		}
		if string(l.encode()) != string(b) {
			t.Errorf("% x is read as % x", b, l.encode())
		}
		if l.created.After(now.Add(maxSkew)) || !l.expires.After(now) || len(l.acknowledged()) > maxAcknowledged && l.kind == kindReceipt {
			t.Errorf("%+v", l)
		}
	})
}
