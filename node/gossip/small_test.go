package gossip

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestHeapOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h dueHeap
		var sorted []due
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			if len(sorted) > 0 && rapid.IntRange(0, 2).Draw(t, "pop") == 0 {
				if got := h.pop(); got != sorted[0] {
					t.Fatalf("popped %v, want %v", got, sorted[0])
				}
				sorted = sorted[1:]
				continue
			}
			// Few different times, so that IDs have to decide.
			d := due{at: int64(rapid.IntRange(0, 5).Draw(t, "at"))}
			d.id[0] = rapid.Byte().Draw(t, "id")
			h.push(d)
			sorted = append(sorted, d)
			slices.SortStableFunc(sorted, func(a, b due) int {
				return Point{a.at, a.id}.compare(Point{b.at, b.id})
			})
		}
		for _, want := range sorted {
			if got := h.pop(); got != want {
				t.Fatalf("popped %v, want %v", got, want)
			}
		}
		if len(h) != 0 {
			t.Errorf("%d left over", len(h))
		}
	})
}

func TestBitset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bitset
		set := make(map[int]bool)
		// 63, 64, 127 and 128 are the first and last of their words.
		slot := rapid.OneOf(rapid.IntRange(0, 130), rapid.SampledFrom([]int{63, 64, 127, 128, 300}))
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			i := slot.Draw(t, "slot")
			if rapid.Bool().Draw(t, "set") {
				b.set(i)
				set[i] = true
			} else {
				b.clear(i)
				delete(set, i)
			}
			for j := range 320 {
				if b.has(j) != set[j] {
					t.Fatalf("after %d: %d is in: %v, want %v", i, j, b.has(j), set[j])
				}
			}
		}
	})
}

// somePoints draws points with few different times, so that IDs decide often.
func somePoints(t *rapid.T, label string, most int) []Point {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Point {
		p := Point{Created: int64(rapid.IntRange(0, 8).Draw(t, "created"))}
		p.ID[0], p.ID[31] = rapid.Byte().Draw(t, "high"), rapid.Byte().Draw(t, "low")
		return p
	}), 0, most, rapid.ID[Point]).Draw(t, label)
}

func indexOf(points []Point) index {
	var x index
	for _, p := range points {
		x.add(p)
	}
	return x
}

func TestIndexOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := somePoints(t, "points", 60)
		x := indexOf(points)
		if !slices.IsSortedFunc(x, Point.compare) || len(x) != len(points) {
			t.Fatalf("not in order: %v", x)
		}
		for _, p := range points {
			x.add(p) // again
		}
		shuffled := slices.Clone(points)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		y := indexOf(shuffled)
		if !slices.Equal(x, y) || x.fingerprint() != y.fingerprint() {
			t.Error("the order of adding shows")
		}
		for _, p := range shuffled {
			y.remove(p)
			y.remove(p)
		}
		if len(y) != 0 {
			t.Errorf("%d points are left", len(y))
		}
	})
}

// Any two different sets have different fingerprints.
func TestFingerprintDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := indexOf(somePoints(t, "one", 40)), indexOf(somePoints(t, "other", 40))
		ids := func(x index) []RumorID {
			list := listIDs(x, Point{}).IDs
			slices.SortFunc(list, func(a, b RumorID) int { return slices.Compare(a[:], b[:]) })
			return list
		}
		if same := slices.Equal(ids(x), ids(y)); (x.fingerprint() == y.fingerprint()) != same {
			t.Errorf("%v and %v: same IDs %v, same fingerprint %v", x, y, same, !same)
		}
	})
	// Sums that are equal by carrying over and by cancelling are told apart by
	// the number of rumors.
	var zero, one, ones Point
	one.ID[0] = 1
	for i := range ones.ID {
		ones.ID[i] = 255
	}
	sets := []index{{}, {zero}, {one, ones}, {one}, {zero, one}, {ones}}
	for i, x := range sets {
		for j, y := range sets {
			if (x.fingerprint() == y.fingerprint()) != (i == j) {
				t.Errorf("sets %d and %d are confused", i, j)
			}
		}
	}
}

func TestIndexUntil(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := indexOf(somePoints(t, "points", 40))
		ends := somePoints(t, "ends", 5)
		slices.SortFunc(ends, Point.compare)
		rest := x
		var parts index
		for _, end := range append(ends, Point{}) {
			var part index
			part, rest = rest.until(end)
			for _, p := range part {
				if end != (Point{}) && p.compare(end) >= 0 {
					t.Fatalf("%v lies before %v", p, end)
				}
			}
			parts = append(parts, part...)
		}
		// The zero point among the ends ends the order early, as a range does.
		if len(rest) != 0 || !slices.Equal(parts, x) {
			t.Errorf("the parts of %v are %v", x, parts)
		}
	})
}

// What divide says of a range is complete and in order.
func TestDivide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := indexOf(somePoints(t, "points", 200))
		parts := divide(x, Point{})
		if len(x) <= fewIDs {
			if len(parts) != 1 || parts[0].Mode != RangeIDs || len(parts[0].IDs) != len(x) {
				t.Fatalf("%d points give %v", len(x), parts)
			}
			return
		}
		if len(parts) != fanout || parts[fanout-1].End != (Point{}) {
			t.Fatalf("%d points give %d parts", len(x), len(parts))
		}
		rest := x
		for _, r := range parts {
			var mine index
			mine, rest = rest.until(r.End)
			if len(mine) == 0 || fingerprint(mine, r.End).Fingerprint != r.Fingerprint {
				t.Fatalf("a part up to %v has %d points", r.End, len(mine))
			}
		}
		if len(rest) != 0 {
			t.Errorf("%d points are in no part", len(rest))
		}
	})
}
