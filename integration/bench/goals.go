package main

import (
	"fmt"
	"math"
	"strings"
)

// goal is something to reach. Its Key is what reasons.md calls it.
type goal struct {
	Key, Name, Want string
	// judge says how far it was reached.
	judge func(results) verdict
}

// verdict is the figure of a goal in words, "" where there are no results, and
// whether it is good enough.
type verdict struct {
	Figure string
	Holds  bool
}

// bound is the most that a figure may be.
type bound struct {
	figure string
	most   float64
}

func atMost(figure string, most float64) bound { return bound{figure, most} }

// figures is a goal for medians of Hearsay's.
func figures(group, unit string, bounds ...bound) func(results) verdict {
	return func(rs results) verdict {
		return judge(bounds, "", func(b bound) (float64, string) {
			v := rs.of(group, "hearsay").figure(b.figure).Median
			return v, number(v) + unit
		})
	}
}

// ratios is a goal for the ratios of figures to those of another system.
func ratios(group, other string, bounds ...bound) func(results) verdict {
	return func(rs results) verdict {
		return judge(bounds, " × "+other, func(b bound) (float64, string) {
			v := rs.ratio(group, b.figure, "hearsay", other)
			return v, number(v)
		})
	}
}

// judge joins figures in the order of their bounds.
func judge(bounds []bound, after string, value func(bound) (float64, string)) verdict {
	var texts []string
	holds := true
	for _, b := range bounds {
		v, text := value(b)
		if math.IsNaN(v) {
			return verdict{}
		}
		texts = append(texts, text)
		holds = holds && v <= b.most
	}
	return verdict{strings.Join(texts, " and ") + after, holds}
}

// both is a goal that holds if all of its parts do.
func both(parts ...func(results) verdict) func(results) verdict {
	return func(rs results) verdict {
		var texts []string
		holds := true
		for _, part := range parts {
			v := part(rs)
			if v.Figure == "" {
				return verdict{}
			}
			texts = append(texts, v.Figure)
			holds = holds && v.Holds
		}
		return verdict{strings.Join(texts, ", "), holds}
	}
}

// goals are those that this project set itself.
func goals() []goal {
	return []goal{
		{"duplicates", "duplicates per delivery", "≤ 0.1", figures("main", "", atMost("duplicates_per_delivery", 0.1))},
		{"wire", "wire bytes per delivered payload byte", "≤ 1.5 and ≤ 0.2 × gossipsub",
			both(figures("main", "", atMost("wire_bytes_per_payload_byte", 1.5)), ratios("main", "gossipsub", atMost("wire_bytes_per_payload_byte", 0.2)))},
		{"cpu", "processor time per delivery", "≤ 0.33 × gossipsub, ≤ 1.5 × tree",
			both(ratios("main", "gossipsub", atMost("cpu_s_per_1000", 0.33)), ratios("main", "tree", atMost("cpu_s_per_1000", 1.5)))},
		{"latency", "latency p50 and p99, loopback", "≤ 0.6 and ≤ 0.4 × gossipsub",
			ratios("main", "gossipsub", atMost("p50_ms", 0.6), atMost("p99_ms", 0.4))},
		{"kill", "latency p99 while a quarter of the hosts is killed", "≤ 2 × gossipsub, all delivered",
			both(ratios("kill", "gossipsub", atMost("p99_ms", 2)), allDelivered("kill"))},
		{"slow", "latency p50 and p99, links of 20 ms", "≤ 1.15 × flood",
			ratios("slow", "flood", atMost("p50_ms", 1.15), atMost("p99_ms", 1.15))},
		{"slow-few", "the same, five hosts publish", "≤ 1.15 × flood",
			ratios("few", "flood", atMost("p50_ms", 1.15), atMost("p99_ms", 1.15))},
		{"saturation", "saturation, 20 hosts", "≥ 5 × gossipsub, ≥ 0.8 × tree", saturated},
		{"memory", "memory, 100 hosts in one process", "≤ 0.7 × gossipsub", ratios("hundred", "gossipsub", atMost("resident_mb", 0.7))},
		{"join", "joining, 50 nodes, until all know all", "≤ 0.3 × memberlist", ratios("members", "memberlist", atMost("join_ms", 0.3))},
		{"leave", "a leave known everywhere", "≤ 0.2 × serf", ratios("members", "serf", atMost("leave_ms", 0.2))},
		{"death", "a death known everywhere", "≤ 5 s", figures("members", " ms", atMost("kill_ms", 5000))},
		{"api-one", "ANNOUNCE to NOTIFICATION, one node", "p50 ≤ 3 × a TCP echo", ofPayload(1024, figures("api", " ×", atMost("one_node_ratio", 3)))},
		{"api-two", "the same across two nodes", "p50 ≤ 3 × (a stream's echo + a TCP echo)", ofPayload(1024, figures("api", " ×", atMost("two_nodes_ratio", 3)))},
		{"large", "60 KiB: messages that a link carried twice", "0", carriedTwice},
		{"allocations", "allocations per relayed rumor, the whole node", "≤ 20", allocations},
		{"work", "proof of work, one core and all", "≥ 1 × bare SHA-256, ≥ 0.95 linear", searches},
	}
}

// ofPayload judges what was measured with one size of messages.
func ofPayload(n int, judge func(results) verdict) func(results) verdict {
	return func(rs results) verdict { return judge(rs.where(func(c *cell) bool { return c.Payload == n })) }
}

// allDelivered holds if no repetition lost anything.
func allDelivered(group string) func(results) verdict {
	return func(rs results) verdict {
		s := rs.of(group, "hearsay").figure("delivered")
		if s.N == 0 {
			return verdict{}
		}
		return verdict{percent(s.Min) + " delivered", s.Min >= 1}
	}
}

func carriedTwice(rs results) verdict {
	s := rs.of("large", "hearsay").figure("carried_twice")
	if s.N == 0 {
		return verdict{}
	}
	return verdict{number(s.Max), s.Max == 0}
}

func saturated(rs results) verdict {
	h, g, t := rs.saturation("hearsay"), rs.saturation("gossipsub"), rs.saturation("tree")
	if h.N == 0 || g.N == 0 || t.N == 0 {
		return verdict{}
	}
	return verdict{fmt.Sprintf("%s/s: %s × gossipsub, %s × tree", number(h.Median), number(h.Median/g.Median), number(h.Median/t.Median)),
		h.Median >= 5*g.Median && h.Median >= 0.8*t.Median}
}

// allocations are those of a node that has a rumor from one neighbour and hands
// it to one other, as in a tree it does on average.
func allocations(rs results) verdict {
	pair := rs.where(func(c *cell) bool { return c.Links == 2 })
	of := func(system string) summary { return pair.of("relay", system).figure("allocs_per_relayed") }
	node, core, bare := of("relay"), of("core"), of("bare")
	if node.N == 0 || core.N == 0 || bare.N == 0 {
		return verdict{}
	}
	return verdict{fmt.Sprintf("%s, of these %s in the core; a bare libp2p host %s", number(node.Median), number(core.Median), number(bare.Median)), node.Median <= 20}
}

func searches(rs results) verdict {
	work := rs.of("work", "work")
	ratio, linear, rate := work.figure("pow_per_sha256_1"), work.figure("pow_linearity"), work.figure("pow_mh_per_s_1")
	if ratio.N == 0 || linear.N == 0 {
		return verdict{}
	}
	return verdict{fmt.Sprintf("%s ×, %s linear; %s million hashes a second on one core", number(ratio.Median), number(linear.Median), number(rate.Median)),
		ratio.Median >= 1 && linear.Median >= 0.95}
}
