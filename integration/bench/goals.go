package main

import "fmt"

// goal is something to reach, and how far it was reached.
type goal struct {
	Name, Want string
	// reached is the figure in words and whether it is good enough; the figure is
	// "" where there are no results.
	reached func(results) (figure string, ok bool)
}

// atMost is a goal for a figure of Hearsay's.
func atMost(group, figure string, limit float64, unit string) func(results) (string, bool) {
	return func(rs results) (string, bool) {
		s := rs.of(group, "hearsay").figure(figure)
		if s.N == 0 {
			return "", false
		}
		return number(s.Median) + unit, s.Median <= limit
	}
}

// ratios is a goal for the ratios of some figures to those of another system.
func ratios(group, other string, limits ...limit) func(results) (string, bool) {
	return func(rs results) (string, bool) {
		text, ok := "", true
		for _, l := range limits {
			r := rs.ratio(group, l.figure, "hearsay", other)
			if r != r {
				return "", false
			}
			if text != "" {
				text += " and "
			}
			text += number(r)
			ok = ok && (l.atLeast && r >= l.to || !l.atLeast && r <= l.to)
		}
		return text + " × " + other, ok
	}
}

type limit struct {
	figure  string
	to      float64
	atLeast bool
}

func both(a, b func(results) (string, bool)) func(results) (string, bool) {
	return func(rs results) (string, bool) {
		s, ok := a(rs)
		t, fine := b(rs)
		if s == "" || t == "" {
			return "", false
		}
		return s + ", " + t, ok && fine
	}
}

func goals() []goal {
	return []goal{
		{"duplicates per delivery", "≤ 0.1", atMost("main", "duplicates_per_delivery", 0.1, "")},
		{"wire bytes per delivered payload byte", "≤ 1.5 and ≤ 0.2 × gossipsub",
			both(atMost("main", "wire_bytes_per_payload_byte", 1.5, ""), ratios("main", "gossipsub", limit{"wire_bytes_per_payload_byte", 0.2, false}))},
		{"processor time per delivery", "≤ 0.33 × gossipsub, ≤ 1.5 × tree",
			both(ratios("main", "gossipsub", limit{"cpu_s_per_1000", 0.33, false}), ratios("main", "tree", limit{"cpu_s_per_1000", 1.5, false}))},
		{"latency p50 and p99, loopback", "≤ 0.6 and ≤ 0.4 × gossipsub", ratios("main", "gossipsub", limit{"p50_ms", 0.6, false}, limit{"p99_ms", 0.4, false})},
		{"latency p99 while a quarter of the hosts is killed", "≤ 2 × gossipsub, all delivered",
			both(ratios("kill", "gossipsub", limit{"p99_ms", 2, false}), func(rs results) (string, bool) {
				s := rs.of("kill", "hearsay").figure("delivered")
				if s.N == 0 {
					return "", false
				}
				return fmt.Sprintf("%.3f %% delivered", 100*s.Min), s.Min >= 1
			})},
		{"latency p50 and p99, links of 20 ms", "≤ 1.15 × flood", ratios("slow", "flood", limit{"p50_ms", 1.15, false}, limit{"p99_ms", 1.15, false})},
		{"the same, five hosts publish", "≤ 1.15 × flood", ratios("few", "flood", limit{"p50_ms", 1.15, false}, limit{"p99_ms", 1.15, false})},
		{"saturation, 20 hosts", "≥ 5 × gossipsub, ≥ 0.8 × tree", saturated},
		{"memory, 100 hosts in one process", "≤ 0.7 × gossipsub", ratios("hundred", "gossipsub", limit{"resident_mb", 0.7, false})},
		{"joining, 50 nodes, until all know all", "≤ 0.3 × memberlist", ratios("members", "memberlist", limit{"join_ms", 0.3, false})},
		{"a leave known everywhere", "≤ 0.2 × serf", ratios("members", "serf", limit{"leave_ms", 0.2, false})},
		{"ANNOUNCE to NOTIFICATION, one node, 1 KiB", "≤ 3 × a TCP echo", apiRatio("one_node_ratio", 3)},
		{"the same across two nodes", "≤ 3 × (a stream's echo + a TCP echo)", apiRatio("two_nodes_ratio", 3)},
	}
}

func apiRatio(figure string, to float64) func(results) (string, bool) {
	return func(rs results) (string, bool) {
		s := rs.payload(1024).of("api", "hearsay").figure(figure)
		if s.N == 0 {
			return "", false
		}
		return number(s.Median) + " ×", s.Median <= to
	}
}

func saturated(rs results) (string, bool) {
	h, g, t := rs.saturation("hearsay"), rs.saturation("gossipsub"), rs.saturation("tree")
	if h.N == 0 || g.N == 0 || t.N == 0 {
		return "", false
	}
	return fmt.Sprintf("%s/s: %s × gossipsub, %s × tree", number(h.Median), number(h.Median/g.Median), number(h.Median/t.Median)),
		h.Median >= 5*g.Median && h.Median >= 0.8*t.Median
}

// payload selects results by the size of the messages.
func (rs results) payload(n int) results {
	var some results
	for _, r := range rs {
		if r.Cell.Payload == n {
			some = append(some, r)
		}
	}
	return some
}
