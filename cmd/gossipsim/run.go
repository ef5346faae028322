package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/gossip/sim/scenario"
)

// seeds are the flags that say how often a scenario runs.
type seeds struct {
	first uint64
	count int
}

func (s *seeds) flags(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&s.first, "seed", 1, "the first seed `S`: it decides everything that chance decides")
	cmd.Flags().IntVar(&s.count, "seeds", 1, "run with `N` seeds, from --seed on")
}

func (s *seeds) check(cmd *cobra.Command) error {
	if s.count < 1 {
		return usage(cmd, "%d seeds are none", s.count)
	}
	return nil
}

func (a *app) runCommand() *cobra.Command {
	var which seeds
	var kinds bool
	cmd := &cobra.Command{
		Use:   "run FILE...",
		Short: "Run scenarios",
		Long: `Run runs scenarios and prints their figures; gossipsim help format says what a
scenario is. Latencies (p50 to max) are those of deliveries, stretch is the last
delivery's time divided by the shortest path's, dup/del duplicates for each
delivery, B/B bytes on all links for each byte of payload delivered.

It fails if a promise is broken or an expectation of the scenario is not met.`,
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := which.check(cmd); err != nil {
				return err
			}
			results, err := a.runAll(cmd.Context(), files, which)
			if err != nil {
				return err
			}
			if a.json {
				for _, r := range results {
					if err := json.NewEncoder(a.stdout).Encode(r); err != nil {
						return err
					}
				}
				return failed(results)
			}
			if err := scenario.WriteTable(a.stdout, results); err != nil {
				return err
			}
			for _, r := range results {
				if kinds {
					fmt.Fprintln(a.stdout)
					if err := scenario.WriteKinds(a.stdout, r); err != nil {
						return err
					}
				}
				for _, f := range r.Failures {
					fmt.Fprintf(a.stdout, "%s: %s\n", r.Key(), f)
				}
			}
			return failed(results)
		},
	}
	which.flags(cmd)
	cmd.Flags().BoolVar(&kinds, "kinds", false, "print messages by their kinds, too")
	return cmd
}

// failed is the error of results that did not turn out as they must.
func failed(results []*scenario.Result) error {
	n := 0
	for _, r := range results {
		if len(r.Failures) > 0 {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fail("what failed is listed with the figures; --seed repeats a run", "%d of %s failed", n, count(len(results), "run"))
}

// runAll runs scenarios with all seeds, having read all of them first. Where it
// is goes to standard error if that is a terminal.
func (a *app) runAll(ctx context.Context, files []string, which seeds) ([]*scenario.Result, error) {
	var all []*scenario.Variant
	for _, f := range files {
		s, err := scenario.Load(f)
		if err != nil {
			return nil, err
		}
		all = append(all, s.Variants...)
	}
	var results []*scenario.Result
	for _, v := range all {
		for seed := range uint64(which.count) {
			began := time.Now()
			r, err := v.Run(ctx, which.first+seed)
			if err != nil {
				return nil, fail("", "interrupted after %s", count(len(results), "run"))
			}
			results = append(results, r)
			if a.watched() {
				fmt.Fprintf(a.stderr, "%s: %v of virtual time in %v\n", r.Key(), r.Virtual.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
			}
		}
	}
	return results, nil
}

// watched reports whether somebody waits in front of a terminal.
func (a *app) watched() bool {
	f, ok := a.stderr.(*os.File)
	if !ok || a.json {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
