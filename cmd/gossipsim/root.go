package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"hearsay/node/gossip/sim/scenario"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "gossipsim",
		Short: "The gossip core in simulated networks",
		Long: `Gossipsim runs the core of Hearsay's nodes in simulated networks, in virtual
time: thousands of nodes in one process, and the same again for the same seed.

  gossipsim run node/gossip/sim/scenario/library/steady.scenario
  gossipsim trial --profile low-latency`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			err := usage(cmd, "there is no command %q", args[0]).(*failure)
			cmd.SuggestionsMinimumDistance = 2
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				err.hint = fmt.Sprintf("did you mean: %s %s", cmd.CommandPath(), strings.Join(near, " or "))
			}
			return err
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return usage(cmd, "which command?") },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, one object to a line")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%v", err) })
	root.AddCommand(a.runCommand(), a.compareCommand(), a.trialCommand(), a.maelstromCommand(),
		&cobra.Command{
			Use:   "format",
			Short: "What scenario files may say",
			Long:  "Scenario files are text, one directive to a line; # begins a comment.\n\n" + strings.TrimRight(scenario.Format(), "\n"),
		},
		&cobra.Command{
			Use:   "exit-codes",
			Short: "What the exit codes mean",
			Long: `Exit codes:

  0  done
  1  it failed: a promise was broken, an expectation not met, a figure got worse
  2  the command line or a scenario is wrong

A failure is told on standard error: one line what was wrong, one line what to
do about it. With --json it is one object:

  {"error":"…","hint":"…","exit":1}`,
		})
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"})
	help.Args = func(_ *cobra.Command, args []string) error { // or a slip of the pen is answered by the whole program's help
		if of, rest, err := root.Find(args); err != nil || len(rest) > 0 {
			return root.Args(of, rest)
		}
		return nil
	}
	return root
}

// takes checks the number of arguments; most < 0 means any.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args); {
		case n < least:
			return usage(cmd, "%s takes at least %s", cmd.CommandPath(), count(least, "argument"))
		case most == 0 && n > 0:
			return usage(cmd, "%s takes no arguments", cmd.CommandPath())
		}
		return nil
	}
}

// count is "1 seed", "2 seeds".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
