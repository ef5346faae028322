package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/control"
	"hearsay/node/mail"
)

const (
	// sendTimeout leaves time for a proof of work besides --wait.
	sendTimeout = time.Minute
	// longestWait is what the control API takes at most.
	longestWait = 10 * time.Minute
)

func (a *app) sendCommand() *cobra.Command {
	var wait time.Duration
	var file string
	var noReceipt, relay bool
	cmd := &cobra.Command{
		Use:   "send PEER... {TEXT | - | --file FILE}",
		Short: "Send a private message to one or several nodes",
		Long: `Send a private message (up to 49,117 bytes) that only the named nodes can read,
whoever carries it. PEER is a peer ID, the beginning or end of one that the node
knows (four characters at least), or an alias (hearsay alias).

To a node that can be reached the message goes straight, to others by a rumor that
every node carries; it is told for each. Who got it says so, and that is waited
for: 5 s, or as --wait says. Only with --wait is a receipt that is missing then
exit code 5: who is away gets the message when back, within the lifetime of
announcements. As long is waited for the key of a node that has only just come, or
that this node, just started, has not heard of yet. --timeout, unless it is given,
is a minute more than both waits together.

Who is away can be written to for two days at least after it was last here, as long
as this node runs. Of more than a thousand others it first forgets the keys of those
with which it exchanged no messages.`,
		Example: `  hearsay send 8Kg5tXwq "see you at eight"
  hearsay send alice bob "see you at eight"
  date | hearsay send alice -`,
		Args:              takes(1, -1),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			to, text := args, []string(nil)
			if file == "" {
				if len(args) < 2 {
					return usage(cmd, "name who is to get what: PEER... TEXT")
				}
				to, text = args[:len(args)-1], args[len(args)-1:]
			}
			data, err := a.readData(cmd, text, file, mail.MaxText, "a private message carries")
			if err != nil {
				return err
			}
			if wait < 0 || wait > longestWait {
				return usage(cmd, "--wait is from 0 to 10m")
			}
			timeFor(cmd, wait)
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				n, err := a.names(ctx, c)
				if err != nil {
					return err
				}
				req := control.SendRequest{Data: data, Wait: int(wait.Milliseconds()), KeyWait: int(wait.Milliseconds()), NoReceipt: noReceipt, Relay: relay}
				if noReceipt {
					req.Wait = 0
				}
				for _, text := range to {
					id, err := n.resolve(text)
					if err != nil {
						return err
					}
					req.To = append(req.To, id)
				}
				done := a.progress("sending")
				sent, err := c.Send(ctx, req)
				done()
				if err != nil {
					return err
				}
				if err := a.print(sent, func(w io.Writer) { showSent(w, sent, n, noReceipt) }); err != nil {
					return err
				}
				return a.judge(cmd, sent, noReceipt)
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 5*time.Second, "wait so `LONG` for a key that is not known yet, and for receipts, up to 10m; if it is given, a receipt that is missing then is exit code 5")
	cmd.Flags().StringVar(&file, "file", "", "send the content of `FILE`")
	cmd.Flags().BoolVar(&noReceipt, "no-receipt", false, "ask for no receipts: these can be seen by who carries them")
	cmd.Flags().BoolVar(&relay, "relay", false, "send it by a rumor only, even to who can be reached straight")
	addTimeout(cmd, sendTimeout)
	return cmd
}

// timeFor gives cmd the time that --wait can take, for keys and then for receipts,
// unless --timeout says how long.
func timeFor(cmd *cobra.Command, wait time.Duration) {
	if f := cmd.Flags().Lookup("timeout"); !f.Changed {
		f.Value.Set((sendTimeout + 2*wait).String()) // which is a duration, and so no error
	}
}

// showSent tells for each recipient what became of a message.
func showSent(w io.Writer, sent control.Sent, n *names, noReceipt bool) {
	for _, d := range sent.Deliveries {
		what := ""
		switch {
		case d.Way == string(mail.Direct):
			what = "has it"
		case d.Way == string(mail.Relayed) && !d.Arrived.IsZero():
			what = "has it, by a rumor"
		case d.Way == string(mail.Relayed) && noReceipt:
			what = "on its way by a rumor"
		case d.Way == string(mail.Relayed):
			what = "on its way by a rumor, no receipt yet"
		default:
			what = "not sent: " + oneLine(d.Problem)
		}
		fmt.Fprintf(w, "%s  %s\n", n.of(d.Peer), what)
	}
}

// judge is what a command ends with whose message was not sent to everybody, or
// did not arrive in the time that was given.
func (a *app) judge(cmd *cobra.Command, sent control.Sent, noReceipt bool) error {
	missing := 0
	for _, d := range sent.Deliveries {
		switch {
		case d.Way == string(mail.Nowhere):
			return fail("see who is here: hearsay peers", "it was not sent to all")
		case d.Arrived.IsZero():
			missing++
		}
	}
	if missing > 0 && !noReceipt && cmd.Flags().Changed("wait") {
		return &failure{exitTimeout, fmt.Errorf("%s missing", count(missing, "receipt")), "it may still arrive: who is away gets it when back, within the lifetime of announcements"}
	}
	return nil
}
