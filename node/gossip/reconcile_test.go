package gossip

import (
	"fmt"
	"math/bits"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// has puts a rumor into a node as if it had been validated long ago.
func (n *tnode) has(r *Rumor) {
	n.s.windows.mark(r)
	n.s.store.add(&entry{r: r, state: kept, hops: 1, learnt: n.w.now.Add(-time.Hour)})
	n.s.now = n.w.now
	n.s.scheduleExpiry(r)
}

// traffic counts what comparisons send.
type traffic struct {
	syncs, wants, fills int
	items               int // ranges and IDs in all of it
}

func (w *world) count() *traffic {
	c := new(traffic)
	w.watch = func(_ *tnode, a Action) {
		s, ok := a.(Send)
		if !ok {
			return
		}
		switch m := s.Msg.(type) {
		case *Sync:
			c.syncs++
			c.items += len(m.Ranges)
			for _, r := range m.Ranges {
				c.items += len(r.IDs)
			}
			if len(m.Ranges) > MaxRanges {
				w.t.Fatalf("a Sync of %d ranges", len(m.Ranges))
			}
		case *Want:
			c.wants++
			c.items += len(m.IDs)
			if len(m.IDs) > MaxIDs {
				w.t.Fatalf("a Want of %d IDs", len(m.IDs))
			}
		case *Fill:
			c.fills++
		}
	}
	return c
}

// sameSets fails unless all nodes have the same rumors of type 7.
func (w *world) sameSets(size int) {
	w.t.Helper()
	for _, n := range w.nodes {
		x, first := n.s.set(7, 0), w.nodes[0].s.set(7, 0)
		if len(x) != size || x.fingerprint() != first.fingerprint() {
			w.t.Fatalf("%s has %d rumors of %d, %s has %d", n.id, len(x), size, w.nodes[0].id, len(first))
		}
	}
}

// scattered makes rumors that were created over some seconds, several at a time.
func scattered(t rapid.TB, count, pace int) []*Rumor {
	list := make([]*Rumor, count)
	for i := range list {
		list[i] = rumorOf(t, PeerID(rune('a'+i%5)), uint64(i/5+1), fmt.Sprint(i), func(h *Header) {
			h.Created -= int64(i / pace)
		})
	}
	return list
}

// Two nodes with any two sets end with the same one, and every rumor that one
// lacked crosses the link once.
func TestReconcileAnySets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		a, b := w.add("A"), w.add("B")
		a.subscribe(1, false, 7)
		b.subscribe(1, false, 7)
		rumors := scattered(t, rapid.IntRange(0, 300).Draw(t, "rumors"), rapid.IntRange(1, 50).Draw(t, "pace"))
		share := rapid.SampledFrom([]int{0, 3, 50, 95, 100}).Draw(t, "percent in common")
		differ := 0
		for _, r := range rumors {
			switch {
			case rapid.IntRange(0, 99).Draw(t, "where") < share:
				a.has(r)
				b.has(r)
			case rapid.Bool().Draw(t, "at A"):
				a.has(r)
				differ++
			default:
				b.has(r)
				differ++
			}
		}
		c := w.count()
		if rapid.Bool().Draw(t, "B dials") {
			w.link("B", "A")
		} else {
			w.link("A", "B")
		}
		w.wait(time.Second)
		w.sameSets(len(rumors))
		if c.fills != differ {
			t.Fatalf("%d fills for %d differences", c.fills, differ)
		}
		if got := len(a.told(1)) + len(b.told(1)); got != differ {
			t.Fatalf("modules were told %d rumors of %d", got, differ)
		}
	})
}

// A difference of d among n rumors costs O(d log n): per difference the parts of
// each level and one list of IDs.
func TestReconcileCost(t *testing.T) {
	const size = 5000
	rumors := scattered(t, size, 7)
	levels := (bits.Len(size/fewIDs) + 3) / 4 // of 16 parts each
	for _, d := range []int{0, 1, 2, 5, 20, 100} {
		w := newWorld(t)
		big := func(c *Config) { c.CacheSize = 2 * size }
		a, b := w.add("A", big), w.add("B", big)
		a.subscribe(1, false, 7)
		b.subscribe(1, false, 7)
		for i, r := range rumors {
			if d == 0 || i%(size/d) != 3 || i%2 == 0 {
				a.has(r)
			}
			if d == 0 || i%(size/d) != 3 || i%2 == 1 {
				b.has(r)
			}
		}
		c := w.count()
		w.link("A", "B")
		w.wait(time.Second)
		w.sameSets(size)
		if c.fills != d {
			t.Errorf("%d fills for %d differences", c.fills, d)
		}
		// One comparison of the presences, one of the type, and one more after
		// something was learnt.
		if most := 6 + 2*(levels+2); c.syncs > most {
			t.Errorf("%d differences: %d Syncs, at most %d", d, c.syncs, most)
		}
		if most := 8 + d*(levels*fanout+2*fewIDs); c.items > most {
			t.Errorf("%d differences: %d ranges and IDs, at most %d", d, c.items, most)
		}
		if d == 0 && c.syncs+c.wants != 4 {
			t.Errorf("%d messages about equal stores of two groups, want one each way", c.syncs+c.wants)
		}
	}
}

// Sets that differ in more than one message can say are equal in the end.
func TestReconcileLarge(t *testing.T) {
	for _, at := range []struct{ a, b int }{{9000, 0}, {0, 5000}, {5000, 5000}} {
		w := newWorld(t)
		big := func(c *Config) { c.CacheSize = 20_000 }
		a, b := w.add("A", big), w.add("B", big)
		a.subscribe(1, false, 7)
		b.subscribe(1, false, 7)
		for i, r := range scattered(t, at.a+at.b, 3) {
			if i%(at.a+at.b) < at.a {
				a.has(r)
			} else {
				b.has(r)
			}
		}
		c := w.count()
		w.link("A", "B")
		w.wait(5 * time.Second)
		w.sameSets(at.a + at.b)
		if c.fills != at.a+at.b {
			t.Errorf("%d fills for %d differences", c.fills, at.a+at.b)
		}
	}
}

// A Sync that would have too many ranges leaves the rest for later.
func TestSyncWithinMaxRanges(t *testing.T) {
	n := alone(t, func(c *Config) { c.CacheSize = 20_000 })
	n.subscribe(1, false, 7)
	n.up("B", 7)
	for _, r := range scattered(t, 256*(fewIDs+5), 1) {
		n.has(r)
	}
	x := n.s.set(7, 0)
	msg := &Sync{Group: 7}
	for i := range 256 {
		end := Point{}
		if i < 255 {
			end = x[len(x)*(i+1)/256]
		}
		msg.Ranges = append(msg.Ranges, Range{End: end, Mode: RangeFingerprint})
	}
	n.forget()
	n.recv("B", msg)
	got := sent[*Sync](n, "B")
	if len(got) != 1 || len(got[0].Ranges) > MaxRanges || len(got[0].Ranges) < MaxRanges-fanout {
		t.Fatalf("%d answers, the first of %d ranges, allowed are %d", len(got), len(got[0].Ranges), MaxRanges)
	}
	if last := got[0].Ranges[len(got[0].Ranges)-1]; last.End != (Point{}) {
		t.Error("the last range does not reach to the end")
	}
}

// Anti-entropy sends fillBurst at once and fillRate after that, and what did not
// go at once follows by itself.
func TestFillBudget(t *testing.T) {
	for _, begins := range []PeerID{"A", "C"} { // who has the rumors
		w := newWorld(t)
		has, lacks := w.add(begins), w.add("B")
		has.subscribe(1, false, 7)
		lacks.subscribe(1, false, 7)
		const count = 150
		for i := range uint64(count) {
			has.has(rumorOf(t, "Z", i+1, string(make([]byte, 60_000))))
		}
		w.link("B", begins)
		w.wait(10 * time.Millisecond)
		if got := len(lacks.told(1)); got != fillBurst/60_200 {
			t.Errorf("%d rumors of 60 kB at once, the budget is %d bytes", got, fillBurst)
		}
		w.wait(5 * time.Second)
		if got := len(lacks.told(1)); got != count {
			t.Errorf("%d of %d rumors after five seconds", got, count)
		}
	}
}

// A network of nodes with any sets, any links and latencies, is complete
// without periodic comparisons, if those who learnt something go on.
func TestReconcileNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		const size = 5
		for i := range size {
			w.add(PeerID(rune('A'+i)), func(c *Config) { c.ContinueMongering = 1 }).subscribe(1, false, 7)
		}
		delays := make(map[string]time.Duration)
		w.delay = func(from, to PeerID) time.Duration {
			k := string(from + to)
			if delays[k] == 0 {
				delays[k] = rapid.SampledFrom([]time.Duration{1, 30, 300}).Draw(t, "latency") * time.Millisecond
			}
			return delays[k]
		}
		rumors := scattered(t, rapid.IntRange(1, 60).Draw(t, "rumors"), 3)
		for _, r := range rumors {
			w.nodes[rapid.IntRange(0, size-1).Draw(t, "where")].has(r)
		}
		for i := 1; i < size; i++ { // a tree, and a few more
			w.link(w.nodes[i].id, w.nodes[rapid.IntRange(0, i-1).Draw(t, "to")].id)
			w.wait(rapid.SampledFrom([]time.Duration{0, 20, 700}).Draw(t, "pause") * time.Millisecond)
		}
		for range rapid.IntRange(0, 4).Draw(t, "more") {
			i := rapid.IntRange(1, size-1).Draw(t, "from")
			w.link(w.nodes[i].id, w.nodes[rapid.IntRange(0, i-1).Draw(t, "to")].id)
		}
		w.wait(time.Minute)
		w.sameSets(len(rumors))
		for _, n := range w.nodes {
			for text, times := range tally(n.told(1)) {
				if times > 1 {
					t.Fatalf("%s was told %q %d times", n.id, text, times)
				}
			}
		}
	})
}

func tally(texts []string) map[string]int {
	count := make(map[string]int)
	for _, s := range texts {
		count[s]++
	}
	return count
}
