package main

import (
	"log/slog"
	"os"

	"github.com/libp2p/go-libp2p/gologshim"
)

// libp2p's TCP transport complains about each connection that it cannot set keep-alive
// of, which it cannot of those whose bytes are counted (delay.go): two lines for each
// connection of 50 hosts that join at once. All else that libp2p logs is kept.
func init() {
	gologshim.SetDefaultHandler(exceptTCP{slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})})
}

// exceptTCP is a handler that drops what the TCP transport says.
type exceptTCP struct{ slog.Handler }

// WithAttrs is called once for each part of libp2p, with its name.
func (h exceptTCP) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "logger" && a.Value.String() == "tcp-tpt" {
			return slog.DiscardHandler
		}
	}
	return h.Handler.WithAttrs(attrs)
}
