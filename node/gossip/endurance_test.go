package gossip

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What somebody can do to a node who has much time, many keys or much patience.

// An hour's proofs of work, saved up and brought out at one moment. What is dated
// ahead, so that it keeps, is refused; so is what is older than a rumor can be; the
// rest is taken once, and drives nothing of anybody else's from the store.
func TestStockOfWork(t *testing.T) {
	const (
		stock  = 3600 // one a second
		honest = 20
		each   = 40
	)
	n := alone(t)
	n.subscribe(1, false, 7)
	for _, p := range []PeerID{"B", "C"} {
		n.up(p, 7)
	}
	n.wait(time.Hour)
	now := n.w.now
	dated := func(ago, life time.Duration) func(*Header) {
		return func(h *Header) {
			h.Created = now.Add(-ago).UnixMilli()
			h.Expires = h.Created + life.Milliseconds()
		}
	}
	var others []*Rumor
	for i := range honest {
		for j := range each {
			r := rumorOf(t, PeerID(fmt.Sprint("honest", i)), uint64(j+1), "x", dated(time.Duration(j)*time.Minute, MaxLifetime))
			others = append(others, r)
			n.recv("C", &Push{Rumor: r, Hops: 1})
		}
	}
	if got := n.s.count.Accepted; got != honest*each {
		t.Fatalf("%d honest rumors are taken", got)
	}
	release := func(origin PeerID, date func(i int) func(*Header)) (taken int) {
		before := n.s.count.Accepted
		for i := range stock {
			n.recv("B", &Push{Rumor: rumorOf(t, origin, uint64(i+1), "stock", date(i)), Hops: 1})
		}
		n.forget()
		return int(n.s.count.Accepted - before)
	}
	ahead := func(i int) func(*Header) { return dated(-MaxSkew-time.Duration(i+1)*time.Second, MaxLifetime) }
	if got := release("ahead", ahead); got != 0 {
		t.Errorf("of rumors dated ahead %d are taken", got)
	}
	old := func(i int) func(*Header) { return dated(MaxLifetime+time.Duration(i)*time.Second, MaxLifetime) }
	if got := release("old", old); got != 0 {
		t.Errorf("of rumors that are older than rumors can be %d are taken", got)
	}
	when := func(i int) func(*Header) { return dated(time.Duration(i)*time.Second, MaxLifetime) }
	if got := release("stock", when); got != stock {
		t.Errorf("of an hour's stock %d are taken, want %d: that is within a neighbour's burst", got, stock)
	}
	if got := release("stock", when); got != 0 {
		t.Errorf("of the same stock again %d are taken", got)
	}
	for _, r := range others {
		if n.s.store.entries[r.ID] == nil {
			t.Fatalf("the stock drove out %q, rumor %d", r.Origin, r.Seq)
		}
	}
	if v := n.push("C", rumorOf(t, "newcomer", 1, "x", dated(0, time.Hour))); v != VerdictNew {
		t.Errorf("right after, a newcomer's rumor is %v", v)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
}

// heap is what is in use after a collection, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Seventy thousand origins, or with HEARSAY_LONG a million, each with a rumor, by
// one neighbour after the other that has never been here: the node needs no more
// memory for the last than for the first 65,536, tells none twice, and takes new
// ones again when those have expired.
func TestMillionOrigins(t *testing.T) {
	if raceEnabled {
		t.Skip("one core has no goroutines, and this takes long")
	}
	count := 70_000
	if os.Getenv("HEARSAY_LONG") != "" {
		count = 1_000_000
	}
	const limit = 256 << 20
	n := alone(t)
	n.subscribe(1, false, 7)
	base := heap()
	text := strings.Repeat("x", 100)
	rumor := func(i int) *Rumor {
		origin := make([]byte, 38) // as long as a peer ID
		binary.BigEndian.PutUint64(origin, uint64(i))
		return rumorOf(t, PeerID(origin), 1, text)
	}
	var peak, full uint64
	neighbour := ""
	give := func(i, by int) {
		if i%strangersBurst == 0 {
			if neighbour != "" {
				n.do(LinkDown{PeerID(neighbour)})
			}
			neighbour = fmt.Sprint("neighbour", by, i/strangersBurst)
			n.up(PeerID(neighbour), 7)
			n.wait(time.Second) // or there is no room within what all together may say
		}
		n.recv(PeerID(neighbour), &Push{Rumor: rumor(i), Hops: 1})
		n.forget()
	}
	for i := range count {
		give(i, 0)
		if i == maxWindows || i%100_000 == 99_999 || i == count-1 {
			used := heap() - base
			peak = max(peak, used)
			if i == maxWindows {
				full = used
			}
		}
	}
	st := n.s.count
	t.Logf("%d origins: %d taken, %d MiB in use at most, %d bytes for each that is remembered", count, st.Accepted, peak>>20, full/maxWindows)
	if st.Accepted != maxWindows {
		t.Errorf("%d origins were taken, want %d", st.Accepted, maxWindows)
	}
	if peak > limit || peak > full+full/10 {
		t.Errorf("%d MiB in use, after %d MiB for the first %d origins", peak>>20, full>>20, maxWindows)
	}
	if err := n.s.Check(); err != nil {
		t.Error(err)
	}
	for i := range 2 * strangersBurst { // by others, while most have left the store
		give(i, 1)
	}
	if got := n.s.count.Accepted; got != st.Accepted {
		t.Errorf("%d rumors were taken twice", got-st.Accepted)
	}
	n.wait(time.Hour + 10*windowPause)
	n.forget()
	for i := range 2 * strangersBurst {
		give(i, 2)
	}
	if got := n.s.count.Accepted; got != st.Accepted {
		t.Errorf("%d expired rumors were taken", got-st.Accepted)
	}
	n.up("late", 7)
	if v := n.push("late", rumorOf(t, "late's", 1, "x", func(h *Header) { h.Expires += 3_600_000 })); v != VerdictNew {
		t.Errorf("an origin that comes when all have expired is %v", v)
	}
}

// Three hours of rumors, or with HEARSAY_LONG a day's: what a node keeps is what is
// alive, or as much as its limits let it, and never grows.
func TestStoreDoesNotGrow(t *testing.T) {
	if raceEnabled {
		t.Skip("one core has no goroutines, and this takes long")
	}
	hours := 3
	if os.Getenv("HEARSAY_LONG") != "" {
		hours = 24
	}
	const rate, size = 4, 1 << 10 // a second, bytes
	for name, c := range map[string]struct {
		bytes int
		full  bool
	}{
		"by what expires":  {64 << 20, false},
		"by what it holds": {4 << 20, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := alone(t, func(c2 *Config) { c2.CacheSize, c2.CacheBytes = 1_000_000, c.bytes })
			n.subscribe(1, false, 7)
			n.up("B", 7)
			text := strings.Repeat("x", size)
			var kept, bytes, used []float64
			said := make([]uint64, 20) // by each origin
			next := 0
			for range hours {
				for range 3600 {
					n.wait(time.Second)
					for range rate {
						by := next % len(said)
						next++
						said[by]++
						r := rumorOf(t, PeerID(fmt.Sprint("origin", by)), said[by], text, func(h *Header) {
							h.Created = n.w.now.UnixMilli()
							h.Expires = h.Created + time.Hour.Milliseconds()
						})
						n.recv("B", &Push{Rumor: r, Hops: 1})
					}
					n.forget()
				}
				kept, bytes = append(kept, float64(n.s.store.kept)), append(bytes, float64(n.s.store.keptBytes))
				used = append(used, float64(heap()))
			}
			t.Logf("kept at each hour's end: %.0f, bytes %.0f; heap %.1f to %.1f MiB", kept[0], bytes[0], used[0]/(1<<20), used[hours-1]/(1<<20))
			for h := 1; h < hours; h++ {
				if math.Abs(kept[h]-kept[0]) > kept[0]/50 || math.Abs(bytes[h]-bytes[0]) > bytes[0]/50 {
					t.Errorf("after hour %d %.0f rumors of %.0f bytes are kept, after the first %.0f of %.0f", h+1, kept[h], bytes[h], kept[0], bytes[0])
				}
				// Go's maps split their tables as they churn, and never join them: that
				// is up to twice the place that they begin with, and no more.
				if used[h] > used[0]*5/4 {
					t.Errorf("after hour %d %.1f MiB are in use, after the first %.1f", h+1, used[h]/(1<<20), used[0]/(1<<20))
				}
			}
			if got := n.s.store.keptBytes > c.bytes*9/10; got != c.full || n.s.store.keptBytes > c.bytes {
				t.Errorf("%d bytes of %d are kept", n.s.store.keptBytes, c.bytes)
			}
			if want := uint64(hours * 3600 * rate); n.s.count.Accepted != want {
				t.Errorf("%d rumors were taken, want %d", n.s.count.Accepted, want)
			}
			if err := n.s.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}
