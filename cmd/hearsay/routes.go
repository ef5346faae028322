package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/control"
)

func (a *app) routesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "routes",
		Short: "Tell by which neighbour the news of each node come",
		Long: `Tell, for every node whose rumors reached the running node, which neighbour was
the first to bring its latest one.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				routes, err := c.Routes(ctx)
				if err != nil {
					return err
				}
				return a.print(routes, func(w io.Writer) {
					if len(routes.Routes) == 0 {
						fmt.Fprintln(w, "no routes yet")
						return
					}
					t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
					fmt.Fprintln(t, "NODE\tBY\tSINCE")
					for _, r := range routes.Routes {
						by := r.Via
						if by == r.Origin {
							by = "itself"
						}
						fmt.Fprintf(t, "%s\t%s\t%s\n", oneLine(r.Origin), oneLine(by), ago(r.Since, time.Now()))
					}
					t.Flush()
				})
			})
		},
	}
	addTimeout(cmd, askTimeout)
	return cmd
}
