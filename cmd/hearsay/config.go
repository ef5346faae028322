package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"hearsay/node/config"
)

func (a *app) configCommand() *cobra.Command {
	return a.group("config", "Check or show a configuration", a.configCheckCommand(), a.configShowCommand())
}

// finding is one line of what config check has to say.
type finding struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Key  string `json:"key,omitempty"`
	Text string `json:"text"`
}

func (a *app) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "List everything that is wrong with a configuration file",
		Long: `List everything that is wrong with a configuration file, with file, line and
key. Errors are a failure (exit code 78), warnings alone are none.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := a.config
			if len(args) > 0 {
				if path != "" {
					return usage(cmd, "name the file once, as an argument or with -c")
				}
				path = args[0]
			}
			if path == "" {
				return usage(cmd, "which file?")
			}
			_, warnings, err := config.Load(path)
			problems := apart(err)
			found := struct {
				Version  int       `json:"version"`
				OK       bool      `json:"ok"`
				Errors   []finding `json:"errors"`
				Warnings []finding `json:"warnings"`
			}{1, err == nil, []finding{}, []finding{}}
			for _, p := range problems {
				f := finding{File: path, Text: p.Error()}
				var known *config.Error
				if errors.As(p, &known) {
					f = finding{known.File, known.Line, known.Key, known.Err.Error()}
				}
				found.Errors = append(found.Errors, f)
			}
			for _, w := range warnings {
				found.Warnings = append(found.Warnings, finding{File: w.File, Line: w.Line, Text: w.Text})
			}
			err = a.print(found, func(w io.Writer) {
				for _, p := range problems {
					fmt.Fprintln(w, "error:  ", oneLine(p.Error()))
				}
				for _, warning := range warnings {
					fmt.Fprintln(w, "warning:", oneLine(warning.String()))
				}
				if len(problems) == 0 {
					fmt.Fprintln(w, oneLine(path), "is in order")
				}
			})
			if err == nil && len(problems) > 0 {
				err = misconfigured("correct the file; all keys with their defaults: hearsay config show", fmt.Errorf("%s in %s", count(len(problems), "error"), path))
			}
			return err
		},
	}
}

func (a *app) configShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show the configuration in force as a commented file",
		Long: `Show the configuration in force, that of -c FILE or the defaults, as a file with
a comment for each key. It can be used as a configuration file.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if a.json {
				return usage(cmd, "the configuration is shown as INI, not as JSON")
			}
			_, err = cfg.WriteTo(a.stdout)
			return err
		},
	}
}

// apart undoes errors.Join.
func apart(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// firstOf is the first of joined errors, with how many more there are.
func firstOf(err error) error {
	all := apart(err)
	if len(all) == 1 {
		return all[0]
	}
	return fmt.Errorf("%w (and %d more)", all[0], len(all)-1)
}
