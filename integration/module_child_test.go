package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

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
	say("listening")
	failed := make(chan error, 1)
	go func() {
		for {
			n, err := c.Next(ctx)
			if err == nil {
				err = c.Validate(ctx, n.ID, true)
			}
			if err != nil {
				failed <- err
				return
			}
			say("told", n.DataType, fmt.Sprintf("%q", n.Data))
		}
	}()
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
