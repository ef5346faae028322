package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hearsay/node/control"
)

// Exit codes; they are part of the interface.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitNoNode    = 3
	exitUnhealthy = 4
	exitTimeout   = 5
	// exitConfig is EX_CONFIG of sysexits.h: starting again does not help, which
	// is what deploy/hearsay.service makes of it.
	exitConfig = 78
)

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `Exit codes:

  0  done
  1  it failed
  2  the command line is wrong
  3  no node is running
  4  the node runs and is unhealthy; of doctor: it found something amiss
  5  the time was up
 78  the configuration is wrong, or a file that it names: the hostkey, the network
     key, the list of peers; starting again does not help

A failure is told on standard error: one line what was wrong, one line what to
do about it. With --json it is one object:

  {"version":1,"error":"…","hint":"…","exit":1}`,
	}
}

// failure is an error with its exit code and what to do about it.
type failure struct {
	code int
	err  error
	hint string // may be empty
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// fail is an error with a hint what to do.
func fail(hint, format string, args ...any) error {
	return &failure{code: exitFailed, err: fmt.Errorf(format, args...), hint: hint}
}

// misconfigured is an error of the configuration or of a file that it names.
func misconfigured(hint string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{code: exitConfig, err: err, hint: hint}
}

// usage is a mistake on the command line of cmd.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...), hint: "see: " + cmd.CommandPath() + " --help"}
}

// classify gives errors of the packages their exit code and a hint.
func classify(err error) *failure {
	var f *failure
	var refused *control.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, control.ErrNoNode):
		return &failure{exitNoNode, err, "start one: hearsay run (another one's folder: --state-dir DIR or -c FILE)"}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{exitTimeout, errors.New("the time was up"), "give it more with --timeout, or see how the node is: hearsay health"}
	case errors.As(err, &refused):
		return &failure{exitFailed, err, refused.Hint}
	default:
		return &failure{code: exitFailed, err: err}
	}
}

// report tells the user of an error and returns the exit code.
func (a *app) report(err error) int {
	f := classify(err)
	if a.json {
		json.NewEncoder(a.stderr).Encode(struct {
			Version int    `json:"version"`
			Error   string `json:"error"`
			Hint    string `json:"hint,omitempty"`
			Exit    int    `json:"exit"`
		}{control.Version, f.Error(), f.hint, f.code})
		return f.code
	}
	fmt.Fprintf(a.stderr, "hearsay: %s\n", oneLine(f.Error()))
	if f.hint != "" {
		fmt.Fprintf(a.stderr, "  %s\n", oneLine(f.hint))
	}
	return f.code
}
