package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// child runs a cell in a process of its own.
func child(c cell) (map[string]float64, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "child")
	cmd.Stdin = bytes.NewReader(spec)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	// A system that hangs costs its cell, not the run.
	timer := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.Output()
	if err != nil {
		last := strings.TrimSpace(complaints.String())
		if i := strings.LastIndexByte(last, '\n'); i >= 0 {
			last = last[i+1:]
		}
		return nil, fmt.Errorf("%w: %.300s", err, last)
	}
	var figures map[string]float64
	return figures, json.Unmarshal(out, &figures)
}

// runCommand measures the plan, round by round: a round is each cell once.
func runCommand(args []string) error {
	f := flag.NewFlagSet("run", flag.ExitOnError)
	quick := f.Bool("quick", false, "the main table only, three repetitions")
	only := f.String("only", "", "groups to measure, with commas between")
	repeat := f.Int("repeat", 5, "repetitions")
	out := f.String("out", "results.jsonl", "file that results are added to")
	f.Parse(args)
	groups := plan()
	if *quick {
		groups, *repeat = groups[:1], 3
	}
	file, err := os.OpenFile(*out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := json.NewEncoder(file)
	full := make(map[string]bool) // systems that gave up at a lower rate, by round
	for round := range *repeat {
		for _, g := range groups {
			if *only != "" && !strings.Contains(","+*only+",", ","+g.Name+",") {
				continue
			}
			for _, c := range g.Cells {
				key := fmt.Sprint(round, c.System)
				if g.Name == "saturation" && full[key] {
					continue
				}
				c.Seed = uint64(round + 1)
				began := time.Now()
				r := result{Group: g.Name, Cell: c, Repeat: round, Machine: thisMachine()}
				if r.Figures, err = child(c); err != nil {
					r.Error = err.Error()
				}
				if g.Name == "saturation" && !r.getsThrough() {
					full[key] = true
				}
				if err := lines.Encode(r); err != nil {
					return err
				}
				fmt.Fprintf(os.Stderr, "round %d  %-10s %-10s %6.1f s  p50 %.1f ms  p99 %.1f ms  %s\n",
					round+1, g.Name, c.System, time.Since(began).Seconds(), r.Figures["p50_ms"], r.Figures["p99_ms"], r.Error)
			}
		}
	}
	return nil
}

// getsThrough reports whether a rate was published and nearly all of it was
// everywhere within a second.
func (r *result) getsThrough() bool {
	return r.Error == "" && r.Figures["delivered_in_1s"] >= 0.999 && r.Figures["published_per_s"] >= 0.98*r.Cell.Rate
}
