package scenario

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write library/baseline.json anew")

// TestLibrary runs the scenarios of the library that are not long and holds them
// against the baseline. After a change that is meant to show in it:
//
//	go test ./node/gossip/sim/scenario -run TestLibrary -rewrite
//
// The long ones are for gossipsim compare.
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
	seeds := uint64(1)
	if *rewrite {
		seeds = BaselineSeeds
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
			known[(&Result{Scenario: v.Scenario, Variant: v.Name}).Name()] = true
			if s.Long || short {
				continue
			}
			var results []*Result
			for seed := range seeds {
				res, err := v.Run(t.Context(), 1+seed)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range res.Failures {
					t.Errorf("%s: %s", res.Key(), f)
				}
				results = append(results, res)
			}
			if *rewrite {
				baseline.Replace(results)
				continue
			}
			differences, err := baseline.Compare(results[0])
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
	for name := range baseline {
		if !known[name] {
			t.Errorf("the baseline has %s, which is no scenario", name)
		}
	}
	if *rewrite {
		if err := baseline.Save(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCompare: each figure knows which way is worse, and what lies in the band of
// several seeds, or a little beyond, is chance.
func TestCompare(t *testing.T) {
	was := Figures{Published: 10, Deliveries: 1000, Delivery: 1, Redundancy: 0.2, BytesPerByte: 5, MessagesPerDelivery: 4, Stretch: 1.2, Hops: 5, P50: 100, P95: 200, P99: 300, Max: 400, Settled: 5000}
	other := was
	other.P50, other.Redundancy = 150, 0.3
	b := make(Baseline)
	b.Replace([]*Result{{Scenario: "s", Variant: "v", Seed: 1, Figures: was}, {Scenario: "s", Variant: "v", Seed: 2, Figures: other}})
	for _, test := range []struct {
		change func(f *Figures)
		want   string
	}{
		{func(*Figures) {}, ""},
		{func(f *Figures) { f.Missing = 1 }, "s/v#3: missing is 1, was 0: worse"},
		{func(f *Figures) { f.Violations = 1 }, "s/v#3: violations is 1, was 0: worse"},
		{func(f *Figures) { f.Components = 1 }, "s/v#3: components is 1, was 0: worse"},
		{func(f *Figures) { f.Delivery = 0.9996 }, ""},
		{func(f *Figures) { f.Delivery = 0.999 }, "s/v#3: delivery is 99.90%, was 100.00%: worse"},
		{func(f *Figures) { f.Redundancy = 0.32 }, ""},
		{func(f *Figures) { f.Redundancy = 0.4 }, "s/v#3: redundancy is 0.40, was 0.20 to 0.30: worse"},
		{func(f *Figures) { f.Redundancy = 0.1 }, "s/v#3: redundancy is 0.10, was 0.20 to 0.30: better"},
		{func(f *Figures) { f.BytesPerByte = 6 }, "s/v#3: bytes_per_byte is 6.00, was 5.00: worse"},
		{func(f *Figures) { f.MessagesPerDelivery = 3 }, "s/v#3: messages_per_delivery is 3.00, was 4.00: better"},
		{func(f *Figures) { f.Stretch = 1.6 }, "s/v#3: stretch is 1.60, was 1.20: worse"},
		{func(f *Figures) { f.Hops = 7 }, "s/v#3: hops is 7.0, was 5.0: worse"},
		{func(f *Figures) { f.P50 = 140 }, ""},
		{func(f *Figures) { f.P50 = 164 }, ""},
		{func(f *Figures) { f.P50 = 166 }, "s/v#3: p50 is 166ms, was 100ms to 150ms: worse"},
		{func(f *Figures) { f.Max = 50 }, "s/v#3: max is 50ms, was 400ms: better"},
		{func(f *Figures) { f.Settled = 6000 }, ""},
		{func(f *Figures) { f.Settled = 20000 }, "s/v#3: settled is 20.0s, was 5000ms: worse"},
		{func(f *Figures) { f.Settled = -1 }, "s/v#3: settled is never, was 5000ms: worse"},
		// The scenario's own figures must not change at all unnoticed.
		{func(f *Figures) { f.Deliveries = 1200 }, "s/v#3: deliveries is 1200, was 1000: worse"},
		{func(f *Figures) { f.Published = 9 }, "s/v#3: published is 9, was 10: worse"},
	} {
		r := &Result{Scenario: "s", Variant: "v", Seed: 3, Figures: was}
		test.change(&r.Figures)
		all, err := b.Compare(r)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, d := range all {
			lines = append(lines, d.String())
		}
		if got := strings.Join(lines, "\n"); got != test.want {
			t.Errorf("%+v:\n got %s\nwant %s", r.Figures, got, test.want)
		}
	}
	if _, err := b.Compare(&Result{Scenario: "s", Seed: 2}); !errors.Is(err, ErrNotInBaseline) || !strings.Contains(err.Error(), "s: ") {
		t.Errorf("of what is not in it: %v", err)
	}
	delete(b["s/v"], "p99")
	if _, err := b.Compare(&Result{Scenario: "s", Variant: "v"}); !errors.Is(err, ErrNotInBaseline) || !strings.Contains(err.Error(), "p99") {
		t.Errorf("of a figure that is not in it: %v", err)
	}
	was.Settled = -1
	b.Replace([]*Result{{Scenario: "s", Variant: "v", Figures: was}})
	if all, err := b.Compare(&Result{Scenario: "s", Variant: "v", Figures: was}); err != nil || len(all) > 0 {
		t.Errorf("what never settled did not: %v, %v", all, err)
	}
}

// TestBaselineFile: what is saved is loaded, and what is none is not.
func TestBaselineFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.json")
	if _, err := LoadBaseline(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no file: %v", err)
	}
	b := make(Baseline)
	b.Replace([]*Result{
		{Scenario: "b", Seed: 1, Figures: Figures{P99: 1.5, Settled: -1}},
		{Scenario: "b", Seed: 2, Figures: Figures{P99: 0.5}},
		{Scenario: "a", Variant: "50%"},
	})
	if err := b.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := LoadBaseline(path)
	if err != nil || !reflect.DeepEqual(again, b) || again["b"]["p99"] != (Band{0.5, 1.5}) || again["b"]["settled"] != (Band{0, -1}) {
		t.Errorf("%v, %v; want %v", again, err, b)
	}
	for _, text := range []string{"", "{", `{"a":{"latency":[1,2]}}`, `{"a":{"p99":1}}`, "[]"} {
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
