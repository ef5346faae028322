package transport

import (
	"sync/atomic"
	"time"
)

// seldom lets something happen again only after a pause, which the clock that stamps rumors
// does not lengthen when it is set back. Its zero value is ready.
type seldom struct{ last atomic.Pointer[time.Time] }

// may reports whether it may happen now, and counts it if so.
func (s *seldom) may(now time.Time, pause time.Duration) bool {
	last := s.last.Load()
	if last != nil && now.Sub(*last) < pause {
		return false
	}
	next := now
	return s.last.CompareAndSwap(last, &next)
}

// clock is what a peer's hello told of the peer's clock.
type clock struct {
	told time.Time // what it showed, zero = it did not tell
	at   time.Time // when the hello came: what lasts is reckoned from it
	wall time.Time // what this node's clock showed then; it may be set later
}

func readClock(millis uint64, now time.Time) clock {
	c := clock{at: now, wall: now.Round(0)}
	if millis != 0 && millis < 1<<53 {
		c.told = time.UnixMilli(int64(millis))
	}
	return c
}

// ahead is by how much the peer's clock, if it goes on as it was told, is ahead of this
// node's, which may have been set since: one that was put right is right at once, though
// links last for days.
//
// What lasts is reckoned by a clock that stands while the machine sleeps (on Linux); then
// this node's clock seems to have been set forward. Neighbours that were awake are gone
// seconds later. Those that slept on the same machine are not, and their clock is right. So
// a leap forward counts only if it brings both clocks nearer to each other: that this
// node's was set forward wrongly is seen by the next link.
func (c clock) ahead(now time.Time) time.Duration {
	if c.told.IsZero() {
		return 0
	}
	lasted := now.Sub(c.at)
	then, since := c.told.Sub(c.wall), c.told.Add(lasted).Sub(now)
	if forward := now.Round(0).Sub(c.wall) > lasted; forward && since.Abs() > then.Abs() {
		return then
	}
	return since
}
