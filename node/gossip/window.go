package gossip

import (
	"slices"
	"time"
)

const (
	// maxSpans bounds the memory of one window: 512 spans of 16 bytes.
	maxSpans = 512
	// windowPause is how often windows that may be forgotten are looked for.
	windowPause = time.Minute
)

// window remembers which sequence numbers of one (origin, epoch) were seen, as
// the spans of consecutive ones. A node that takes all of an origin's data
// types keeps a single span, however many rumors there were. Beyond maxSpans
// the lowest gap is closed: a rumor may then be missed, but none is ever told
// twice. Nothing slides, so one wild number blocks nobody.
type window struct {
	spans []span // ascending, disjoint, not adjacent
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

// windows are the windows of all origins, at most maxWindows. Beyond that new
// origins are refused rather than old ones forgotten, for forgetting a live
// window would let its rumors be replayed.
type windows map[origin]*window

func (ws windows) seen(r *Rumor) bool {
	w := ws[origin{r.Origin, r.Epoch}]
	return w != nil && w.seen(r.Seq)
}

// mark notes r as seen; it reports false if there is no room for its origin.
func (ws windows) mark(r *Rumor) bool {
	o := origin{r.Origin, r.Epoch}
	w := ws[o]
	if w == nil {
		if len(ws) >= maxWindows {
			return false
		}
		w = new(window)
		ws[o] = w
	}
	w.mark(r.Seq, r.Expires)
	return true
}

// expire forgets the windows whose every rumor has expired for every clock
// within MaxSkew.
func (ws windows) expire(now int64) {
	for o, w := range ws {
		if w.until+2*MaxSkew.Milliseconds() < now {
			delete(ws, o)
		}
	}
}
