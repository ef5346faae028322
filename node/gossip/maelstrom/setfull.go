package maelstrom

import (
	"math"
	"slices"
	"time"
)

// Jepsen's set-full checker, which Maelstrom judges broadcasts with
// (jepsen.checker/set-full): what it calls known, stable, stale, lost and
// never read is what is called so here.

// add is a broadcast as its client saw it.
type add struct {
	value     int64
	completed bool
	index     int           // of the completion in the history
	at        time.Duration // of the completion
}

// observation is a successful read.
type observation struct {
	invoked, completed     time.Duration
	invocation, completion int // indices in the history
	values                 []int64
}

// history is what clients did, in order.
type history struct {
	next  int // index of the next invocation or completion
	adds  []add
	reads []observation
}

// Verdict is what set-full says about a history.
type Verdict struct {
	// Valid says that nothing was lost, something was stable, and no read had a
	// value twice.
	Valid bool `json:"valid"`
	// Attempts is how many values were broadcast. Each of them is stable, lost
	// or never read.
	Attempts int `json:"attempts"`
	// Stable values are those that all reads from some time on had.
	Stable int `json:"stable"`
	// Lost values were known, and the last reads did not have them.
	Lost int `json:"lost"`
	// NeverRead values are neither: no read began after they were known.
	NeverRead int `json:"never_read"`
	// Stale values are stable ones that a read lacked which began after they
	// were known. In any network with latency these are nearly all.
	Stale int `json:"stale"`
	// Duplicated values were twice in one read.
	Duplicated int `json:"duplicated"`
	// StableMS has the stable latencies in ms at the points 0, 0.5, 0.95, 0.99
	// and 1 of their distribution: how long after a value was known a read began
	// that lacked it. It is nil if nothing was stable.
	StableMS []int64 `json:"stable_ms"`
}

// points are the points of the distribution in Verdict.StableMS.
var points = []float64{0, 0.5, 0.95, 0.99, 1}

// judge is the checker.
func (h *history) judge() Verdict {
	type element struct {
		known                   bool
		knownIndex              int
		knownAt                 time.Duration
		lastPresent, lastAbsent int // invocation of a read, -1 = none
		absentAt                time.Duration
	}
	elements := make([]element, len(h.adds))
	byValue := make(map[int64]int, len(h.adds))
	for i, a := range h.adds {
		elements[i] = element{lastPresent: -1, lastAbsent: -1}
		byValue[a.value] = i
		if a.completed {
			elements[i].known, elements[i].knownIndex, elements[i].knownAt = true, a.index, a.at
		}
	}
	duplicated := make(map[int64]bool)
	present := make([]bool, len(elements))
	for _, r := range h.reads {
		clear(present)
		for _, v := range r.values {
			i, ok := byValue[v]
			if ok && present[i] {
				duplicated[v] = true
			}
			if ok {
				present[i] = true
			}
		}
		for i := range elements {
			e := &elements[i]
			switch {
			case present[i]:
				if !e.known || r.completion < e.knownIndex {
					e.known, e.knownIndex, e.knownAt = true, r.completion, r.completed
				}
				e.lastPresent = max(e.lastPresent, r.invocation)
			case r.invocation > e.lastAbsent:
				e.lastAbsent, e.absentAt = r.invocation, r.invoked
			}
		}
	}
	v := Verdict{Attempts: len(elements), Duplicated: len(duplicated)}
	for _, e := range elements {
		switch {
		case e.lastPresent > e.lastAbsent:
			v.Stable++
			ms := max(0, (e.absentAt + 1 - e.knownAt).Milliseconds())
			if e.lastAbsent < 0 {
				ms = 0
			}
			if ms > 0 {
				v.Stale++
			}
			v.StableMS = append(v.StableMS, ms)
		case e.known && e.lastAbsent > e.lastPresent && e.knownIndex < e.lastAbsent:
			v.Lost++
		default:
			v.NeverRead++
		}
	}
	v.Valid = v.Lost == 0 && v.Stable > 0 && v.Duplicated == 0
	slices.Sort(v.StableMS)
	v.StableMS = distribution(v.StableMS)
	return v
}

// distribution picks the points of sorted latencies as set-full does.
func distribution(sorted []int64) []int64 {
	if len(sorted) == 0 {
		return nil
	}
	var picked []int64
	for _, p := range points {
		picked = append(picked, sorted[min(len(sorted)-1, int(math.Floor(float64(len(sorted))*p)))])
	}
	return picked
}
