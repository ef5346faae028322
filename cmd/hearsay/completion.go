package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	shell := func(name, how string, write func(root *cobra.Command) error) *cobra.Command {
		return &cobra.Command{
			Use:     name,
			Short:   "Completion for " + name,
			Example: "  " + how,
			Args:    takes(0, 0),
			RunE:    func(cmd *cobra.Command, _ []string) error { return write(cmd.Root()) },
		}
	}
	return a.group("completion", "Write what a shell needs to complete commands, flags and nodes",
		shell("bash", `source <(hearsay completion bash)`, func(root *cobra.Command) error { return root.GenBashCompletionV2(a.stdout, true) }),
		shell("zsh", `hearsay completion zsh > "${fpath[1]}/_hearsay"`, func(root *cobra.Command) error { return root.GenZshCompletion(a.stdout) }),
		shell("fish", `hearsay completion fish > ~/.config/fish/completions/hearsay.fish`, func(root *cobra.Command) error { return root.GenFishCompletion(a.stdout, true) }),
		shell("powershell", `hearsay completion powershell | Out-String | Invoke-Expression`, func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(a.stdout) }))
}

// completeTime is how long somebody who pressed the tabulator waits for the node.
const completeTime = 500 * time.Millisecond

// completeNodes completes the names of nodes: the user's own, then peer IDs.
func (a *app) completeNodes(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	c, err := a.find(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.Close()
	n, err := a.names(ctx, c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var fit []string
	for _, name := range append(slices.Sorted(maps.Keys(n.aliases)), n.known...) {
		if strings.HasPrefix(name, begun) {
			fit = append(fit, oneLine(name))
		}
	}
	return fit, cobra.ShellCompDirectiveNoFileComp
}
