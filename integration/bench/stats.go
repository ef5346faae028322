package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
)

// summary is a figure over all repetitions.
type summary struct {
	Median, Min, Max float64
	N                int
}

func summarize(values []float64) summary {
	if len(values) == 0 {
		return summary{Median: math.NaN(), Min: math.NaN(), Max: math.NaN()}
	}
	slices.Sort(values)
	n := len(values)
	return summary{(values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1], n}
}

// results are all that were measured.
type results []result

func readResults(path string) (results, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all results
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
		all = append(all, r)
	}
	return all, lines.Err()
}

// of selects a group's results of a system.
func (rs results) of(group, system string) results {
	return rs.only(func(r *result) bool { return r.Group == group && r.Cell.System == system })
}

// where selects results by their cells.
func (rs results) where(keep func(*cell) bool) results {
	return rs.only(func(r *result) bool { return keep(&r.Cell) })
}

// group selects a group's results.
func (rs results) group(name string) results {
	return rs.only(func(r *result) bool { return r.Group == name })
}

// only selects results.
func (rs results) only(keep func(*result) bool) results {
	var some results
	for i := range rs {
		if keep(&rs[i]) {
			some = append(some, rs[i])
		}
	}
	return some
}

// figure sums up one figure of those that have it.
func (rs results) figure(name string) summary {
	var values []float64
	for _, r := range rs {
		if v, ok := r.Figures[name]; ok && r.Error == "" {
			values = append(values, v)
		}
	}
	return summarize(values)
}

// ratio is the median over the repetitions of one system's figure divided by the
// other's in the same repetition: what made the machine slow for one did so for
// both.
func (rs results) ratio(group, name, over, under string) float64 {
	below := make(map[int]float64)
	for _, r := range rs.of(group, under) {
		if v, ok := r.Figures[name]; ok && r.Error == "" {
			below[r.Repeat] = v
		}
	}
	var ratios []float64
	for _, r := range rs.of(group, over) {
		if v, ok := r.Figures[name]; ok && r.Error == "" && below[r.Repeat] != 0 {
			ratios = append(ratios, v/below[r.Repeat])
		}
	}
	return summarize(ratios).Median
}

// repeat selects the results of one repetition.
func (rs results) repeat(n int) results {
	return rs.only(func(r *result) bool { return r.Repeat == n })
}

// reached is the highest rate of one repetition that got through, below the
// lowest that did not; 0 = none. It is not ok before the next rate of the ladder
// has been tried, too: the search was interrupted.
func (rs results) reached() (rate float64, ok bool) {
	through := make(map[float64]bool) // the last word on each rate
	for _, r := range rs {
		if r.Error != errInterrupted.Error() {
			through[r.Cell.Rate] = r.getsThrough()
		}
	}
	fails := math.Inf(1)
	for v, fine := range through {
		if !fine {
			fails = min(fails, v)
		}
	}
	for v, fine := range through {
		if fine && v < fails {
			rate = max(rate, v)
		}
	}
	next := slices.Index(ladder, rate) + 1
	return rate, next == len(ladder) || fails == ladder[next]
}

// saturation is what a system reached in each repetition, summed up.
func (rs results) saturation(system string) summary {
	var values []float64
	some := rs.of("saturation", system)
	for _, n := range some.repeats() {
		if rate, ok := some.repeat(n).reached(); ok {
			values = append(values, rate)
		}
	}
	return summarize(values)
}

// repeats are the numbers of the repetitions that have results.
func (rs results) repeats() []int {
	seen := make(map[int]bool)
	for _, r := range rs {
		if r.Error == "" {
			seen[r.Repeat] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
