package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/control"
)

func (a *app) listenCommand() *cobra.Command {
	var most int
	var api string
	cmd := &cobra.Command{
		Use:   "listen TYPE...",
		Short: "Print the rumors of some data types as they come",
		Long: `Print the rumors of these data types (numbers from 0 to 65535) as they come, one
a line: when it was received, type, end of the origin's peer ID, size, and the
data in quotes if it is text, else in hexadecimal; of long data the first 1,024
bytes. --json prints everything.

The node takes these types from others as long as this command runs, and does
not wait for it to validate anything. With --api the module API is spoken
instead, and every rumor is declared valid.`,
		Example: `  hearsay listen 1000
  hearsay listen 1000 1001 --count 1 --timeout 10s`,
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var types []uint16
			for _, arg := range args {
				t, err := parseType(cmd, arg)
				if err != nil {
					return err
				}
				types = append(types, t)
			}
			if most < 0 {
				return usage(cmd, "--count is negative")
			}
			var err error
			if api != "" {
				err = a.listenAPI(cmd, api, types, most)
			} else {
				err = a.listenControl(cmd, types, most)
			}
			if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
				return nil // Ctrl-C is how it ends
			}
			return err
		},
	}
	cmd.Flags().IntVar(&most, "count", 0, "end after `N` rumors, 0 = never")
	cmd.Flags().StringVar(&api, "api", "", "speak the module API to this `ADDRESS` (host:port)")
	addTimeout(cmd, 0)
	return cmd
}

// listenControl prints what the running node tells over its control API.
func (a *app) listenControl(cmd *cobra.Command, types []uint16, most int) error {
	return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
		stream, err := c.Listen(ctx, types...)
		if err != nil {
			return err
		}
		defer stream.Close()
		a.listening(types)
		var lost uint64
		for n := 0; most == 0 || n < most; n++ {
			r, err := stream.Next()
			if err != nil {
				return err
			}
			if r.Dropped > lost {
				fmt.Fprintf(a.stderr, "%s lost: this reader is too slow\n", count(int(r.Dropped-lost), "rumor"))
				lost = r.Dropped
			}
			if err := a.print(r, func(w io.Writer) { showRumor(w, r.Received, r.Type, r.Origin, r.Data) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// listening tells that from now on nothing is missed.
func (a *app) listening(types []uint16) {
	fmt.Fprintf(a.stderr, "listening for type %s; Ctrl-C ends\n", joined(types))
}

func joined(types []uint16) string {
	s := ""
	for i, t := range types {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprint(t)
	}
	return s
}

// showRumor prints a rumor on one line. Nothing in it reaches the terminal raw.
func showRumor(w io.Writer, at time.Time, dataType uint16, origin string, data []byte) {
	fmt.Fprintf(w, "%s  %d  %s  %s  %s\n", at.Local().Format("15:04:05.000"), dataType, short(origin), bytesOf(len(data)), quoteData(data))
}
