package maelstrom

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"
)

func run(t *testing.T, trial Trial) Report {
	t.Helper()
	r, err := Run(t.Context(), trial)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.2f messages per operation, stable after %v ms, %d stale, %d lost of %d; %d acknowledgements and %d repeats of %d; frames %v",
		r.PerOperation, r.StableMS, r.Stale, r.Lost, r.Attempts, r.Sent.Acks, r.Sent.Repeats, r.Messages, r.Sent.Frames)
	if !r.Valid || r.Failed > 0 {
		t.Errorf("%+v, %d operations failed", r.Verdict, r.Failed)
	}
	if uint64(r.Messages) != r.Sent.Datagrams {
		t.Errorf("%d messages arrived in the network, nodes counted %d", r.Messages, r.Sent.Datagrams)
	}
	return r
}

// TestProfiles: the goals for 25 nodes, 100 ms and 100 operations a second, and
// the one beyond them: the first one's latencies at the second one's price.
func TestProfiles(t *testing.T) {
	for _, test := range []struct {
		name        string
		node        func() Config
		messages    float64
		median, max int64
	}{
		{"low latency", LowLatency, 20, 400, 600},
		{"low traffic", LowTraffic, 8, 1000, 2000},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := run(t, StandardTrial("tree4", test.node))
			if r.PerOperation >= test.messages || r.StableMS[1] >= test.median || r.StableMS[4] >= test.max {
				t.Errorf("%.2f messages per operation, median %d ms, most %d ms; must be below %v, %d and %d",
					r.PerOperation, r.StableMS[1], r.StableMS[4], test.messages, test.median, test.max)
			}
			if r.Sent.Repeats > 24 {
				t.Errorf("%d datagrams were repeated in a network that loses nothing; one opens each of 24 links", r.Sent.Repeats)
			}
		})
	}
}

// TestFaults: nothing is lost for good, whatever the network does.
func TestFaults(t *testing.T) {
	for name, change := range map[string]func(*Trial){
		"halves": func(t *Trial) { t.Cuts = []Cut{{2 * time.Second, 6 * time.Second, Halves(25)}} },
		// So long that cores give up the links.
		"long halves": func(t *Trial) {
			t.Duration, t.Cuts = 28*time.Second, []Cut{{2 * time.Second, 18 * time.Second, Halves(25)}}
		},
		"one": func(t *Trial) { t.Cuts = []Cut{{2 * time.Second, 8 * time.Second, One(25)}} },
		"rings": func(t *Trial) {
			t.Cuts = []Cut{{0, 3 * time.Second, Ring(25)}, {4 * time.Second, 8 * time.Second, Ring(25)}}
		},
		"loss":       func(t *Trial) { t.Loss = 0.03 },
		"reordering": func(t *Trial) { t.Spread = 300 * time.Millisecond },
		"grid":       func(t *Trial) { t.Topology, t.Cuts = "grid", []Cut{{2 * time.Second, 6 * time.Second, Halves(25)}} },
	} {
		t.Run(name, func(t *testing.T) {
			trial := StandardTrial("tree4", LowTraffic)
			trial.Duration, trial.Rate = 10*time.Second, 40
			change(&trial)
			run(t, trial)
		})
	}
}

// TestSameTrialSameReport: a trial is reproducible, and the seed decides it.
func TestSameTrialSameReport(t *testing.T) {
	trial := StandardTrial("tree3", nil)
	trial.Nodes, trial.Duration, trial.Spread, trial.Loss = 10, 3*time.Second, 50*time.Millisecond, 0.02
	a, b := run(t, trial), run(t, trial)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("the same trial gives %+v, then %+v", a, b)
	}
	trial.Seed++
	if c := run(t, trial); reflect.DeepEqual(a, c) {
		t.Error("two seeds give the same report")
	}
}

// TestTopologies: they are what Maelstrom makes of their names.
func TestTopologies(t *testing.T) {
	for _, test := range []struct {
		name  string
		node  int
		among []int
		edges int
	}{
		{"grid", 12, []int{7, 11, 13, 17}, 40},
		{"grid", 0, []int{1, 5}, 40},
		{"grid", 24, []int{19, 23}, 40},
		{"line", 3, []int{2, 4}, 24},
		{"tree2", 3, []int{1, 7, 8}, 24},
		{"tree4", 1, []int{0, 5, 6, 7, 8}, 24},
		{"total", 24, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}, 300},
	} {
		all, err := neighbours(test.name, 25)
		if err != nil {
			t.Fatal(err)
		}
		ends := 0
		for _, list := range all {
			ends += len(list)
		}
		slices.Sort(all[test.node])
		if !slices.Equal(all[test.node], test.among) || ends != 2*test.edges {
			t.Errorf("%s: node %d has neighbours %v of %d edges, want %v of %d", test.name, test.node, all[test.node], ends/2, test.among, test.edges)
		}
	}
	if _, err := Run(t.Context(), StandardTrial("star", nil)); err == nil {
		t.Error("there is no topology star")
	}
	for _, n := range []int{0, -1} {
		none := StandardTrial("tree4", nil)
		none.Nodes = n
		if _, err := Run(t.Context(), none); err == nil {
			t.Errorf("a trial of %d nodes", n)
		}
	}
}

// TestInterrupted: a trial ends with its context, whatever it is about to do.
func TestInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	trial := StandardTrial("tree4", nil)
	lines := 0
	trial.Tap = func(time.Duration, []byte) {
		if lines++; lines == 1000 {
			interrupt()
		}
	}
	if _, err := Run(ctx, trial); !errors.Is(err, context.Canceled) || lines > 1100 {
		t.Errorf("%v after %d lines", err, lines)
	}
}
