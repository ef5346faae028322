package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"hearsay/node/gossip/sim/scenario"
)

func (a *app) compareCommand() *cobra.Command {
	var which seeds
	var path string
	var rewrite bool
	cmd := &cobra.Command{
		Use:   "compare --baseline FILE SCENARIO...",
		Short: "Run scenarios and compare with what they came to before",
		Long: `Compare runs scenarios and holds their figures against a baseline, a file that
is kept beside them: for each figure the least and the most that eight seeds gave,
which is what chance does. A figure may lie a little beyond. It fails if one is worse
than that, and tells which.

  gossipsim compare --baseline baseline.json *.scenario
  gossipsim compare --baseline baseline.json --rewrite *.scenario

A run fails in which a promise is broken or an expectation not met. Nothing is
rewritten if one fails.`,
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if path == "" {
				return usage(cmd, "compare with what? --baseline is missing")
			}
			if err := which.check(cmd); err != nil {
				return err
			}
			if rewrite && !cmd.Flags().Changed("seeds") {
				which.count = scenario.BaselineSeeds
			}
			was, err := scenario.LoadBaseline(path)
			switch {
			case rewrite && errors.Is(err, fs.ErrNotExist):
				was = make(scenario.Baseline)
			case err != nil:
				return err
			}
			results, err := a.runAll(cmd.Context(), files, which)
			if err != nil {
				return err
			}
			if rewrite {
				for _, r := range results {
					if err := a.tellFailures(r); err != nil {
						return err
					}
				}
				if err := failed(results); err != nil {
					return err
				}
				was.Replace(results)
				return was.Save(path)
			}
			return a.compare(was, path, results)
		},
	}
	which.flags(cmd)
	cmd.Flags().StringVar(&path, "baseline", "", "the baseline `FILE`")
	cmd.Flags().BoolVar(&rewrite, "rewrite", false, "write what comes out, of eight seeds unless --seeds says otherwise, into the baseline instead of comparing; what else is in it stays")
	return cmd
}

// compare tells what differs.
func (a *app) compare(was scenario.Baseline, path string, results []*scenario.Result) error {
	renew := "if this is what was meant: gossipsim compare --rewrite --baseline " + path + " SCENARIO..."
	worse := 0
	for _, r := range results {
		differences, err := was.Compare(r)
		if err != nil {
			return &failure{exitFailed, err, renew}
		}
		for _, d := range differences {
			if d.Worse {
				worse++
			}
			if a.json {
				if err := json.NewEncoder(a.stdout).Encode(d); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintln(a.stdout, d)
		}
		if err := a.tellFailures(r); err != nil {
			return err
		}
	}
	if worse > 0 {
		return fail(renew, "%s got worse", count(worse, "figure"))
	}
	return failed(results)
}

// tellFailures tells what was not as it must be in a run.
func (a *app) tellFailures(r *scenario.Result) error {
	for _, f := range r.Failures {
		if !a.json {
			fmt.Fprintf(a.stdout, "%s: %s\n", r.Key(), f)
			continue
		}
		err := json.NewEncoder(a.stdout).Encode(struct {
			Key     string `json:"key"`
			Failure string `json:"failure"`
		}{r.Key(), f})
		if err != nil {
			return err
		}
	}
	return nil
}
