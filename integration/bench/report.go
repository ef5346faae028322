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

// reportCommand writes BENCHMARKS.md and its plots.
func reportCommand(args []string) error {
	f := flag.NewFlagSet("report", flag.ExitOnError)
	in := f.String("in", resultsFile, "file with results")
	out := f.String("out", "BENCHMARKS.md", "file to write; plots go into plots beside it")
	why := f.String("reasons", reasonsFile, "file with the reasons for goals that do not hold")
	f.Parse(args)
	rs, err := readResults(*in)
	if err != nil {
		return err
	}
	if len(rs) == 0 {
		return fmt.Errorf("%s holds no results: go run . run", *in)
	}
	reasons, err := readReasons(*why)
	if err != nil {
		return err
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
	return os.WriteFile(*out, report(rs, reasons), 0o644)
}

// report is BENCHMARKS.md.
func report(rs results, reasons map[string]string) []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, "# Side by side\n\nMade by `go run . report` from the [raw results](results) and [reasons.md](reasons.md); `go doc .` says what is measured and how.\n")
	b.WriteString(rs.machines())
	fmt.Fprint(&b, "Medians, with the least and the most of all repetitions in brackets; ratios are medians of the ratios within a repetition.\n")
	writeGoals(&b, rs, reasons)
	plots := drawings(rs)
	for _, g := range plan() {
		some := rs.group(g.Name)
		if len(some) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", g.Title, describe(g, some))
		tables[g.Name](&b, rs, g)
		for _, name := range slices.Sorted(func(yield func(string) bool) {
			for name := range plots {
				if (name == g.Name+".svg" || strings.HasPrefix(name, g.Name+"-")) && !yield(name) {
					return
				}
			}
		}) {
			fmt.Fprintf(&b, "\n![%s](plots/%s)\n", g.Title, name)
		}
	}
	writeFailures(&b, rs)
	return b.Bytes()
}

// machines tells where and with what was measured, all versions that there are.
func (rs results) machines() string {
	var texts []string
	for _, r := range rs {
		m := r.Machine
		text := fmt.Sprintf("Measured on %s, %d cores, %s", m.CPU, m.Cores, m.Go)
		for _, name := range []string{"hearsay", "go-libp2p", "go-libp2p-pubsub", "memberlist", "serf"} {
			if m.Versions[name] != "" {
				text += fmt.Sprintf(", %s %s", name, m.Versions[name])
			}
		}
		if !slices.Contains(texts, text+".\n") {
			texts = append(texts, text+".\n")
		}
	}
	if len(texts) > 1 {
		return "**These results are not all of one machine and version:**\n\n* " + strings.Join(texts, "* ") + "\n"
	}
	return texts[0]
}

func writeGoals(b *bytes.Buffer, rs results, reasons map[string]string) {
	fmt.Fprint(b, "\n## Goals\n\n50 hosts, 1 KiB, unless said otherwise.\n\n| figure | goal | reached | holds |\n|---|---|---|---|\n")
	var beaten, missed []string
	for _, g := range goals() {
		v := g.judge(rs)
		word := "**no**"
		switch {
		case v.Figure == "":
			v.Figure, word = "not measured", ""
		case v.Holds:
			word = "yes"
			beaten = append(beaten, fmt.Sprintf("* %s: %s (goal: %s)\n", g.Name, v.Figure, g.Want))
		default:
			reason := reasons[g.Key]
			if reason == "" {
				reason = fmt.Sprintf("*The reason is not written yet: section `%s` of reasons.md.*", g.Key)
			}
			missed = append(missed, fmt.Sprintf("### %s\n\nGoal: %s. Reached: %s.\n\n%s\n\n", g.Name, g.Want, v.Figure, reason))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", g.Name, g.Want, v.Figure, word)
	}
	fmt.Fprintf(b, "\n## What was beaten\n\n%s", strings.Join(beaten, ""))
	if len(beaten) == 0 {
		fmt.Fprint(b, "Nothing yet.\n")
	}
	fmt.Fprintf(b, "\n## What was not, and why\n\n%s", strings.Join(missed, ""))
	if len(missed) == 0 {
		fmt.Fprint(b, "Nothing that was measured.\n")
	}
	if reasons[remarks] != "" {
		fmt.Fprintf(b, "## Remarks\n\n%s\n", reasons[remarks])
	}
}

// describe tells the load of a group and how often it was measured.
func describe(g group, some results) string {
	c := g.Cells[0]
	if len(some) > 0 {
		c = some[0].Cell
	}
	text := ""
	if c.Kind == "spread" && !g.Climb {
		text = fmt.Sprintf("%d hosts, %d links each, %d bytes, %s messages a second for %v after %v to warm up", c.Hosts, c.Links, c.Payload, number(c.Rate), c.For, c.Warm)
		if c.Origins > 0 {
			text += fmt.Sprintf(", published by %d hosts", c.Origins)
		}
		if c.Delay > 0 {
			text += fmt.Sprintf(", links of %v", c.Delay)
		}
		if c.Kill > 0 {
			text += fmt.Sprintf(", %d hosts killed in the middle", c.Kill)
		}
		text += ". "
	}
	return text + repetitions(len(some.repeats())) + "."
}

func repetitions(n int) string {
	if n == 1 {
		return "1 repetition"
	}
	return fmt.Sprintf("%d repetitions", n)
}

// writeFailures lists the cells that gave no figures and were not measured again.
func writeFailures(b *bytes.Buffer, rs results) {
	good := make(map[string]bool)
	for _, r := range rs {
		if r.Error == "" {
			good[slot(r.Group, r.Repeat, r.Cell)] = true
		}
	}
	again := 0
	var open []string
	for _, r := range rs {
		switch {
		case r.Error == "":
		case good[slot(r.Group, r.Repeat, r.Cell)]:
			again++
		default:
			open = append(open, fmt.Sprintf("* %s, %s, repetition %d: %s\n", r.Group, r.Cell.System, r.Repeat+1, oneLine(r.Error)))
		}
	}
	if len(open) > 0 {
		fmt.Fprintf(b, "\n## Without a figure\n\n%s", strings.Join(open, ""))
	}
	if again > 0 {
		fmt.Fprintf(b, "\nCells that failed and were then measured again: %d.\n", again)
	}
}

// oneLine is text that breaks no list.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// String is "median (min–max)".
func (s summary) String() string { return s.text(number) }

func (s summary) text(format func(float64) string) string {
	switch {
	case s.N == 0:
		return "–"
	case format(s.Min) == format(s.Max):
		return format(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", format(s.Median), format(s.Min), format(s.Max))
}

// percent never rounds up to all.
func percent(v float64) string {
	text := fmt.Sprintf("%.3f", math.Floor(v*1e5+1e-6)/1e3)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + " %"
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
