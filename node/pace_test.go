package node

import (
	"testing"
	"testing/synctest"
	"time"

	"hearsay/node/gossip"
)

// However fast a machine is, what it tells neighbours keeps to their limit, and what
// it tells nobody else does not wait.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		const many = 40_000
		announce := func(sent bool) time.Duration {
			began := time.Now()
			for range many {
				p.places <- struct{}{}
				p.release(sent)
			}
			return time.Since(began)
		}
		if took := announce(false); took != 0 {
			t.Errorf("what no neighbour was told took %v", took)
		}
		const want = (many - gossip.AnnounceBurst - maxAnnouncing) * gossip.AnnouncePause
		if took := announce(true); took < want-want/100 || took > want+want/100 {
			t.Errorf("%d announcements took %v, want %v", many, took, want)
		}
		for range maxAnnouncing { // all places are given back, else the bubble would never end
			p.places <- struct{}{}
		}
	})
}
