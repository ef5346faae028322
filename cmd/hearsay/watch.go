package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/control"
)

// watched are the events that watch shows unless --only names others.
var watched = []string{"peer", "arrived", "verdict", "message", "receipt", "state", "gap"}

func (a *app) watchCommand() *cobra.Command {
	var only []string
	var most int
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print everything that happens around the running node",
		Long: `Print everything that happens around the running node as it happens, one line
each: nodes that come and go (peer), rumors that arrive and what modules think of
them (arrived, verdict), private messages and receipts (message, receipt), and what
nodes say of themselves (state). --only names the kinds to print: these, and what the
node knows of peers as it changes (peers), its findings when they change (health), and
its figures every five seconds (figures).`,
		Example: `  hearsay watch
  hearsay watch --only peer --only message --json`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if most < 0 {
				return usage(cmd, "--count is negative")
			}
			names := only
			if len(names) == 0 {
				names = watched[:len(watched)-1] // gaps are told in any case
			}
			for _, name := range names {
				if kinds := control.EventNames(); !slices.Contains(kinds, name) {
					return usage(cmd, "there are no events of the kind %q, but of %s", name, strings.Join(kinds, ", "))
				}
			}
			return a.follow(cmd, func(ctx context.Context, c *control.Client) error {
				n, err := a.names(ctx, c)
				if err != nil {
					return err
				}
				stream, err := c.Events(ctx, "", names...)
				if err != nil {
					return err
				}
				defer stream.Close()
				fmt.Fprintln(a.stderr, "watching; Ctrl-C ends")
				for i := 0; most == 0 || i < most; i++ {
					e, err := stream.Next()
					if err != nil {
						return err
					}
					shown := struct {
						Version int             `json:"version"`
						Event   string          `json:"event"`
						Data    json.RawMessage `json:"data"`
					}{control.Version, e.Name, e.Data}
					if err := a.print(shown, func(w io.Writer) { showWatched(w, e, n) }); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringArrayVar(&only, "only", nil, "print only events of this `KIND`; may be repeated")
	cmd.Flags().IntVar(&most, "count", 0, "end after `N` events, 0 = never")
	addTimeout(cmd, 0)
	return cmd
}

// showWatched prints an event on one line. Nothing of others reaches the terminal
// raw.
func showWatched(w io.Writer, e control.Event, n *names) {
	line := func(at time.Time, format string, args ...any) {
		fmt.Fprintf(w, "%s  %-8s  %s\n", clock(cmp.Or(at, time.Now())), e.Name, fmt.Sprintf(format, args...))
	}
	var err error
	switch e.Name {
	case "peer":
		var p control.PeerEvent
		err = json.Unmarshal(e.Data, &p)
		line(p.Time, "%s %s %s", n.of(p.Peer), oneLine(p.What), oneLine(p.Addr))
	case "arrived":
		var r control.Arrived
		err = json.Unmarshal(e.Data, &r)
		via := "own"
		if r.Via != "" {
			via = fmt.Sprintf("by %s, %s", n.of(r.Via), count(r.Hops, "hop"))
		}
		data := quoteData(r.Data)
		if r.Private {
			data = "sealed"
		}
		line(r.Time, "%s  type %d, %s, %s  %s", n.of(r.Origin), r.Type, bytesOf(r.Size), via, data)
	case "verdict":
		var v control.VerdictEvent
		err = json.Unmarshal(e.Data, &v)
		line(v.Time, "%s: %s", oneLine(v.ID[:min(16, len(v.ID))]), oneLine(v.Verdict))
	case "message":
		var m control.PrivateMessage
		err = json.Unmarshal(e.Data, &m)
		line(m.Received, "%s (%s)  %s", n.of(m.From), oneLine(m.Way), quoteData(m.Data))
	case "receipt":
		var r control.Receipt
		err = json.Unmarshal(e.Data, &r)
		line(r.Time, "%s has %s", n.of(r.By), oneLine(r.ID[:min(16, len(r.ID))]))
	case "state":
		var s control.StateChange
		err = json.Unmarshal(e.Data, &s)
		what := quoteData(s.Value)
		if s.Gone != "" {
			what = s.Gone
		}
		line(s.Set, "%s  %s = %s", n.of(s.Peer), oneLine(s.Key), what)
	case "gap":
		var g control.Gap
		err = json.Unmarshal(e.Data, &g)
		line(time.Time{}, "%s lost: this reader is too slow", count(int(g.Missed), "event"))
	default:
		line(time.Time{}, "%s", oneLine(shorten(e.Data)))
	}
	if err != nil {
		line(time.Time{}, "cannot be read: %s", oneLine(err.Error()))
	}
}
