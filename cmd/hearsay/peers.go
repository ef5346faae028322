package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node"
	"hearsay/node/control"
)

func (a *app) peersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "List the peers that the running node knows",
		Long: `List the peers that the running node knows: its neighbours first, then the
members of the network without a link, then those it only heard of or lost.

A suspect broke its link with somebody and does not answer; within seconds it
says that it lives, or is lost: several found it dead. What is down is so for
this node only, and the note says why. What left said so.

LINK is who began the link (in or out), the transport, and whether it is direct or
goes through a relay; FROM is how the peer was found.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				peers, err := c.Peers(ctx)
				if err != nil {
					return err
				}
				slices.SortStableFunc(peers.Peers, func(p, q control.Peer) int {
					return cmp.Or(cmp.Compare(rank(p), rank(q)), cmp.Compare(p.ID, q.ID))
				})
				return a.print(peers, func(w io.Writer) { tabulate(w, peers.Peers, time.Now()) })
			})
		},
	}
	addTimeout(cmd, askTimeout)
	return cmd
}

// rank orders peers by how close they are.
func rank(p control.Peer) int {
	order := []node.PeerState{node.PeerNeighbour, node.PeerMember, node.PeerSuspect, node.PeerKnown, node.PeerDown, node.PeerLost, node.PeerGone}
	if i := slices.Index(order, node.PeerState(p.State)); i >= 0 {
		return i
	}
	return len(order)
}

func tabulate(w io.Writer, peers []control.Peer, now time.Time) {
	if len(peers) == 0 {
		fmt.Fprintln(w, "no peers yet")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STATE\tSINCE\tPEER\tADDRESS\tLINK\tRTT\tFROM\tNOTE")
	for _, p := range peers {
		address := "-"
		if len(p.Addrs) > 0 {
			address = p.Addrs[0]
		}
		link, rtt := "-", "-"
		if p.Direction != "" {
			link = p.Direction + " " + p.Transport
			if p.Relayed {
				link += " relayed"
			} else {
				link += " direct"
			}
		}
		if p.RTT > 0 {
			rtt = fmt.Sprintf("%.1fms", p.RTT)
		}
		note := cmp.Or(p.LastError, p.Agent)
		for i, s := range []string{p.State, ago(p.Since, now), p.ID, address, link, rtt, cmp.Or(p.Source, "-"), note} {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, oneLine(s))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

// ago is the time since then in one unit, "-" if unknown.
func ago(then, now time.Time) string {
	d := now.Sub(then)
	switch {
	case then.IsZero():
		return "-"
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
