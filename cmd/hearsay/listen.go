package main

import (
	"context"
	"encoding/json"
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
	var private, all bool
	cmd := &cobra.Command{
		Use:   "listen {TYPE... | --private}",
		Short: "Print the rumors of some data types as they come",
		Long: `Print the rumors of these data types (numbers from 0 to 65535) as they come, one
a line: when it was received, type, end of the origin's peer ID, size, and the
data in quotes if it is text, else in hexadecimal; of long data the first 1,024
bytes. --json prints everything.

The node takes these types from others as long as this command runs, and does
not wait for it to validate anything. With --api the module API is spoken
instead, and every rumor is declared valid.

With --private the private messages to this node are printed instead (hearsay send
is how they are sent): with the way by which they came in place of the type. With
--all those that are kept come first: 256 of up to 2 MiB. Beyond that the oldest of
whoever wrote most of them are forgotten.`,
		Example: `  hearsay listen 1000
  hearsay listen 1000 1001 --count 1 --timeout 10s`,
		Args: takes(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case private && (len(args) > 0 || api != ""):
				return usage(cmd, "private messages have no type, and no module API")
			case all && !private:
				return usage(cmd, "--all is for --private")
			case !private && len(args) == 0:
				return usage(cmd, "%s takes at least 1 argument", cmd.CommandPath())
			}
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
			if private {
				err = a.listenPrivate(cmd, most, all)
			} else if api != "" {
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
	cmd.Flags().BoolVar(&private, "private", false, "print private messages to this node")
	cmd.Flags().BoolVar(&all, "all", false, "with --private: also those that are kept")
	addTimeout(cmd, 0)
	return cmd
}

// listenPrivate prints the private messages to the running node.
func (a *app) listenPrivate(cmd *cobra.Command, most int, all bool) error {
	return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
		after := ""
		if all {
			after = "0"
		}
		n, err := a.names(ctx, c)
		if err != nil {
			return err
		}
		stream, err := c.Inbox(ctx, after)
		if err != nil {
			return err
		}
		defer stream.Close()
		fmt.Fprintln(a.stderr, "listening for private messages; Ctrl-C ends")
		for told := 0; most == 0 || told < most; {
			e, err := stream.Next()
			if err != nil {
				return err
			}
			if e.Name != "message" {
				continue
			}
			told++
			var m control.PrivateMessage
			if err := json.Unmarshal(e.Data, &m); err != nil {
				return err
			}
			if m.Missed {
				fmt.Fprintln(a.stderr, "events before this message are not kept any more")
			}
			err = a.print(m, func(w io.Writer) {
				fmt.Fprintf(w, "%s  %s  %s  %s  %s\n", m.Received.Local().Format("15:04:05.000"), oneLine(m.Way), n.of(m.From), bytesOf(m.Size), quoteData(m.Data))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
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
