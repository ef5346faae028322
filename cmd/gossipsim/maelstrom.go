package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/gossip/maelstrom"
)

// profiles are the settings that --profile names.
var profiles = map[string]func() maelstrom.Config{
	"low-latency": maelstrom.LowLatency,
	"low-traffic": maelstrom.LowTraffic,
}

func profileFlag(cmd *cobra.Command, profile *string) {
	cmd.Flags().StringVar(profile, "profile", "low-latency", "`PROFILE` of the nodes: low-latency or low-traffic")
}

func (a *app) maelstromCommand() *cobra.Command {
	var profile string
	cmd := &cobra.Command{
		Use:   "maelstrom",
		Short: "Be a node of a Maelstrom test",
		Long: `Maelstrom is a node of Maelstrom's broadcast workload: it reads messages from
standard input and writes messages to standard output, one JSON object to a line,
and ends when its input does. Maelstrom starts it; it needs a program without
arguments, such as a script with this line:

  exec gossipsim maelstrom`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			make, ok := profiles[profile]
			if !ok {
				return usage(cmd, "there is no profile %q", profile)
			}
			cfg := make()
			cfg.Log = func(err error) { fmt.Fprintln(a.stderr, err) }
			return maelstrom.Serve(cmd.Context(), cfg, a.stdin, a.stdout)
		},
	}
	profileFlag(cmd, &profile)
	return cmd
}

func (a *app) trialCommand() *cobra.Command {
	var which seeds
	var profile string
	var cuts []string
	t := maelstrom.StandardTrial("tree4", nil)
	cmd := &cobra.Command{
		Use:   "trial",
		Short: "Run Maelstrom's broadcast workload in virtual time",
		Long: `Trial does what Maelstrom does with 25 nodes and the broadcast workload, in
virtual time and with the same nodes, and judges it as Maelstrom does: messages
between nodes per operation, and stable latencies (how long a value, once known,
was not in every read).

  gossipsim trial --topology grid --cut halves:5s-12s`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := which.check(cmd); err != nil {
				return err
			}
			var ok bool
			if t.Node, ok = profiles[profile]; !ok {
				return usage(cmd, "there is no profile %q", profile)
			}
			for _, text := range cuts {
				c, err := parseCut(text, t.Nodes)
				if err != nil {
					return usage(cmd, "%v", err)
				}
				t.Cuts = append(t.Cuts, c)
			}
			bad := 0
			var reports []maelstrom.Report
			for i := range uint64(which.count) {
				t.Seed = which.first + i
				r, err := maelstrom.Run(cmd.Context(), t)
				switch {
				case cmd.Context().Err() != nil:
					return fail("", "interrupted after %s", count(len(reports), "trial"))
				case err != nil:
					return usage(cmd, "%v", err)
				}
				if !r.Valid {
					bad++
				}
				reports = append(reports, r)
			}
			if err := a.printReports(which.first, reports); err != nil {
				return err
			}
			if bad > 0 {
				return fail("lost values are ones that the last reads did not have", "%d of %s are not valid", bad, count(len(reports), "trial"))
			}
			return nil
		},
	}
	which.flags(cmd)
	profileFlag(cmd, &profile)
	flags := cmd.Flags()
	flags.IntVar(&t.Nodes, "nodes", t.Nodes, "`N` nodes")
	flags.StringVar(&t.Topology, "topology", t.Topology, "grid, line, total, tree2, tree3 or tree4")
	flags.DurationVar(&t.Latency, "latency", t.Latency, "one-way delay `D` between nodes")
	flags.DurationVar(&t.Spread, "spread", 0, "up to `D` more, so that messages overtake each other")
	flags.Float64Var(&t.Loss, "loss", 0, "probability `P` that a message is lost")
	flags.Float64Var(&t.Rate, "rate", t.Rate, "`N` operations a second")
	flags.DurationVar(&t.Duration, "duration", t.Duration, "begin operations for `D`")
	flags.StringArrayVar(&cuts, "cut", nil, "a partition `HOW:FROM-TO`: halves, one or ring, such as halves:5s-12s; repeatable")
	return cmd
}

// parseCut reads a partition.
func parseCut(text string, nodes int) (maelstrom.Cut, error) {
	how, when, ok := strings.Cut(text, ":")
	from, to, ok2 := strings.Cut(when, "-")
	shapes := map[string]func(int) func(a, b int) bool{"halves": maelstrom.Halves, "one": maelstrom.One, "ring": maelstrom.Ring}
	begin, err := time.ParseDuration(from)
	end, err2 := time.ParseDuration(to)
	if !ok || !ok2 || err != nil || err2 != nil || shapes[how] == nil || begin < 0 || end <= begin {
		return maelstrom.Cut{}, fmt.Errorf("%q is no cut, such as halves:5s-12s", text)
	}
	return maelstrom.Cut{From: begin, To: end, Apart: shapes[how](nodes)}, nil
}

func (a *app) printReports(first uint64, reports []maelstrom.Report) error {
	if a.json {
		for _, r := range reports {
			if err := json.NewEncoder(a.stdout).Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "seed\toperations\tmessages\tper operation\tmedian\t95 %\t99 %\tmost\tstable\tlost\tnever read\tvalid\t")
	for i, r := range reports {
		stable := append(slices.Clone(r.StableMS), make([]int64, 5)...)
		fmt.Fprintf(t, "%d\t%d\t%d\t%.2f\t%d ms\t%d ms\t%d ms\t%d ms\t%d\t%d\t%d\t%v\t\n", first+uint64(i), r.Operations, r.Messages, r.PerOperation,
			stable[1], stable[2], stable[3], stable[4], r.Stable, r.Lost, r.NeverRead, r.Valid)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range reports[:1] {
		_, err := io.WriteString(a.stdout, "\n"+r.Sent.String())
		if err != nil {
			return err
		}
	}
	return nil
}
