package integration_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hearsay/node/control"
	"hearsay/node/health"
)

// A node at home asks its router for a port, by what the router speaks; it says so,
// tells others the address outside, is reached there by somebody who knows only
// that address, and takes the mapping back when it ends.
func TestNetnsPortMapping(t *testing.T) {
	for _, speaks := range []string{"NAT-PMP", "UPnP"} {
		t.Run(speaks, func(t *testing.T) {
			w := newInternet(t)
			pub := w.node(w.public(1), true)
			machine := w.home(1)[0]
			behind := w.prefix + "rt1"
			// What was forwarded comes through; the rules of a home drop all else.
			w.exec(behind, "nft", "insert", "rule", "ip", "nat", "through", "ct", "status", "dnat", "accept")
			router := start(t, childConfig{Role: roleRouter, Speaks: speaks, Inside: "10.1.0.1", Outside: "5.5.5.101"}, "ip", "netns", "exec", behind)
			router.await("listening")
			began := time.Now()
			home := w.node(machine, true, "port_mapping = true", "relay = false")
			mapped := router.await("mapped")
			t.Logf("mapped %v after the start: port %s to %s", time.Since(began).Round(time.Millisecond), mapped[0], mapped[1])
			if mapped[1] != "10.1.0.2:6001" {
				t.Errorf("mapped to %s", mapped[1])
			}
			outside := "/ip4/5.5.5.101/tcp/" + mapped[0]
			w.until(time.Minute, "the node says that it has the mapping", func() bool {
				r := home.reach()
				return r.Mapping == outside && r.MappedBy == speaks && r.MappingError == ""
			})
			took := pub.upon("peers", time.Minute, "others are told the address outside", func() bool {
				return slices.Contains(pub.told(home), outside)
			})
			t.Logf("told after %v more", took.Round(time.Millisecond))

			// Somebody elsewhere knows nothing but the address outside.
			w.contact = "5.5.5.101:" + mapped[0]
			guest := w.node(w.public(2), true)
			home.upon("peers", time.Minute, "who comes from outside is a neighbour", func() bool {
				p := home.about(guest)
				return p != nil && p.State == "neighbour" && !p.Relayed && p.Direction == "in"
			})
			took = w.until(2*time.Minute, "the node says that others can reach it", func() bool {
				r := home.reach()
				return r.State == health.ReachPublic && slices.Contains(r.Reachable, outside)
			})
			t.Logf("known to be reachable after %v more: %s", took.Round(time.Millisecond), home.reach().Observation)

			home.cmd.Process.Signal(syscall.SIGTERM)
			home.end()
			if got := router.await("unmapped"); got[0] != mapped[0] {
				t.Errorf("port %s is taken back, %s was mapped", got[0], mapped[0])
			}
		})
	}
	t.Run("neither", func(t *testing.T) {
		w := newInternet(t)
		w.node(w.public(1), true)
		home := w.node(w.home(1)[0], true, "port_mapping = true")
		w.until(time.Minute, "the node says that no router maps a port", func() bool {
			r := home.reach()
			return r.Mapping == "" && r.MappedBy == "" && strings.Contains(r.MappingError, "NAT-PMP")
		})
		t.Log(home.reach().MappingError)
		var d struct{ Findings []health.Finding }
		home.upon("health", time.Minute, "so it is found", func() bool {
			home.ask(&d, "doctor")
			return slices.ContainsFunc(d.Findings, func(f health.Finding) bool { return f.Code == health.NoPortMapping })
		})
	})
}

// told is what addresses the node was told of another one.
func (r *resident) told(other *resident) []string {
	r.w.t.Helper()
	var ps control.Peers
	r.ask(&ps, "peers")
	for _, p := range ps.Peers {
		if p.ID == other.peer {
			return p.Addrs
		}
	}
	return nil
}
