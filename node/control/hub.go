package control

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of what the combined stream remembers. A reader who is further behind
// is told of a gap.
const (
	ringEvents = 2048    // what a busy node tells in some ten seconds
	ringBytes  = 4 << 20 // a rumor's event has at most 2 KiB
	// linger is how long events are remembered when nobody reads any more: a
	// page that is loaded again, or a laptop's nap, shall not lose its place.
	linger = 2 * time.Minute
)

// hub makes one numbered stream of events out of the feeds, for any number of
// readers. Each event is encoded once. There is no queue for each reader: all
// read the same ring at their own pace, so a slow one costs nothing, and what
// has left the ring before it came is a gap.
//
// While nobody reads, nobody feeds: then a busy node pays nothing for it.
type hub struct {
	start func(emitter) (stop func(), err error)
	log   *slog.Logger
	run   string // in IDs, so that those of an earlier run are not taken for ours

	turn sync.Mutex // held while feeds are started or ended; taken before mu

	mu      sync.Mutex
	ring    []told // the newest, oldest first
	bytes   int
	last    uint64        // number of the newest
	changed chan struct{} // closed when there is something newer
	readers int
	stop    func()      // ends the feeds; nil = there are none
	rest    *time.Timer // ends them when nobody reads for linger
	closed  bool
}

// told is one event as readers get it.
type told struct {
	name string
	text []byte
}

// emitter adds an event to the stream. It never waits for readers.
type emitter func(name string, data any)

// feed is a source of events of the combined stream, which is all of them.
type feed struct {
	events []event
	// start begins to emit; when it returns nothing that happens is missed. stop
	// ends it and returns when no more is emitted. It is not for feeds of what the
	// node has not got: those start nothing.
	start func(s *Server, emit emitter) (stop func(), err error)
}

func newHub(log *slog.Logger, start func(emitter) (func(), error)) *hub {
	return &hub{start: start, log: log, run: strings.ToLower(rand.Text()[:8]), changed: make(chan struct{})}
}

// startAll starts feeds one after the other; if one fails those before it end.
func startAll(s *Server, feeds []feed, emit emitter) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, f := range stops {
			f()
		}
	}
	for _, f := range feeds {
		one, err := f.start(s, emit)
		if err != nil {
			stop()
			return nil, err
		}
		if one != nil {
			stops = append(stops, one)
		}
	}
	return stop, nil
}

var errHubClosed = errors.New("the server ends")

// join begins reading; leave ends it. From then on nothing is missed.
func (h *hub) join() (leave func(), err error) {
	h.turn.Lock()
	defer h.turn.Unlock()
	h.mu.Lock()
	needed := h.stop == nil
	closed := h.closed
	h.mu.Unlock()
	if closed {
		return nil, errHubClosed
	}
	if needed {
		stop, err := h.start(h.emit)
		if err != nil {
			return nil, err
		}
		h.mu.Lock()
		h.stop = stop
		h.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers++
	if h.rest != nil {
		h.rest.Stop()
		h.rest = nil
	}
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.readers--; h.readers == 0 && !h.closed {
			h.rest = time.AfterFunc(linger, func() { h.end(false) })
		}
	}), nil
}

// end ends the feeds and forgets what they told, unless there are readers again.
// for good ends it in any case, and nobody can join any more.
func (h *hub) end(forGood bool) {
	h.turn.Lock()
	defer h.turn.Unlock()
	h.mu.Lock()
	if h.readers > 0 && !forGood || h.stop == nil && !forGood {
		h.mu.Unlock()
		return
	}
	stop := h.stop
	h.stop = nil
	if h.rest != nil {
		h.rest.Stop()
		h.rest = nil
	}
	h.closed = h.closed || forGood
	h.mu.Unlock()
	if stop != nil {
		stop()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring, h.bytes = nil, 0
	h.last++ // what happens from now on is missed by everybody: a gap
}

// emit adds an event.
func (h *hub) emit(name string, data any) {
	text, err := json.Marshal(data) // on one line, as an event's data must be
	if err != nil {                 // none of our types can do that
		h.log.Error("control: event lost", "event", name, "error", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	t := told{name, fmt.Appendf(nil, "id: %s\nevent: %s\ndata: %s\n\n", h.id(h.last), name, text)}
	h.ring = append(h.ring, t)
	h.bytes += len(t.text)
	for len(h.ring) > ringEvents || h.bytes > ringBytes {
		h.bytes -= len(h.ring[0].text)
		h.ring[0] = told{}
		h.ring = h.ring[1:]
	}
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *hub) id(n uint64) string { return h.run + "-" + strconv.FormatUint(n, 10) }

// place is the number that an ID stands for; known is false if it is not of this
// run, or of none.
func (h *hub) place(id string) (n uint64, known bool) {
	run, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	h.mu.Lock()
	defer h.mu.Unlock()
	return n, err == nil && run == h.run && n <= h.last
}

// now is the number of the newest event.
func (h *hub) now() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// oldest is the number of the event before the oldest that is remembered.
func (h *hub) oldest() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last - uint64(len(h.ring))
}

// after returns what came after event n, up to about limit bytes, and the number
// of its last. If some have left the ring nothing is returned, and the reader goes
// on with what is new: what it knows is wrong anyway and has to be asked for, so
// it had better not be behind again at once. missed is how many it skips. If there
// is nothing, changed is closed when there is.
func (h *hub) after(n uint64, limit int) (events []told, last, missed uint64, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if first := h.last - uint64(len(h.ring)); n < first {
		return nil, h.last, h.last - n, h.changed
	}
	for _, t := range h.ring[len(h.ring)-int(h.last-n):] {
		if limit -= len(t.text); limit < 0 && events != nil {
			break
		}
		events = append(events, t)
		n++
	}
	return events, n, 0, h.changed
}
