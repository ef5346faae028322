package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hearsay/integration"
)

// Three machines on one link, without a router or any configuration: network
// namespaces, with the real program in each. They need root: HEARSAY_NETNS=1.

// lan is a switch, a bridge in a namespace of its own, and what is plugged in.
type lan struct {
	t        testing.TB
	prefix   string
	program  string
	machines []string // namespaces
}

func newLAN(t testing.TB, machines int) *lan {
	t.Helper()
	if os.Getenv("HEARSAY_NETNS") == "" {
		t.Skip("needs root and network namespaces: set HEARSAY_NETNS=1")
	}
	l := &lan{t: t, prefix: fmt.Sprintf("hsi%d-", os.Getpid()), program: filepath.Join(t.TempDir(), "hearsay")}
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", l.program, "hearsay/cmd/hearsay").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	l.namespace(l.prefix + "switch")
	l.ip("-n", l.prefix+"switch", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
	l.ip("-n", l.prefix+"switch", "link", "set", "br0", "up")
	for i := range machines {
		ns := l.prefix + fmt.Sprint(i)
		l.namespace(ns)
		l.machines = append(l.machines, ns)
		l.ip("-n", ns, "link", "set", "lo", "up")
		l.ip("-n", l.prefix+"switch", "link", "add", port(i), "type", "veth", "peer", "name", "eth0", "netns", ns)
		l.ip("-n", l.prefix+"switch", "link", "set", port(i), "master", "br0", "up")
		l.ip("-n", ns, "addr", "add", fmt.Sprintf("10.78.0.%d/24", i+1), "dev", "eth0")
		l.ip("-n", ns, "link", "set", "eth0", "up")
	}
	return l
}

// port is the switch's end of the cable to a machine.
func port(i int) string { return fmt.Sprint("port", i) }

func (l *lan) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (l *lan) namespace(name string) {
	l.t.Helper()
	l.ip("netns", "add", name)
	l.t.Cleanup(func() { l.ip("netns", "del", name) })
}

// plug connects a machine's cable to the switch, or pulls it.
func (l *lan) plug(i int, state string) {
	l.t.Helper()
	l.ip("-n", l.prefix+"switch", "link", "set", port(i), state)
}

// module starts a module on a machine, which uses the API where it always is.
func (l *lan) module(i int, dataTypes ...uint16) *child {
	l.t.Helper()
	c := start(l.t, childConfig{Role: roleModule, API: "127.0.0.1:7001", Types: dataTypes}, "ip", "netns", "exec", l.machines[i])
	c.await("listening")
	return c
}

// daemon is hearsay run, without any configuration, on a machine.
type daemon struct {
	*child
	began  time.Time
	peer   string
	linked map[string]time.Time // neighbours, since when
}

// daemons starts one on every machine at the same time.
func (l *lan) daemons(t *testing.T) []*daemon {
	t.Helper()
	var ds []*daemon
	for _, ns := range l.machines {
		home := t.TempDir()
		env := append(os.Environ(), "HOME="+home, "XDG_STATE_HOME="+filepath.Join(home, "state"), "XDG_RUNTIME_DIR="+home, "TMPDIR="+home)
		d := &daemon{began: time.Now(), linked: make(map[string]time.Time)}
		d.child = run(t, env, "ip", "netns", "exec", ns, l.program, "run", "--json")
		t.Cleanup(func() { d.cmd.Process.Signal(syscall.SIGTERM) }) // once: a second one ends it at once
		ds = append(ds, d)
	}
	return ds
}

// awaitLinked waits, for no longer than limit, until every daemon has all others
// for neighbours, and returns when the last one had.
func awaitLinked(t *testing.T, ds []*daemon, limit time.Duration) (when time.Time) {
	t.Helper()
	deadline := time.After(limit)
	for _, d := range ds {
		for d.peer == "" || len(d.linked) < len(ds)-1 {
			select {
			case line, ok := <-d.lines:
				if !ok {
					t.Fatal("hearsay run ended")
				}
				d.note(strings.Join(line, " "))
			case <-deadline:
				for i, d := range ds {
					t.Logf("machine %d: %s is linked with %d others", i, d.peer, len(d.linked))
				}
				t.Fatalf("not all were neighbours within %v", limit)
			}
		}
		for _, since := range d.linked {
			if since.After(when) {
				when = since
			}
		}
	}
	return when
}

// note takes in a line of hearsay run --json.
func (d *daemon) note(line string) {
	d.t.Helper()
	var said struct {
		Event, ID, Peer, What string
		Time                  time.Time
	}
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		d.t.Fatalf("hearsay run --json says %q: %v", line, err)
	}
	switch {
	case said.Event == "ready":
		d.peer = said.ID
	case said.What == "linked":
		d.linked[said.Peer] = said.Time
	case said.What == "unlinked":
		delete(d.linked, said.Peer)
	}
}

// catchUp takes in what daemons have said by now.
func catchUp(ds []*daemon) {
	for _, d := range ds {
		for len(d.lines) > 0 {
			d.note(strings.Join(<-d.lines, " "))
		}
	}
}

// Started at the same time, all are neighbours of all within a second.
func TestNetnsConnectedWithinASecond(t *testing.T) {
	starts := 3
	if long {
		starts = 30
	}
	l := newLAN(t, 3)
	var took []time.Duration
	for i := range starts {
		t.Run(fmt.Sprint("start ", i+1), func(t *testing.T) {
			ds := l.daemons(t)
			took = append(took, awaitLinked(t, ds, integration.DefaultPatience).Sub(ds[0].began))
		})
	}
	t.Logf("%d of %d starts: all connected after (sorted) %s", len(took), starts, sorted(took))
	if len(took) < starts {
		t.Errorf("%d starts failed", starts-len(took))
	}
	if len(took) > 0 {
		if median := slices.Sorted(slices.Values(took))[len(took)/2]; median > time.Second {
			t.Errorf("the median is %v, over 1 s", median)
		}
	}
}

// An ANNOUNCE on one machine is exactly one NOTIFICATION on each of the others.
func TestNetnsOneAnnounceOneNotification(t *testing.T) {
	l := newLAN(t, 3)
	awaitLinked(t, l.daemons(t), integration.DefaultPatience)
	var modules []*child
	for i := range l.machines {
		modules = append(modules, l.module(i, dataType))
	}
	for k := range 10 {
		for i, from := range modules {
			text := fmt.Sprintf("%d-from-%d", k, i)
			from.tell("announce", dataType, text)
			for j, m := range modules {
				if j == i {
					continue
				}
				if got := m.await("told")[1]; got != fmt.Sprintf("%q", text) {
					t.Fatalf("machine %d was told %s, want %q", j, got, text)
				}
			}
		}
	}
}

// A machine that gets another address is linked with the others anew, by that one, before
// they could find out by silence that it does not answer at the old one.
func TestNetnsAnotherAddress(t *testing.T) {
	const limit = 5 * time.Second
	l := newLAN(t, 3)
	ds := l.daemons(t)
	awaitLinked(t, ds, integration.DefaultPatience)
	catchUp(ds)
	l.ip("-n", l.machines[0], "addr", "del", "10.78.0.1/24", "dev", "eth0")
	l.ip("-n", l.machines[0], "addr", "add", "10.78.0.101/24", "dev", "eth0")
	changed := time.Now()
	ds[0].linked = make(map[string]time.Time) // what it had
	for _, d := range ds[1:] {
		delete(d.linked, ds[0].peer)
	}
	took := awaitLinked(t, ds, time.Minute).Sub(changed)
	t.Logf("all neighbours again after %v", took.Round(time.Millisecond))
	if took > limit {
		t.Errorf("that is over %v", limit)
	}
}

// A machine whose cable was pulled is back soon after it is plugged in again, and
// so is what was announced meanwhile on both sides.
func TestNetnsCableIsPulled(t *testing.T) {
	const limit = 15 * time.Second
	away := 10 * time.Second
	if long {
		away = time.Minute
	}
	l := newLAN(t, 3)
	ds := l.daemons(t)
	awaitLinked(t, ds, integration.DefaultPatience)
	var modules []*child
	for i := range l.machines {
		modules = append(modules, l.module(i, dataType))
	}
	told := func(j int, want string) {
		t.Helper()
		if got := modules[j].await("told")[1]; got != fmt.Sprintf("%q", want) {
			t.Fatalf("machine %d was told %s, want %q", j, got, want)
		}
	}
	modules[0].tell("announce", dataType, "before")
	told(1, "before")
	told(2, "before")

	l.plug(2, "down")
	over := time.After(away)
	modules[0].tell("announce", dataType, "meanwhile")
	told(1, "meanwhile")
	modules[2].tell("announce", dataType, "alone")
	<-over
	catchUp(ds)
	t.Logf("after %v without its cable, the machine had %d neighbours", away, len(ds[2].linked))

	l.plug(2, "up")
	back := time.Now()
	told(2, "meanwhile")
	told(0, "alone")
	told(1, "alone")
	exchanged := time.Since(back)
	catchUp(ds)
	when := awaitLinked(t, ds, limit)
	modules[2].tell("announce", dataType, "after")
	told(0, "after")
	told(1, "after")
	t.Logf("all neighbours again after %v, what was announced meanwhile is everywhere after %v",
		max(0, when.Sub(back)).Round(time.Millisecond), exchanged.Round(time.Millisecond))
	if exchanged > limit || when.Sub(back) > limit {
		t.Errorf("that is over %v", limit)
	}
}
