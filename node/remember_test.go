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
	stops := make(map[*Node]func())
	var others []*Node
	for range 3 {
		o, stop := startNode(t, knows(first))
		others, stops[o] = append(others, o), stop
	}

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
	remembered := func() (ids, anchors []peer.ID) {
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
			if p.Anchor {
				anchors = append(anchors, p.ID)
			}
		}
		return ids, anchors
	}

	n, stop := start()
	for _, other := range append([]*Node{first, second}, others...) {
		meet(t, n, other)
	}
	stop()
	stopFirst()
	stopSecond()
	_, anchors := remembered()
	if len(anchors) == 0 {
		t.Error("there are no anchors")
	}
	others = slices.DeleteFunc(others, func(o *Node) bool { // of three, which are not all anchors
		gone := slices.Contains(anchors, o.ID())
		if gone {
			stops[o]()
		}
		return gone
	})
	newcomer, _ := startNode(t, knows(others[0])) // nobody ever told n of it
	meet(t, newcomer, others[0])

	n, stop = start()
	meet(t, n, others[0])
	meet(t, n, newcomer)
	for _, p := range n.Peers() {
		if p.ID == others[0].ID() && p.Source != "remembered" {
			t.Errorf("who was known was found by %q", p.Source)
		}
	}
	stop()
	if known, _ := remembered(); !slices.Contains(known, newcomer.ID()) {
		t.Error("who joined is not remembered")
	}
	for _, o := range others {
		stops[o]()
	}

	n, stop = start()
	meet(t, n, newcomer)
	for _, p := range n.Peers() {
		if p.ID == newcomer.ID() && p.Source != "remembered" {
			t.Errorf("who had joined was found by %q", p.Source)
		}
	}
	stop()
}
