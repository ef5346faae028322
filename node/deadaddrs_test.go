package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
)

// TestOneVictim: a thousand made-up peers at one address get it dialled once in
// ten minutes; a peer that is there is found there again and again.
func TestOneVictim(t *testing.T) {
	d := newDeadAddrs()
	now := time.Now()
	victim := []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/192.0.2.1/tcp/443")}
	dials := 0
	for i := range 1000 {
		p := gossip.PeerID(fmt.Sprint("made up ", i))
		good := d.alive(p, victim, now)
		dials += len(good)
		d.begin(p, good, now)
		d.ended(p, false, now)
		now = now.Add(time.Second)
	}
	if dials != 2 {
		t.Errorf("%d dials in %d seconds, want one in ten minutes", dials, 1000)
	}
	if len(d.tried) != 0 {
		t.Errorf("%d dials are still under way", len(d.tried))
	}
	// The same peer is paced by the core, and one that is found clears the place.
	home := []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/192.0.2.2/tcp/1")}
	d.begin("A", home, now)
	if len(d.alive("A", home, now)) != 1 || len(d.alive("B", home, now)) != 0 {
		t.Error("where one peer is being dialled another is dialled, too, or not even that one again")
	}
	d.ended("A", false, now)
	if len(d.alive("A", home, now)) != 1 {
		t.Error("a peer is not sought where it was sought before")
	}
	d.begin("A", home, now)
	d.ended("A", true, now)
	if len(d.alive("B", home, now)) != 1 {
		t.Error("an address where somebody is counts as dead")
	}
}

// Who has no address left is not dialled, and so never heard of again: nothing is kept of
// it. What was tried before is not what a dial without addresses tries.
func TestNothingTriedIsNotKept(t *testing.T) {
	d := newDeadAddrs()
	now := time.Now()
	at := []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/192.0.2.1/tcp/1")}
	d.begin("gone", at, now)
	d.ended("gone", false, now)
	for i := range 100 {
		p := gossip.PeerID(fmt.Sprint(i))
		good := d.alive(p, at, now)
		if len(good) > 0 {
			t.Fatal("it has an address")
		}
		d.begin(p, good, now)
	}
	d.begin("moved", []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/192.0.2.2/tcp/1")}, now)
	d.begin("moved", d.alive("moved", at, now), now)
	if len(d.tried) != 0 {
		t.Errorf("%d dials are under way", len(d.tried))
	}
}

func TestDeadAddrsCap(t *testing.T) {
	d := newDeadAddrs()
	now := time.Now()
	at := func(i int) []multiaddr.Multiaddr {
		return []multiaddr.Multiaddr{multiaddr.StringCast(fmt.Sprintf("/ip4/10.%d.%d.1/tcp/1", i/256, i%256))}
	}
	for i := range maxDeadAddrs + 10 {
		p := gossip.PeerID(fmt.Sprint(i))
		d.begin(p, d.alive(p, at(i), now), now)
		d.ended(p, false, now)
	}
	if len(d.dead) != maxDeadAddrs {
		t.Errorf("%d addresses, at most %d", len(d.dead), maxDeadAddrs)
	}
	now = now.Add(deadAddrTime)
	d.begin("new", at(maxDeadAddrs+11), now)
	d.ended("new", false, now)
	if len(d.dead) != 1 {
		t.Errorf("%d addresses, want only the new one", len(d.dead))
	}
}
