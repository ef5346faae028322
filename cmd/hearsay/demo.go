package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/control"
)

func (a *app) demoCommand() *cobra.Command {
	return a.group("demo", "Examples of what can be built on a node", a.demoMoviesCommand())
}

// movieKey is the key under which the demonstration's nodes say what they like.
const movieKey = "demo/movie"

var movies = []string{
	"Casablanca", "Metropolis", "Modern Times", "Rashomon", "The Third Man", "Vertigo", "Seven Samurai", "Some Like It Hot",
	"2001: A Space Odyssey", "Stalker", "Blade Runner", "Brazil", "Run Lola Run", "Spirited Away", "Amélie", "The Lives of Others",
}

func (a *app) demoMoviesCommand() *cobra.Command {
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "movies",
		Short: "Every node picks a movie now and then, and shows what all picked",
		Long: `Have the running node pick a favourite movie every ten seconds or so and say it to
everybody (hearsay state), and show a table of what all nodes that do so like just
now. On a terminal the table is kept current in place; else it is printed again
with every change. The node takes its choice back at the end.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every < 0 {
				return usage(cmd, "--every is negative")
			}
			return a.follow(cmd, func(ctx context.Context, c *control.Client) error { return a.demoMovies(ctx, c, every) })
		},
	}
	cmd.Flags().DurationVar(&every, "every", 10*time.Second, "pick another so often, give or take a fifth; 0 = only show what others pick")
	addTimeout(cmd, 0)
	return cmd
}

// movieRow is a line of the table.
type movieRow struct {
	Peer  string    `json:"peer"`
	Movie string    `json:"movie"`
	Since time.Time `json:"since"`
}

func (a *app) demoMovies(ctx context.Context, c *control.Client, every time.Duration) error {
	n, err := a.names(ctx, c)
	if err != nil {
		return err
	}
	stream, err := c.WatchState(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	signal.Ignore(syscall.SIGPIPE) // that would leave the node's choice behind
	failed := make(chan error, 1)
	if every > 0 {
		picking, stop := context.WithCancel(ctx)
		picked := make(chan struct{})
		go func() {
			defer close(picked)
			if err := pickMovies(picking, c, every); err != nil && picking.Err() == nil {
				failed <- err
				stream.Close()
			}
		}()
		defer func() {
			stop()
			<-picked
			// The command's own time is over; this much is left for good manners.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			c.DeleteState(last, movieKey)
		}()
	}
	table := make(map[string]movieRow)
	drawn := 0
	for {
		s, err := stream.Next()
		if err != nil {
			select {
			case cause := <-failed:
				return cause
			default:
				return err
			}
		}
		if s.Key != movieKey {
			continue
		}
		if table[s.Peer] = (movieRow{s.Peer, string(s.Value), s.Set}); s.Gone != "" {
			delete(table, s.Peer)
		}
		rows := slices.SortedFunc(maps.Values(table), func(x, y movieRow) int { return cmp.Compare(x.Peer, y.Peer) })
		if drawn, err = a.showMovies(rows, n, drawn); err != nil {
			return err
		}
	}
}

// pickMovies says another movie again and again.
func pickMovies(ctx context.Context, c *control.Client, every time.Duration) error {
	for {
		if _, err := c.SetState(ctx, movieKey, []byte(movies[rand.IntN(len(movies))])); err != nil {
			return err
		}
		pause := time.NewTimer(every*4/5 + rand.N(every*2/5+1))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// showMovies draws the table, on a terminal over the one of so many lines before,
// and returns how many lines it has.
func (a *app) showMovies(rows []movieRow, n *names, before int) (int, error) {
	err := a.print(struct {
		Version int        `json:"version"`
		Event   string     `json:"event"` // "table"
		Rows    []movieRow `json:"rows"`  // by peer
	}{control.Version, "table", rows}, func(w io.Writer) {
		var b strings.Builder
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NODE\tMOVIE\tSINCE")
		for _, r := range rows {
			fmt.Fprintf(t, "%s\t%s\t%s\n", n.of(r.Peer), oneLine(shorten([]byte(r.Movie))), clock(r.Since))
		}
		t.Flush()
		if isTerminal(a.stdout) && before > 0 {
			fmt.Fprintf(w, "\x1b[%dA\x1b[J", before)
		} else if before > 0 {
			fmt.Fprintln(w)
		}
		io.WriteString(w, b.String())
	})
	return len(rows) + 1, err
}
