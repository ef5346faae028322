package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"hearsay/node/control"
)

func (a *app) dashboardCommand() *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use:   "dashboard",
		Short: "Open the running node's page in a browser",
		Long: `Print a link to the running node's page, to be opened in a browser on this
machine. The link works once, within two minutes; the page then stays open as
long as the node runs. Whoever can read the node's state folder can ask for one,
nobody else.

With --open the browser of this desktop is told to open it. Other users of the
machine may see the link in the list of processes for a moment then.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				login, err := c.Login(ctx)
				if err != nil {
					return err
				}
				if err := a.print(login, func(w io.Writer) { fmt.Fprintln(w, login.URL) }); err != nil {
					return err
				}
				if show {
					return browse(login.URL)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&show, "open", false, "open the link in the desktop's browser")
	addTimeout(cmd, askTimeout)
	return cmd
}

// browse asks the desktop to open a link.
func browse(url string) error {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	opener := exec.Command(name, args...)
	if err := opener.Start(); err != nil {
		return fail("open the link that was printed yourself", "no browser can be opened: %v", err)
	}
	return opener.Process.Release() // it may live as long as the browser
}
