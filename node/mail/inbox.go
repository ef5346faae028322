package mail

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/journal"
)

const (
	// maxLetters is how many events are kept for readers, and maxLettersBytes how
	// many bytes of text they have.
	maxLetters      = 256
	maxLettersBytes = 2 << 20
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
	// Seq counts up, with gaps, over restarts too. A reader that comes again says
	// the last one that it saw.
	Seq     uint64
	Letter  *Letter  // or
	Receipt *Receipt // one of them is nil
	// Missed says that the reader missed events before this one, because more came
	// than are kept.
	Missed bool
}

// inbox is the last events.
type inbox struct {
	events  []Event // ascending
	bytes   int
	seq     uint64
	dropped uint64        // seq of the last event that was forgotten
	changed chan struct{} // closed, and made anew, when there is a new event
}

func newInbox(now time.Time) inbox {
	return inbox{seq: uint64(now.UnixMilli()), changed: make(chan struct{})}
}

func letterKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// load takes in a letter that the journal has, in order.
func (b *inbox) load(key []byte, value json.RawMessage) error {
	if len(key) != 8 {
		return fmt.Errorf("a letter under the key %q", key)
	}
	seq := binary.BigEndian.Uint64(key)
	b.seq = max(b.seq, seq) // also of one that cannot be read: a reader may have seen it
	l := new(Letter)
	if err := json.Unmarshal(value, l); err != nil {
		return err
	}
	b.put(Event{Seq: seq, Letter: l})
	return nil
}

func (b *inbox) put(e Event) (forgotten []Event) {
	b.events = append(b.events, e)
	b.bytes += e.size()
	for len(b.events) > maxLetters || b.bytes > maxLettersBytes {
		forgotten = append(forgotten, b.events[0])
		b.dropped = b.events[0].Seq
		b.bytes -= b.events[0].size()
		b.events = b.events[1:]
	}
	return forgotten
}

func (e Event) size() int {
	if e.Letter == nil {
		return 0
	}
	return len(e.Letter.Text)
}

// add appends a message or a receipt and returns what that changes in the journal,
// which keeps messages only. publish wakes the readers.
func (b *inbox) add(l *Letter, r *Receipt) (changes []change) {
	b.seq++
	if l != nil {
		changes = append(changes, change{Bucket: journal.Letters, Key: letterKey(b.seq), Value: l})
	}
	for _, old := range b.put(Event{Seq: b.seq, Letter: l, Receipt: r}) {
		if old.Letter != nil {
			changes = append(changes, change{Bucket: journal.Letters, Key: letterKey(old.Seq)})
		}
	}
	return changes
}

func (b *inbox) publish() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Reader reads messages and receipts, from some point on.
type Reader struct {
	m     *Mail
	after uint64
	lost  uint64 // up to where what was missed is known
}

// Read makes a reader of what is kept after the event with a number, 0 = of all.
func (m *Mail) Read(after uint64) *Reader { return &Reader{m: m, after: after, lost: after} }

// ReadNew makes a reader of what comes from now on.
func (m *Mail) ReadNew() *Reader {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Reader{m: m, after: m.inbox.seq, lost: m.inbox.seq}
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
		if r.lost != 0 && b.dropped > r.lost {
			e.Missed = true
		}
		r.after, r.lost = e.Seq, e.Seq
		return e, nil
	}
	return Event{}, b.changed
}
