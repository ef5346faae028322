package main

import (
	"fmt"
	"sync"
	"time"
)

// progressPause is how long something may take before its user is told that it
// goes on.
const progressPause = time.Second

// progress tells on standard error that something takes time: on a terminal a line
// that counts the seconds and goes away at the end, else one line. Nothing is told
// of what takes less than a second, nor with --json.
func (a *app) progress(what string) (done func()) {
	if a.json {
		return func() {}
	}
	terminal := isTerminal(a.stderr)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(progressPause)
		defer tick.Stop()
		for seconds := 1; ; seconds++ {
			select {
			case <-tick.C:
			case <-stop:
				if terminal && seconds > 1 {
					fmt.Fprint(a.stderr, "\r\x1b[K")
				}
				return
			}
			switch {
			case terminal:
				fmt.Fprintf(a.stderr, "\r\x1b[K%s … %d s", what, seconds)
			case seconds == 1:
				fmt.Fprintf(a.stderr, "%s …\n", what)
			}
		}
	}()
	return sync.OnceFunc(func() { close(stop); <-stopped })
}
