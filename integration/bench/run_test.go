package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"
)

// measuring is a run of two groups whose cells are not measured, but looked up.
func measuring(measure func(cell) (map[string]float64, error)) (*run, *bytes.Buffer) {
	out := new(bytes.Buffer)
	return &run{
		groups: []group{
			{Name: "main", Cells: each(base(), "hearsay", "gossipsub", "tree")},
			{Name: "growth", Cells: []cell{{Kind: "growth", System: "quiet", Hosts: 10}}},
		},
		repeat: 3, done: make(map[string]result), out: out, log: io.Discard, measure: measure,
	}, out
}

func parsed(t *testing.T, out *bytes.Buffer) (rs results) {
	t.Helper()
	for d := json.NewDecoder(out); ; {
		var r result
		if err := d.Decode(&r); err == io.EOF {
			return rs
		} else if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
}

// TestRun: each repetition has each cell once, with a seed of its own, and begins
// with another system; a group that is to be measured once is.
func TestRun(t *testing.T) {
	var order []string
	r, out := measuring(func(c cell) (map[string]float64, error) {
		order = append(order, fmt.Sprint(c.System, c.Seed))
		return map[string]float64{"p50_ms": float64(c.Seed)}, nil
	})
	if err := r.all(); err != nil {
		t.Fatal(err)
	}
	want := []string{"hearsay1", "gossipsub1", "tree1", "quiet1", "gossipsub2", "tree2", "hearsay2", "quiet2", "tree3", "hearsay3", "gossipsub3", "quiet3"}
	if !slices.Equal(order, want) {
		t.Errorf("measured %v, want %v", order, want)
	}
	rs := parsed(t, out)
	if s := rs.of("main", "hearsay").figure("p50_ms"); s != (summary{2, 1, 3, 3}) {
		t.Errorf("results have %+v", s)
	}
}

// TestFailedCell: a cell that fails is noted, costs the others nothing, and is
// measured again when the run is resumed, and nothing else is.
func TestFailedCell(t *testing.T) {
	r, out := measuring(func(c cell) (map[string]float64, error) {
		if c.System == "tree" && c.Seed == 2 {
			return map[string]float64{"p50_ms": 9}, errors.New("it broke")
		}
		return map[string]float64{"p50_ms": 1}, nil
	})
	if err := r.all(); err != nil {
		t.Fatal(err)
	}
	rs := parsed(t, out)
	if s := rs.of("main", "tree").figure("p50_ms"); len(rs) != 12 || s != (summary{1, 1, 1, 2}) {
		t.Errorf("%d results, tree has %+v", len(rs), s)
	}
	again := 0
	r, out = measuring(func(c cell) (map[string]float64, error) {
		if again++; c.System != "tree" || c.Seed != 2 {
			t.Errorf("%s is measured again", c.key())
		}
		return map[string]float64{"p50_ms": 5}, nil
	})
	r.resume(rs)
	if err := r.all(); err != nil || again != 1 {
		t.Errorf("%d cells were measured again, %v", again, err)
	}
	if more := parsed(t, out); len(more) != 1 || more[0].Repeat != 1 || more[0].Figures["p50_ms"] != 5 {
		t.Errorf("the results are %+v", more)
	}
}

// TestInterrupted: nothing is measured after an interruption, which is noted.
func TestInterrupted(t *testing.T) {
	count := 0
	r, out := measuring(func(c cell) (map[string]float64, error) {
		if count++; count == 3 {
			return nil, errInterrupted
		}
		return map[string]float64{}, nil
	})
	if err := r.all(); err != errInterrupted {
		t.Errorf("the run ended with %v", err)
	}
	if rs := parsed(t, out); count != 3 || len(rs) != 3 || rs[2].Error != errInterrupted.Error() {
		t.Errorf("%d were measured, the results are %+v", count, rs)
	}
}

// TestClimbing: a run finds the highest rate of each repetition, begins the next
// with it, and resumes without measuring a rate again.
func TestClimbing(t *testing.T) {
	tops := map[uint64]float64{1: 750, 2: 750, 3: 300}
	tried := make(map[uint64]int)
	r, out := measuring(nil)
	r.groups = []group{{Name: "saturation", Climb: true, Cells: saturation()[:1]}}
	r.measure = func(c cell) (map[string]float64, error) {
		tried[c.Seed]++
		in := 1.0
		if c.Rate > tops[c.Seed] {
			in = 0.5
		}
		return map[string]float64{"delivered_in_1s": in, "published_per_s": c.Rate}, nil
	}
	if err := r.all(); err != nil {
		t.Fatal(err)
	}
	rs := parsed(t, out)
	if s := rs.saturation("hearsay"); s != (summary{750, 300, 750, 3}) {
		t.Errorf("reached %+v", s)
	}
	if tried[2] != 2 {
		t.Errorf("the second repetition took %d tries although the first knew", tried[2])
	}
	again, _ := measuring(func(c cell) (map[string]float64, error) {
		t.Errorf("%v a second is measured again", c.Rate)
		return nil, errInterrupted
	})
	again.groups = r.groups
	again.resume(rs)
	if err := again.all(); err != nil {
		t.Error(err)
	}
}

// TestReached: a search counts once it is over, a rate that was measured again by
// its last word, and an interruption not at all.
func TestReached(t *testing.T) {
	try := func(rate, in float64, err string) result {
		return result{Cell: cell{Rate: rate}, Figures: map[string]float64{"delivered_in_1s": in, "published_per_s": rate}, Error: err}
	}
	last := ladder[len(ladder)-1]
	for _, c := range []struct {
		rs   results
		want float64
		ok   bool
	}{
		{results{try(300, 1, ""), try(400, 0.5, "")}, 300, true},
		{results{try(300, 1, ""), try(500, 0.5, "")}, 300, false},
		{results{try(300, 1, "")}, 300, false},
		{results{try(300, 0.5, "")}, 0, false},
		{results{try(300, 1, ""), try(400, 0, "interrupted")}, 300, false},
		{results{try(300, 1, ""), try(400, 0, "it broke")}, 300, true},
		{results{try(300, 1, ""), try(400, 0, "it broke"), try(400, 1, ""), try(500, 0.9, "")}, 400, true},
		{results{try(300, 0.5, ""), try(400, 1, ""), try(200, 1, "")}, 200, true},
		{results{try(ladder[0], 0.5, "")}, 0, true},
		{results{try(last, 1, "")}, last, true},
	} {
		if got, ok := c.rs.reached(); got != c.want || ok != c.ok {
			t.Errorf("%v of %+v: %v, %v", c.want, c.rs, got, ok)
		}
	}
}

// TestGetsThrough: 99.9 % within a second, of what was to be published.
func TestGetsThrough(t *testing.T) {
	for _, c := range []struct {
		in, rate float64
		err      string
		want     bool
	}{{0.999, 98, "", true}, {0.9989, 100, "", false}, {1, 97.9, "", false}, {1, 100, "broken", false}} {
		r := result{Cell: cell{Rate: 100}, Figures: map[string]float64{"delivered_in_1s": c.in, "published_per_s": c.rate}, Error: c.err}
		if got := r.getsThrough(); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestPlan: every cell is possible, has time enough, is in one group only once,
// and five repetitions fit into 75 minutes.
func TestPlan(t *testing.T) {
	names := make(map[string]bool)
	for _, g := range plan() {
		if names[g.Name] {
			t.Errorf("two groups are named %s", g.Name)
		}
		names[g.Name] = true
		seen := make(map[string]bool)
		for _, c := range g.Cells {
			if err := c.check(); err != nil {
				t.Errorf("%s, %s: %v", g.Name, c.System, err)
			}
			if seen[c.key()] {
				t.Errorf("%s has %s twice", g.Name, c.key())
			}
			seen[c.key()] = true
			if c.limit() < c.takes()+time.Minute {
				t.Errorf("%s: %v is no limit for %v", g.Name, c.limit(), c.takes())
			}
		}
	}
	if _, takes := planned(plan(), 5); takes > 90*time.Minute {
		t.Errorf("five repetitions take %v", takes)
	}
	if _, err := chosen(plan(), "main,nonsense"); err == nil {
		t.Error("a group that there is not is chosen")
	}
	if some, err := chosen(plan(), "api,main"); err != nil || len(some) != 2 || some[0].Name != "api" {
		t.Errorf("chosen are %v, %v", some, err)
	}
}

// TestComplaint: a panic is told rather than the end of its stack.
func TestComplaint(t *testing.T) {
	if s := complaint("a log line\npanic: nil map\n\ngoroutine 1\nexit status 2\n"); s != "panic: nil map" {
		t.Error(s)
	}
	if s := complaint("a log line\nbench: nothing was delivered\n"); s != "bench: nothing was delivered" {
		t.Error(s)
	}
}
