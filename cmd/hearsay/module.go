package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"hearsay/apibridge/client"
	"hearsay/node/control"
)

// Commands with --api speak the module API, as any module does.

// dial connects to the module API at address.
func dial(ctx context.Context, address string) (*client.Client, error) {
	c, err := client.Dial(ctx, address)
	if err != nil && ctx.Err() == nil {
		return nil, &failure{exitNoNode, err, "see the address in the first lines of hearsay run"}
	}
	return c, err
}

// announceAPI announces data over the module API.
func (a *app) announceAPI(cmd *cobra.Command, address string, dataType uint16, ttl uint8, data []byte) error {
	ctx, cancel, err := timeout(cmd)
	if err != nil {
		return err
	}
	defer cancel()
	c, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Announce(ctx, ttl, dataType, data); err != nil {
		return err
	}
	handed := struct {
		Version int    `json:"version"`
		API     string `json:"api"`
		Bytes   int    `json:"bytes"`
	}{control.Version, address, len(data)}
	return a.print(handed, func(w io.Writer) {
		fmt.Fprintf(w, "%s of type %d handed to %s\n", bytesOf(len(data)), dataType, oneLine(address))
	})
}

// notification is a rumor as the module API tells of it.
type notification struct {
	Version  int       `json:"version"`
	Type     uint16    `json:"type"`
	Data     []byte    `json:"data"`
	Received time.Time `json:"received"`
}

// listenAPI prints what the node at address tells a module, and votes for it.
func (a *app) listenAPI(cmd *cobra.Command, address string, types []uint16, most int) error {
	ctx, cancel, err := timeout(cmd)
	if err != nil {
		return err
	}
	defer cancel()
	c, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, t := range types {
		if err := c.Notify(ctx, t); err != nil {
			return err
		}
	}
	a.listening(types)
	for n := 0; most == 0 || n < most; n++ {
		got, err := c.Next(ctx)
		if errors.Is(err, io.EOF) {
			return fail("see how the node is: hearsay health", "the node closed the connection")
		}
		if err != nil {
			return err
		}
		if err := c.Validate(ctx, got.ID, true); err != nil {
			return err
		}
		told := notification{control.Version, got.DataType, got.Data, time.Now()}
		if err := a.print(told, func(w io.Writer) { showRumor(w, told.Received, told.Type, "-", told.Data) }); err != nil {
			return err
		}
	}
	return nil
}
