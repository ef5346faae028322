package scenario

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Error is a mistake in a scenario. It says where.
type Error struct {
	Path string
	Line int
	Text string
	Hint string // what to do, may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Text) }

// Scenario is a description that has been read.
type Scenario struct {
	// Name is the file's, without folder and extension.
	Name string
	// Title says what it is about.
	Title string
	// Long says that it takes longer than a test should.
	Long bool
	// Variants are what vary makes of it, one if there is none.
	Variants []*Variant
}

// Variant is a scenario with a value for what varies.
type Variant struct {
	// Scenario is its scenario's name, Name the value, "" if nothing varies.
	Scenario, Name string

	path  string
	setup setup
	steps []step
}

// step is something that happens.
type step struct {
	do func(r *runner)
}

// line is a directive with its arguments.
type line struct {
	number int
	words  []string
}

// Load reads the scenario in a file.
func Load(path string) (*Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, string(text))
}

// Parse reads a scenario. A mistake in it is an *Error, which names path.
func Parse(path, text string) (*Scenario, error) {
	var lines []line
	vary := line{words: []string{"vary", "", ""}}
	s := &Scenario{Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))}
	number := 0
	for l := range strings.Lines(text) {
		number++
		l, _, _ = strings.Cut(l, "#")
		words := strings.Fields(l)
		if len(words) == 0 {
			continue
		}
		at := line{number, words}
		switch words[0] {
		case "title":
			s.Title = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "title"))
		case "long":
			s.Long = true
		case "vary":
			if vary.number > 0 || len(words) < 3 {
				return nil, &Error{path, number, "vary takes a name and its values, once", "write: vary NAME VALUE…"}
			}
			vary = at
		default:
			lines = append(lines, at)
		}
	}
	for _, value := range vary.words[2:] {
		v := &Variant{Scenario: s.Name, Name: value, path: path, setup: newSetup()}
		p := &parser{variant: v, name: "$" + vary.words[1], value: value}
		for _, l := range lines {
			if err := p.directive(l); err != nil {
				err.Path, err.Line = path, l.number
				return nil, err
			}
		}
		if err := v.setup.check(); err != nil {
			return nil, &Error{path, max(number, 1), err.Error(), ""}
		}
		s.Variants = append(s.Variants, v)
	}
	return s, nil
}

// parser reads the directives of one variant.
type parser struct {
	variant     *Variant
	name, value string // of what varies
	happening   bool   // settings are over
}

func (p *parser) directive(l line) *Error {
	words := slices.Clone(l.words)
	for i := range words {
		if p.name != "$" {
			words[i] = strings.ReplaceAll(words[i], p.name, p.value)
		}
		if strings.Contains(words[i], "$") {
			return &Error{Text: fmt.Sprintf("%q stands for nothing", words[i]), Hint: "values come from: vary NAME VALUE…"}
		}
	}
	i := slices.IndexFunc(directives, func(d directive) bool { return d.name == words[0] })
	if i < 0 {
		return &Error{Text: fmt.Sprintf("there is no directive %q", words[0]), Hint: suggest(words[0], names())}
	}
	d := directives[i]
	a := &args{words: words[1:]}
	if d.setting != nil {
		if p.happening {
			return &Error{Text: fmt.Sprintf("%s is a setting, and something has happened already", d.name), Hint: "settings come first"}
		}
		d.setting(a, &p.variant.setup)
	} else {
		p.happening = true
		if do := d.step(a, &p.variant.setup); do != nil {
			p.variant.steps = append(p.variant.steps, step{do})
		}
	}
	if a.err == nil {
		a.over()
	}
	if a.err != nil {
		return &Error{Text: fmt.Sprintf("%s: %v", d.name, a.err), Hint: cmp.Or(a.hint, "write: "+d.name+" "+d.usage)}
	}
	return nil
}

func names() []string {
	all := []string{"title", "long", "vary"}
	for _, d := range directives {
		all = append(all, d.name)
	}
	return all
}

// suggest names what somebody may have meant, or everything there is.
func suggest(word string, all []string) string {
	for _, w := range all {
		if near(word, w) {
			return "did you mean: " + w
		}
	}
	return "there are: " + strings.Join(all, ", ")
}

// near reports whether two words differ by at most two letters (Levenshtein).
func near(a, b string) bool {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)] <= min(2, len(b)/2)
}
