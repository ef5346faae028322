package config

import (
	"fmt"
	"io"
	"strings"
)

// String returns the file that WriteTo writes.
func (c *Config) String() string {
	var b strings.Builder
	b.WriteString("# Configuration of a Hearsay node. A line that begins with ; is a default that adapts: a port that\n" +
		"# is taken is replaced by a free one, a folder follows the environment. All else is in force as it stands.\n")
	plain := Default()
	section := ""
	for _, s := range settings {
		if s.alias != "" {
			continue
		}
		if s.section != section {
			section = s.section
			fmt.Fprintf(&b, "\n[%s]\n", section)
		}
		value, usual := s.format(c), s.format(plain)
		mark := "default " + usual
		if usual == "" {
			mark = "default empty"
		}
		if value == usual {
			mark = "this is the default"
		}
		fmt.Fprintf(&b, "\n# %s (%s; %s).\n", s.about, s.allowed, oneLine(mark))
		if s.unset != nil && *s.unset(c) {
			b.WriteString(";")
		}
		fmt.Fprintln(&b, strings.TrimSpace(s.key+" = "+enquote(oneLine(value))))
	}
	return b.String()
}

// WriteTo writes the configuration as a file with a comment for each key: what
// it is, its unit and limits, its default. Load gives back an equal Config as
// long as the environment that the default of state_dir depends on is the same.
// It names the hostkey's file, and nothing in it is secret.
func (c *Config) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, c.String())
	return int64(n), err
}

// oneLine keeps a value that no file could have given from adding lines.
func oneLine(v string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, v)
}
