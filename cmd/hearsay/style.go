package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// style colours text if it goes to a terminal whose user does not object.
type style bool

func (a *app) style() style {
	return style(isTerminal(a.stdout) && os.Getenv("NO_COLOR") == "")
}

// isTerminal reports whether what is written to w is seen by somebody at once, on
// something that understands escape sequences.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

func (s style) in(code, text string) string {
	if !s {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string  { return s.in("1", text) }
func (s style) faint(text string) string { return s.in("2", text) }
