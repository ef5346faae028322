package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// errInterrupted says that a person ended the run, not the cell.
var errInterrupted = errors.New("interrupted")

// child runs a cell in a process of its own. A system that hangs costs its cell,
// not the run.
func child(ctx context.Context, c cell) (map[string]float64, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	timed, cancel := context.WithTimeout(ctx, c.limit())
	defer cancel()
	cmd := exec.CommandContext(timed, program, "child")
	cmd.Stdin = strings.NewReader(c.key())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the run
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return nil, errInterrupted
	case timed.Err() != nil:
		return nil, fmt.Errorf("not done after %v", c.limit())
	case err != nil:
		return nil, fmt.Errorf("%w: %.300s", err, complaint(complaints.String()))
	}
	var figures map[string]float64
	return figures, json.Unmarshal(out, &figures)
}

// complaint is what a process that ended badly said that tells most: why it
// panicked, or else its last line.
func complaint(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, l := range lines {
		if strings.HasPrefix(l, "panic:") || strings.HasPrefix(l, "fatal error:") {
			return l
		}
	}
	return lines[len(lines)-1]
}

// run is a plan that is being measured.
type run struct {
	groups  []group
	repeat  int
	done    map[string]result // without error, by slot
	machine machine
	measure func(cell) (map[string]float64, error)
	out     io.Writer // JSON lines
	log     io.Writer
	left    time.Duration
}

// slot tells results apart that stand for different things.
func slot(group string, repeat int, c cell) string {
	return fmt.Sprint(group, " ", repeat, " ", c.key())
}

// resume takes over what was measured before.
func (r *run) resume(earlier results) {
	r.done = make(map[string]result)
	for _, e := range earlier {
		if e.Error == "" {
			r.done[slot(e.Group, e.Repeat, e.Cell)] = e
		}
	}
}

// all measures round by round: a round is each cell once, and each begins with
// another system. Cells that fail are noted, and tried again when the run is
// resumed; only an interruption ends it.
func (r *run) all() error {
	_, r.left = planned(r.groups, r.repeat)
	for round := range r.repeat {
		for _, g := range r.groups {
			cells := slices.Concat(g.Cells[round%len(g.Cells):], g.Cells[:round%len(g.Cells)])
			for _, c := range cells {
				c.Seed = uint64(round + 1)
				var err error
				if g.Climb {
					err = r.climb(g.Name, round, c)
				} else {
					_, err = r.one(g.Name, round, c)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// one measures a cell unless that is done.
func (r *run) one(group string, round int, c cell) (result, error) {
	r.left -= c.takes()
	if before, ok := r.done[slot(group, round, c)]; ok {
		return before, nil
	}
	began := time.Now()
	res := result{Group: group, Cell: c, Repeat: round, Machine: r.machine}
	figures, err := r.measure(c)
	if res.Figures = figures; err != nil {
		res.Figures, res.Error = nil, err.Error()
	}
	if err := json.NewEncoder(r.out).Encode(res); err != nil {
		return res, err
	}
	fmt.Fprintf(r.log, "round %d  %-10s %-10s %6d %5.0f s  about %v left  %s\n", round+1, group, c.System, c.size(),
		time.Since(began).Seconds(), max(0, r.left).Round(time.Minute), res.Error)
	if errors.Is(err, errInterrupted) {
		return res, err
	}
	if err == nil {
		r.done[slot(group, round, c)] = res
	}
	return res, nil
}

// size is the number that tells the cells of a group apart.
func (c *cell) size() int {
	switch {
	case c.Kind == "growth":
		return c.Hosts
	case c.Kind == "spread":
		return int(c.Rate)
	case c.Kind == "micro" && c.Links > 0:
		return c.Links
	}
	return c.Payload
}

// climb looks for the highest rate at which a system's messages get through.
// Its first guess is what the repetition before found.
func (r *run) climb(group string, round int, c cell) error {
	guess := c.Rate
	if round > 0 {
		before := results(slices.Collect(maps.Values(r.done))).repeat(round-1).of(group, c.System)
		if top, ok := before.reached(); ok && top > 0 {
			guess = top
		}
	}
	r.left -= tries * c.takes()
	_, err := climb(len(ladder), slices.Index(ladder, guess), func(step int) (bool, error) {
		c.Rate = ladder[step]
		r.left += c.takes()
		res, err := r.one(group, round, c)
		return res.getsThrough(), err
	})
	return err
}

// getsThrough reports whether a rate was published and nearly all of it was
// everywhere within a second.
func (r *result) getsThrough() bool {
	return r.Error == "" && r.Figures["delivered_in_1s"] >= 0.999 && r.Figures["published_per_s"] >= 0.98*r.Cell.Rate
}

// resultsFile is where results are kept.
const resultsFile = "results/results.jsonl"

// runCommand is the command "run".
func runCommand(args []string) error {
	f := flag.NewFlagSet("run", flag.ExitOnError)
	quick := f.Bool("quick", false, "the main table only, three repetitions")
	only := f.String("only", "", "groups to measure, with commas between")
	repeat := f.Int("repeat", 5, "repetitions")
	out := f.String("out", resultsFile, "file that results are added to; what it has is not measured again")
	dry := f.Bool("n", false, "only tell what would be measured")
	f.Parse(args)
	if *quick {
		*only, *repeat = "main", 3
	}
	groups, err := chosen(plan(), *only)
	if err != nil {
		return err
	}
	if n, takes := planned(groups, *repeat); *dry {
		for _, g := range groups {
			m, t := planned([]group{g}, *repeat)
			fmt.Printf("%-10s %4d cells %9v  %s\n", g.Name, m, t.Round(time.Second), g.Title)
		}
		fmt.Printf("%-10s %4d cells %9v, about\n", "all", n, takes.Round(time.Second))
		return nil
	}
	earlier, err := readResults(*out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(*out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &run{groups: groups, repeat: *repeat, machine: thisMachine(), out: file, log: os.Stderr,
		measure: func(c cell) (map[string]float64, error) { return child(ctx, c) }}
	for _, e := range earlier {
		if now := r.machine.Versions["hearsay"]; e.Machine.Versions["hearsay"] != now {
			fmt.Fprintf(os.Stderr, "bench: %s has results of another version of Hearsay: %s, this is %s\n", *out, e.Machine.Versions["hearsay"], now)
			break
		}
	}
	r.resume(earlier)
	return r.all()
}

// chosen are the groups that are named, or all.
func chosen(groups []group, only string) ([]group, error) {
	if only == "" {
		return groups, nil
	}
	var some []group
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(groups, func(g group) bool { return g.Name == name })
		if i < 0 {
			var names []string
			for _, g := range groups {
				names = append(names, g.Name)
			}
			return nil, fmt.Errorf("there is no group %q, but %s", name, strings.Join(names, ", "))
		}
		some = append(some, groups[i])
	}
	return some, nil
}
