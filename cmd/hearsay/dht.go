package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node"
	"hearsay/node/control"
)

// dhtTimeout is longer than a look-up may take.
const dhtTimeout = 15 * time.Second

func (a *app) dhtCommand() *cobra.Command {
	return a.group("dht", "Put values into the distributed hash table, and get them", a.dhtPutCommand(), a.dhtGetCommand())
}

const aboutKeys = `
A KEY of 64 hexadecimal digits is taken as it is, as modules use it; of any other
text the SHA-256 is the key, and shown except where other programs get a value.`

func (a *app) dhtPutCommand() *cobra.Command {
	var ttl time.Duration
	var file string
	cmd := &cobra.Command{
		Use:   "put KEY {VALUE | - | --file FILE}",
		Short: "Put a value under a key",
		Long: `Put a value (up to 65,495 bytes) under a key. Any node of the network can get it
until it expires, whether or not this one runs. A later value of the same node
replaces an earlier one; the values of other nodes under the same key stay, and
which of them others get is told by "hearsay dht get --help".
` + aboutKeys,
		Example: `  hearsay dht put greeting hello
  hearsay dht put greeting --ttl 12h --file hello.txt`,
		Args: takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if ttl < time.Second || ttl > 12*time.Hour {
				return usage(cmd, "--ttl %v: a value lives from 1s to 12h", ttl)
			}
			value, err := a.readData(cmd, args[1:], file, control.MaxValue, "a value can have")
			if err != nil {
				return err
			}
			key, hashed := dhtKey(args[0])
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				stored, err := c.PutValue(ctx, key, control.ValueRequest{Value: value, TTL: uint32(ttl / time.Second)})
				if err != nil {
					return err
				}
				return a.print(stored, func(w io.Writer) {
					if hashed {
						showHash(w, stored.Key, args[0])
					}
					at := "at this node and " + count(stored.Copies, "other")
					if stored.Copies == 0 {
						at = "at this node alone: others that come get it"
					}
					fmt.Fprintf(w, "%s until %s, %s\n", bytesOf(len(value)), stored.Expires.Local().Format(time.DateTime), at)
				})
			})
		},
	}
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "keep it for this `DURATION`, 1s to 12h")
	cmd.Flags().StringVar(&file, "file", "", "put the content of `FILE`")
	addTimeout(cmd, dhtTimeout)
	return cmd
}

func (a *app) dhtGetCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Get the value of a key",
		Long: `Write the value of a key to standard output, as it is unless that is a terminal.
If nobody has put one, or it has expired, that is a failure (exit code 1).

When several nodes have put values under the same key, the one that counts is, in
this order: this node's own; one that the key vouches for, being its SHA-256 or
that of its node's peer ID; the one that was there first. --all shows up to 8.
` + aboutKeys,
		Example: `  hearsay dht get greeting`,
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, hashed := dhtKey(args[0])
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				found, err := c.Values(ctx, key)
				if err != nil {
					return err
				}
				if len(found.Values) == 0 {
					return fail("it may have expired; peers that were far away when it was put may be reached later", "there is no value of %s", found.Key)
				}
				if !all {
					found.Values = found.Values[:1]
				}
				return a.print(found, func(w io.Writer) {
					if hashed && (all || isTerminal(a.stdout)) {
						showHash(w, found.Key, args[0])
					}
					for _, v := range found.Values {
						if all {
							fmt.Fprintf(w, "%s until %s: %s\n", oneLine(v.Signer), v.Expires.Local().Format(time.DateTime), quoteData(v.Value))
							continue
						}
						if isTerminal(a.stdout) {
							fmt.Fprintln(w, quoteData(v.Value))
						} else {
							w.Write(v.Value) // as it is, for other programs
						}
					}
				})
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show the values of all nodes that have put one")
	addTimeout(cmd, dhtTimeout)
	return cmd
}

// showHash tells which key stands for a text.
func showHash(w io.Writer, key, text string) { fmt.Fprintf(w, "key %s (SHA-256 of %q)\n", key, text) }

// dhtKey reads a key, and says whether it is a hash of the text.
func dhtKey(text string) (key node.ValueKey, hashed bool) {
	if b, err := hex.DecodeString(text); err == nil && len(b) == len(key) {
		return node.ValueKey(b), false
	}
	return sha256.Sum256([]byte(text)), true
}
