package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"hearsay/node/control"
)

// How people name nodes: by peer ID, by its beginning or end if no other known
// node's is alike, or by a name that they gave it themselves. What nodes call
// themselves does not count: anybody could take anybody's name.

const (
	// aliasFile is where a state folder has the names that its user gave: NAME PEER
	// on each line, or a comment behind a #.
	aliasFile  = "aliases"
	maxAliases = 1000
	// leastPart is how many characters name a node at least: shorter parts are
	// alike by chance.
	leastPart = 4
)

var aliasName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,31}$`)

// names are the nodes that can be named.
type names struct {
	self    string
	aliases map[string]string // name → peer ID
	known   []string          // peer IDs
}

// names asks the node whom it knows.
func (a *app) names(ctx context.Context, c *control.Client) (*names, error) {
	id, err := c.Identity(ctx)
	if err != nil {
		return nil, err
	}
	peers, err := c.Peers(ctx)
	if err != nil {
		return nil, err
	}
	n := &names{self: id.ID}
	if n.aliases, err = readAliases(c.Dir()); err != nil {
		return nil, err
	}
	for _, p := range peers.Peers {
		n.known = append(n.known, p.ID)
	}
	return n, nil
}

// resolve is the peer ID that a text names.
func (n *names) resolve(text string) (string, error) {
	if id, ok := n.aliases[text]; ok {
		return id, nil
	}
	if p, err := peer.Decode(text); err == nil {
		return p.String(), nil
	}
	part := strings.TrimPrefix(text, "…")
	var fit []string
	for _, id := range n.known {
		if strings.HasPrefix(id, part) || strings.HasSuffix(id, part) {
			fit = append(fit, id)
		}
	}
	switch {
	case len(part) < leastPart:
		return "", fail("see who is here: hearsay peers", "%q is too short to name a node: %d characters of its peer ID, or an alias", text, leastPart)
	case len(fit) == 0:
		return "", fail("see who is here: hearsay peers", "no node is known by %q", text)
	case len(fit) > 1:
		return "", fail("say more of it", "%q may be any of %s", text, strings.Join(fit[:min(len(fit), 5)], ", "))
	}
	return fit[0], nil
}

// of is how a node is shown: by its alias, else by the end of its peer ID.
func (n *names) of(id string) string {
	if id == n.self {
		return "you"
	}
	for _, name := range slices.Sorted(maps.Keys(n.aliases)) {
		if n.aliases[name] == id {
			return name
		}
	}
	return short(id)
}

func readAliases(dir string) (map[string]string, error) {
	aliases := make(map[string]string)
	path := filepath.Join(dir, aliasFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return aliases, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for n := 1; lines.Scan(); n++ {
		name, id, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		p, err := peer.Decode(strings.TrimSpace(id))
		if err != nil || !aliasName.MatchString(name) {
			return nil, fail("write NAME PEER on each line, or remove it", "%s:%d: %q is no alias", path, n, oneLine(lines.Text()))
		}
		aliases[name] = p.String()
	}
	return aliases, lines.Err()
}

// writeAlias has the name stand for a node, or for none if id is "". What else is in the
// file stays as it is. The file is replaced, so that readers find all of it or what was
// before.
func writeAlias(dir, name, id string) error {
	text, err := os.ReadFile(filepath.Join(dir, aliasFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if given, _, _ := strings.Cut(strings.TrimSpace(line), " "); given == name {
			if id == "" {
				continue
			}
			line, id = name+" "+id, ""
		}
		fmt.Fprintln(&b, line)
	}
	if id != "" {
		fmt.Fprintln(&b, name, id)
	}
	temp, err := os.CreateTemp(dir, "."+aliasFile+"-*")
	if err != nil {
		return err
	}
	_, err = temp.WriteString(b.String())
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), filepath.Join(dir, aliasFile))
	}
	if err != nil {
		os.Remove(temp.Name())
	}
	return err
}

func (a *app) aliasCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List the names that you gave to nodes", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				aliases, err := readAliases(c.Dir())
				if err != nil {
					return err
				}
				return a.print(struct {
					Version int               `json:"version"`
					Aliases map[string]string `json:"aliases"`
				}{control.Version, aliases}, func(w io.Writer) {
					t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
					for _, name := range slices.Sorted(maps.Keys(aliases)) {
						fmt.Fprintf(t, "%s\t%s\n", name, aliases[name])
					}
					t.Flush()
				})
			})
		}}
	set := &cobra.Command{Use: "set NAME PEER", Short: "Give a node a name that commands take for it",
		Long: `Give a node a name that commands take instead of its peer ID. The name is yours
alone: it is kept in the state folder, and nobody else learns it. PEER is a peer
ID, or the beginning or end of one that is known.`,
		Args: takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := peer.Decode(args[0]); err == nil || !aliasName.MatchString(args[0]) {
				return usage(cmd, "%q is no name: a letter, then up to 31 letters, digits, - and _", args[0])
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				n, err := a.names(ctx, c)
				if err != nil {
					return err
				}
				id, err := n.resolve(args[1])
				if err != nil {
					return err
				}
				if n.aliases[args[0]] = id; len(n.aliases) > maxAliases {
					return fail("delete some", "%d names are enough", maxAliases)
				}
				return writeAlias(c.Dir(), args[0], id)
			})
		}}
	remove := &cobra.Command{Use: "delete NAME", Short: "Forget a name", Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				aliases, err := readAliases(c.Dir())
				if err != nil {
					return err
				}
				if _, ok := aliases[args[0]]; !ok {
					return fail("see: hearsay alias list", "there is no name %q", args[0])
				}
				return writeAlias(c.Dir(), args[0], "")
			})
		}}
	for _, cmd := range []*cobra.Command{list, set, remove} {
		addTimeout(cmd, askTimeout)
	}
	return a.group("alias", "Names for nodes, of your own", list, set, remove)
}
