// Hearsay is a decentralised gossip node and the command line that steers it.
//
// There is one command per file, and only wiring: each command reads its flags,
// asks a package and prints the answer. start.go is where a node is put together
// from its parts; everything else talks to a running node over its control API,
// or over the module API where --api asks for it.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(hearsay()) }

// hearsay is the whole program, from the arguments to the exit code. The first
// signal ends the command's context; who sends a second one does not want to
// wait for what that takes. The end of the terminal is a signal, too, but not a
// second one, since it may come from the shell and from the system.
func hearsay() int {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	hangup := make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(hangup, syscall.SIGHUP)
	}
	go func() {
		select {
		case <-signals:
		case <-hangup:
		}
		end()
		<-signals
		os.Exit(exitFailed)
	}()
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	return a.execute(ctx, os.Args[1:])
}

// app is what all commands share: the standard streams and the global flags.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	json     bool   // --json
	config   string // -c, --config
	stateDir string // --state-dir
}

func (a *app) execute(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		return a.report(err)
	}
	return exitOK
}
