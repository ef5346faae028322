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

// A node compares one group with one neighbour at a time, and no turn is lost
// when that neighbour goes.
func TestQueueGoesOnAfterLinkDown(t *testing.T) {
	w := newWorld(t)
	n := w.add("A")
	n.solo, n.mute = true, nil
	n.module(1, 7)
	n.up("B", 7)
	n.up("C", 7)
	if got := sent[*Sync](n, "C"); len(got) != 0 {
		t.Fatalf("compared with two at once")
	}
	n.do(LinkDown{"B"})
	n.wait(10 * time.Millisecond)
	if got := sent[*Sync](n, "C"); len(got) != 2 {
		t.Errorf("%d comparisons with C, want one of presences and one of type 7", len(got))
	}
	// Silence ends a comparison, too.
	n.up("D", 7)
	n.wait(2 * syncPatience)
	if got := sent[*Sync](n, "D"); len(got) != 2 {
		t.Errorf("%d comparisons with D after C said nothing", len(got))
	}
}

// If both begin at once one of the two comparisons is dropped, and never both.
func TestCrossingOpenings(t *testing.T) {
	opening := &Sync{Group: 7, Ranges: []Range{{Mode: RangeFingerprint}}}
	n := alone(t)
	n.module(1, 7)
	n.up("Z", 7) // larger than this node, which therefore begins
	n.forget()
	n.recv("Z", opening)
	if got := sent[*Sync](n, "Z"); len(got) != 0 {
		t.Error("the smaller ID answers while its own opening is on its way")
	}
	// Z was busy when that came, and never answers it.
	n.wait(2 * syncPatience)
	if len(sent[*Sync](n, "Z")) == 0 {
		t.Error("neither of the two goes on")
	}

	n = alone(t)
	n.module(1, 7)
	n.up("A", 7)
	n.recv("A", opening) // this node has the larger ID: it answers
	n.wait(2 * syncPatience)
	n.s.links["A"].retry = true // and now has a reason to begin itself
	n.do(Tick{})
	n.wait(pingInterval)
	n.forget()
	n.recv("A", opening)
	if got := sent[*Sync](n, "A"); len(got) != 1 || got[0].Ranges[0].Mode != RangeIDs {
		t.Errorf("the larger ID does not answer: %v", got)
	}
}

// A node that is busy puts those off whose set differs, and begins with them when
// it has time. Equal sets need no turn: if they did, nodes would go on owing
// each other turns for ever.
func TestBusyComparison(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.publish(7, "x")
	n.up("N", 7) // this node begins with it, and waits
	n.up("O", 7)
	n.up("P", 7)
	n.s.syncs.by[7].queue = nil
	n.forget()
	mine := fingerprint(n.s.set(7, 0), Point{})
	n.recv("O", &Sync{Group: 7, Ranges: []Range{mine}})
	if got := sent[*Sync](n, "O"); len(got) != 1 || len(got[0].Ranges) != 1 || got[0].Ranges[0].Mode != RangeSkip {
		t.Errorf("an equal set is answered with %v", got)
	}
	n.recv("P", &Sync{Group: 7, Ranges: []Range{{Mode: RangeFingerprint}}})
	if got := sent[*Sync](n, "P"); len(got) != 1 || len(got[0].Ranges) != 0 {
		t.Errorf("another set is answered with %v", got)
	}
	n.recv("N", &Sync{Group: 7, Ranges: []Range{{}}}) // equal, and done
	if o, p := len(sent[*Sync](n, "O")), len(sent[*Sync](n, "P")); o != 1 || p != 2 {
		t.Errorf("%d messages to O, which is equal, and %d to P, whose turn it is", o, p)
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

// A late joiner gets all that is alive, however old; a module that subscribes
// late only what the node did not know.
func TestLateJoiner(t *testing.T) {
	w := newWorld(t)
	a := w.add("A")
	a.module(1, 7)
	for _, text := range []string{"1", "2", "3"} {
		a.publish(7, text)
		w.wait(time.Minute)
	}
	b := w.add("B")
	w.link("B", "A")
	w.wait(time.Minute)
	mustEqual(t, "told", b.told(1), nil)
	b.module(1, 7)
	w.wait(time.Second)
	w.allTold("1", "2", "3")
	b.module(2, 7)
	mustEqual(t, "told to a module that came later", b.told(2), []string{"1", "2", "3"}) // within Replay
	w.wait(time.Minute)
	b.module(3, 7)
	mustEqual(t, "told to a module that came much later", b.told(3), nil)
}

// What was evicted from a full store neither comes back nor is told twice,
// though the neighbour still has it.
func TestEvictedStayAway(t *testing.T) {
	w := newWorld(t)
	often := func(c *Config) { c.AntiEntropy = time.Second }
	a := w.add("A", often)
	b := w.add("B", often, func(c *Config) { c.CacheSize = 10 })
	a.module(1, 7)
	b.module(1, 7)
	w.link("A", "B")
	var texts []string
	for i := range 40 {
		texts = append(texts, fmt.Sprint(i))
		a.publish(7, texts[i])
		w.wait(100 * time.Millisecond)
	}
	c := w.count()
	w.wait(time.Minute)
	if got := b.s.Status().Kept; got != 10 {
		t.Errorf("B keeps %d", got)
	}
	if c.fills+c.wants != 0 {
		t.Errorf("%d fills and %d wants of what was evicted", c.fills, c.wants)
	}
	mustEqual(t, "told", b.told(1), texts)
}

// A node that has moved on to a newer version of a state rumor does not go back
// when a neighbour that is behind offers the older one.
func TestReconcileState(t *testing.T) {
	for _, ahead := range []PeerID{"A", "C"} {
		w := newWorld(t)
		n, behind := w.add(ahead), w.add("B")
		n.module(1, 7)
		behind.module(1, 7)
		state := func(p *Publish) { p.Kind, p.Key = KindState, "mood" }
		w.link(ahead, "B")
		n.publish(7, "busy", state)
		w.wait(time.Second)
		w.unlink(ahead, "B")
		n.publish(7, "idle", state)
		w.link(ahead, "B")
		w.wait(10 * time.Second)
		w.allTold("busy", "idle")
		for _, n := range w.nodes {
			if kept := n.s.store.newest[stateKey{ahead, 7, "mood"}]; kept == nil || string(kept.Payload) != "idle" || len(n.s.store.entries) != 1 {
				t.Errorf("%s keeps %v", n.id, kept)
			}
		}
	}
}

// What waits for votes or was voted down is not given away, nor fetched again.
func TestUnvalidatedIsNotGiven(t *testing.T) {
	n := alone(t)
	n.subscribe(1, true, 7)
	n.up("B", 7)
	n.up("D", 7)
	held, down := rumorOf(t, "Z", 1, "held"), rumorOf(t, "Z", 2, "down")
	n.push("B", held)
	n.push("B", down)
	n.vote(1, down, false)
	n.forget()
	n.recv("D", &Want{7, []RumorID{held.ID, down.ID, {1}}})
	n.recv("D", &Sync{Group: 7, Ranges: []Range{{Mode: RangeIDs, IDs: []RumorID{held.ID}}}})
	n.recv("D", &Sync{Group: 7, Ranges: []Range{{Mode: RangeIDs, IDs: []RumorID{down.ID}}}})
	if got := sent[*Fill](n, "D"); len(got) != 0 {
		t.Errorf("gave %q", got[0].Rumor.Payload)
	}
	// Listed where it does not belong.
	n.recv("D", &Sync{Group: 7, Ranges: []Range{
		{End: Point{Created: held.Created - 1}, Mode: RangeIDs, IDs: []RumorID{held.ID}}, {},
	}})
	if got := sent[*Want](n, "D"); len(got) != 0 {
		t.Errorf("asks for what it knows: %v", got)
	}
}

// A limited rumor goes to each neighbour once, by whatever way.
func TestLimitedIsGivenOnce(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	r := n.publish(7, "x", func(p *Publish) { p.TTL = 2 })
	n.up("D", 7)
	for range 3 {
		n.recv("B", &Want{7, []RumorID{r.ID}})
		n.recv("D", &Want{7, []RumorID{r.ID}})
	}
	mustEqual(t, "pushed to B", pushedTo(n, "B"), []string{"x"})
	if b, d := len(sent[*Fill](n, "B")), len(sent[*Fill](n, "D")); b != 0 || d != 1 {
		t.Errorf("filled %d times to B, %d times to D", b, d)
	}
	if got := sent[*Fill](n, "D")[0].Hops; got != 1 {
		t.Errorf("hop %d", got)
	}
}

func TestGroupsApart(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7, 8)
	r := n.publish(8, "of a type that nobody here takes")
	n.publish(7, "x")
	n.forget()
	n.recv("B", &Sync{Group: 8, Ranges: []Range{{Mode: RangeFingerprint}}})
	n.recv("B", &Want{8, []RumorID{r.ID}})
	n.recv("B", &Want{7, []RumorID{r.ID}})
	// The last one is told that there is nothing for it.
	syncs := sent[*Sync](n, "B")
	if len(syncs) != 1 || syncs[0].Group != 7 || len(syncs[0].Ranges) != 0 || len(sent[*Fill](n, "B")) != 0 {
		t.Errorf("answered about a group without a part in it: %v", n.seen)
	}
}

// Periodic comparisons, with one neighbour after the other.
func TestAntiEntropyInterval(t *testing.T) {
	n := alone(t, func(c *Config) { c.AntiEntropy = 500 * time.Millisecond })
	n.up("B")
	n.up("C")
	n.forget()
	n.wait(100 * time.Second)
	b, c := len(sent[*Sync](n, "B")), len(sent[*Sync](n, "C"))
	if b+c < 70 || b+c > 220 || b < c-1 || b > c+1 {
		t.Errorf("%d and %d comparisons in 100 seconds", b, c)
	}
	n = alone(t)
	n.up("B")
	n.wait(time.Minute)
	if got := n.s.Status().Counters.Syncs; got != 0 {
		t.Errorf("%d comparisons though there are to be none", got)
	}
}

// Who learnt something by a comparison goes on with others: always, never, or
// by chance.
func TestContinueMongering(t *testing.T) {
	for probability, want := range map[float64]int{0: 0, 1: 1} {
		w := newWorld(t)
		for _, id := range []PeerID{"A", "B", "C"} {
			w.add(id, func(c *Config) { c.ContinueMongering = probability }).module(1, 7)
		}
		w.link("B", "C")
		w.node("A").publish(7, "x")
		w.wait(time.Minute)
		w.link("A", "B")
		w.wait(time.Minute)
		mustEqual(t, "B was told", w.node("B").told(1), []string{"x"})
		if got := len(w.node("C").told(1)); got != want {
			t.Errorf("continue-mongering %v: C was told %d", probability, got)
		}
	}
}
