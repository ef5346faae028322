package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the path that all packages of this repository begin with.
const module = "hearsay/"

// rule restricts the imports of the packages under a folder. Tests may import
// what they like: a rule is about what a program is made of.
type rule struct {
	under  string // folder; with a trailing slash also those below it
	only   func(imported string) bool
	never  func(imported string) bool
	reason string
}

func standard(path string) bool {
	return !strings.HasPrefix(path, module) && !strings.Contains(strings.SplitN(path, "/", 2)[0], ".")
}

func ours(path string) bool { return strings.HasPrefix(path, module) }

func libp2p(path string) bool {
	return strings.HasPrefix(path, "github.com/libp2p/") || strings.HasPrefix(path, "github.com/multiformats/")
}

// within reports whether an import is in one of the given folders of this
// repository, or below.
func within(folders ...string) func(string) bool {
	return func(path string) bool {
		for _, f := range folders {
			if path == module+f || strings.HasPrefix(path, module+f+"/") {
				return true
			}
		}
		return false
	}
}

func exactly(paths ...string) func(string) bool {
	return func(path string) bool { return slices.Contains(paths, path) }
}

func either(fs ...func(string) bool) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(fs, func(f func(string) bool) bool { return f(path) })
	}
}

func not(f func(string) bool) func(string) bool {
	return func(path string) bool { return !f(path) }
}

func both(f, g func(string) bool) func(string) bool {
	return func(path string) bool { return f(path) && g(path) }
}

var rules = []rule{
	{under: "node/gossip", only: both(standard, not(exactly("net", "os", "sync", "sync/atomic", "context", "io", "log", "runtime"))),
		reason: "the core is a pure function of its events: what it cannot import it cannot depend on"},
	{under: "node/gossip/sim", only: either(standard, exactly(module+"node/gossip")),
		reason: "the simulator drives the core and nothing else, so that its results are the core's"},
	{under: "node/gossip/sim/scenario", only: either(standard, exactly(module+"node/gossip", module+"node/gossip/sim")),
		reason: "a scenario is what the simulator can do, in words"},
	{under: "node/gossip/maelstrom", only: either(standard, exactly(module+"node/gossip", module+"node/wire")),
		reason: "a Maelstrom node is the core, its codec and JSON: what the checker judges must be what real nodes run"},
	{under: "pow", only: standard, reason: "proof of work is a few lines over SHA-256"},
	{under: "apibridge/apimsg", only: standard, reason: "a codec for others to read needs nothing that they do not have"},
	{under: "node/wire", only: either(standard, exactly(module+"node/gossip"), func(p string) bool { return strings.HasPrefix(p, "google.golang.org/protobuf/") }),
		reason: "frames are bytes: decoding them must be testable without a network"},
	{under: "node/transport", never: both(ours, not(within("node/wire", "node/gossip", "node/identity"))),
		reason: "the transport carries messages, checks what peers signed, and knows nobody who decides about them"},
	{under: "discovery", never: within("node", "apibridge", "cmd"), reason: "discovery finds peers for whoever asks"},
	{under: "discovery/values", never: both(ours, not(exactly(module+"discovery/values", module+"discovery/aligned"))),
		reason: "values need a routing table and somebody who carries messages, and know nothing else of a node"},
	{under: "discovery/aligned", only: standard, reason: "when something is done is no matter of what that is"},
	{under: "apibridge/", never: either(within("node", "discovery", "cmd"), libp2p),
		reason: "the bridge serves anything with its small interfaces, and modules' authors read it without knowing libp2p"},
	{under: "node/config", never: within("node", "apibridge", "discovery", "cmd"), reason: "a configuration is text and values"},
	{under: "node/identity", never: within("node/gossip", "apibridge", "discovery", "cmd"), reason: "a key does not know what it signs"},
	{under: "node/envelope", never: both(ours, not(exactly(module+"node/identity"))),
		reason: "sealing is cryptography over bytes, whoever carries them"},
	{under: "node/health", only: either(standard, exactly("golang.org/x/sys/unix")),
		reason: "health judges facts that it is given, and knows nobody who collects them"},
	{under: "node/direct", never: both(ours, not(within("node/wire"))), reason: "a protocol that carries bytes need not know what they say"},
	{under: "node/mail", never: both(ours, not(within("node/direct", "node/envelope", "node/identity", "node/journal"))),
		reason: "what becomes of messages is decided without the node that carries them"},
	{under: "node/shared", never: both(ours, not(within("node/journal"))), reason: "what nodes say of themselves is kept by whoever is told it"},
	{under: "node/journal", never: within("node/gossip", "apibridge", "discovery", "cmd"), reason: "the journal keeps values, it does not interpret them"},
	{under: "node/folder", only: standard, reason: "who has a folder is asked by those who know nothing of what is in it"},
	{under: "node", never: within("apibridge", "node/config", "node/control", "node/dashboard", "cmd"),
		reason: "a node can be embedded without its bridge, its files and its commands"},
	{under: "node/control", never: within("apibridge", "node/transport", "node/journal", "discovery", "cmd"),
		reason: "the control API shows what package node tells, and not how it works"},
	{under: "integration/interop", only: either(standard, exactly("filippo.io/edwards25519")),
		reason: "a second implementation that shared code with the first one would share its mistakes; the curve's arithmetic is not in the standard library"},
	{under: "node/metrics", never: either(ours, libp2p), reason: "metrics are numbers, whoever counted them"},
	{under: "node/dashboard", only: standard, reason: "the page talks to the control API as any other page could, and to nothing else"},
	{under: "", never: within("cmd"), reason: "commands are wiring: nobody can build on them"},
}

func (r rule) covers(folder string) bool {
	if base, below := strings.CutSuffix(r.under, "/"); below {
		return folder == base || strings.HasPrefix(folder, r.under)
	}
	return r.under == "" || folder == r.under
}

type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

// list asks the go command for the packages of this repository.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImports(t *testing.T) {
	packages := list(t)
	used := make([]bool, len(rules))
	for _, p := range packages {
		folder := strings.TrimPrefix(p.ImportPath, module)
		for i, r := range rules {
			if !r.covers(folder) {
				continue
			}
			used[i] = true
			for _, imported := range p.Imports {
				if r.only != nil && !r.only(imported) || r.never != nil && r.never(imported) {
					t.Errorf("%s imports %s, which it must not: %s", p.ImportPath, imported, r.reason)
				}
			}
		}
	}
	for i, r := range rules {
		if !used[i] {
			t.Errorf("the rule for %q covers no package: has it moved?", r.under)
		}
	}
}

// TestRulesBite: each rule refuses something that it is meant to refuse.
func TestRulesBite(t *testing.T) {
	for _, bad := range []struct{ under, imported string }{
		{"node/gossip", "net"}, {"node/gossip", "sync"}, {"node/gossip", "github.com/libp2p/go-libp2p/core/peer"}, {"node/gossip", module + "pow"},
		{"node/gossip/sim", module + "node"}, {"node/gossip/maelstrom", module + "node/transport"}, {"node/gossip/sim/scenario", module + "node/wire"}, {"pow", "github.com/minio/sha256-simd"}, {"apibridge/apimsg", module + "node/gossip"},
		{"node/wire", "github.com/libp2p/go-libp2p/core/peer"}, {"node/transport", module + "node/journal"}, {"discovery", module + "node/journal"}, {"discovery/values", module + "discovery"}, {"discovery/aligned", module + "discovery"},
		{"apibridge/", module + "node"}, {"apibridge/", "github.com/libp2p/go-libp2p"}, {"node", module + "apibridge"}, {"node/control", module + "node/transport"},
		{"node/direct", module + "node/gossip"}, {"node/mail", module + "node"}, {"node/shared", module + "node/gossip"},
		{"", module + "cmd/hearsay"}, {"node/dashboard", module + "node/control"}, {"node/metrics", module + "node"}, {"node/config", module + "node"}, {"node/identity", module + "node/gossip"}, {"node/journal", module + "discovery"}, {"node/health", module + "node/gossip"},
		{"integration/interop", module + "node/gossip"}, {"integration/interop", "google.golang.org/protobuf/encoding/protowire"},
	} {
		i := slices.IndexFunc(rules, func(r rule) bool { return r.under == bad.under })
		if i < 0 {
			t.Errorf("no rule for %q", bad.under)
		} else if r := rules[i]; (r.only == nil || r.only(bad.imported)) && (r.never == nil || !r.never(bad.imported)) {
			t.Errorf("%q may import %s", bad.under, bad.imported)
		}
	}
}

// TestCorePure: the core starts no goroutine, asks no clock and takes no chance
// that is not given to it.
func TestCorePure(t *testing.T) {
	forbidden := map[string]bool{
		"time.Now": true, "time.Since": true, "time.Until": true, "time.Sleep": true, "time.After": true, "time.NewTimer": true, "time.Tick": true,
		"rand.Int": true, "rand.IntN": true, "rand.Float64": true, "rand.Shuffle": true, "rand.Uint64": true, "rand.Perm": true, "rand.N": true,
	}
	checked := 0
	for _, p := range list(t) {
		if p.ImportPath != module+"node/gossip" {
			continue
		}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			checked++
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", name)
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Obj == nil && forbidden[x.Name+"."+n.Sel.Name] {
						t.Errorf("%s uses %s.%s", name, x.Name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
	if checked == 0 {
		t.Error("the core has no files: has it moved?")
	}
}

// TestTopLevel: the repository's top level is what a reader is told it is.
func TestTopLevel(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, p := range list(t) {
		top, _, _ := strings.Cut(strings.TrimPrefix(p.ImportPath, module), "/")
		if !slices.Contains([]string{"node", "apibridge", "discovery", "pow", "cmd", "integration"}, top) {
			t.Errorf("%s is in no known top-level folder", p.ImportPath)
		}
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "LICENSE", "go.mod", "docker-compose.yml", "Dockerfile", ".ci/run"} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Errorf("%s is missing", name)
		}
	}
}
