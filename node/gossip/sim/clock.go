package sim

import (
	"time"
	"unsafe"
)

// Clocks. A computer has two: a wall clock, which people and NTP set, and a
// steady one, which only counts. Go's time.Time carries a reading of both, and
// the core uses each for what it is good for; so a simulated wall clock that
// jumps has to come with a steady one that does not. Package time makes such
// readings only of the real clocks, hence the look into its struct, which
// TestReading holds to what it should be.

// start is an arbitrary moment; it is fixed so that stamps repeat.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// layout is how time.Time looks inside since Go 1.9.
type layout struct {
	wall uint64 // 1 bit: has a steady reading; 33 bits: seconds since 1885; 30 bits: nanoseconds
	ext  int64  // the steady reading, nanoseconds
	loc  *time.Location
}

// seconds from 1885 to start.
var startSeconds = start.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

// reading is what a node's clocks say: the wall clock, which is off by some
// time, and the steady one.
func reading(steady, off time.Duration) time.Time {
	wall := steady + off
	sec, nsec := int64(wall/time.Second), int64(wall%time.Second)
	if nsec < 0 {
		sec, nsec = sec-1, nsec+int64(time.Second)
	}
	t := layout{wall: 1<<63 | uint64(startSeconds+sec)<<30 | uint64(nsec), ext: int64(steady) + 1}
	return *(*time.Time)(unsafe.Pointer(&t))
}

// steady is the steady reading of a time that was made from one of reading's.
func steady(t time.Time) time.Duration { return t.Sub(reading(0, 0)) }
