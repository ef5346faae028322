// Gossipsim runs the gossip core in simulated networks: scenarios that are
// described in text, the broadcast workload of Maelstrom in virtual time, and, as
// a Maelstrom node, behind standard input and output.
//
// There is one command per file, and only wiring: what a scenario is says package
// scenario, what a Maelstrom node is says package maelstrom.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(gossipsim()) }

// gossipsim is the whole program, from the arguments to the exit code. The first
// signal ends the command's context, a second one the program.
func gossipsim() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	return a.execute(ctx, os.Args[1:])
}

// app is what all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	json bool // --json
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
