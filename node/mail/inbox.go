package mail

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/journal"
)

const (
	// maxLetters is how many messages are kept for readers, and maxLettersBytes how
	// many bytes of text they have. Beyond that the oldest of who has most go: no
	// stranger pushes out what others wrote.
	maxLetters      = 256
	maxLettersBytes = 2 << 20
	// maxReceipts is how many receipts are kept beside them: who sends to many must
	// not lose for their receipts what others wrote.
	maxReceipts = 256
)

// Way is how a message went, or came.
type Way string

const (
	// Direct: straight.
	Direct Way = "direct"
	// Relayed: by a rumor that everybody carries.
	Relayed Way = "relayed"
	// Nowhere: it could not be sent.
	Nowhere Way = "none"
)

// Letter is a message as its reader gets it.
type Letter struct {
	ID       ID
	From     peer.ID
	To       []peer.ID // all recipients, ascending, this node among them
	Text     []byte    // any bytes
	Created  time.Time // by the sender's clock
	Received time.Time
	Way      Way
}

// Receipt tells that a message of this node's arrived.
type Receipt struct {
	ID   ID
	By   peer.ID
	Time time.Time
}

// Event is what a reader is told: a message that came, or a receipt.
type Event struct {
	// Seq counts up, with gaps, over restarts too, unless the clock was set back before
	// one. A reader that comes again says the last one that it saw.
	Seq     uint64
	Letter  *Letter  // or
	Receipt *Receipt // one of them is nil
	// Missed says that the reader missed events before this one, because more came
	// than are kept; or may have, because the node was started again since it read,
	// and has no message any more that is as old, or counts from less than the reader
	// saw. Receipts are not kept over a start; that alone is not told.
	Missed bool

	gap uint64 // Seq of the last event before this one that is not kept, 0 = none
}

// inbox is the last events.
type inbox struct {
	events  []Event // ascending
	letters int     // how many of them are letters
	bytes   int     // of the letters' text
	lost    uint64  // the greatest Seq of a letter that is not kept, 0 = none
	seq     uint64
	gap     uint64        // of the next event
	cut     bool          // the journal had more letters than are kept
	changed chan struct{} // closed, and made anew, when there is a new event
}

func newInbox(now time.Time) inbox {
	return inbox{seq: uint64(now.UnixMilli()), changed: make(chan struct{})}
}

func letterKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// lostKey is where the journal has inbox.lost, beside the letters.
const lostKey = "lost"

// load takes in what the journal has, letters in order.
func (b *inbox) load(key []byte, value json.RawMessage) error {
	if string(key) == lostKey {
		var lost uint64
		err := json.Unmarshal(value, &lost)
		b.lost = max(b.lost, lost)
		return err
	}
	if len(key) != 8 {
		return fmt.Errorf("a letter under the key %q", key)
	}
	seq := binary.BigEndian.Uint64(key)
	b.seq = max(b.seq, seq) // also of one that cannot be read: a reader may have seen it
	l := new(Letter)
	if err := json.Unmarshal(value, l); err != nil {
		b.gap = seq
		return err
	}
	if len(b.put(Event{Seq: seq, Letter: l})) > 0 {
		b.cut = true
	}
	return nil
}

// loaded is called once all is loaded. What there was before the first letter that is
// kept, or before now, is not known: a reader that saw less may have missed something.
// Of the letters between others that are not kept the last is known.
func (b *inbox) loaded() {
	b.seq = max(b.seq, b.lost)
	if len(b.events) == 0 {
		b.gap = b.seq
		return
	}
	b.events[0].gap = b.events[0].Seq - 1
	for i := range b.events {
		if e := &b.events[i]; e.Seq > b.lost {
			e.gap = max(e.gap, b.lost)
			return
		}
	}
	b.gap = max(b.gap, b.lost)
}

// put appends an event and returns those of its kind that there is no room for any
// more.
func (b *inbox) put(e Event) (forgotten []Event) {
	e.gap, b.gap = b.gap, 0
	b.events = append(b.events, e)
	b.count(e, 1)
	for b.letters > maxLetters || b.bytes > maxLettersBytes || len(b.events)-b.letters > maxReceipts {
		forgotten = append(forgotten, b.forget(e.Letter != nil))
	}
	return forgotten
}

// forget takes out a letter, or the oldest receipt. There is a newer one.
func (b *inbox) forget(letter bool) Event {
	i := slices.IndexFunc(b.events, func(e Event) bool { return e.Receipt != nil })
	if letter {
		i = b.leastMissed()
	}
	old := b.events[i]
	if letter {
		b.lost = max(b.lost, old.Seq)
	}
	b.count(old, -1)
	b.events = slices.Delete(b.events, i, i+1)
	next := &b.events[i]
	next.gap = max(next.gap, old.Seq)
	return old
}

// leastMissed is where the oldest letter of who has most is, by bytes if there are too
// many of these. The last event, which has just come, is not that.
func (b *inbox) leastMissed() (at int) {
	has := make(map[peer.ID]int)
	for _, e := range b.events {
		switch {
		case e.Letter == nil:
		case b.bytes > maxLettersBytes:
			has[e.Letter.From] += len(e.Letter.Text)
		default:
			has[e.Letter.From]++
		}
	}
	at = -1
	for i, e := range b.events[:len(b.events)-1] {
		if e.Letter != nil && (at < 0 || has[e.Letter.From] > has[b.events[at].Letter.From]) {
			at = i
		}
	}
	return at
}

// count counts an event that is added, by 1, or taken out, -1.
func (b *inbox) count(e Event, by int) {
	if e.Letter != nil {
		b.letters += by
		b.bytes += by * len(e.Letter.Text)
	}
}

// addLetter appends a message and returns what that changes in the journal. publish
// wakes the readers.
func (b *inbox) addLetter(l *Letter) (changes []change) {
	b.seq++
	changes = append(changes, change{Bucket: journal.Letters, Key: letterKey(b.seq), Value: l})
	forgotten := b.put(Event{Seq: b.seq, Letter: l})
	for _, old := range forgotten {
		changes = append(changes, change{Bucket: journal.Letters, Key: letterKey(old.Seq)})
	}
	if len(forgotten) > 0 {
		changes = append(changes, change{Bucket: journal.Letters, Key: []byte(lostKey), Value: b.lost})
	}
	return changes
}

// addReceipt appends a receipt, which is kept in memory only.
func (b *inbox) addReceipt(r *Receipt) {
	b.seq++
	b.put(Event{Seq: b.seq, Receipt: r})
}

// records are the letters, and lost, as the journal has them.
func (b *inbox) records() map[string]any {
	all := make(map[string]any, b.letters+1)
	if b.lost > 0 {
		all[lostKey] = b.lost
	}
	for _, e := range b.events {
		if e.Letter != nil {
			all[string(letterKey(e.Seq))] = e.Letter
		}
	}
	return all
}

func (b *inbox) publish() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Reader reads messages and receipts, from some point on.
type Reader struct {
	m      *Mail
	after  uint64 // 0 = it has seen nothing, and misses nothing before the first event
	missed bool   // and yet it does
}

// Read makes a reader of what is kept after the event with a number, 0 = of all. It is
// of all, too, if no event has had such a number since the node started: what was seen
// was then counted by a clock that was ahead of today's.
func (m *Mail) Read(after uint64) *Reader {
	m.mu.Lock()
	defer m.mu.Unlock()
	if after > m.inbox.seq {
		return &Reader{m: m, missed: true}
	}
	return &Reader{m: m, after: after}
}

// ReadNew makes a reader of what comes from now on.
func (m *Mail) ReadNew() *Reader {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Reader{m: m, after: m.inbox.seq}
}

// Next waits for the next event. It fails when ctx ends.
func (r *Reader) Next(ctx context.Context) (Event, error) {
	for {
		e, changed := r.poll()
		if changed == nil {
			return e, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

// poll gives the next event, or what to wait for.
func (r *Reader) poll() (Event, <-chan struct{}) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	b := &r.m.inbox
	for _, e := range b.events {
		if e.Seq <= r.after {
			continue
		}
		e.Missed = r.missed || r.after != 0 && e.gap > r.after
		r.after, r.missed = e.Seq, false
		return e, nil
	}
	return Event{}, b.changed
}
