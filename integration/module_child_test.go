package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"hearsay/apibridge/client"
)

func childModule(ctx context.Context, cfg childConfig, commands <-chan []string) error {
	c, err := client.Dial(ctx, cfg.API)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, t := range cfg.Types {
		if err := c.Notify(ctx, t); err != nil {
			return err
		}
	}
	// Nothing answers Notify: the node has heeded it when a type that was asked for
	// last is told.
	if err := c.Notify(ctx, ownType()); err != nil {
		return err
	}
	failed, attached := make(chan error, 1), make(chan struct{}, 1)
	go func() {
		for {
			n, err := c.Next(ctx)
			if err == nil {
				err = c.Validate(ctx, n.ID, true)
			}
			switch {
			case err != nil:
				failed <- err
				return
			case n.DataType != ownType():
				say("told", n.DataType, fmt.Sprintf("%q", n.Data))
			default:
				select {
				case attached <- struct{}{}:
				default:
				}
			}
		}
	}()
	if err := announceUntil(ctx, cfg.API, attached, failed); err != nil {
		return err
	}
	say("listening")
	for {
		select {
		case words := <-commands:
			t, err := strconv.ParseUint(words[1], 10, 16)
			if err != nil {
				return err
			}
			if err := c.Announce(ctx, 0, uint16(t), []byte(strings.Join(words[2:], " "))); err != nil {
				return err
			}
		case err := <-failed:
			if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// ownType is a data type that no other module takes.
func ownType() uint16 { return uint16(60_000 + os.Getpid()%5000) }

// announceUntil announces the own type from another connection until the module is
// told of it.
func announceUntil(ctx context.Context, api string, attached <-chan struct{}, failed <-chan error) error {
	c, err := client.Dial(ctx, api)
	if err != nil {
		return err
	}
	defer c.Close()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if err := c.Announce(ctx, 0, ownType(), nil); err != nil {
			return err
		}
		select {
		case <-attached:
			return nil
		case err := <-failed:
			return err
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
