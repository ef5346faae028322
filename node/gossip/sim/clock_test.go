package sim

import (
	"testing"
	"time"
)

// TestReading: a made-up reading is what package time would make of clocks that
// show it: wall clock and steady clock go their own ways.
func TestReading(t *testing.T) {
	for _, off := range []time.Duration{0, 90 * time.Minute, -3*time.Second - 7, -48 * time.Hour} {
		for _, at := range []time.Duration{0, 1, time.Second - 1, 36 * time.Hour} {
			r := reading(at, off)
			if want := start.Add(at + off); r.UnixNano() != want.UnixNano() || !r.Round(0).Equal(want) {
				t.Errorf("%v after the beginning, off by %v, the wall clock says %v, want %v", at, off, r, want)
			}
			if got := steady(r); got != at {
				t.Errorf("%v after the beginning, off by %v, the steady clock says %v", at, off, got)
			}
			if got := r.Add(time.Minute).Sub(reading(at, -off)); got != time.Minute {
				t.Errorf("a minute after a reading it is %v later by the steady clock", got)
			}
			if got := steady(r.Add(-time.Hour)); got != at-time.Hour {
				t.Errorf("an hour before %v is %v", at, got)
			}
		}
	}
}
