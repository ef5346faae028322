package gossip

import (
	"slices"
	"time"
)

const (
	// maxSpans bounds the memory of one window: 512 spans of 16 bytes.
	maxSpans = 512
	// maxRuns is how many runs of one node have windows of their own: one key must not fill
	// maxWindows, as it could by naming another epoch in each rumor. A node that begins more
	// of them within the life of its rumors (an hour mostly, a day at most) is heard in each
	// all the same, for its lowest runs are closed: nothing of these is told twice, and what
	// had not come of them is missed. Fewer would cost messages of phones, whose nodes start
	// a dozen times a day; more let fewer keys fill the windows.
	maxRuns = 16
	// windowPause is how often windows that may be forgotten are looked for.
	windowPause = time.Minute
)

// window remembers which sequence numbers of one (origin, epoch) were seen, as
// the spans of consecutive ones. A node that takes all of an origin's data
// types keeps a single span, however many rumors there were. Beyond maxSpans
// the lowest gap is closed: a rumor may then be missed, but none is ever told
// twice. Nothing slides, so one wild number blocks nobody.
type window struct {
	epoch  uint64
	before *window // of the run before it, nil = none
	spans  []span  // ascending, disjoint, not adjacent; nil = closed: all up to this epoch counts as seen
	// until is the latest expiry seen (Unix ms). The window may be forgotten
	// after it, because a replay is refused as expired from then on.
	until int64
}

type span struct{ lo, hi uint64 } // both inclusive

// find returns the first span that ends at seq or later.
func (w *window) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(w.spans, seq, func(s span, seq uint64) int {
		switch {
		case s.hi < seq:
			return -1
		case s.lo > seq:
			return 1
		}
		return 0
	})
}

func (w *window) seen(seq uint64) bool {
	_, ok := w.find(seq)
	return ok
}

// mark notes seq as seen.
func (w *window) mark(seq uint64, expires int64) {
	w.until = max(w.until, expires)
	i, ok := w.find(seq)
	if ok {
		return
	}
	left := i > 0 && w.spans[i-1].hi+1 == seq
	right := i < len(w.spans) && w.spans[i].lo-1 == seq
	switch {
	case left && right:
		w.spans[i-1].hi = w.spans[i].hi
		w.spans = slices.Delete(w.spans, i, i+1)
	case left:
		w.spans[i-1].hi = seq
	case right:
		w.spans[i].lo = seq
	default:
		w.spans = slices.Insert(w.spans, i, span{seq, seq})
	}
	if len(w.spans) > maxSpans {
		w.spans[1].lo = w.spans[0].lo
		w.spans = slices.Delete(w.spans, 0, 1)
	}
}

// origin names one run of one node.
type origin struct {
	peer  PeerID
	epoch uint64
}

// windows are the windows of all origins, at most maxWindows and of each peer maxRuns.
// Beyond that new origins are refused, and a peer's lowest runs closed, rather than old
// ones forgotten, for forgetting a live window would let its rumors be replayed.
type windows struct {
	latest map[PeerID]*window // of the highest epoch; the others hang on it, descending
	n      int                // of them all
}

func newWindows() windows { return windows{latest: make(map[PeerID]*window)} }

// find returns the window that r's run has, or is closed in, nil if there is none.
func (ws *windows) find(r *Rumor) *window {
	for w := ws.latest[r.Origin]; w != nil && w.epoch >= r.Epoch; w = w.before {
		if w.epoch == r.Epoch || w.closed() {
			return w
		}
	}
	return nil
}

func (w *window) closed() bool { return w.spans == nil }

func (ws *windows) seen(r *Rumor) bool {
	w := ws.find(r)
	return w != nil && (w.closed() || w.seen(r.Seq))
}

// mark notes r as seen; it reports false if there is no room for its origin.
func (ws *windows) mark(r *Rumor) bool {
	switch w := ws.find(r); {
	case w == nil && ws.n >= maxWindows:
		return false
	case w == nil:
		ws.open(r)
	case w.closed():
		w.until = max(w.until, r.Expires)
	default:
		w.mark(r.Seq, r.Expires)
	}
	return true
}

// open begins the window of a run with its first rumor here.
func (ws *windows) open(r *Rumor) {
	w := &window{epoch: r.Epoch}
	w.mark(r.Seq, r.Expires)
	ws.n++
	at := ws.latest[r.Origin]
	if at == nil || at.epoch < r.Epoch {
		w.before, ws.latest[r.Origin] = at, w
	} else {
		for at.before != nil && at.before.epoch > r.Epoch {
			at = at.before
		}
		w.before, at.before = at.before, w
	}
	ws.closeLowest(r.Origin)
}

// closeLowest makes one of a peer's two lowest runs if there is one beyond maxRuns.
func (ws *windows) closeLowest(p PeerID) {
	w := ws.latest[p]
	for range maxRuns - 1 {
		if w = w.before; w == nil {
			return
		}
	}
	if w.before != nil {
		w.until = max(w.until, w.before.until)
		w.spans, w.before = nil, nil
		ws.n--
	}
}

// clock is by when windows are forgotten, of what the clock on the wall shows and what it
// showed at the start with the time since (Unix ms). One that leaps ahead and back must not
// open a door to replays, so a window lives by both. But the second is behind for good
// where the first was not set yet at the start, or the machine has slept: once there is no
// room, it does not keep new origins out.
func (ws *windows) clock(wall, steady int64) int64 {
	if ws.n >= maxWindows {
		return wall
	}
	return min(wall, steady)
}

// expire forgets the windows whose every rumor has expired for every clock
// within MaxSkew.
func (ws *windows) expire(now int64) {
	for p, first := range ws.latest {
		left := first
		for at := &left; *at != nil; {
			if w := *at; w.until+2*MaxSkew.Milliseconds() < now {
				*at = w.before
				ws.n--
			} else {
				at = &w.before
			}
		}
		switch left {
		case first:
		case nil:
			delete(ws.latest, p)
		default:
			ws.latest[p] = left
		}
	}
}
