package gossip

import (
	"fmt"
	"testing"
	"time"
)

// Who fills the store makes room for others; who does not keeps what he has.
func TestFairEviction(t *testing.T) {
	const size = 200
	n := alone(t, func(c *Config) { c.CacheSize = size })
	n.subscribe(1, false, 7)
	n.up("B", 7)
	kept := func(o PeerID) (k int) {
		for _, e := range n.s.store.entries {
			if e.r.Origin == o && e.state == kept {
				k++
			}
		}
		return k
	}
	stamp := func(h *Header) { h.Created = n.w.now.UnixMilli() }
	seq := uint64(0)
	var said []*Rumor
	say := func(o PeerID, count int) {
		for range count {
			seq++
			n.wait(time.Millisecond)
			r := rumorOf(t, o, seq, "x", stamp)
			said = append(said, r)
			n.recv("B", &Push{Rumor: r, Hops: 1})
		}
	}
	// One origin alone may have all of it, the oldest go, and are not talked about.
	say("F", size+50)
	if kept("F") != size || n.s.floor(7) == 0 {
		t.Fatalf("%d kept of one origin alone, floor %d", kept("F"), n.s.floor(7))
	}
	// Others push it back to its share, and it does not push them out.
	for i := range 10 {
		say(PeerID(fmt.Sprint("honest", i)), size/greedyShare)
		say("F", 100)
	}
	for i := range 10 {
		if o := PeerID(fmt.Sprint("honest", i)); kept(o) != size/greedyShare {
			t.Errorf("%d kept of %s, who has no more than a share", kept(o), o)
		}
	}
	if kept("F") != size/2 {
		t.Errorf("%d kept of who fills the rest, want %d", kept("F"), size/2)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
	// What of it is offered again was seen: it is neither told nor asked for again.
	n.forget()
	offered := 0
	for _, r := range said {
		if r.Created < n.s.floor(7) || n.s.store.entries[r.ID] != nil {
			continue
		}
		offered++
		n.recv("B", &Fill{r, 1})
		if e := n.s.store.entries[r.ID]; e == nil || e.state != refused {
			t.Fatalf("rumor %d, which was evicted and offered again, would be fetched again", r.Seq)
		}
	}
	if len(n.told(1)) != 0 || offered == 0 {
		t.Errorf("of %d rumors that were evicted and offered again %d were told again", offered, len(n.told(1)))
	}
}
