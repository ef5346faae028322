package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hearsay/node/control"
)

// hostile is text that plays tricks on terminals.
var hostile = []string{
	"\x1b[31mred", "\x1b]0;title\a", "a\rb", "a\nb", "\x9b31m", "\u202eevil", "\u2066x\u2069", "a\x00b", "\x7f", "\b\b\b",
	"\u2028", "\u200b", "\xff\xfe", "\U000e0041", "\ufeff", "\t", "back\\slash", `"quotes"`, "\u009b31m",
}

// raw says whether text holds what a terminal could act upon.
func raw(text string) bool {
	if !utf8.ValidString(text) {
		return true
	}
	for _, r := range text {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200b || r == 0xfeff || r >= 0xe0000 && r < 0xe0080 {
			return true
		}
	}
	return false
}

var errBroken = errors.New("broken")

// brokenWriter takes one byte, and no more.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 1, errBroken }

// What could not be written is an error, whoever writes, and nothing comes after it.
func TestPrintFails(t *testing.T) {
	for _, json := range []bool{false, true} {
		a := &app{stdout: brokenWriter{}, json: json}
		if err := a.print("x", func(w io.Writer) { io.WriteString(w, "x\n") }); !errors.Is(err, errBroken) {
			t.Errorf("json %v: %v", json, err)
		}
	}
	var out bytes.Buffer
	a := &app{stdout: &out}
	if err := a.print("x", func(w io.Writer) { io.WriteString(w, "x\n") }); err != nil || out.String() != "x\n" {
		t.Errorf("%q, %v", &out, err)
	}
	once := &checked{w: brokenWriter{}}
	once.Write([]byte("xy"))
	once.w = &out
	if n, err := once.Write([]byte("z")); n != 0 || !errors.Is(err, errBroken) || out.String() != "x\n" {
		t.Errorf("after an error %d bytes are written, %v: %q", n, err, &out)
	}
}

func TestNothingRawReachesTheTerminal(t *testing.T) {
	now := time.Now()
	for _, s := range append(hostile, strings.Join(hostile, "")) {
		if got := oneLine(s); raw(got) {
			t.Errorf("oneLine(%q) = %q", s, got)
		}
		if got := quoteData([]byte(s)); raw(got) {
			t.Errorf("quoteData(%q) = %q", s, got)
		}
		var out bytes.Buffer
		showRumor(&out, now, 1, s, []byte(s))
		if line, ok := strings.CutSuffix(out.String(), "\n"); !ok || raw(line) {
			t.Errorf("showRumor(%q) writes %q", s, &out)
		}
		out.Reset()
		tabulate(&out, []control.Peer{{ID: s, State: s, Addrs: []string{s}, Direction: s, Transport: s, Source: s, Agent: s, LastError: s}}, now)
		if lines := strings.Split(out.String(), "\n"); len(lines) != 3 || raw(lines[0]) || raw(lines[1]) {
			t.Errorf("tabulate(%q) writes %q", s, &out)
		}
	}
}

func TestOneLine(t *testing.T) {
	for s, want := range map[string]string{
		"":                        "",
		`C:\a "b" – ünïcode 漢字 🦆`: `C:\a "b" – ünïcode 漢字 🦆`,
		"two\nlines \"q\"":        `two\nlines "q"`,
	} {
		if got := oneLine(s); got != want {
			t.Errorf("oneLine(%q) = %s, want %s", s, got, want)
		}
	}
}

func TestQuoteData(t *testing.T) {
	for data, want := range map[string]string{
		"":                                 `""`,
		"hello":                            `"hello"`,
		"say \"hi\"\n":                     `"say \"hi\"\n"`,
		"grüße":                            `"grüße"`,
		"\x00\x01":                         "0001",
		"\xff":                             "ff",
		"esc \x1b":                         "657363201b",
		strings.Repeat("x", maxShown):      `"` + strings.Repeat("x", maxShown) + `"`,
		strings.Repeat("x", maxShown+1):    `"` + strings.Repeat("x", maxShown) + `"…`,
		strings.Repeat("x", 1023) + "üxxx": `"` + strings.Repeat("x", 1023) + `"…`, // not half a character
		strings.Repeat("\x00", maxShown+1): strings.Repeat("00", maxShown) + "…",
	} {
		if got := quoteData([]byte(data)); got != want {
			t.Errorf("quoteData(%.40q) = %.80s, want %.80s", data, got, want)
		}
	}
}

func TestTabulate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	tabulate(&out, []control.Peer{
		{ID: "A", State: "neighbour", Since: now.Add(-90 * time.Second), Addrs: []string{"/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"},
			Direction: "out", Transport: "tcp", RTT: 1.25, Source: "lan", Agent: "hearsay/1"},
		{ID: "B", State: "down", Since: now.Add(-49 * time.Hour), Direction: "in", Transport: "tcp", Relayed: true, Agent: "x", LastError: "connection refused"},
		{ID: "C", State: "known"},
	}, now)
	want := `STATE      SINCE  PEER  ADDRESS               LINK            RTT    FROM  NOTE
neighbour  1m     A     /ip4/127.0.0.1/tcp/1  out tcp direct  1.2ms  lan   hearsay/1
down       2d     B     -                     in tcp relayed  -      -     connection refused
known      -      C     -                     -               -      -     
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
	out.Reset()
	tabulate(&out, nil, now)
	if out.String() != "no peers yet\n" {
		t.Errorf("got %q", &out)
	}
}
