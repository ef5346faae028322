package main

import (
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man [DIR]",
		Short: "Write the manual pages",
		Long: `Write the manual pages, one for each command, to the folder DIR, which is made if
it is missing; without DIR the first of them to standard output.`,
		Example: `  hearsay man | man -l -
  hearsay man ~/.local/share/man/man1`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			header := &doc.GenManHeader{Title: "HEARSAY", Section: "1", Source: agent(), Manual: "Hearsay"}
			root := cmd.Root()
			root.DisableAutoGenTag = true // pages of one version are the same whenever they are written
			if len(args) == 0 {
				return doc.GenMan(root, header, a.stdout)
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return err
			}
			pages, err := filepath.Glob(filepath.Join(args[0], "hearsay*.1"))
			if err != nil {
				return err
			}
			return a.print(struct {
				Version int `json:"version"`
				Pages   int `json:"pages"`
			}{1, len(pages)}, func(w io.Writer) { io.WriteString(w, count(len(pages), "page")+" in "+oneLine(args[0])+"\n") })
		},
	}
}
