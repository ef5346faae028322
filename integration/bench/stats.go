package main

import (
	"bufio"
	"encoding/json"
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
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, lines.Err()
}

// of selects a group's results of a system.
func (rs results) of(group, system string) results {
	var some results
	for _, r := range rs {
		if r.Group == group && r.Cell.System == system {
			some = append(some, r)
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
	return rs.ratioOf(group, name, over, group, name, under)
}

func (rs results) ratioOf(group, name, over, group2, name2, under string) float64 {
	below := make(map[int]float64)
	for _, r := range rs.of(group2, under) {
		if v, ok := r.Figures[name2]; ok {
			below[r.Repeat] = v
		}
	}
	var ratios []float64
	for _, r := range rs.of(group, over) {
		if v, ok := r.Figures[name]; ok && below[r.Repeat] != 0 {
			ratios = append(ratios, v/below[r.Repeat])
		}
	}
	return summarize(ratios).Median
}

// saturation is the highest rate that got through in a repetition, summed up.
func (rs results) saturation(system string) summary {
	best := make(map[int]float64)
	for _, r := range rs.of("saturation", system) {
		if r.getsThrough() {
			best[r.Repeat] = max(best[r.Repeat], r.Cell.Rate)
		} else {
			best[r.Repeat] += 0
		}
	}
	var values []float64
	for _, v := range best {
		values = append(values, v)
	}
	return summarize(values)
}
