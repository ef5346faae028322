package node

import (
	"context"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"hearsay/discovery/aligned"
)

const (
	// watchPause is how often the loop is asked whether it turns, and watchPatience
	// how many pauses it has for the answer, which it mostly gives within a
	// millisecond. What takes longer is a deadlock, or as bad as one.
	watchPause    = time.Second
	watchPatience = 5
	// maxDump bounds what is written about a loop that stands still, in bytes.
	maxDump = 256 << 10
)

// watchdog notices when the loop does not turn any more. It counts pauses, not
// time: where the whole process stands still, for a debugger or because the machine
// sleeps, none passes.
type watchdog struct {
	pause time.Duration
	alarm func(dump string) // tells people, once each time

	mu     sync.Mutex
	missed int           // pauses without an answer
	stands chan struct{} // closed while the loop stands still
}

func newWatchdog() *watchdog {
	return &watchdog{
		pause: watchPause,
		alarm: func(dump string) {
			log.Errorf("the loop has stood still for %v. What all goroutines do:\n%s", watchPatience*watchPause, dump)
		},
		stands: make(chan struct{}),
	}
}

// standing is closed while the loop stands still; when it turns again there is
// another one.
func (w *watchdog) standing() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stands
}

// watch asks the loop, which runs what comes by calls, until ctx ends.
func (w *watchdog) watch(ctx context.Context, calls chan<- func(time.Time)) {
	tick := time.NewTimer(aligned.Next(w.pause))
	defer tick.Stop()
	answers := make(chan struct{}, 1)
	asked := false
	for {
		if !asked {
			select {
			case calls <- func(time.Time) { answers <- struct{}{} }:
				asked = true
			default: // no room, which is no answer either
			}
		}
		select {
		case <-tick.C:
			tick.Reset(aligned.Next(w.pause))
		case <-ctx.Done():
			return
		}
		select {
		case <-answers:
			asked = false
			w.turns()
		default:
			w.waits()
		}
	}
}

// waits notes that a pause has passed without an answer.
func (w *watchdog) waits() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missed++; w.missed == watchPatience {
		close(w.stands)
		w.alarm(goroutines())
	}
}

// turns notes an answer.
func (w *watchdog) turns() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missed >= watchPatience {
		w.stands = make(chan struct{})
		log.Warnf("the loop turns again")
	}
	w.missed = 0
}

// goroutines tells what they do, those that do the same together.
func goroutines() string {
	var b strings.Builder
	pprof.Lookup("goroutine").WriteTo(&b, 1)
	return b.String()[:min(b.Len(), maxDump)]
}
