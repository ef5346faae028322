package discovery

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// intake limits how many peers one source may name. Peers that it has named
// before have a limit of their own, so that a flood of new names does not keep
// known peers from being heard again with new addresses.
//
// A peer counts as known for intakeMemory: the memory has at most
// intakeMemory ÷ period × newcomers entries.
type intake struct {
	newcomers, repeats window
	known              map[peer.ID]time.Time // when it was admitted as new
}

const intakeMemory = time.Hour

func newIntake(newcomers, repeats int, period time.Duration) *intake {
	return &intake{
		newcomers: window{limit: newcomers, period: period},
		repeats:   window{limit: repeats, period: period},
		known:     make(map[peer.ID]time.Time),
	}
}

// admit reports whether a word about id may be passed on at now.
func (in *intake) admit(id peer.ID, now time.Time) bool {
	if at, ok := in.known[id]; ok && now.Sub(at) < intakeMemory {
		return in.repeats.admit(now)
	}
	if !in.newcomers.admit(now) {
		return false
	}
	for id, at := range in.known {
		if now.Sub(at) >= intakeMemory {
			delete(in.known, id)
		}
	}
	in.known[id] = now
	return true
}

// window admits at most limit in any period, wherever the period begins.
type window struct {
	limit  int
	period time.Duration
	last   []time.Time // of the last limit admissions, a ring
	next   int         // the oldest of them, once the ring is full
}

func (w *window) admit(now time.Time) bool {
	if len(w.last) < w.limit {
		w.last = append(w.last, now)
		return true
	}
	if now.Sub(w.last[w.next]) < w.period {
		return false
	}
	w.last[w.next] = now
	w.next = (w.next + 1) % w.limit
	return true
}
