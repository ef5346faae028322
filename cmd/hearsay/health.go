package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"hearsay/node/control"
)

func (a *app) healthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Say how the running node is, by the exit code too",
		Long: `Say how the running node is: a summary in one line, then its warnings. The exit
code is 0 if it runs and has nothing to warn of, 4 if it warns, 3 if it does not
run and 5 if it does not answer in time.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				s, err := c.Status(ctx)
				if err != nil {
					return err
				}
				shown := struct {
					Version    int      `json:"version"`
					Healthy    bool     `json:"healthy"`
					Neighbours int      `json:"neighbours"`
					Members    int      `json:"members"`
					Warnings   []string `json:"warnings"`
				}{1, len(s.Warnings) == 0, s.Neighbours, s.Members, s.Warnings}
				err = a.print(shown, func(w io.Writer) {
					fmt.Fprintf(w, "%s, %s\n", count(s.Neighbours, "neighbour"), count(s.Members, "member"))
					for _, warning := range s.Warnings {
						fmt.Fprintln(w, "warning:", oneLine(warning))
					}
				})
				if err == nil && !shown.Healthy {
					err = &failure{exitUnhealthy, fmt.Errorf("the node has %s", count(len(s.Warnings), "warning")), "do what each of them says"}
				}
				return err
			})
		},
	}
	addTimeout(cmd, askTimeout)
	return cmd
}
