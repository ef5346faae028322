package main

import "os"

// style colours text if it goes to a terminal whose user does not object.
type style bool

func (a *app) style() style {
	return style(os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && a.terminal())
}

// terminal says whether standard output is one.
func (a *app) terminal() bool {
	f, ok := a.stdout.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (s style) in(code, text string) string {
	if !s {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string  { return s.in("1", text) }
func (s style) faint(text string) string { return s.in("2", text) }
