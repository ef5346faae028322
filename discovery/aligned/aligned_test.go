package aligned

import (
	"testing"
	"testing/synctest"
	"time"
)

// Loops that began at any time, with pauses that are multiples of each other, are woken
// together from their second turn on at the latest, and each as often as its pause says.
func TestNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		woken := make(map[time.Time]int)
		began := time.Now()
		var timers []*time.Timer
		pauses := []time.Duration{time.Second, 2 * time.Second, time.Second, 5 * time.Second}
		for _, p := range pauses {
			time.Sleep(370 * time.Millisecond)
			timers = append(timers, time.NewTimer(Next(p)))
		}
		turns := make([]int, len(pauses))
		for time.Since(began) < 100*time.Second {
			var i int
			select {
			case <-timers[0].C:
				i = 0
			case <-timers[1].C:
				i = 1
			case <-timers[2].C:
				i = 2
			case <-timers[3].C:
				i = 3
			}
			turns[i]++
			woken[time.Now()]++
			timers[i].Reset(Next(pauses[i]))
		}
		if len(woken) > 101 {
			t.Errorf("woken %d times in 100 s", len(woken))
		}
		for i, p := range pauses {
			if want := int(100 * time.Second / p); turns[i] < want-2 || turns[i] > want+1 {
				t.Errorf("%d turns with a pause of %v", turns[i], p)
			}
		}
	})
}

// However the clock stands, the wait is within its bounds.
func TestNextBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause = time.Second
		for range 1000 {
			if d := Next(pause); d < pause/4 || d > pause*5/4 || time.Now().Add(d).UnixNano()%int64(pause) != 0 {
				t.Fatalf("%v at %v", d, time.Now())
			}
			time.Sleep(7919 * time.Microsecond)
		}
	})
}
