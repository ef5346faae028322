package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxErrors bounds what is reported of a file that is no configuration at all.
const maxErrors = 100

// Error is one thing wrong with a file, as "file:line: key: what, and what is
// allowed". [errors.As] finds the first one in what Load and Parse return.
type Error struct {
	File string // as it was named to Load or Parse
	Line int    // from 1; 0 if the error concerns the whole file or a key that is not in it
	Key  string // in lower case; "" if the line has none
	Err  error  // the cause, without file, line and key
}

func (e *Error) Error() string { return locate(e.File, e.Line, e.Key) + e.Err.Error() }

// Unwrap returns the cause: a missing file is [io/fs.ErrNotExist].
func (e *Error) Unwrap() error { return e.Err }

// Warning is something that a user should know although the file is in force.
type Warning struct {
	File string
	Line int    // from 1, of the first key concerned
	Text string // what, and what to do about it
}

func (w Warning) String() string { return locate(w.File, w.Line, "") + w.Text }

func locate(file string, line int, key string) string {
	s := file + ": "
	if line > 0 {
		s = fmt.Sprintf("%s:%d: ", file, line)
	}
	if key != "" {
		s += key + ": "
	}
	return s
}

// report collects what is wrong with a file.
type report struct {
	file     string
	errs     []*Error
	warnings []Warning
}

func (r *report) add(line int, key string, err error) {
	switch {
	case r.full():
		return
	case len(r.errs) == maxErrors:
		key, err = "", errors.New("too many errors; the rest is not shown")
	}
	r.errs = append(r.errs, &Error{File: r.file, Line: line, Key: key, Err: err})
}

func (r *report) errorf(line int, key, format string, args ...any) {
	r.add(line, key, fmt.Errorf(format, args...))
}

func (r *report) warnf(line int, format string, args ...any) {
	r.warnings = append(r.warnings, Warning{File: r.file, Line: line, Text: fmt.Sprintf(format, args...)})
}

func (r *report) full() bool { return len(r.errs) > maxErrors }

// err joins the errors in the order of their lines.
func (r *report) err() error {
	slices.SortStableFunc(r.errs, func(a, b *Error) int { return a.Line - b.Line })
	var errs []error
	for _, e := range r.errs {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// quote shows a piece of a file on one line, however long or strange it is.
func quote(s string) string { return fmt.Sprintf("%q", clip(s, 80)) }

// clip cuts s after at most n bytes, at the end of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// unknownKey says what key could have been meant.
func unknownKey(section, key string) error {
	for _, s := range settings {
		if s.key == key {
			return fmt.Errorf("no such key %s; it belongs %s", where(section), where(s.section))
		}
	}
	best, least := settings[0], -1
	for _, s := range settings {
		d := 2 * distance(clip(key, 64), s.key)
		if len(key) > 2 && strings.HasPrefix(s.key, key) {
			d = 1 // cut short: listen for listen_address
		}
		if s.section != section { // has to be clearly nearer
			d += 3
		}
		if least < 0 || d < least {
			best, least = s, d
		}
	}
	err := fmt.Errorf("no such key %s; the nearest known one is %s", where(section), best.key)
	if best.section != section {
		err = fmt.Errorf("%w, which belongs %s", err, where(best.section))
	}
	return err
}

func where(section string) string {
	if section == "" {
		return "before any section"
	}
	return "in [" + section + "]"
}

// distance is the Damerau-Levenshtein distance in its restricted form (optimal
// string alignment): insertions, deletions, substitutions and swaps of
// neighbours, counted in bytes.
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

// together lists keys with their lines: "a (line 1) and b (line 2)".
func together(keys []given) string {
	var parts []string
	for _, g := range keys {
		parts = append(parts, fmt.Sprintf("%s (line %d)", g.key, g.line))
	}
	return strings.Join(parts, " and ")
}
