package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse: any text is a scenario or a mistake in one of its lines.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("library/*.scenario")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("nodes 1\nexpect delivery = $\nvary = =")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("x", text)
		var wrong *Error
		switch {
		case err == nil && len(s.Variants) == 0:
			t.Error("a scenario without anything to run")
		case err != nil && !errors.As(err, &wrong):
			t.Errorf("%v", err)
		case err != nil && (wrong.Line < 1 || wrong.Line > max(1, strings.Count(text, "\n")+1)):
			t.Errorf("a mistake in line %d of %d", wrong.Line, strings.Count(text, "\n")+1)
		}
	})
}
