package discovery

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// The tests of this file need root and make network namespaces: set
// HEARSAY_NETNS=1. Each namespace is a machine, on a link with the others but
// without any way out.

// link is a switch: a bridge in a namespace of its own.
type link struct {
	t        testing.TB
	ns       string
	machines int
}

func newLink(t testing.TB) *link {
	t.Helper()
	if os.Getenv("HEARSAY_NETNS") == "" {
		t.Skip("needs root and network namespaces: set HEARSAY_NETNS=1")
	}
	l := &link{t: t, ns: fmt.Sprintf("hsd%d-sw", os.Getpid())}
	addNamespace(t, l.ns)
	ip(t, "-n", l.ns, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
	ip(t, "-n", l.ns, "link", "set", "br0", "up")
	return l
}

// machine returns the name of a namespace with nothing but loopback.
func (l *link) machine() string {
	l.machines++
	ns := fmt.Sprintf("hsd%d-%d", os.Getpid(), l.machines)
	addNamespace(l.t, ns)
	ip(l.t, "-n", ns, "link", "set", "lo", "up")
	return ns
}

// plug connects a machine to the link by its interface eth0.
func (l *link) plug(ns string) {
	l.t.Helper()
	n := l.machines
	port := fmt.Sprint("port", n)
	ip(l.t, "-n", l.ns, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", ns)
	ip(l.t, "-n", l.ns, "link", "set", port, "master", "br0", "up")
	ip(l.t, "-n", ns, "addr", "add", fmt.Sprintf("10.77.0.%d/24", n), "dev", "eth0")
	ip(l.t, "-n", ns, "addr", "add", fmt.Sprintf("fd77::%d/64", n), "dev", "eth0", "nodad")
	ip(l.t, "-n", ns, "link", "set", "eth0", "up")
}

// plugged returns a machine on the link.
func (l *link) plugged() string {
	ns := l.machine()
	l.plug(ns)
	return ns
}

func addNamespace(t testing.TB, ns string) {
	t.Helper()
	ip(t, "netns", "add", ns)
	t.Cleanup(func() { ip(t, "netns", "del", ns) })
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// child is a process of this test binary in a namespace.
type child struct {
	t     testing.TB
	id    string
	lines chan []string
	stdin io.Closer
	began time.Time
}

func start(t testing.TB, ns string, cfg childConfig) *child {
	t.Helper()
	text, err := json.Marshal(cfg)
	do(t, err)
	self, err := os.Executable()
	do(t, err)
	cmd := exec.Command("ip", "netns", "exec", ns, self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	do(t, err)
	stdout, err := cmd.StdoutPipe()
	do(t, err)
	do(t, cmd.Start())
	c := &child{t: t, lines: make(chan []string, 10_000), stdin: stdin, began: time.Now()}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			c.lines <- strings.Fields(s.Text())
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		for end := time.After(10 * time.Second); ; {
			select {
			case _, more := <-c.lines:
				if more {
					continue
				}
				if err := cmd.Wait(); err != nil {
					t.Errorf("a node ended with %v", err)
				}
			case <-end:
				t.Error("a node does not end")
				cmd.Process.Kill()
				cmd.Wait()
			}
			return
		}
	})
	c.id = c.await("self")[0]
	return c
}

// await skips lines until one begins with the given words, and returns the rest
// of that one.
func (c *child) await(words ...string) []string {
	c.t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the node ended before it said %v", words)
			}
			if len(line) >= len(words) && strings.Join(line[:len(words)], " ") == strings.Join(words, " ") {
				return line[len(words):]
			}
		case <-deadline:
			c.t.Fatalf("a node did not say %v within 15 s", words)
		}
	}
}

// skip forgets what the node has said so far.
func (c *child) skip() {
	for len(c.lines) > 0 {
		<-c.lines
	}
}

// meet waits until the one with the smaller ID has found the other and
// connected, and the other has found it by mDNS (in the folder, it no longer
// looks for who is connected).
func meet(t testing.TB, a, b *child, source Source) {
	t.Helper()
	if mustID(t, b.id) < mustID(t, a.id) {
		a, b = b, a
	}
	found := a.await("found", string(source), b.id)
	connected := a.await("connected", b.id)
	other := []string{"-"}
	if source == SourceMDNS {
		other = b.await("found", string(source), a.id)
	}
	t.Logf("found after %s ms, the other after %s ms, connected after %s ms of its life", found[0], other[0], connected[0])
}

func TestNetnsMDNS(t *testing.T) {
	l := newLink(t)
	cfg := childConfig{Network: "home", MDNS: true}

	t.Run("two machines, and the link fails", func(t *testing.T) {
		nsA, nsB := l.plugged(), l.plugged()
		a, b := start(t, nsA, cfg), start(t, nsB, cfg)
		stranger := start(t, nsB, childConfig{Network: "office", MDNS: true})
		meet(t, a, b, SourceMDNS)

		for _, fails := range []struct {
			what string
			down []string
		}{
			{"its interface is switched off", []string{"-n", nsA, "link", "set", "eth0"}},
			{"its cable is pulled", []string{"-n", l.ns, "link", "set", fmt.Sprint("port", l.machines-1)}},
		} {
			ip(t, append(fails.down, "down")...)
			for len(a.await("links")) != 0 {
			}
			b.skip()
			ip(t, append(fails.down, "up")...)
			up := time.Now()
			a.await("found", string(SourceMDNS), b.id)
			tookA := time.Since(up)
			b.await("found", string(SourceMDNS), a.id)
			t.Logf("%s and it comes back: found again after %v and %v", fails.what, tookA.Round(time.Millisecond), time.Since(up).Round(time.Millisecond))
		}

		stranger.skip()
		stranger.stdin.Close()
		for line := range stranger.lines {
			if line[0] == "found" {
				t.Errorf("nodes of different networks met: %v", line)
			}
		}
	})

	t.Run("two nodes on one machine", func(t *testing.T) {
		ns := l.plugged()
		cfg := childConfig{Network: "one", MDNS: true}
		meet(t, start(t, ns, cfg), start(t, ns, cfg), SourceMDNS)
	})

	t.Run("the network comes later", func(t *testing.T) {
		a := start(t, l.plugged(), childConfig{Network: "late", MDNS: true})
		ns := l.machine()
		b := start(t, ns, childConfig{Network: "late", MDNS: true})
		l.plug(ns)
		up := time.Now()
		b.await("found", string(SourceMDNS), a.id)
		a.await("found", string(SourceMDNS), b.id)
		t.Logf("found %v after the network came", time.Since(up).Round(time.Millisecond))
	})

	t.Run("IPv6 cannot be used", func(t *testing.T) {
		a := start(t, l.plugged(), childConfig{Network: "v4", MDNS: true})
		b := start(t, l.plugged(), childConfig{Network: "v4", MDNS: true, OccupyIPv6: true})
		meet(t, a, b, SourceMDNS)
	})

	t.Run("sessions leave nothing behind", func(t *testing.T) {
		c := start(t, l.plugged(), childConfig{Network: "home", MDNS: true, Sessions: 100})
		if left := strings.Join(c.await("left"), " "); left != "0 0" {
			t.Errorf("goroutines and files left behind by 100 sessions: %s", left)
		}
	})

	t.Run("somebody lies", func(t *testing.T) {
		cfg := childConfig{Network: "lies", MDNS: true}
		var made []string
		isMade := make(map[string]bool)
		for range 200 {
			id := newID(t).String()
			made = append(made, id)
			isMade[id] = true
		}
		liar := cfg
		liar.Spoof = made
		a, b := start(t, l.plugged(), cfg), start(t, l.plugged(), cfg)
		meet(t, a, b, SourceMDNS)
		start(t, l.plugged(), liar)
		heard := make(map[string]bool)
		for len(heard) < mdnsNewPeers-1 { // b was the first of this minute
			if id := a.await("found", string(SourceMDNS))[0]; isMade[id] {
				heard[id] = true
			}
		}
		// All has been announced twice by now, and answered again when this
		// node asks: none of it passes.
		for end := time.After(5 * time.Second); ; {
			select {
			case line := <-a.lines:
				if line[0] == "found" && isMade[line[2]] && !heard[line[2]] {
					t.Errorf("more than %d new peers in a minute", mdnsNewPeers)
				}
				continue
			case <-end:
			}
			break
		}
	})
}

func TestNetnsLoopbackOnly(t *testing.T) {
	l := newLink(t)
	ns := l.machine()
	cfg := childConfig{Network: "home", MDNS: true, Local: true, LocalFolder: filepath.Join(t.TempDir(), "hearsay")}
	for range 5 {
		t.Run("", func(t *testing.T) { meet(t, start(t, ns, cfg), start(t, ns, cfg), SourceLocal) })
	}
	// Another machine that happens to see the folder is not met.
	c := start(t, l.machine(), cfg)
	time.AfterFunc(3*time.Second, func() { c.stdin.Close() })
	for line := range c.lines {
		if line[0] == "found" {
			t.Errorf("found over a machine's border: %v", line)
		}
	}
}

// TestNetnsCost measures what mDNS sends: HEARSAY_NETNS=long.
func TestNetnsCost(t *testing.T) {
	if os.Getenv("HEARSAY_NETNS") != "long" {
		t.Skip("takes minutes and only measures: set HEARSAY_NETNS=long")
	}
	const nodes = 10
	l := newLink(t)
	var children []*child
	for range nodes {
		children = append(children, start(t, l.plugged(), childConfig{Network: "home", MDNS: true}))
	}
	count := func() (packets, bytes int) {
		var stats []struct {
			IfName string
			Stats  struct{ Rx struct{ Packets, Bytes int } } `json:"stats64"`
		}
		out, err := exec.Command("ip", "-n", l.ns, "-j", "-s", "link").Output()
		do(t, err)
		do(t, json.Unmarshal(out, &stats))
		for _, s := range stats {
			if strings.HasPrefix(s.IfName, "port") {
				packets, bytes = packets+s.Stats.Rx.Packets, bytes+s.Stats.Rx.Bytes
			}
		}
		return packets, bytes
	}
	lastP, lastB := 0, 0
	for minute := range 5 {
		<-time.After(time.Minute)
		p, b := count()
		t.Logf("minute %d: %d packets and %d bytes per node sent, all that they send to each other", minute+1, (p-lastP)/nodes, (b-lastB)/nodes)
		lastP, lastB = p, b
	}
	known := make(map[peer.ID]int)
	for _, c := range children {
		for len(c.lines) > 0 {
			if line := <-c.lines; line[0] == "found" {
				known[mustID(t, line[2])]++
			}
		}
	}
	for id, n := range known {
		t.Logf("%s was handed over %d times to %d nodes", id, n, nodes-1)
	}
}
