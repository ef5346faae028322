package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) root() *cobra.Command {
	run := a.runCommand()
	root := &cobra.Command{
		Use:   "hearsay",
		Short: "A decentralised gossip node",
		Long: `Hearsay spreads what local programs (modules) announce to all nodes that have
modules which want it: peer to peer, without a server.

hearsay alone runs a node that finds the others of the local network by itself;
then, in another terminal, try

  hearsay chat`,
		Args:          a.noCommand,
		RunE:          run.RunE,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true // there is one of our own
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print JSON, whose version is in it")
	flags.StringVarP(&a.config, "config", "c", "", "configuration `FILE` (INI) of the node")
	flags.StringVar(&a.stateDir, "state-dir", "", "state folder `DIR` of the node")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%v", err) })
	root.AddCommand(run, a.idCommand(), a.peersCommand(), a.routesCommand(), a.healthCommand(), a.doctorCommand(), a.dashboardCommand(),
		a.announceCommand(), a.listenCommand(), a.chatCommand(), a.sendCommand(), a.stateCommand(), a.watchCommand(),
		a.dhtCommand(), a.aliasCommand(), a.demoCommand(), a.manCommand(), a.completionCommand(),
		a.keyCommand(), a.configCommand(), a.versionCommand(), exitCodesTopic())
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"})
	help.Args = func(_ *cobra.Command, args []string) error { // or a slip of the pen is answered by the whole program's help
		if of, rest, err := root.Find(args); err != nil || len(rest) > 0 {
			return a.noCommand(of, rest)
		}
		return nil
	}
	return root
}

// noCommand says which command there is not: cobra hands arguments that name no
// command to the root or to the group they follow.
func (a *app) noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := usage(cmd, "there is no command %q", args[0]).(*failure)
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		err.hint = fmt.Sprintf("did you mean: %s %s", cmd.CommandPath(), strings.Join(near, " or "))
	}
	return err
}

// group is a command that has only subcommands.
func (a *app) group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: a.noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(cmd, "which command of %s?", cmd.CommandPath())
		}}
	cmd.AddCommand(subs...)
	return cmd
}

// takes checks the number of arguments; most < 0 means any.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args); {
		case n < least:
			return usage(cmd, "%s takes at least %s", cmd.CommandPath(), count(least, "argument"))
		case most == 0 && n > 0:
			return usage(cmd, "%s takes no arguments", cmd.CommandPath())
		case most > 0 && n > most:
			return usage(cmd, "%s takes at most %s", cmd.CommandPath(), count(most, "argument"))
		}
		return nil
	}
}
