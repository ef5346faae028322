package scenario

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write library/baseline.json anew")

// TestLibrary runs the scenarios of the library that are small enough and holds
// them against the baseline. After a change that is meant to show in it:
//
//	go test ./node/gossip/sim/scenario -run TestLibrary -rewrite
//
// With HEARSAY_LONG the long ones run, too.
func TestLibrary(t *testing.T) {
	const path = "library/baseline.json"
	files, err := filepath.Glob("library/*.scenario")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	baseline, err := LoadBaseline(path)
	if *rewrite && errors.Is(err, fs.ErrNotExist) {
		baseline, err = make(Baseline), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, file := range files {
		s, err := Load(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Title == "" {
			t.Errorf("%s has no title", file)
		}
		for _, v := range s.Variants {
			key := (&Result{Scenario: v.Scenario, Variant: v.Name, Seed: 1}).Key()
			known[key] = true
			if s.Long && os.Getenv("HEARSAY_LONG") == "" || short {
				continue
			}
			res, err := v.Run(1)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, f := range res.Failures {
				t.Errorf("%s: %s", res.Key(), f)
			}
			if *rewrite {
				baseline[res.Key()] = res.Figures
				continue
			}
			differences, err := baseline.Compare(res)
			if err != nil {
				t.Error(err)
			}
			for _, d := range differences {
				if d.Worse {
					t.Error(d)
				} else {
					t.Log(d)
				}
			}
		}
	}
	for key := range baseline {
		if !known[key] {
			t.Errorf("the baseline has %s, which is no scenario", key)
		}
	}
	if *rewrite {
		if err := baseline.Save(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCompare: each figure knows which way is worse, and what is chance.
func TestCompare(t *testing.T) {
	was := Figures{Published: 10, Deliveries: 1000, Delivery: 1, Redundancy: 0.2, BytesPerByte: 5, MessagesPerDelivery: 4, Stretch: 1.2, Hops: 5, P50: 100, P95: 200, P99: 300, Max: 400, Settled: 5000}
	for _, test := range []struct {
		change func(f *Figures)
		want   string
	}{
		{func(*Figures) {}, ""},
		{func(f *Figures) { f.Missing = 1 }, "s/v#1: missing is 1, was 0: worse"},
		{func(f *Figures) { f.Violations = 1 }, "s/v#1: violations is 1, was 0: worse"},
		{func(f *Figures) { f.Components = 1 }, "s/v#1: components is 1, was 0: worse"},
		{func(f *Figures) { f.Delivery = 0.9996 }, ""},
		{func(f *Figures) { f.Delivery = 0.999 }, "s/v#1: delivery is 99.90%, was 100.00%: worse"},
		{func(f *Figures) { f.Redundancy = 0.215 }, ""},
		{func(f *Figures) { f.Redundancy = 0.3 }, "s/v#1: redundancy is 0.30, was 0.20: worse"},
		{func(f *Figures) { f.Redundancy = 0.1 }, "s/v#1: redundancy is 0.10, was 0.20: better"},
		{func(f *Figures) { f.BytesPerByte = 6 }, "s/v#1: bytes_per_byte is 6.00, was 5.00: worse"},
		{func(f *Figures) { f.MessagesPerDelivery = 3 }, "s/v#1: messages_per_delivery is 3.00, was 4.00: better"},
		{func(f *Figures) { f.Stretch = 1.6 }, "s/v#1: stretch is 1.60, was 1.20: worse"},
		{func(f *Figures) { f.Hops = 7 }, "s/v#1: hops is 7.0, was 5.0: worse"},
		{func(f *Figures) { f.P50 = 109 }, ""},
		{func(f *Figures) { f.P50 = 111 }, "s/v#1: p50 is 111ms, was 100ms: worse"},
		{func(f *Figures) { f.Max = 50 }, "s/v#1: max is 50ms, was 400ms: better"},
		{func(f *Figures) { f.Settled = 6000 }, ""},
		{func(f *Figures) { f.Settled = 20000 }, "s/v#1: settled is 20.0s, was 5000ms: worse"},
		{func(f *Figures) { f.Settled = -1 }, "s/v#1: settled is never, was 5000ms: worse"},
		// The scenario's own figures must not change at all unnoticed.
		{func(f *Figures) { f.Deliveries = 1200 }, "s/v#1: deliveries is 1200, was 1000: worse"},
		{func(f *Figures) { f.Published = 9 }, "s/v#1: published is 9, was 10: worse"},
	} {
		r := &Result{Scenario: "s", Variant: "v", Seed: 1, Figures: was}
		test.change(&r.Figures)
		all, err := Baseline{"s/v#1": was}.Compare(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(fmt.Sprintln(differences(all)...), "\n"); got != test.want {
			t.Errorf("%+v:\n got %s\nwant %s", r.Figures, got, test.want)
		}
	}
	if _, err := (Baseline{}).Compare(&Result{Scenario: "s", Seed: 2}); !errors.Is(err, ErrNotInBaseline) || !strings.Contains(err.Error(), "s#2") {
		t.Errorf("of what is not in it: %v", err)
	}
}

func differences(all []Difference) []any {
	var lines []any
	for _, d := range all {
		lines = append(lines, d)
	}
	return lines
}

// TestBaselineFile: what is saved is loaded, and what is none is not.
func TestBaselineFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.json")
	if _, err := LoadBaseline(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no file: %v", err)
	}
	b := Baseline{"a#1": {Deliveries: 3, P99: 1.5, Settled: -1}, "b#1": {}}
	if err := b.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := LoadBaseline(path)
	if err != nil || len(again) != 2 || again["a#1"] != b["a#1"] {
		t.Errorf("%v, %v", again, err)
	}
	for _, text := range []string{"", "{", `{"a#1":{"latency":3}}`, "[]"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadBaseline(path); err == nil {
			t.Errorf("%q is taken for a baseline", text)
		}
	}
}

// TestTable: columns stand under their heads, and what is not measured is a dash.
func TestTable(t *testing.T) {
	var b strings.Builder
	err := WriteTable(&b, []*Result{
		{Scenario: "steady", Seed: 1, Figures: Figures{Deliveries: 190, Delivery: 0.99999, Redundancy: 0.126, BytesPerByte: 6.5, MessagesPerDelivery: 3, Stretch: 1.25, Hops: 4, P50: 80, P95: 120, P99: 150.4, Max: 12345, Settled: -1, Missing: 2}},
		{Scenario: "crash", Variant: "50%", Seed: 1, Figures: Figures{Violations: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"scenario deliveries delivered missing dup/del B/B msg/del stretch hops p50 p95 p99 max settled violations",
		"steady#1 190 99.99% 2 0.13 6.50 3.00 1.25 4.0 80ms 120ms 150ms 12.3s never 0",
		"crash/50%#1 - - - - - - - - - - - - - 3",
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", b.String())
	}
}
