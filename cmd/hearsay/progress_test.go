package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// What takes less than a second is not mentioned; what takes longer is, once where
// nobody watches, and with --json never.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			json bool
			took time.Duration
			want string
		}{
			{false, 999 * time.Millisecond, ""},
			{false, 1500 * time.Millisecond, "proof of work …\n"},
			{false, time.Minute, "proof of work …\n"},
			{true, time.Minute, ""},
		} {
			var out bytes.Buffer
			a := &app{stderr: &out, json: c.json}
			done := a.progress("proof of work")
			time.Sleep(c.took)
			done()
			done() // twice is as well
			if out.String() != c.want {
				t.Errorf("after %v, json %v: %q, want %q", c.took, c.json, &out, c.want)
			}
		}
	})
}
