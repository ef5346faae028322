// Package aligned has the regular work of a process done at the same instants, at whole
// multiples of its pauses on the wall clock, as kernels round the timers that are in no
// hurry. What wakes an idle processor costs more than what it is woken for, and this way
// five loops wake it once.
//
// It is for work within the process only: what is sent to others at a fixed time should
// be spread by chance.
package aligned

import "time"

// Next is how long to wait from now for the next multiple of a pause, for a timer that is
// reset to it each time: at most five quarters of the pause, and at least a quarter, so that a
// timer that is early by the wall clock does not fire twice. It panics if the pause is not
// positive, as [time.NewTicker] does.
func Next(pause time.Duration) time.Duration {
	if pause <= 0 {
		panic("aligned: the pause is not positive")
	}
	left := pause - time.Duration(time.Now().UnixNano()%int64(pause))
	if left < pause/4 {
		left += pause
	}
	return left
}
