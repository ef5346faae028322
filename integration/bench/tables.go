package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// column is a figure in a table.
type column struct {
	Figure, Title string
	format        func(float64) string // nil = number
}

var spreadColumns = []column{
	{"delivered", "delivered", percent}, {"p50_ms", "p50 ms", nil}, {"p95_ms", "p95 ms", nil}, {"p99_ms", "p99 ms", nil}, {"max_ms", "max ms", nil},
	{"last_p50_ms", "last host, p50 ms", nil}, {"last_p99_ms", "last host, p99 ms", nil},
	{"duplicates_per_delivery", "duplicates per delivery", nil}, {"wire_bytes_per_payload_byte", "wire bytes per byte", nil},
	{"cpu_s_per_1000", "CPU s per 1,000", nil}, {"resident_mb", "resident MB", nil}, {"goroutines_per_host", "goroutines per host", nil},
}

var memberColumns = []column{
	{"join_ms", "all know all, ms", nil}, {"join_cpu_ms", "CPU ms of that, all hosts", nil}, {"leave_ms", "a leave known, ms", nil}, {"kill_ms", "a death known, ms", nil},
	{"join_bytes_per_host", "bytes to join, per host", nil}, {"idle_bytes_per_s_and_host", "idle bytes/s per host", nil}, {"idle_cpu_ms_per_s_and_host", "idle CPU ms/s per host", nil},
}

var apiColumns = []column{
	{"tcp_echo_us", "TCP echo µs", nil}, {"one_node_us", "one node µs", nil}, {"one_node_p99_us", "p99", nil}, {"one_node_ratio", "ratio", nil},
	{"stream_echo_us", "libp2p echo µs", nil}, {"two_nodes_us", "two nodes µs", nil}, {"two_nodes_p99_us", "p99", nil}, {"two_nodes_ratio", "ratio", nil},
	{"announced_per_s_1", "announced/s, 1 connection", nil}, {"announced_per_s_50", "announced/s, 50", nil},
	{"one_node_work_us", "one node with proof of work µs", nil},
}

var rumorColumns = []column{
	{"frame_bytes", "bytes of the frame", nil}, {"seal_us", "laid out and signed µs", nil}, {"encode_us", "encoded µs", nil}, {"decode_us", "decoded µs", nil},
	{"verify_us", "decoded and verified µs", nil}, {"verify_allocs", "allocations of that", nil},
	{"sign_us", "signed µs", nil}, {"ed25519_sign_us", "bare Ed25519 µs", nil}, {"verify_signature_us", "signature verified µs", nil}, {"ed25519_verify_us", "bare Ed25519 µs", nil},
	{"verify_work_us", "proof of work verified µs", nil}, {"envelope_seal_us", "sealed to one µs", nil}, {"envelope_open_us", "opened µs", nil},
}

var relayColumns = []column{
	{"allocs_per_relayed", "allocations per rumor", nil}, {"alloc_bytes_per_relayed", "bytes allocated", nil}, {"cpu_us_per_relayed", "CPU µs", nil},
	{"idle_allocs_per_s", "allocations a second at rest", nil},
}

var growthColumns = []column{
	{"links", "links per node", nil}, {"bytes_per_delivery", "bytes per delivery", nil}, {"messages_per_delivery", "messages per delivery", nil},
	{"duplicates_per_delivery", "duplicates per delivery", nil}, {"delivered", "delivered", percent}, {"p50_ms", "p50 ms", nil}, {"p99_ms", "p99 ms", nil},
	{"idle_bytes_per_s_and_node", "idle bytes/s per node", nil}, {"idle_messages_per_s_and_node", "idle messages/s per node", nil},
	{"join_bytes_per_node", "bytes to join, per node", nil}, {"heap_kib_per_node", "memory per node, KiB", nil}, {"simulating_cpu_s", "simulated in CPU s", nil},
}

// tables by group. What is not listed has the figures of spreading.
var tables = map[string]func(*bytes.Buffer, results, group){
	"saturation": saturationTable,
	"members":    bySystem(memberColumns),
	"api":        bySize("bytes", apiColumns, func(c *cell) int { return c.Payload }, ""),
	"work":       workTable,
	"rumor":      bySize("bytes", rumorColumns, func(c *cell) int { return c.Payload }, ""),
	"relay": bySize("links", relayColumns, func(c *cell) int { return c.Links },
		"One neighbour brings each rumor, the others are pushed it; 1 KiB. `core`: gossip.State.Handle alone, without reading, verifying and writing. "+
			"`relay`: all that the process of a whole node allocates while it hands on 200 a second, libp2p and the background included. "+
			"`bare`: the same of a host of system flood, which verifies a signature and writes: what libp2p takes.\n\n"),
	"growth": bySize("nodes", growthColumns, func(c *cell) int { return c.Hosts },
		"Simulated: links of 20 ms, 6 neighbours wanted, 1 KiB, 5 rumors a second at random nodes. `quiet`: nobody announces its presence; `announcing`: everybody, to all. "+
			"Bytes and messages per delivery are those of all messages about rumors; idle is a minute after the last has joined. Memory is the growth of the heap at rest; the simulator's books are in it.\n\n"),
}

func init() {
	for _, g := range plan() {
		if tables[g.Name] == nil {
			tables[g.Name] = bySystem(spreadColumns)
		}
	}
}

func header(b *bytes.Buffer, first string, columns []column) {
	fmt.Fprintf(b, "| %s |", first)
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.Title)
	}
	fmt.Fprintf(b, "\n|---%s|\n", strings.Repeat("|---", len(columns)))
}

func row(b *bytes.Buffer, name string, some results, columns []column) {
	fmt.Fprintf(b, "| %s |", name)
	for _, c := range columns {
		format := c.format
		if format == nil {
			format = number
		}
		fmt.Fprintf(b, " %s |", some.figure(c.Figure).text(format))
	}
	fmt.Fprintln(b)
}

// bySystem has a row for each system.
func bySystem(columns []column) func(*bytes.Buffer, results, group) {
	return func(b *bytes.Buffer, rs results, g group) {
		header(b, "system", columns)
		for _, c := range g.Cells {
			row(b, c.System, rs.of(g.Name, c.System), columns)
		}
	}
}

// bySize has a row for each system and size, named after it if there is one
// system only.
func bySize(what string, columns []column, size func(*cell) int, before string) func(*bytes.Buffer, results, group) {
	return func(b *bytes.Buffer, rs results, g group) {
		b.WriteString(before)
		var systems []string
		var sizes []int
		for _, r := range rs.group(g.Name) {
			if !slices.Contains(systems, r.Cell.System) {
				systems = append(systems, r.Cell.System)
			}
			if n := size(&r.Cell); !slices.Contains(sizes, n) {
				sizes = append(sizes, n)
			}
		}
		slices.Sort(sizes)
		slices.Sort(systems)
		header(b, what, columns)
		for _, s := range systems {
			for _, n := range sizes {
				name := fmt.Sprint(n)
				if len(systems) > 1 {
					name = fmt.Sprintf("%d, %s", n, s)
				}
				some := rs.of(g.Name, s).where(func(c *cell) bool { return size(c) == n })
				if len(some) > 0 {
					row(b, name, some, columns)
				}
			}
		}
	}
}

func saturationTable(b *bytes.Buffer, rs results, g group) {
	fmt.Fprint(b, "The highest of the rates tried at which 99.9 % of all deliveries came within a second.\n\n| system | messages a second | p99 ms at the median rate | CPU s per 1,000 | duplicates per delivery |\n|---|---|---|---|---|\n")
	for _, c := range g.Cells {
		top := rs.saturation(c.System)
		at := rs.of(g.Name, c.System).where(func(c *cell) bool { return c.Rate == top.Median })
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", c.System, top, at.figure("p99_ms"), at.figure("cpu_s_per_1000"), at.figure("duplicates_per_delivery"))
	}
}

func workTable(b *bytes.Buffer, rs results, g group) {
	some := rs.of(g.Name, "work")
	fmt.Fprint(b, "Millions of hashes a second. Bare is a loop of nothing but `sha256.Sum256` over 40 bytes.\n\n| | bare SHA-256 | search for a proof | ratio |\n|---|---|---|---|\n")
	for _, n := range []string{"1", "all"} {
		name := "one core"
		if n == "all" {
			name = fmt.Sprintf("all cores (%s)", some.figure("cores"))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, some.figure("sha256_mh_per_s_"+n), some.figure("pow_mh_per_s_"+n), some.figure("pow_per_sha256_"+n))
	}
	fmt.Fprintf(b, "\nLinear over cores by %s. A check takes %s µs and %s allocations.\n\n| bits | mean ms | p99 ms |\n|---|---|---|\n",
		some.figure("pow_linearity"), some.figure("verify_work_us"), some.figure("verify_work_allocs"))
	for _, s := range searchesOf {
		fmt.Fprintf(b, "| %d | %s | %s |\n", s.bits, some.figure(fmt.Sprintf("solve_%d_mean_ms", s.bits)), some.figure(fmt.Sprintf("solve_%d_p99_ms", s.bits)))
	}
}
