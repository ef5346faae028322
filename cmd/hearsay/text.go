package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown is how many bytes of a rumor's data a terminal is shown; --json has
// them all.
const maxShown = 1024

// print writes v as one line of JSON if --json asks for it, and otherwise lets
// human write it. It fails if not everything could be written.
func (a *app) print(v any, human func(io.Writer)) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(v)
	}
	w := &checked{w: a.stdout}
	human(w)
	return w.err
}

// checked keeps the first error of a writer, and writes nothing more after it.
type checked struct {
	w   io.Writer
	err error
}

func (c *checked) Write(p []byte) (n int, err error) {
	if c.err == nil {
		n, c.err = c.w.Write(p)
	}
	return n, c.err
}

// oneLine makes text from elsewhere (other nodes, files, the system) safe for a
// terminal: what is not printable, line breaks and text direction marks among
// it, is shown as an escape.
func oneLine(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// quoteData shows a rumor's data: text in quotes, anything else in hexadecimal.
func quoteData(data []byte) string {
	shown, more := data, ""
	if len(shown) > maxShown {
		shown, more = shown[:maxShown], "…"
		for len(shown) > maxShown-utf8.UTFMax && !utf8.Valid(shown) && utf8.Valid(data) {
			shown = shown[:len(shown)-1] // do not cut a character in two
		}
	}
	if printable(shown) {
		return strconv.Quote(string(shown)) + more
	}
	return hex.EncodeToString(shown) + more
}

// printable says whether data is text; line breaks and tabs are part of text.
func printable(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for _, r := range string(data) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
	}
	return true
}

// short is the end of a peer ID: all IDs begin alike.
func short(id string) string {
	if len(id) <= 8 {
		return oneLine(id)
	}
	return "…" + oneLine(id[len(id)-8:])
}

// shellQuote makes s one word of a shell command that can be copied.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@%=~", r)
	}
	if s != "" && s[0] != '~' && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func bytesOf(n int) string { return count(n, "byte") }

// count is "1 peer", "2 peers".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
