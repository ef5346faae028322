package node

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/identity"
	"hearsay/node/journal"
)

// Everybody whom the configuration names is gone when a node starts again, its
// anchors among them. It finds the network by the peers that it remembers, and
// remembers who joined meanwhile: when those of its first run are gone too, it
// finds the network by these.
func TestFirstContactsAreGone(t *testing.T) {
	open := func(c *Config) { c.PeerExchange = true }
	knows := func(others ...*Node) func(*Config) {
		var contacts []string
		for _, o := range others {
			contacts = append(contacts, o.Host().Addrs()[0].String())
		}
		return func(c *Config) {
			open(c)
			c.Contacts = contacts
		}
	}
	first, stopFirst := startNode(t, open)
	second, stopSecond := startNode(t, knows(first))
	third, stopThird := startNode(t, knows(first))
	fourth, stopFourth := startNode(t, knows(first, second))

	dir := t.TempDir()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	named := knows(first, second)
	start := func() (*Node, func()) {
		return startNode(t, func(c *Config) {
			named(c)
			c.Identity, c.StateDir = id, dir
		})
	}
	remembered := func() (ids []peer.ID) {
		j, err := journal.Open(filepath.Join(dir, JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		known, err := j.Peers()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range known {
			ids = append(ids, p.ID)
		}
		return ids
	}

	n, stop := start()
	for _, other := range []*Node{first, second, third, fourth} {
		meet(t, n, other)
	}
	stop()
	stopFirst()
	stopSecond()
	fifth, _ := startNode(t, knows(third)) // nobody ever told n of it
	meet(t, fifth, third)

	n, stop = start()
	meet(t, n, third)
	meet(t, n, fifth)
	for _, p := range n.Peers() {
		if p.ID == third.ID() && p.Source != "remembered" {
			t.Errorf("the third was found by %q", p.Source)
		}
	}
	stop()
	if !slices.Contains(remembered(), fifth.ID()) {
		t.Error("who joined is not remembered")
	}
	stopThird()
	stopFourth()

	n, stop = start()
	meet(t, n, fifth)
	for _, p := range n.Peers() {
		if p.ID == fifth.ID() && p.Source != "remembered" {
			t.Errorf("the fifth was found by %q", p.Source)
		}
	}
	stop()
}
