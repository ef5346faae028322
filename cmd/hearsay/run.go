package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/config"
	"hearsay/node/control"
)

// showTimeout is how long the end waits for what is still to be printed: perhaps
// nobody reads it.
const showTimeout = time.Second

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run a node",
		Long: `Run a node until Ctrl-C, SIGTERM or the end of its terminal (nohup lets it outlive
that); it takes its leave of its neighbours within 3 seconds, and a second signal
ends it at once. If what it prints cannot be written any more it prints nothing
more, and runs on.

Without configuration it makes itself a hostkey in its state folder, finds other
nodes on the local network, and serves the module API on 127.0.0.1:7001. What is
taken of these defaults is replaced, and the first lines say so; what a
configuration asks for is not.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
	}
}

func (a *app) run(ctx context.Context) error {
	cfg, warnings, err := a.configuration()
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", oneLine(w.String()))
	}
	if err := setLogLevel(cfg.LogLevel); err != nil {
		return err
	}
	limitMemory(cfg.MemoryLimit)
	as, err := assemble(cfg)
	if err != nil {
		return err
	}
	watcher := as.node.Watch() // before anything can happen
	defer watcher.Close()
	signal.Ignore(syscall.SIGPIPE) // who reads what is printed may go away, and the node stays
	showing, stop := context.WithCancel(ctx)
	var shown chan struct{} // closed when nothing more is printed
	err = as.run(ctx, func() {
		b := a.banner(as)
		a.tellSystemd("READY=1")
		context.AfterFunc(ctx, func() { a.tellSystemd("STOPPING=1") })
		shown = make(chan struct{})
		go func() {
			defer close(shown)
			err := a.print(b, func(w io.Writer) { b.write(w, a.style()) })
			if err == nil {
				err = a.showEvents(watcher.C(), showing.Done(), b.doctor())
			}
			if err != nil {
				fmt.Fprintf(a.stderr, "warning: nothing more is printed, and the node runs on: %s\n", oneLine(err.Error()))
			}
		}()
	})
	stop()
	if shown != nil {
		select {
		case <-shown:
		case <-time.After(showTimeout):
		}
	}
	return err
}

// banner collects what to tell of a node that is ready.
func (a *app) banner(as *assembly) *banner {
	s := as.node.Status()
	b := &banner{Version: control.Version, Event: "ready", Time: time.Now(), ID: s.ID.String(), Network: s.Network,
		Addrs: s.Addrs, StateDir: as.dir, NewKey: as.newKey, Notes: notes(as), program: program(), flags: a.flagsFor(as)}
	if as.api != nil {
		b.API = as.api.Addr().String()
	}
	if as.dht != nil {
		b.DHTAPI = as.dht.Addr().String()
	}
	if as.rps != nil {
		b.RPSAPI = as.rps.Addr().String()
	}
	if as.nse != nil {
		b.NSEAPI = as.nse.Addr().String()
	}
	if as.control != nil {
		b.Control = as.control.Addr()
	}
	return b
}

// notes says in words what is not as a user of the defaults expects it.
func notes(as *assembly) (notes []string) {
	if as.dirMoved {
		notes = append(notes, "Another node has the default state folder, so this one took the next.")
	}
	if as.p2pMoved {
		notes = append(notes, fmt.Sprintf("Port %d is taken, so other nodes reach this one at another.", config.DefaultP2PPort))
	}
	if as.apiMoved {
		notes = append(notes, fmt.Sprintf("Port %d is taken, so the API is at another.", config.DefaultAPIPort))
	}
	return notes
}

// flagsFor is how other commands say that they mean this node, from whatever
// folder they are called.
func (a *app) flagsFor(as *assembly) string {
	switch {
	case as.dirMoved || a.stateDir != "":
		return " --state-dir " + shellQuote(as.dir)
	case a.config != "":
		if path, err := filepath.Abs(a.config); err == nil {
			return " -c " + shellQuote(path)
		}
		return " -c " + shellQuote(a.config)
	}
	return ""
}

// program is how this program was called, for commands that can be copied.
func program() string {
	name := os.Args[0]
	if strings.Contains(name, "/go-build") { // by go run
		return "go run ./cmd/hearsay"
	}
	return shellQuote(name)
}

func (a *app) tellSystemd(state string) {
	if err := notify(state); err != nil {
		fmt.Fprintf(a.stderr, "warning: systemd was not told %s: %s\n", state, oneLine(err.Error()))
	}
}
