package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is which program this is.
type build struct {
	Version  int    `json:"version"` // of this JSON
	Hearsay  string `json:"hearsay"` // module version, "(devel)" if built from a checkout without one
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`     // of the revision
	Modified bool   `json:"modified,omitempty"` // the checkout had changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{Version: 1, Hearsay: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Hearsay = cmp.Or(info.Main.Version, "(devel)")
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// agent is what this program tells others of itself.
func agent() string { return "hearsay/" + thisBuild().Hearsay }

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which program this is",
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			return a.print(b, func(w io.Writer) {
				fmt.Fprintf(w, "hearsay %s\n", b.Hearsay)
				if b.Revision != "" {
					dirty := ""
					if b.Modified {
						dirty = ", with changes"
					}
					fmt.Fprintf(w, "revision %s (%s%s)\n", b.Revision, b.Time, dirty)
				}
				fmt.Fprintf(w, "%s %s\n", b.Go, b.Platform)
			})
		},
	}
}
