package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/control"
	"hearsay/node/shared"
)

func (a *app) stateCommand() *cobra.Command {
	return a.group("state", "Say something of this node that all nodes know, or see what others say",
		a.stateSetCommand(), a.stateGetCommand(), a.stateDeleteCommand(), a.stateWatchCommand())
}

func (a *app) stateSetCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "set KEY {VALUE | - | --file FILE}",
		Short: "Say a value under a key of this node's to everybody",
		Long: `Say a value (up to 4,096 bytes) under a key of this node's (up to 128 bytes) to
everybody. It takes the place of what the node said under that key before, reaches
who comes later too, survives a restart, and is said again until it is deleted. A
node has up to 64 keys.`,
		Args: takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := a.readData(cmd, args[1:], file, shared.MaxValue, "a value has")
			if err != nil {
				return err
			}
			return a.changeState(cmd, func(ctx context.Context, c *control.Client) (control.States, error) {
				return c.SetState(ctx, args[0], value)
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "the value is the content of `FILE`")
	addTimeout(cmd, announceTimeout)
	return cmd
}

func (a *app) stateDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete KEY",
		Short: "Take back a key of this node's",
		Args:  takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeState(cmd, func(ctx context.Context, c *control.Client) (control.States, error) {
				return c.DeleteState(ctx, args[0])
			})
		},
	}
	addTimeout(cmd, announceTimeout)
	return cmd
}

// changeState makes a change, of which there is nothing to tell but with --json.
func (a *app) changeState(cmd *cobra.Command, change func(context.Context, *control.Client) (control.States, error)) error {
	return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
		done := a.progress("proof of work")
		states, err := change(ctx, c)
		done()
		if err != nil {
			return err
		}
		return a.print(states, func(io.Writer) {})
	})
}

func (a *app) stateGetCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "get [KEY]",
		Short: "See what nodes say of themselves",
		Long: `See what nodes say of themselves: under KEY, or under all keys; all nodes, or the
one of --from, which takes what hearsay send takes, and "self". Values are quoted
if they are text, else in hexadecimal, of long ones the first 1,024 bytes; --json
prints everything.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := ""
			if len(args) > 0 {
				key = args[0]
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				n, err := a.names(ctx, c)
				if err != nil {
					return err
				}
				of := ""
				if from == "self" {
					of = n.self
				} else if from != "" {
					if of, err = n.resolve(from); err != nil {
						return err
					}
				}
				states, err := c.State(ctx, of, key)
				if err != nil {
					return err
				}
				return a.print(states, func(w io.Writer) {
					if len(states.State) == 0 {
						fmt.Fprintln(w, "nobody says anything")
						return
					}
					t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
					fmt.Fprintln(t, "NODE\tKEY\tSINCE\tVALUE")
					for _, e := range states.State {
						fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", n.of(e.Peer), oneLine(e.Key), ago(e.Set, time.Now()), quoteData(e.Value))
					}
					t.Flush()
				})
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "only what this `PEER` says; self = this node")
	addTimeout(cmd, askTimeout)
	return cmd
}

func (a *app) stateWatchCommand() *cobra.Command {
	var most int
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print what nodes say of themselves, and what changes",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 0 {
				return usage(cmd, "--count is negative")
			}
			return a.follow(cmd, func(ctx context.Context, c *control.Client) error {
				n, err := a.names(ctx, c)
				if err != nil {
					return err
				}
				stream, err := c.WatchState(ctx)
				if err != nil {
					return err
				}
				defer stream.Close()
				for i := 0; most == 0 || i < most; i++ {
					s, err := stream.Next()
					if err != nil {
						return err
					}
					if err := a.print(s, func(w io.Writer) { showState(w, s, n) }); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&most, "count", 0, "end after `N` lines, 0 = never")
	addTimeout(cmd, 0)
	return cmd
}

// showState prints a change on one line.
func showState(w io.Writer, s control.StateChange, n *names) {
	what := quoteData(s.Value)
	if s.Gone != "" {
		what = s.Gone
	}
	fmt.Fprintf(w, "%s  %s  %s = %s\n", clock(s.Set), n.of(s.Peer), oneLine(s.Key), what)
}
