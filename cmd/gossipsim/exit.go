package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"hearsay/node/gossip/sim/scenario"
)

// Exit codes; they are part of the interface.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

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

// usage is a mistake on the command line of cmd.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...), hint: "see: " + cmd.CommandPath() + " --help"}
}

// classify gives errors of the packages their exit code and a hint.
func classify(err error) *failure {
	var f *failure
	var wrong *scenario.Error
	var file *fs.PathError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &wrong):
		return &failure{exitUsage, err, wrong.Hint}
	case errors.As(err, &file):
		return &failure{exitUsage, fmt.Errorf("%s: %w", file.Path, file.Err), "name a file that can be read"}
	default:
		return &failure{code: exitFailed, err: err}
	}
}

// report tells the user of an error and returns the exit code.
func (a *app) report(err error) int {
	f := classify(err)
	if a.json {
		json.NewEncoder(a.stderr).Encode(struct {
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
			Exit  int    `json:"exit"`
		}{f.Error(), f.hint, f.code})
		return f.code
	}
	fmt.Fprintf(a.stderr, "gossipsim: %s\n", f.Error())
	if f.hint != "" {
		fmt.Fprintf(a.stderr, "  %s\n", f.hint)
	}
	return f.code
}
