package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"hearsay/node/control"
	"hearsay/node/identity"
)

func (a *app) idCommand() *cobra.Command {
	var running bool
	cmd := &cobra.Command{
		Use:   "id",
		Short: "Show the node's peer ID and, if it runs, its addresses",
		Long: `Show the node's peer ID in the first line and, if it runs, the addresses to give
to others in the following ones. A node that does not run is known by its
hostkey.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var shown struct {
				control.Identity
				Running bool `json:"running"`
			}
			err := a.ask(cmd, func(ctx context.Context, c *control.Client) (err error) {
				shown.Identity, err = c.Identity(ctx)
				shown.Running = err == nil
				return err
			})
			if errors.Is(err, control.ErrNoNode) && !running {
				shown.Identity, err = a.sleeping(err)
			}
			if err != nil {
				return err
			}
			return a.print(shown, func(w io.Writer) {
				fmt.Fprintln(w, oneLine(shown.ID))
				for _, addr := range shown.Addrs {
					fmt.Fprintln(w, oneLine(addr))
				}
			})
		},
	}
	cmd.Flags().BoolVar(&running, "running", false, "fail with exit code 3 if the node does not run")
	addTimeout(cmd, askTimeout)
	return cmd
}

// sleeping is what is known of a node that does not run, which absent says.
func (a *app) sleeping(absent error) (control.Identity, error) {
	cfg, err := a.load()
	if err != nil {
		return control.Identity{}, err
	}
	id, err := identity.LoadFor(hostKey(cfg), owner(cfg.StateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return control.Identity{}, &failure{exitNoNode, fmt.Errorf("%w, and it has no hostkey yet", absent), "start it: hearsay run"}
	}
	if err != nil {
		return control.Identity{}, err
	}
	return control.Identity{Version: control.Version, ID: id.ID().String(), Addrs: []string{}, Network: cfg.Network, Agent: agent()}, nil
}
