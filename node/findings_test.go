package node

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/discovery"
	"hearsay/node/health"
	"hearsay/node/journal"
)

// The facts of a node are those that it knows of itself, one by one: what follows
// from them is judged in package health.
func TestFacts(t *testing.T) {
	dir := t.TempDir()
	n, _ := startNode(t, func(c *Config) {
		c.StateDir = dir
		c.MDNS = true
		c.Network = "facts-test"
		c.Contacts = []string{"127.0.0.1:1"}
	})
	b, _ := startNode(t, func(c *Config) { c.Network = "facts-test" })
	introduce(n, b)
	meet(t, n, b)
	stranger, _ := startNode(t, func(c *Config) { c.Network = "another" })
	introduce(n, stranger)
	eventually(t, "the silent contact and the other network", func() bool {
		f := n.facts(0)
		return len(f.Contacts) == 1 && len(f.OtherNetwork) == 1
	})
	f := n.facts(0)
	if c := f.Contacts[0]; c.Address != "127.0.0.1:1" || !strings.Contains(c.Error, "refused") {
		t.Errorf("contact %+v", c)
	}
	if f.OtherNetwork[0].Who != stranger.ID().String() {
		t.Errorf("other networks %+v", f.OtherNetwork)
	}
	if len(f.Clocks) != 1 || f.Clocks[0].Abs() > 10*time.Second {
		t.Errorf("clocks %v", f.Clocks)
	}
	if f.Neighbours != 1 || f.Relayed != 0 || !f.MustListen || len(f.Listens) != 1 || !f.Ways || !f.Multicast.On || f.Difficulty != 4 || len(f.Difficulties) != 0 {
		t.Errorf("facts %+v", f)
	}
	if f.StateDir != dir || f.DiskFree == 0 || f.MaxFiles > 0 && f.OpenFiles == 0 || f.Reach.State != health.ReachAlone {
		t.Errorf("facts %+v", f)
	}

	n.trouble(&n.troubles.epoch, errors.New("no space"))
	n.trouble(&n.troubles.journal, errors.New("read-only"))
	n.Report(health.Condition{Code: health.PortMoved, Text: "x"})
	for _, code := range []health.Code{health.EpochBlocked, health.StateUnwritable, health.PortMoved, health.OtherNetwork} {
		if finding(n, code) == nil {
			t.Errorf("%s is not found", code)
		}
	}
	if w := n.Status().Warnings; len(w) != 2 || !slices.ContainsFunc(w, func(s string) bool {
		return strings.Contains(s, "no space. ") && strings.Contains(s, "What to do: make room")
	}) {
		t.Errorf("the status warns of %q", w)
	}
	n.trouble(&n.troubles.epoch, nil)
	if finding(n, health.EpochBlocked) != nil {
		t.Error("what is over is still found")
	}
}

// Who knows others and reaches none of them says so, and not that nobody was found.
func TestUnreachedIsAFact(t *testing.T) {
	n, _ := startNode(t, nil)
	gone, stop := startNode(t, nil)
	addrs := gone.Host().Addrs()
	stop()
	n.Introduce(peer.AddrInfo{ID: gone.ID(), Addrs: addrs})
	eventually(t, "the failed dial", func() bool { return n.facts(0).Unreached == 1 })
	if f := n.facts(0); f.Neighbours != 0 || !f.Ways {
		t.Errorf("facts %+v", f)
	}
}

// What discovery says of multicast is what health is told, a flood among it.
func TestMulticastFacts(t *testing.T) {
	for _, s := range []discovery.MechanismStatus{
		{On: true, Running: true}, {On: true, LastError: "port taken"}, {On: true, LastError: "too much", Flooded: true},
	} {
		if m := multicastFacts(s); !m.On || m.Running != s.Running || m.Error != s.LastError || m.Flooded != s.Flooded {
			t.Errorf("of %+v it is told %+v", s, m)
		}
	}
	if m := multicastFacts(discovery.MechanismStatus{LastError: "x"}); m.On || m.Error != "" {
		t.Errorf("where it is off, %+v", m)
	}
}

// A look into the core serves for a while where nobody asks, and everything else is
// looked at all the same.
func TestLooksIntoTheCoreAreFew(t *testing.T) {
	n, _ := startNode(t, nil)
	at := func() time.Time {
		n.health.mu.Lock()
		defer n.health.mu.Unlock()
		return n.health.core.at
	}
	eventually(t, "the node's own first look", func() bool { return !at().IsZero() })
	n.facts(0)
	first := at()
	n.trouble(&n.troubles.epoch, errors.New("no space"))
	if f := n.facts(time.Hour); at() != first || f.EpochError != "no space" {
		t.Errorf("looked at %v and %v, facts %+v", first, at(), f)
	}
	if n.facts(0); !at().After(first) {
		t.Error("who asks is told what was known before")
	}
}

// A node whose journal was damaged says so, and where the old one is.
func TestDamagedJournalIsFound(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	if err := os.WriteFile(filepath.Join(dir, JournalFile), []byte(strings.Repeat("damage", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	n, _ := startNode(t, func(c *Config) { c.StateDir = dir })
	f := finding(n, health.JournalDamaged)
	if f == nil || !strings.Contains(f.Text, dir) || f.Severity != health.Warning {
		t.Errorf("found %+v", n.Findings())
	}
}

// A node that cannot write its folder says that, and not that all is well.
func TestUnwritableFolderIsFound(t *testing.T) {
	dir := t.TempDir()
	n, _ := startNode(t, func(c *Config) { c.StateDir = dir })
	n.journal.Close() // as if the disk had gone
	n.savePeers()
	if f := finding(n, health.StateUnwritable); f == nil || !strings.Contains(f.Cure, "the node tries by itself") {
		t.Errorf("found %+v", n.Findings())
	}
}
