package main

import "os"

// style colours text if it goes to a terminal whose user does not object.
type style bool

func (a *app) style() style {
	f, ok := a.stdout.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return style(err == nil && info.Mode()&os.ModeCharDevice != 0)
}

func (s style) in(code, text string) string {
	if !s {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string  { return s.in("1", text) }
func (s style) faint(text string) string { return s.in("2", text) }
