package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/control"
	"hearsay/node/gossip"
)

// announceTimeout leaves a proof of work of the usual difficulty ample time.
const announceTimeout = time.Minute

func (a *app) announceCommand() *cobra.Command {
	var ttl uint8
	var file, api string
	cmd := &cobra.Command{
		Use:   "announce TYPE {DATA | - | --file FILE}",
		Short: "Spread data to all nodes with a module that takes its type",
		Long: `Spread data (up to 65,527 bytes) to all nodes with a module that takes data of
this type, a number from 0 to 65535. The data is the argument DATA, standard
input if that is -, or the content of a file.

The node answers when the proof of work is done and says how many neighbours
took it. With --api the module API is spoken instead, which answers nothing.`,
		Example: `  hearsay announce 1000 hello
  date | hearsay announce 1000 -
  hearsay announce 1000 --api 127.0.0.1:7002 hello`,
		Args: takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			dataType, err := parseType(cmd, args[0])
			if err != nil {
				return err
			}
			data, err := a.readData(cmd, args[1:], file, gossip.MaxPayload, "one announcement carries")
			if err != nil {
				return err
			}
			if api != "" {
				return a.announceAPI(cmd, api, dataType, ttl, data)
			}
			req := control.AnnounceRequest{Type: dataType, Data: data}
			if cmd.Flags().Changed("ttl") {
				req.TTL = &ttl
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				done := a.progress("proof of work")
				told, err := c.Announce(ctx, req)
				done()
				if err != nil {
					return err
				}
				return a.print(told, func(w io.Writer) {
					to := count(told.Neighbours, "neighbour")
					if told.Neighbours == 0 {
						to = "no neighbour: none takes this type yet; whoever does later gets it"
					}
					fmt.Fprintf(w, "%s of type %d to %s\n", bytesOf(len(data)), dataType, to)
				})
			})
		},
	}
	cmd.Flags().Uint8Var(&ttl, "ttl", 0, "go this many `HOPS`, 0 = unlimited (default: as the node's configuration says; with --api 0)")
	cmd.Flags().StringVar(&file, "file", "", "announce the content of `FILE`")
	cmd.Flags().StringVar(&api, "api", "", "speak the module API to this `ADDRESS` (host:port)")
	addTimeout(cmd, announceTimeout)
	return cmd
}

// readData reads up to limit bytes, which is what carrier says, from wherever the
// command line says.
func (a *app) readData(cmd *cobra.Command, args []string, file string, limit int, carrier string) ([]byte, error) {
	var data []byte
	var err error
	switch {
	case len(args) > 0 && file != "":
		return nil, usage(cmd, "name DATA or --file, not both")
	case len(args) == 0 && file == "":
		return nil, usage(cmd, "what data? Name it, or - for standard input, or --file FILE")
	case file != "":
		data, err = await(cmd.Context(), func() ([]byte, error) {
			f, err := os.Open(file)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return readAtMost(f, limit)
		})
	case args[0] == "-":
		data, err = await(cmd.Context(), func() ([]byte, error) { return readAtMost(a.stdin, limit) })
	default:
		data = []byte(args[0])
	}
	if err != nil {
		return nil, err
	}
	if len(data) > limit {
		return nil, fail("split it", "the data is larger than the %d,%03d bytes that %s", limit/1000, limit%1000, carrier)
	}
	return data, nil
}

// readAtMost reads up to one byte more than the limit.
func readAtMost(r io.Reader, limit int) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, int64(limit)+1))
}

// await has do done, which nothing can interrupt, and waits for it no longer than ctx
// lives: reading waits for ever for whoever does not write.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// parseType reads a data type of the module API.
func parseType(cmd *cobra.Command, s string) (uint16, error) {
	t, err := strconv.ParseUint(s, 10, 16)
	if errors.Is(err, strconv.ErrRange) || errors.Is(err, strconv.ErrSyntax) {
		return 0, usage(cmd, "%q is no data type, which is a number from 0 to 65535", s)
	}
	return uint16(t), err
}
