package main

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// column is a figure in a table.
type column struct{ Figure, Title string }

var spreadColumns = []column{
	{"delivered", "delivered"}, {"p50_ms", "p50 ms"}, {"p95_ms", "p95 ms"}, {"p99_ms", "p99 ms"}, {"max_ms", "max ms"},
	{"last_p50_ms", "last, p50 ms"}, {"duplicates_per_delivery", "duplicates per delivery"}, {"wire_bytes_per_payload_byte", "wire bytes per byte"},
	{"cpu_s_per_1000", "CPU s per 1,000"}, {"resident_mb", "resident MB"}, {"goroutines_per_host", "goroutines per host"},
}

var memberColumns = []column{
	{"join_ms", "all know all, ms"}, {"leave_ms", "a leave known, ms"}, {"kill_ms", "a death known, ms"},
	{"join_bytes_per_host", "bytes to join, per host"}, {"idle_bytes_per_s_and_host", "idle bytes/s per host"}, {"idle_cpu_ms_per_s_and_host", "idle CPU ms/s per host"},
}

var apiColumns = []column{
	{"tcp_echo_us", "TCP echo µs"}, {"one_node_us", "one node µs"}, {"one_node_ratio", "ratio"},
	{"stream_echo_us", "libp2p echo µs"}, {"two_nodes_us", "two nodes µs"}, {"two_nodes_ratio", "ratio"},
	{"announced_per_s_1", "announced/s, 1 connection"}, {"announced_per_s_50", "announced/s, 50"},
}

// reportCommand writes BENCHMARKS.md and its plots.
func reportCommand(args []string) error {
	f := flag.NewFlagSet("report", flag.ExitOnError)
	in := f.String("in", "results.jsonl", "file with results")
	out := f.String("out", "BENCHMARKS.md", "file to write; plots go into plots beside it")
	f.Parse(args)
	rs, err := readResults(*in)
	if err != nil {
		return err
	}
	if len(rs) == 0 {
		return fmt.Errorf("%s holds no results: go run . run", *in)
	}
	plots := filepath.Join(filepath.Dir(*out), "plots")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	for name, svg := range drawings(rs) {
		if err := os.WriteFile(filepath.Join(plots, name), svg, 0o644); err != nil {
			return err
		}
	}
	// What people wrote below the mark is kept.
	text := report(rs)
	if old, err := os.ReadFile(*out); err == nil {
		if i := bytes.Index(old, []byte(mark)); i >= 0 {
			text = append(text, old[i:]...)
		}
	} else {
		text = append(text, mark...)
	}
	return os.WriteFile(*out, text, 0o644)
}

const mark = "<!-- below: written by hand -->\n"

func report(rs results) []byte {
	var b bytes.Buffer
	m := rs[len(rs)-1].Machine
	fmt.Fprintf(&b, "# Side by side\n\nMade by `go run . report` from the raw results; `go doc .` says what is measured and how.\nMeasured on %s, %d cores, %s", m.CPU, m.Cores, m.Go)
	for _, name := range []string{"go-libp2p", "go-libp2p-pubsub", "memberlist", "serf"} {
		fmt.Fprintf(&b, ", %s %s", name, m.Versions[name])
	}
	fmt.Fprint(&b, ".\nMedians, with the least and the most of all repetitions in brackets; ratios are medians of the ratios within a repetition.\n\n")
	fmt.Fprint(&b, "## Goals\n\n50 hosts, 1 KiB, unless said otherwise.\n\n| figure | goal | reached | |\n|---|---|---|---|\n")
	for _, g := range goals() {
		figure, ok := g.reached(rs)
		verdict := "**no**"
		switch {
		case figure == "":
			figure, verdict = "not measured", ""
		case ok:
			verdict = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", g.Name, g.Want, figure, verdict)
	}
	done := make(map[string]bool)
	for _, g := range plan() {
		if done[g.Name] || len(rs.group(g.Name)) == 0 {
			continue
		}
		done[g.Name] = true
		fmt.Fprintf(&b, "\n## %s\n\n", g.Title)
		switch g.Name {
		case "saturation":
			saturationTable(&b, rs)
		case "members":
			table(&b, rs, g, memberColumns)
		case "api":
			apiTable(&b, rs)
		default:
			table(&b, rs, g, spreadColumns)
		}
		if name := g.Name + ".svg"; drawings(rs)[name] != nil {
			fmt.Fprintf(&b, "\n![%s](plots/%s)\n", g.Title, name)
		}
	}
	return append(b.Bytes(), '\n')
}

func (rs results) group(name string) results {
	var some results
	for _, r := range rs {
		if r.Group == name {
			some = append(some, r)
		}
	}
	return some
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
		fmt.Fprintf(b, " %s |", some.figure(c.Figure))
	}
	fmt.Fprintln(b)
}

func table(b *bytes.Buffer, rs results, g group, columns []column) {
	header(b, "system", columns)
	for _, c := range g.Cells {
		some := rs.of(g.Name, c.System)
		row(b, c.System, some, columns)
		for _, r := range some {
			if r.Error != "" {
				fmt.Fprintf(b, "| | repetition %d: %s |\n", r.Repeat+1, r.Error)
			}
		}
	}
}

func apiTable(b *bytes.Buffer, rs results) {
	header(b, "bytes", apiColumns)
	var sizes []int
	for _, r := range rs.group("api") {
		if !slices.Contains(sizes, r.Cell.Payload) {
			sizes = append(sizes, r.Cell.Payload)
		}
	}
	slices.Sort(sizes)
	for _, n := range sizes {
		row(b, fmt.Sprint(n), rs.payload(n).of("api", "hearsay"), apiColumns)
	}
}

func saturationTable(b *bytes.Buffer, rs results) {
	fmt.Fprint(b, "The highest of the rates tried at which 99.9 % of all deliveries came within a second.\n\n| system | messages a second | p99 ms at that rate |\n|---|---|---|\n")
	for _, s := range all {
		top := rs.saturation(s)
		var at results
		for _, r := range rs.of("saturation", s) {
			if r.Cell.Rate == top.Median {
				at = append(at, r)
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", s, top, at.figure("p99_ms"))
	}
}

// String is "median (min–max)".
func (s summary) String() string {
	switch {
	case s.N == 0:
		return "–"
	case number(s.Min) == number(s.Max):
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

// number has three digits that count.
func number(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	digits := 2
	for limit := 10.0; digits > 0 && math.Abs(v) >= limit; limit *= 10 {
		digits--
	}
	if v != 0 && math.Abs(v) < 0.1 {
		digits = 3
	}
	text := fmt.Sprintf("%.*f", digits, v)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
