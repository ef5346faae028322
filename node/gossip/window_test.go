package gossip

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wellFormed checks what every window holds to: ascending spans with gaps
// between them, no more than maxSpans.
func (w *window) wellFormed() error {
	if len(w.spans) > maxSpans {
		return fmt.Errorf("%d spans, at most %d", len(w.spans), maxSpans)
	}
	for i, s := range w.spans {
		if s.lo > s.hi || i > 0 && (w.spans[i-1].hi == math.MaxUint64 || w.spans[i-1].hi+1 >= s.lo) {
			return fmt.Errorf("span %d of %v is out of place", i, w.spans)
		}
	}
	return nil
}

func TestWindowIsASet(t *testing.T) {
	// Numbers close together make spans grow, meet and merge; those at the end
	// of the range would overflow careless arithmetic.
	seq := rapid.OneOf(
		rapid.Uint64Range(1, 40),
		rapid.Uint64Range(math.MaxUint64-20, math.MaxUint64),
		rapid.Uint64Min(1),
	)
	rapid.Check(t, func(t *rapid.T) {
		var w window
		marked := make(map[uint64]bool)
		for _, n := range rapid.SliceOfN(seq, 0, 200).Draw(t, "numbers") {
			if w.seen(n) != marked[n] {
				t.Fatalf("%d seen: %v, marked: %v", n, w.seen(n), marked[n])
			}
			w.mark(n, 0)
			marked[n] = true
			if err := w.wellFormed(); err != nil {
				t.Fatal(err)
			}
		}
		for n := range marked {
			if !w.seen(n) {
				t.Fatalf("%d was forgotten", n)
			}
		}
		for _, n := range rapid.SliceOfN(seq, 0, 50).Draw(t, "others") {
			if w.seen(n) != marked[n] {
				t.Fatalf("%d seen: %v, marked: %v", n, w.seen(n), marked[n])
			}
		}
	})
}

// Beyond maxSpans the lowest gaps are closed: a number in them is missed, one
// that was seen never is new again.
func TestWindowCloses(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var w window
		marked := make(map[uint64]bool)
		for n := uint64(1); len(marked) < 3*maxSpans; n += 2 + rng.Uint64N(8) {
			w.mark(n, 0)
			marked[n] = true
			if err := w.wellFormed(); err != nil {
				t.Fatal(err)
			}
		}
		if len(w.spans) != maxSpans {
			t.Fatalf("%d spans, want all %d in use", len(w.spans), maxSpans)
		}
		closed := w.spans[0].hi
		for n := uint64(1); n <= w.spans[len(w.spans)-1].hi+3; n++ {
			switch {
			case marked[n] && !w.seen(n):
				t.Fatalf("%d was forgotten", n)
			case !marked[n] && w.seen(n) && n > closed:
				t.Fatalf("%d was never seen and lies above the closed gaps, which end at %d", n, closed)
			}
		}
	}
}

func TestWindowOneSpan(t *testing.T) {
	var w window
	for n := uint64(1); n <= 10_000; n++ {
		w.mark(n, 0)
	}
	if len(w.spans) != 1 || w.spans[0] != (span{1, 10_000}) {
		t.Errorf("10,000 numbers in a row are %d spans", len(w.spans))
	}
}

// A wild number takes nothing away from those before it.
func TestWindowWildNumber(t *testing.T) {
	var w window
	w.mark(5, 0)
	w.mark(math.MaxUint64, 0)
	for _, n := range []uint64{1, 4, 6, 1 << 40, math.MaxUint64 - 1} {
		if w.seen(n) {
			t.Errorf("%d passes for seen", n)
		}
	}
}

func TestWindowsCap(t *testing.T) {
	ws := newWindows()
	rumor := func(i int, epoch, seq uint64, expires int64) *Rumor {
		return &Rumor{Header: Header{Origin: PeerID(fmt.Sprint(i)), Epoch: epoch, Seq: seq, Expires: expires}}
	}
	for i := range maxWindows {
		if !ws.mark(rumor(i, 1, 1, int64(i))) {
			t.Fatalf("no room for origin %d", i)
		}
	}
	late := rumor(0, 2, 1, 1<<40)
	if ws.mark(late) || ws.n != maxWindows {
		t.Fatal("one run too many was let in")
	}
	if !ws.mark(rumor(5, 1, 2, 5)) {
		t.Error("a known run is refused")
	}
	// A window lives on for as long as clocks may differ, both ways.
	skew := 2 * MaxSkew.Milliseconds()
	ws.expire(skew)
	if ws.n != maxWindows {
		t.Errorf("%d windows are left of %d that could still be replayed", ws.n, maxWindows)
	}
	// The clock was not set yet at the start, and nobody has room by the steady one.
	ws.expire(ws.clock(skew+1, 1))
	if ws.n != maxWindows-1 || !ws.mark(late) {
		t.Error("an expired window makes no room")
	}
	// While there is room no leap of one clock alone forgets anything.
	ws.expire(skew + 2)
	for _, now := range []int64{ws.clock(1<<40, skew+2), ws.clock(skew+2, 1<<40)} {
		if ws.expire(now); ws.n != maxWindows-1 {
			t.Fatalf("%d windows are left of %d after a leap", ws.n, maxWindows-1)
		}
	}
}

// One key fills no more than maxRuns windows, however many epochs it names, and keeps
// nobody else out. It is heard in each of them, and nothing of any is told twice.
func TestRunsOfOneOrigin(t *testing.T) {
	n := alone(t, func(c *Config) { c.CacheSize = 1 }) // so that windows alone know what was seen
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.push("B", presenceOf(t, "Z", 1, Presence{})) // a member: no stranger's allowance is asked for
	run := func(epoch, seq uint64) *Rumor {
		return rumorOf(t, "Z", seq, "x", func(h *Header) { h.Epoch = epoch })
	}
	const runs = 10 * maxRuns
	taken := func(r *Rumor) bool {
		before := n.s.count.Accepted
		n.recv("B", &Push{Rumor: r, Hops: 1})
		return n.s.count.Accepted > before
	}
	for epoch := range uint64(runs) {
		if !taken(run(epoch+1, 1)) {
			t.Fatalf("run %d is not heard", epoch+1)
		}
	}
	if n.s.windows.n != maxRuns {
		t.Errorf("one key has %d windows, at most %d", n.s.windows.n, maxRuns)
	}
	for epoch := range uint64(runs) {
		if taken(run(epoch+1, 1)) {
			t.Errorf("what run %d said is told twice", epoch+1)
		}
	}
	if taken(run(runs-maxRuns, 2)) {
		t.Error("a closed run is heard")
	}
	if !taken(run(runs-maxRuns+2, 2)) || !taken(run(runs+5, 1)) || !taken(run(runs+2, 1)) {
		t.Error("a run that is not closed is not heard")
	}
	if taken(run(runs+2, 1)) || n.s.windows.n != maxRuns {
		t.Errorf("after a run between others there are %d windows, at most %d", n.s.windows.n, maxRuns)
	}
}

// Whatever runs a peer has had, in whatever order: what was seen stays seen until it has
// expired, and only what is up to a closed run is missed.
func TestRunsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ws := newWindows()
		type said struct{ epoch, seq uint64 }
		until := make(map[said]int64)
		of := func(n said, expires int64) *Rumor {
			return &Rumor{Header: Header{Origin: "Z", Epoch: n.epoch, Seq: n.seq, Expires: expires}}
		}
		now, closed := int64(0), uint64(0)
		for range rapid.IntRange(0, 200).Draw(t, "rumors") {
			n := said{rapid.Uint64Range(1, 3*maxRuns).Draw(t, "epoch"), rapid.Uint64Range(1, 4).Draw(t, "seq")}
			if _, was := until[n]; ws.seen(of(n, 0)) != was && n.epoch > closed {
				t.Fatalf("%v seen: %v", n, !was)
			}
			if !ws.seen(of(n, 0)) {
				until[n] = now + 2*MaxSkew.Milliseconds() + rapid.Int64Range(0, 10).Draw(t, "life")
				if !ws.mark(of(n, until[n])) {
					t.Fatal("no room")
				}
				until[n] += 2 * MaxSkew.Milliseconds()
			}
			if rapid.IntRange(0, 20).Draw(t, "pause") == 0 {
				now += MaxSkew.Milliseconds()
				ws.expire(now)
			}
			runs := 0
			for w := ws.latest["Z"]; w != nil; w = w.before {
				if runs++; w.closed() {
					closed = max(closed, w.epoch)
				}
			}
			if runs != ws.n || runs > maxRuns {
				t.Fatalf("%d runs, counted as %d, at most %d", runs, ws.n, maxRuns)
			}
			for n, at := range until {
				if at >= now && !ws.seen(of(n, 0)) {
					t.Fatalf("%v was forgotten", n)
				}
				if at < now && !ws.seen(of(n, 0)) {
					delete(until, n)
				}
			}
		}
	})
}

// A full set of windows takes in new origins again after the old ones have
// expired, though the store has been empty since long before.
func TestWindowsExpireWithEmptyStore(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.push("B", rumorOf(t, "Z", 1, "a", func(h *Header) { h.Expires = h.Created + 60_000 }))
	n.wait(10 * windowPause)
	if n.s.windows.n != 0 || len(n.s.store.entries) != 0 {
		t.Errorf("%d windows outlive their rumors", n.s.windows.n)
	}
	if at := n.s.due[taskWindows]; !at.IsZero() {
		t.Error("a node without windows looks for old ones")
	}
}

// Where the clock was not set yet when a node began, a full set of windows takes in new
// origins all the same. One with room forgets nothing by one clock alone.
func TestFullWindowsExpireByTheWall(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.push("B", rumorOf(t, "Z", 1, "a", func(h *Header) { h.Expires = h.Created + 60_000 }))
	n.s.first = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC) // a Duration ends 292 years later
	n.wait(10 * windowPause)
	if n.s.windows.n != 1 {
		t.Fatal("a window is forgotten by the clock on the wall alone, though there is room")
	}
	n.s.windows.n = maxWindows
	n.wait(2 * windowPause)
	if n.s.windows.n != maxWindows-1 || len(n.s.windows.latest) != 0 {
		t.Error("without room a window outlives its rumors by the clock on the wall")
	}
}
