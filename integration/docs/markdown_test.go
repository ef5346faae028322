package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// pages are the files that are held to what they say.
func pages(t *testing.T) []string {
	t.Helper()
	list := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md", "docs/*/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return list
}

// step is a comment for the test, and the block behind it.
type step struct {
	line      int
	directive string // what stands behind "test:"; "" = nothing
	marked    bool   // there is a comment for the test
	kind      string // of the block; "" = no block
	text      string
}

var comment = regexp.MustCompile(`^<!-- test(?:: (.*))? -->$`)

// steps reads a page.
func steps(t *testing.T, path string) (list []step) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var pending *step // a comment whose block may follow
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case inside && trimmed == "```":
			inside = false
		case inside:
			list[len(list)-1].text += line + "\n"
		case strings.HasPrefix(trimmed, "```"):
			s := step{line: i + 1}
			if pending != nil {
				s, pending = *pending, nil
			}
			s.kind = strings.TrimPrefix(trimmed, "```")
			list = append(list, s)
			inside = true
		default:
			if pending != nil {
				list, pending = append(list, *pending), nil
			}
			if m := comment.FindStringSubmatch(trimmed); m != nil {
				pending = &step{line: i + 1, directive: m[1], marked: true}
			}
		}
	}
	if inside {
		t.Fatalf("%s: a block does not end", path)
	}
	if pending != nil {
		list = append(list, *pending)
	}
	return list
}

var (
	link    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// TestLinks: what a page refers to is there.
func TestLinks(t *testing.T) {
	n := 0
	for _, path := range pages(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			n++
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s refers to %s, which does not exist", path, m[1])
				continue
			}
			if anchor == "" || filepath.Ext(file) != ".md" {
				continue
			}
			there, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, h := range heading.FindAllStringSubmatch(string(there), -1) {
				found = found || anchorOf(h[1]) == anchor
			}
			if !found {
				t.Errorf("%s refers to %s, and there is no such heading", path, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d links were found", n)
	}
}

// TestGoBlocks: the Go that pages show is among the tests of this package, and so is
// compiled and run.
func TestGoBlocks(t *testing.T) {
	source, err := os.ReadFile("mymodule_test.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range append(pages(t), filepath.Join(root, "integration/README.md")) {
		for _, s := range steps(t, path) {
			if s.kind != "go" {
				continue
			}
			n++
			if !strings.Contains(string(source), "\n"+s.text) {
				t.Errorf("%s:%d: this is not in mymodule_test.go:\n%s", path, s.line, s.text)
			}
		}
	}
	if n < 2 {
		t.Errorf("only %d blocks of Go were found", n)
	}
}

// anchorOf is what a heading is referred to by.
func anchorOf(heading string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if strings.ContainsRune("`.,:;/()[]?!'\"", r) {
			return -1
		}
		return r
	}, strings.ToLower(heading)), " ", "-")
}

// named is a test that a table of threats names: its folder, if any, and its name.
var named = regexp.MustCompile("`((?:[a-z]+/)*)((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)(?:/([a-z]+))?`")

// The tests that are said to show a defence exist.
func TestThreatsHaveTests(t *testing.T) {
	for page, here := range map[string]string{"docs/threats.md": "", "node/gossip/THREATS.md": "node/gossip"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		found := named.FindAllSubmatch(text, -1)
		if len(found) < 50 {
			t.Errorf("%s names %d tests: they are not understood", page, len(found))
		}
		for _, m := range found {
			folder, name, part := string(m[1]), string(m[2]), string(m[3])
			if folder == "" || folder == "sim/" {
				folder = here + "/" + folder
			}
			files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			ok := false
			for _, file := range files {
				source, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				ok = ok || strings.Contains(string(source), "\nfunc "+name+"(")
			}
			if part != "" {
				_, err := os.Stat(filepath.Join(root, folder, "testdata/script", part+".txtar"))
				ok = ok && err == nil
			}
			if !ok {
				t.Errorf("%s: there is no %s", page, m[0])
			}
		}
	}
}
