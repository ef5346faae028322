package main

import (
	"strings"
	"testing"
)

func verdictOf(t *testing.T, key string, rs results) verdict {
	t.Helper()
	for _, g := range goals() {
		if g.Key == key {
			return g.judge(rs)
		}
	}
	t.Fatalf("there is no goal %s", key)
	return verdict{}
}

// TestGoals: each goal of made-up results, and what it says when a figure of
// Hearsay's is so much worse, or not there.
func TestGoals(t *testing.T) {
	worse := func(group, system, figure string, factor float64) func(*result) {
		return func(r *result) {
			if v, ok := r.Figures[figure]; ok && r.Group == group && r.Cell.System == system {
				r.Figures[figure] = v*factor + map[bool]float64{true: 1}[v == 0]
			}
		}
	}
	for _, c := range []struct {
		key, figure string
		holds       bool
		change      func(*result) // turns the verdict round
	}{
		{"duplicates", "0.05", true, worse("main", "hearsay", "duplicates_per_delivery", 3)},
		{"wire", "1.3, 0.46 × gossipsub", false, worse("main", "gossipsub", "wire_bytes_per_payload_byte", 3)},
		{"cpu", "0.17 × gossipsub, 1.25 × tree", true, worse("main", "tree", "cpu_s_per_1000", 0.5)},
		{"latency", "0.17 and 0.17 × gossipsub", true, worse("main", "hearsay", "p99_ms", 3)},
		{"kill", "0.17 × gossipsub, 99.998 % delivered", false, worse("kill", "hearsay", "delivered", 1.1)},
		{"slow", "0.1 and 0.1 × flood", true, worse("slow", "hearsay", "p99_ms", 12)},
		{"slow-few", "0.1 and 0.1 × flood", true, worse("few", "hearsay", "p50_ms", 12)},
		{"saturation", "1500/s: 7.5 × gossipsub, 0.75 × tree", false, func(r *result) {
			if r.Group == "saturation" && r.Cell.System == "tree" && r.Cell.Rate > 1500 {
				r.Figures["delivered_in_1s"] = 0.5
			}
		}},
		{"memory", "0.69 × gossipsub", true, worse("hundred", "hearsay", "resident_mb", 1.1)},
		{"join", "0.2 × memberlist", true, worse("members", "hearsay", "join_ms", 2)},
		{"leave", "0.025 × serf", true, worse("members", "hearsay", "leave_ms", 9)},
		{"death", "1000 ms", true, worse("members", "hearsay", "kill_ms", 5.1)},
		{"api-one", "2.5 ×", true, worse("api", "hearsay", "one_node_ratio", 1.3)},
		{"api-two", "4 ×", false, worse("api", "hearsay", "two_nodes_ratio", 0.7)},
		{"large", "0", true, func(r *result) {
			if r.Repeat == 2 { // once is too often
				worse("large", "hearsay", "carried_twice", 1)(r)
			}
		}},
		{"allocations", "32, of these 8 in the core; a bare libp2p host 16", false, worse("relay", "relay", "allocs_per_relayed", 0.6)},
		{"work", "1.38 ×, 0.99 linear; 16.4 million hashes a second on one core", true, worse("work", "work", "pow_linearity", 0.9)},
	} {
		rs := madeUp()
		if v := verdictOf(t, c.key, rs); v != (verdict{c.figure, c.holds}) {
			t.Errorf("%s: %+v, want %q and %v", c.key, v, c.figure, c.holds)
		}
		for i := range rs {
			c.change(&rs[i])
		}
		if v := verdictOf(t, c.key, rs); v.Holds == c.holds || v.Figure == "" {
			t.Errorf("%s, changed: %+v", c.key, v)
		}
		if v := verdictOf(t, c.key, nil); v != (verdict{}) {
			t.Errorf("%s of nothing: %+v", c.key, v)
		}
	}
}

// TestGoalsAreReported: none is left out, whatever was measured.
func TestGoalsAreReported(t *testing.T) {
	for _, rs := range []results{madeUp(), madeUp()[:1]} {
		text := string(report(rs, nil))
		for _, g := range goals() {
			if !strings.Contains(text, "| "+g.Name+" | "+g.Want+" |") {
				t.Errorf("the goal about %s is left out", g.Key)
			}
		}
	}
}
