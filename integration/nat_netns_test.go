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
	"hearsay/node/control"
	"hearsay/node/health"
)

// Machines on the Internet, and machines at home behind routers that translate
// addresses (nftables), with the real program on each. They need root:
// HEARSAY_NETNS=1.

// internet is a switch that everybody with a public address is plugged into.
type internet struct {
	*lan
	homes   int
	nodes   int
	contact string // of the nodes to come
}

func newInternet(t testing.TB) *internet {
	t.Helper()
	w := &internet{lan: newLAN(t, 0), contact: "5.5.5.1:6001"}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Fatal("nft is missing: install nftables")
	}
	return w
}

// plugged is a new namespace with an address on a switch.
func (w *internet) plugged(name, bridgeNS, bridge, link, addr string) (ns string) {
	w.t.Helper()
	ns = w.prefix + name
	w.namespace(ns)
	w.ip("-n", ns, "link", "set", "lo", "up")
	w.ip("-n", bridgeNS, "link", "add", name, "type", "veth", "peer", "name", link, "netns", ns)
	w.ip("-n", bridgeNS, "link", "set", name, "master", bridge, "up")
	w.ip("-n", ns, "addr", "add", addr, "dev", link)
	w.ip("-n", ns, "link", "set", link, "up")
	return ns
}

// public is a machine with a public address: 5.5.5.N.
func (w *internet) public(n int) (ns string) {
	w.t.Helper()
	return w.plugged(fmt.Sprint("pub", n), w.prefix+"switch", "br0", "eth0", fmt.Sprintf("5.5.5.%d/24", n))
}

// home is a household of so many machines behind one router, whose only public
// address is 5.5.5.100 and up. What it did not ask for it drops.
func (w *internet) home(machines int) (namespaces []string) {
	w.t.Helper()
	w.homes++
	h := w.homes
	router := w.plugged(fmt.Sprint("rt", h), w.prefix+"switch", "br0", "wan", fmt.Sprintf("5.5.5.%d/24", 100+h))
	w.ip("-n", router, "link", "add", "home", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
	w.ip("-n", router, "addr", "add", fmt.Sprintf("10.%d.0.1/24", h), "dev", "home")
	w.ip("-n", router, "link", "set", "home", "up")
	w.exec(router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	rules := filepath.Join(w.t.TempDir(), "nat.nft")
	err := os.WriteFile(rules, []byte(`
table ip nat {
	chain after { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
	chain in { type filter hook input priority filter; iifname "wan" ct state established,related accept; iifname "wan" drop; }
	chain through { type filter hook forward priority filter; iifname "wan" ct state established,related accept; iifname "wan" drop; }
}
`), 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(router, "nft", "-f", rules)
	for m := range machines {
		ns := w.plugged(fmt.Sprintf("h%dm%d", h, m), router, "home", "eth0", fmt.Sprintf("10.%d.0.%d/24", h, m+2))
		w.ip("-n", ns, "route", "add", "default", "via", fmt.Sprintf("10.%d.0.1", h))
		namespaces = append(namespaces, ns)
	}
	return namespaces
}

func (w *internet) exec(ns string, args ...string) {
	w.t.Helper()
	if out, err := exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...).CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// resident is hearsay run on a machine.
type resident struct {
	*daemon
	w       *internet
	ns, ini string
}

// node starts one that knows the contact, which is the first public machine, with more settings of
// [hearsay], and its API only if it is the first of its machine.
func (w *internet) node(ns string, api bool, settings ...string) *resident {
	w.t.Helper()
	w.nodes++
	dir := w.t.TempDir()
	address, apiAddress := "0.0.0.0:0", "off"
	if api {
		address, apiAddress = "0.0.0.0:6001", "127.0.0.1:7001"
	}
	r := &resident{w: w, ns: ns, ini: filepath.Join(dir, "hearsay.ini")}
	text := fmt.Sprintf("[gossip]\np2p_address = %s\napi_address = %s\nbootstrapper = %s\ndifficulty_bits = 8\nreplay = 0\n[hearsay]\nstate_dir = state\nmdns = false\n%s\n",
		address, apiAddress, w.contact, strings.Join(settings, "\n"))
	if err := os.WriteFile(r.ini, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	env := append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "TMPDIR="+dir)
	r.daemon = &daemon{began: time.Now(), linked: make(map[string]time.Time)}
	r.child = run(w.t, env, "ip", "netns", "exec", ns, w.program, "run", "--json", "-c", r.ini)
	w.t.Cleanup(func() { r.cmd.Process.Signal(syscall.SIGTERM) })
	for r.peer == "" {
		r.note(strings.Join(<-r.lines, " "))
	}
	return r
}

// ask runs a command on the node, and reads its JSON.
func (r *resident) ask(v any, args ...string) {
	r.w.t.Helper()
	cmd := exec.Command("ip", append(append([]string{"netns", "exec", r.ns, r.w.program}, args...), "--json", "-c", r.ini)...)
	out, err := cmd.Output()
	if len(out) == 0 {
		r.w.t.Fatalf("%v: %v", args, err)
	}
	if err := json.Unmarshal(out, v); err != nil {
		r.w.t.Fatalf("%v says %s: %v", args, out, err)
	}
}

func (r *resident) reach() health.Reach {
	var d struct{ Reach health.Reach }
	r.ask(&d, "doctor")
	return d.Reach
}

// about is what the node says of another, nil if nothing.
func (r *resident) about(other *resident) *control.Peer {
	var ps control.Peers
	r.ask(&ps, "peers")
	i := slices.IndexFunc(ps.Peers, func(p control.Peer) bool { return p.ID == other.peer })
	if i < 0 {
		return nil
	}
	return &ps.Peers[i]
}

// upon looks at something whenever the node tells of such an event.
func (r *resident) upon(event string, limit time.Duration, what string, f func() bool) time.Duration {
	r.w.t.Helper()
	began := time.Now()
	// Nothing is missed from when it says on standard error that it watches.
	watch := run(r.w.t, os.Environ(), "ip", "netns", "exec", r.ns, "sh", "-c", `exec "$0" "$@" 2>&1`,
		r.w.program, "watch", "--only", event, "--json", "-c", r.ini)
	defer func() {
		watch.cmd.Process.Signal(os.Interrupt)
		watch.end()
	}()
	watch.await("watching;")
	late := time.After(limit)
	for !f() {
		select {
		case _, ok := <-watch.lines:
			if !ok {
				r.w.t.Fatalf("hearsay watch ended before this: %s", what)
			}
			for len(watch.lines) > 0 { // looking once is enough
				<-watch.lines
			}
		case <-late:
			r.w.t.Fatalf("not within %v: %s", limit, what)
		}
	}
	return time.Since(began)
}

// until asks again and again: of being reached from outside no event tells.
func (w *internet) until(limit time.Duration, what string, f func() bool) time.Duration {
	w.t.Helper()
	began := time.Now()
	for !f() {
		if time.Since(began) > limit {
			w.t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(100 * time.Millisecond) // asking is a process each time
	}
	return time.Since(began)
}

// talk has a module at each of the nodes, and each is told what any announces.
func (w *internet) talk(nodes []*resident, size int) {
	w.t.Helper()
	var modules []*child
	for _, r := range nodes {
		c := start(w.t, childConfig{Role: roleModule, API: "127.0.0.1:7001", Types: []uint16{dataType}}, "ip", "netns", "exec", r.ns)
		c.await("listening")
		modules = append(modules, c)
	}
	for i, from := range modules {
		text := strings.Repeat("x", size) + fmt.Sprint("-from-", i)
		from.tell("announce", dataType, text)
		for j, m := range modules {
			if j != i {
				if got := m.await("told")[1]; got != fmt.Sprintf("%q", text) {
					w.t.Fatalf("node %d was told %.40s, want %.40q", j, got, text)
				}
			}
		}
	}
}

// Two nodes behind two routers know one public node. All three get all rumors.
// The two are told that they cannot be reached, and why, and have a place at the
// public one; with its help they open a hole in both routers and become direct
// neighbours.
func TestNetnsBehindNAT(t *testing.T) {
	w := newInternet(t)
	pub := w.node(w.public(1), true)
	a, b := w.node(w.home(1)[0], true), w.node(w.home(1)[0], true)
	nodes := []*resident{pub, a, b}
	w.talk(nodes, 0)

	took := w.until(time.Minute, "both have a place at the public node", func() bool {
		for _, r := range []*resident{a, b} {
			reach := r.reach()
			if reach.State != health.ReachPrivate || !slices.Contains(reach.Relays, pub.peer) {
				return false
			}
		}
		return true
	})
	t.Logf("they have a place at the relay after %v; %q", took.Round(time.Millisecond), a.reach().Observation)
	if reach := pub.reach(); reach.State != health.ReachPublic || !reach.Relaying {
		t.Errorf("the public node says of itself: %+v", reach)
	}
	var d struct {
		Healthy  bool
		Findings []health.Finding
	}
	a.ask(&d, "doctor")
	if !d.Healthy || !slices.ContainsFunc(d.Findings, func(f health.Finding) bool {
		return f.Code == health.NotReachable && strings.Contains(f.Text, "1 relay keeps a place") && strings.Contains(f.Cure, "port_mapping")
	}) {
		t.Errorf("doctor says %+v", d)
	}
	took = a.upon("peers", 90*time.Second, "the two are direct neighbours", func() bool {
		p := a.about(b)
		return p != nil && p.State == "neighbour" && !p.Relayed
	})
	p := a.about(b)
	t.Logf("they are direct neighbours after %v more: %s %s", took.Round(time.Millisecond), p.Direction, p.Addrs[0])
	w.talk(nodes, 1000)
}

// Where no hole can be made, the two are neighbours through the relay, while each
// has but one other: small rumors take that way, and large ones get there all the
// same. A relay never has a link of its own cut off with something under way.
func TestNetnsRelayed(t *testing.T) {
	w := newInternet(t)
	pub := w.node(w.public(1), true, "hole_punching = false")
	a, b := w.node(w.home(1)[0], true, "hole_punching = false"), w.node(w.home(1)[0], true, "hole_punching = false")
	took := a.upon("peers", 2*time.Minute, "the two are neighbours through the relay", func() bool {
		p := a.about(b)
		return p != nil && p.State == "neighbour" && p.Relayed
	})
	p := a.about(b)
	t.Logf("relayed neighbours after %v: %s %s", took.Round(time.Millisecond), p.Direction, p.Addrs[0])
	if !strings.Contains(p.Addrs[0], "p2p-circuit") {
		t.Errorf("at %s", p.Addrs[0])
	}
	w.talk([]*resident{pub, a, b}, 0)
	w.talk([]*resident{pub, a, b}, 30_000)
}

// Nodes on three machines behind one address all join, although they look like one
// machine to all others, and are told each other's rumors.
func TestNetnsManyBehindOneAddress(t *testing.T) {
	each := 5
	if long {
		each = 10
	}
	w := newInternet(t)
	pub := w.node(w.public(1), true)
	machines := w.home(3)
	began := time.Now()
	var first []*resident
	for i := range each {
		for _, ns := range machines {
			r := w.node(ns, i == 0)
			if i == 0 {
				first = append(first, r)
			}
		}
	}
	started := time.Since(began)
	pub.upon("peers", time.Minute, "all have joined", func() bool {
		var ps control.Peers
		pub.ask(&ps, "peers")
		here := 0
		for _, p := range ps.Peers {
			if p.State == "neighbour" || p.State == "member" {
				here++
			}
		}
		return here == 3*each
	})
	t.Logf("%d nodes behind one address have joined %v after the first was started, which took %v", 3*each, time.Since(began).Round(time.Millisecond), started.Round(time.Millisecond))
	var ps control.Peers
	pub.ask(&ps, "peers")
	linked := 0
	for _, p := range ps.Peers {
		if p.State == "neighbour" && strings.HasPrefix(p.Addrs[0], "/ip4/5.5.5.101/") {
			linked++
		}
	}
	t.Logf("%d of them are direct neighbours of the public node, all from one address", linked)
	if linked <= 8 {
		t.Errorf("no more than libp2p lets by itself")
	}
	w.talk(append(first, pub), 0)
}

// A node without configuration, on a network without anybody from elsewhere, speaks
// with the other nodes and by mDNS, and sends nothing else: it asks no router for a
// port, no stranger for its address and no relay for a place.
func TestNetnsQuietOnALAN(t *testing.T) {
	l := newLAN(t, 2)
	rules := filepath.Join(t.TempDir(), "count.nft")
	err := os.WriteFile(rules, []byte(`
table inet watch {
	counter other {}
	counter every {}
	chain out {
		type filter hook output priority filter; policy accept;
		oifname "lo" accept
		counter name every
		tcp sport 6001 accept
		tcp dport 6001 accept
		udp dport 5353 accept
		ip protocol igmp accept
		meta l4proto ipv6-icmp accept
		counter name other
	}
}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range l.machines {
		if out, err := exec.Command("ip", "netns", "exec", ns, "nft", "-f", rules).CombinedOutput(); err != nil {
			t.Fatalf("nft: %v: %s", err, out)
		}
	}
	count := func(ns, name string) (n int) {
		out, err := exec.Command("ip", "netns", "exec", ns, "nft", "-j", "list", "counter", "inet", "watch", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Nftables []struct{ Counter struct{ Packets int } }
		}
		if err := json.Unmarshal(out, &said); err != nil {
			t.Fatal(err)
		}
		for _, c := range said.Nftables {
			n += c.Counter.Packets
		}
		return n
	}
	ds := l.daemons(t)
	awaitLinked(t, ds, integration.DefaultPatience)
	const watched = 15 * time.Second // longer than any of these waits before it begins
	<-time.After(watched)
	for _, ns := range l.machines {
		all, other := count(ns, "every"), count(ns, "other")
		t.Logf("%d packets within %v, %d of them of another kind", all, watched, other)
		if other != 0 || all == 0 {
			t.Errorf("%d packets of %d were neither of the nodes' connection nor mDNS", other, all)
		}
	}
}
