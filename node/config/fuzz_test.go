package config

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/ini.v1"
)

// FuzzParse: no text makes Parse panic, what parses is written so that it parses
// to the same, and what does not names file and line of each error or says why
// there is none.
func FuzzParse(f *testing.F) {
	addGolden(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, warnings, err := Parse("/etc/hearsay/node.ini", data)
		lines := 1 + bytes.Count(data, []byte("\n"))
		for _, w := range warnings {
			if w.Line < 1 || w.Line > lines || strings.Contains(w.String(), "\n") {
				t.Errorf("warning %q", w)
			}
		}
		if err != nil {
			if c != nil {
				t.Error("an error and a Config")
			}
			if len(apart(err)) > maxErrors+1 {
				t.Errorf("%d errors", len(apart(err)))
			}
			for _, err := range apart(err) {
				e, ok := errors.AsType[*Error](err)
				if !ok {
					t.Fatalf("%T: %v", err, err)
				}
				whole := e.Line == 0 && (strings.Contains(e.Error(), "too large") || strings.Contains(e.Error(), "not in the file"))
				if text := e.Error(); (e.Line < 1 || e.Line > lines) && !whole || strings.ContainsAny(text, "\n\x1b") || len(text) > 1000 {
					t.Errorf("line %d: %q", e.Line, text)
				}
			}
			return
		}
		text := c.String()
		back, warnings, err := Parse("/tmp/other.ini", []byte(text))
		if err != nil || len(warnings) != 0 || !reflect.DeepEqual(back, c) {
			t.Errorf("%v, warnings %v, got\n%s\nwant\n%s", err, warnings, back, text)
		}
	})
}

// FuzzScan: line by line, the same keys and values are seen in the same order as
// by ini.v1 in the whole file, and what it finds no INI is none for us either.
func FuzzScan(f *testing.F) {
	addGolden(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if ownWay(data) {
			t.Skip()
		}
		type section struct {
			keys   []string
			values map[string]string
		}
		ours := map[string]*section{}
		bad := ""
		for st := range scan(data) {
			key, value, err := split(st.text)
			if st.err != nil || err != nil {
				bad = st.text
				continue
			}
			s := ours[st.section]
			if s == nil {
				s = &section{values: map[string]string{}}
				ours[st.section] = s
			}
			if !slices.Contains(s.keys, key) {
				s.keys = append(s.keys, key)
			}
			s.values[key] = value
		}

		opts := iniOptions
		opts.InsensitiveSections = true
		file, err := ini.LoadSources(opts, data)
		if (err != nil) != (bad != "") {
			t.Fatalf("ini.v1: %v, scan: %q", err, bad)
		}
		if err != nil {
			return
		}
		theirs := map[string]*section{}
		for _, s := range file.Sections() {
			name := s.Name()
			if strings.EqualFold(name, ini.DefaultSection) {
				name = ""
			}
			if keys := s.KeyStrings(); len(keys) > 0 {
				theirs[name] = &section{keys: keys, values: map[string]string{}}
				for _, k := range s.Keys() {
					theirs[name].values[k.Name()] = k.Value()
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(theirs)) {
			if !reflect.DeepEqual(ours[name], theirs[name]) {
				t.Errorf("[%s]: got %q, ini.v1 sees %q", name, ours[name], theirs[name])
			}
			delete(ours, name)
		}
		for name, s := range ours {
			t.Errorf("[%s]: ini.v1 sees none of %q", name, s.keys)
		}
	})
}

// special are the lines that are read in a way of our own, for the reasons that
// doc.go and scan.go give: headers with space around the name, with a second
// bracket, with text after them; [DEFAULT]; numbered keys.
var special = regexp.MustCompile(`(?im)^[\s\v\x{85}\x{a0}]*(\[[^\]]*(\]|$)[^\n]*[^\s\]][^\n]*|\[\s|\[[^\]]*\s\]|\[[^\]\n]*\][^\n]*\]|\[\s*default|-\s*[=:])`)

// ownWay says that data holds such a line, or a byte order mark inside of it, a
// value over several lines, or what is no UTF-8.
func ownWay(data []byte) bool {
	rest := bytes.TrimPrefix(data, []byte("\ufeff"))
	return len(data) > 1<<16 || bytes.Contains(rest, []byte("\ufeff")) || !bytes.Equal(data, bytes.ToValidUTF8(data, nil)) ||
		bytes.ContainsAny(data, "`\x00") || bytes.Contains(data, []byte(`"""`)) || special.Match(data)
}

// addGolden makes the inputs of the golden tests seeds.
func addGolden(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden tests", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, test := range strings.Split(string(data), "\nparse\n")[1:] {
			input, _, _ := strings.Cut(test, "----\n")
			f.Add([]byte(input))
		}
	}
	f.Add([]byte(predecessor))
	f.Add([]byte("\ufeff" + strings.ReplaceAll(predecessor, "\n", "\r\n")))
}
