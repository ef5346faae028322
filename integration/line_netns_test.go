package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNetnsLine: of 30 machines without multicast each knows only the one before
// it, and within ten seconds all are one overlay. Then the machine that all began
// with dies, and newcomers that know any other one still join.
func TestNetnsLine(t *testing.T) {
	const machines, newcomers, limit = 30, 2, 10 * time.Second
	l := newLAN(t, machines+newcomers)
	var ds []*daemon
	join := func(i, contact int) {
		home := t.TempDir()
		text := "[gossip]\np2p_address = 0.0.0.0:6001\napi_address = off\n"
		if contact >= 0 {
			text += fmt.Sprintf("bootstrapper = 10.78.0.%d:6001\n", contact+1)
		}
		text += "[hearsay]\nmdns = false\nstate_dir = " + home + "\n"
		file := filepath.Join(home, "hearsay.ini")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := &daemon{began: time.Now(), linked: make(map[string]time.Time)}
		d.child = run(t, append(os.Environ(), "HOME="+home, "TMPDIR="+home), "ip", "netns", "exec", l.machines[i], l.program, "run", "--json", "-c", file)
		t.Cleanup(func() { d.cmd.Process.Signal(syscall.SIGTERM) })
		ds = append(ds, d)
	}
	began := time.Now()
	for i := range machines {
		join(i, i-1)
	}
	// Starting so many programs takes two cores a while: the ten seconds are those
	// from the last start.
	last := time.Now()
	took := awaitOverlay(t, ds, 2*time.Minute)
	t.Logf("%d machines in a line: one overlay %v after the last was started, %v after the first",
		machines, max(0, took.Sub(last)).Round(time.Millisecond), took.Sub(began).Round(time.Millisecond))
	if took.Sub(last) > limit {
		t.Errorf("that is over %v", limit)
	}

	ds[0].kill()
	began = time.Now()
	join(machines, 7)
	join(machines+1, machines)
	alive := slices.Clone(ds[1:])
	took = awaitOverlay(t, alive, 2*time.Minute)
	t.Logf("after the first one was killed two newcomers are in the overlay after %v", max(0, took.Sub(began)).Round(time.Millisecond))
	if took.Sub(began) > limit {
		t.Errorf("that is over %v", limit)
	}
}

// awaitOverlay waits until every daemon can be reached from the first over links
// between them, and returns when the last link came that this took.
func awaitOverlay(t *testing.T, ds []*daemon, limit time.Duration) time.Time {
	t.Helper()
	said := make([]reflect.SelectCase, 0, len(ds)+1)
	for _, d := range ds {
		said = append(said, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(d.lines)})
	}
	said = append(said, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(time.After(limit))})
	for {
		catchUp(ds)
		if when, all := overlay(ds); all {
			return when
		}
		i, line, ok := reflect.Select(said)
		switch {
		case i == len(ds):
			for i, d := range ds {
				t.Logf("machine %d: %s is linked with %d others", i, d.peer, len(d.linked))
			}
			t.Fatalf("no single overlay within %v", limit)
		case !ok:
			t.Fatalf("hearsay run ended on machine %d", i)
		}
		ds[i].note(strings.Join(line.Interface().([]string), " "))
	}
}

// overlay adds links in the order of their times until all daemons are connected.
func overlay(ds []*daemon) (when time.Time, all bool) {
	type link struct {
		a, b string
		at   time.Time
	}
	var links []link
	group := make(map[string]string)
	for _, d := range ds {
		if d.peer == "" {
			return when, false
		}
		group[d.peer] = d.peer
	}
	for _, d := range ds {
		for p, at := range d.linked {
			if group[p] != "" {
				links = append(links, link{d.peer, p, at})
			}
		}
	}
	slices.SortFunc(links, func(a, b link) int { return a.at.Compare(b.at) })
	find := func(p string) string {
		for group[p] != p {
			p = group[p]
		}
		return p
	}
	left := len(ds)
	for _, l := range links {
		if a, b := find(l.a), find(l.b); a != b {
			group[a] = b
			if left--; left == 1 {
				return l.at, true
			}
		}
	}
	return when, left == 1
}
