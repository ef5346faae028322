package gossip_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Mutants as a schema (Untch, Offutt, Harrold, "Mutation analysis using mutant schemata",
// 1993): one program has them all, and a number says which one it is. To compile the tests
// takes some ten times as long as to run one of them.

// mutantVar is the environment variable that has the number; without it nothing is switched off.
const mutantVar = "HEARSAY_MUTANT"

const mutantSource = `package gossip

import (
	"os"
	"strconv"
)

var mutantNumber, _ = strconv.Atoi(os.Getenv("` + mutantVar + `"))
`

// schema writes the package with all mutants in it, the first being number 1, and returns
// the file for go's -overlay. Each function that a mutation is in stays and begins with
// a call of its mutant, if the number is that.
func schema(t *testing.T, folder string, all []mutation) (overlay string) {
	t.Helper()
	scratch := t.TempDir()
	replace := make(map[string]string)
	write := func(name, text string) string {
		path := filepath.Join(scratch, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sources := make(map[string]*source)
	for i, m := range all {
		if sources[m.file] == nil {
			sources[m.file] = readSource(t, filepath.Join(folder, m.file))
		}
		if err := sources[m.file].mutate(i+1, m); err != nil {
			t.Fatalf("%s: %v", m.defence, err)
		}
	}
	for name, s := range sources {
		replace[filepath.Join(folder, name)] = write(name, s.whole())
	}
	replace[filepath.Join(folder, "mutant.go")] = write("mutant.go", mutantSource)
	list, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	return write("overlay.json", string(list))
}

// source is a file of the package, and what becomes of it.
type source struct {
	text    string
	tree    *ast.File
	calls   map[int]string // what is put in where
	mutants []string       // functions
}

func readSource(t *testing.T, path string) *source {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &source{text: string(text), tree: tree, calls: make(map[int]string)}
}

// mutate adds a mutant of the function that the mutation is in.
func (s *source) mutate(number int, m mutation) error {
	if n := strings.Count(s.text, m.old); n != 1 {
		return fmt.Errorf("the text that switches it off is in %s %d times, want once: %q", m.file, n, m.old)
	}
	at := strings.Index(s.text, m.old)
	offset := func(p token.Pos) int { return int(p - s.tree.FileStart) }
	i := slices.IndexFunc(s.tree.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && offset(f.Body.Lbrace) < at && at+len(m.old) <= offset(f.End())
	})
	if i < 0 {
		return fmt.Errorf("the text that switches it off is in no function's body: %q", m.old)
	}
	f := s.tree.Decls[i].(*ast.FuncDecl)
	name := fmt.Sprint(f.Name.Name, "_", number)
	call := name + "("
	if f.Recv != nil {
		call = f.Recv.List[0].Names[0].Name + "." + call
	}
	for _, p := range f.Type.Params.List {
		for _, n := range p.Names {
			if n.Name == "_" {
				return fmt.Errorf("a parameter of %s has no name", f.Name.Name)
			}
			call += n.Name
			if _, ok := p.Type.(*ast.Ellipsis); ok {
				call += "..."
			}
			call += ", "
		}
	}
	call += ")"
	if f.Type.Results != nil {
		call = "return " + call
	} else {
		call += "; return"
	}
	s.calls[offset(f.Body.Lbrace)+1] += fmt.Sprintf(" if mutantNumber == %d { %s };", number, call)
	s.mutants = append(s.mutants, s.text[offset(f.Pos()):offset(f.Name.Pos())]+name+s.text[offset(f.Name.End()):at]+m.new+s.text[at+len(m.old):offset(f.End())])
	return nil
}

// whole is the file with the mutants in it.
func (s *source) whole() string {
	var b strings.Builder
	done := 0
	for _, at := range slices.Sorted(maps.Keys(s.calls)) {
		b.WriteString(s.text[done:at] + s.calls[at])
		done = at
	}
	b.WriteString(s.text[done:])
	for _, m := range s.mutants {
		b.WriteString("\n" + m + "\n")
	}
	return b.String()
}
