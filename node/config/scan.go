package config

import (
	"bytes"
	"errors"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/ini.v1"
)

// statement is a line of a file that is neither blank nor a comment nor a good
// section header.
type statement struct {
	line    int    // from 1
	section string // in lower case, "" before any section, foreign where none is known
	text    string // without surrounding space
	err     error  // the line is a broken header; text is of no use
}

// foreign is the section after a header that cannot be read: whose keys follow
// is unknown, and guessing would only add wrong errors to the right one. No
// header yields this name.
const foreign = "]"

// scan splits data into statements. It looks at each line for itself, so
// whatever another module's section holds cannot reach into ours.
func scan(data []byte) iter.Seq[statement] {
	return func(yield func(statement) bool) {
		section, n := "", 0
		for raw := range bytes.Lines(data) {
			n++
			text := string(bytes.TrimFunc(raw, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }))
			if text == "" || text[0] == '#' || text[0] == ';' {
				continue
			}
			st := statement{line: n, section: section, text: text}
			if text[0] == '[' {
				section, st.err = header(text)
				if st.err == nil {
					continue
				}
			}
			if !yield(st) {
				return
			}
		}
	}
}

// header reads "[name]", which a comment may follow. The name ends at the first
// bracket; ini.v1 would take the last one, even inside of a comment.
func header(text string) (section string, err error) {
	name, rest, ok := strings.Cut(text[1:], "]")
	if !ok {
		return foreign, errors.New("a section header needs its closing bracket, as in [gossip]")
	}
	section = strings.ToLower(strings.TrimSpace(name))
	rest = strings.TrimSpace(rest)
	switch {
	case section == "":
		return foreign, errors.New("a section needs a name, as in [gossip]")
	case section == "default":
		section = ""
	}
	if rest != "" && rest[0] != '#' && rest[0] != ';' && isOurs(section) {
		return section, errors.New("nothing but a comment may follow a section header: a key needs a line of its own")
	}
	return section, nil
}

// iniOptions switch off what would make a line mean more than it says, and leave
// comments and quotes to unquote, which knows them from each other.
var iniOptions = ini.LoadOptions{
	InsensitiveKeys:         true,
	IgnoreContinuation:      true,
	IgnoreInlineComment:     true,
	PreserveSurroundedQuote: true,
}

// split has ini.v1 take one statement apart. The value still has its quotes and
// its comment. Key.Value is the text as it stands, Key.String would interpolate.
func split(text string) (key, value string, err error) {
	if r, n := utf8.DecodeRuneInString(text); r == utf8.RuneError && n == 1 {
		return "", "", errNotUTF8 // also what ini.v1 would skip as the mark of UTF-16
	}
	if i := strings.IndexAny(text, "=:"); i >= 0 {
		v := strings.TrimSpace(text[i+1:])
		if strings.HasPrefix(v, "`") || strings.HasPrefix(v, `"""`) {
			return "", "", errors.New(`a value is quoted by "…" or '…' on one line, not by backticks or triple quotes`)
		}
	}
	f, err := ini.LoadSources(iniOptions, []byte(text))
	switch {
	case ini.IsErrDelimiterNotFound(err):
		return "", "", errors.New("neither a comment nor a [section] nor key = value")
	case err != nil:
		return "", "", errors.New("no name before the \"=\", or its quote is not closed")
	}
	keys := f.Section(ini.DefaultSection).Keys()
	if len(keys) != 1 {
		return "", "", errors.New("neither a comment nor a [section] nor key = value")
	}
	if key = keys[0].Name(); strings.HasPrefix(text, "-") && strings.HasPrefix(key, "#") {
		key = "-" // which ini.v1 takes for a place in a numbered list
	}
	return key, keys[0].Value(), nil
}
