package values

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestChurn: half of the nodes are replaced every hour, owners among them, one
// after the other and without a word; values with a TTL above their age are found.
// HEARSAY_LONG=1 runs a day of it.
func TestChurn(t *testing.T) {
	nodes, hours, perHour := 30, 2, 6
	if os.Getenv("HEARSAY_LONG") != "" {
		hours, perHour = 24, 4
	}
	bubble(t, 24, func(w *world) {
		w.populate(nodes)
		type value struct {
			key     int
			expires time.Time
		}
		var alive []value
		right, asked, next := 0, 0, 0
		for hour := range hours {
			for step := range nodes / 2 {
				time.Sleep(time.Hour / time.Duration(nodes/2))
				w.kill(w.any())
				w.join()
				if step*perHour/(nodes/2) != (step+1)*perHour/(nodes/2) {
					ttl := time.Duration(1+w.rng.IntN(12)) * time.Hour
					w.put(w.any(), testKey(next), fmt.Sprint(next), ttl)
					alive = append(alive, value{next, time.Now().Add(ttl)})
					next++
				}
				for range 3 {
					if len(alive) == 0 {
						continue
					}
					i := w.rng.IntN(len(alive))
					if time.Until(alive[i].expires) < time.Second {
						alive = append(alive[:i], alive[i+1:]...)
						continue
					}
					asked++
					if v := w.any().value(testKey(alive[i].key)); v == fmt.Sprint(alive[i].key) {
						right++
					} else {
						t.Logf("hour %d: value %d is not found", hour, alive[i].key)
					}
				}
			}
		}
		calls, sum := uint64(0), Stats{}
		for _, n := range w.order {
			s := n.Stats()
			calls += s.Calls
			sum.Records += s.Records
		}
		t.Logf("%d nodes, %d h, half replaced every hour: %d of %d look-ups right; %d copies of %d values at the end, %.1f calls a minute and node",
			nodes, hours, right, asked, sum.Records, len(alive), float64(calls)/float64(len(w.order))/60)
		if right*1000 < asked*990 {
			t.Error("too few")
		}
	})
}
