package maelstrom

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestSetFull holds the verdicts against small histories whose outcome follows
// from the definitions in jepsen.checker/set-full.
func TestSetFull(t *testing.T) {
	const ms = time.Millisecond
	// Operations take no time unless until says so.
	type op struct {
		at, until time.Duration
		add       bool
		values    []int64 // read, or the one that is added
	}
	add := func(at time.Duration, v int64) op { return op{at: at, until: at, add: true, values: []int64{v}} }
	read := func(at time.Duration, values ...int64) op { return op{at: at, until: at, values: values} }
	for _, test := range []struct {
		name string
		ops  []op
		want string
	}{
		{"nothing", nil, "valid false: 0 stable, 0 stale, 0 lost, 0 never read, 0 duplicated []"},
		{"at once", []op{add(0, 1), read(10*ms, 1)}, "valid true: 1 stable, 0 stale, 0 lost, 0 never read, 0 duplicated [0 0 0 0 0]"},
		// The time from the add to the last read that lacked it.
		{"late", []op{add(0, 1), read(30 * ms), read(70 * ms), read(80*ms, 1)}, "valid true: 1 stable, 1 stale, 0 lost, 0 never read, 0 duplicated [70 70 70 70 70]"},
		{"comes and goes", []op{add(0, 1), read(10*ms, 1), read(20 * ms), read(30*ms, 1)}, "valid true: 1 stable, 1 stale, 0 lost, 0 never read, 0 duplicated [20 20 20 20 20]"},
		{"gone", []op{add(0, 1), read(10*ms, 1), read(20 * ms)}, "valid false: 0 stable, 0 stale, 1 lost, 0 never read, 0 duplicated []"},
		{"never seen", []op{add(0, 1), read(10 * ms)}, "valid false: 0 stable, 0 stale, 1 lost, 0 never read, 0 duplicated []"},
		// The read began before the add was complete: it may have come first.
		{"concurrent", []op{{at: 0, until: 20 * ms, add: true, values: []int64{1}}, read(10 * ms)}, "valid false: 0 stable, 0 stale, 0 lost, 1 never read, 0 duplicated []"},
		{"unread", []op{add(0, 1), read(10*ms, 1), add(20*ms, 2)}, "valid true: 1 stable, 0 stale, 0 lost, 1 never read, 0 duplicated [0 0 0 0 0]"},
		// Seen before the add was complete: known from then on.
		{"seen early", []op{{at: 0, until: 90 * ms, add: true, values: []int64{1}}, read(10*ms, 1), read(40 * ms), read(95*ms, 1)},
			"valid true: 1 stable, 1 stale, 0 lost, 0 never read, 0 duplicated [30 30 30 30 30]"},
		{"twice", []op{add(0, 1), read(10*ms, 1, 1)}, "valid false: 1 stable, 0 stale, 0 lost, 0 never read, 1 duplicated [0 0 0 0 0]"},
	} {
		h := record(test.ops, func(o op) (time.Duration, time.Duration, bool, []int64) { return o.at, o.until, o.add, o.values })
		v := h.judge()
		got := fmt.Sprintf("valid %v: %d stable, %d stale, %d lost, %d never read, %d duplicated %v", v.Valid, v.Stable, v.Stale, v.Lost, v.NeverRead, v.Duplicated, v.StableMS)
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
		if v.Attempts != v.Stable+v.Lost+v.NeverRead {
			t.Errorf("%s: %d attempts are %d stable, %d lost and %d never read", test.name, v.Attempts, v.Stable, v.Lost, v.NeverRead)
		}
	}
}

// record makes a history of operations: their beginnings and ends get their
// indices in the order of time.
func record[T any](ops []T, read func(T) (at, until time.Duration, add bool, values []int64)) *history {
	type moment struct {
		at   time.Duration
		ends bool
		op   int
	}
	var all []moment
	for i, o := range ops {
		at, until, _, _ := read(o)
		all = append(all, moment{at, false, i}, moment{until, true, i})
	}
	slices.SortStableFunc(all, func(a, b moment) int { return int(a.at - b.at) })
	h := new(history)
	began := make(map[int]int)
	for index, m := range all {
		at, until, isAdd, values := read(ops[m.op])
		switch {
		case !m.ends && isAdd:
			h.adds = append(h.adds, add{value: values[0]})
		case !m.ends:
			began[m.op] = index
		case isAdd:
			i := slices.IndexFunc(h.adds, func(a add) bool { return a.value == values[0] })
			h.adds[i] = add{values[0], true, index, until}
		default:
			h.reads = append(h.reads, observation{at, until, began[m.op], index, values})
		}
	}
	return h
}

// TestDistribution: the points are those of jepsen.checker/frequency-distribution.
func TestDistribution(t *testing.T) {
	var hundred []int64
	for i := range int64(100) {
		hundred = append(hundred, i)
	}
	for _, test := range []struct{ in, want []int64 }{
		{nil, nil},
		{[]int64{7}, []int64{7, 7, 7, 7, 7}},
		{[]int64{1, 2}, []int64{1, 2, 2, 2, 2}},
		{hundred, []int64{0, 50, 95, 99, 99}},
	} {
		if got := distribution(test.in); !slices.Equal(got, test.want) {
			t.Errorf("of %d latencies: %v, want %v", len(test.in), got, test.want)
		}
	}
}
