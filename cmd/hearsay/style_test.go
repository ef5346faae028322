package main

import (
	"bytes"
	"testing"
)

func TestStyle(t *testing.T) {
	if got := style(false).bold("x"); got != "x" {
		t.Errorf("without colours: %q", got)
	}
	if got := style(true).bold("x"); got != "\x1b[1mx\x1b[0m" {
		t.Errorf("with colours: %q", got)
	}
	if a := (&app{stdout: new(bytes.Buffer)}); a.style() {
		t.Error("colours in a buffer")
	}
}
