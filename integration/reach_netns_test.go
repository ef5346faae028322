package integration_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"hearsay/integration"
	"hearsay/node/control"
	"hearsay/node/health"
)

// ask runs a command on a daemon of a machine, and reads its JSON.
func (l *lan) ask(machine string, d *daemon, v any, args ...string) {
	l.t.Helper()
	cmd := exec.Command("ip", append(append([]string{"netns", "exec", machine, l.program}, args...), "--json")...)
	cmd.Env = d.cmd.Env
	out, err := cmd.Output() // doctor fails if anything is amiss, and says what
	if len(out) == 0 {
		l.t.Fatalf("%v: %v", args, err)
	}
	if err := json.Unmarshal(out, v); err != nil {
		l.t.Fatalf("%v says %s: %v", args, out, err)
	}
}

// Two nodes on one machine do not take each other for proof that others reach them,
// although they use the address that others would. A node to which one on another
// machine came does.
func TestNetnsReachOnALAN(t *testing.T) {
	w := &internet{lan: newLAN(t, 2)}
	machines := w.machines
	reach := func(machine string, d *daemon) health.Reach {
		var said struct{ Reach health.Reach }
		w.ask(machine, d, &said, "doctor")
		return said.Reach
	}

	w.machines = []string{machines[0], machines[0]} // they start at the same instant, as different users
	pair := w.daemons(t)
	awaitLinked(t, pair, integration.DefaultPatience)
	<-time.After(7 * time.Second) // the verdict is given anew every 5 s
	for _, d := range pair {
		if r := reach(machines[0], d); r.State != health.ReachLocal {
			t.Errorf("a node with a neighbour on the same machine says %s: %s", r.State, r.Observation)
		}
	}

	w.machines = machines[1:]
	other := w.daemons(t)[0]
	all := append(pair, other)
	awaitLinked(t, all, integration.DefaultPatience)
	reached := 0
	for _, d := range all {
		here, from := machines[0], "/ip4/10.78.0.2/"
		if d == other {
			here, from = machines[1], "/ip4/10.78.0.1/"
		}
		var ps control.Peers
		w.ask(here, d, &ps, "peers")
		for _, p := range ps.Peers {
			if p.State != "neighbour" || p.Direction != "in" || !strings.HasPrefix(p.Addrs[0], from) {
				continue
			}
			reached++
			var r health.Reach
			w.until(30*time.Second, "a node to which one on another machine came says so", func() bool {
				r = reach(here, d)
				return r.State == health.ReachNear
			})
			if !strings.Contains(r.Observation, "came from "+from) {
				t.Errorf("it says %s", r.Observation)
			}
		}
	}
	if reached == 0 {
		t.Error("of the links between the machines, none came in anywhere")
	}
}
