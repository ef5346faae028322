package node

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/discovery"
	"hearsay/node/gossip"
	"hearsay/node/identity"
)

// mute listens at so many addresses, in the order of their ports, takes connections and
// says nothing; came counts them.
func mute(t *testing.T, count int) (at []net.Listener, came *atomic.Int64) {
	t.Helper()
	came = new(atomic.Int64)
	for range count {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				came.Add(1)
			}
		}()
		at = append(at, l)
	}
	slices.SortFunc(at, func(a, b net.Listener) int {
		return cmp.Compare(a.Addr().(*net.TCPAddr).Port, b.Addr().(*net.TCPAddr).Port)
	})
	return at, came
}

func addrOf(t *testing.T, l net.Listener) multiaddr.Multiaddr {
	t.Helper()
	a, err := manet.FromNetAddr(l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// lie has others say that a peer is at these addresses.
func lie(n *Node, p peer.ID, at []multiaddr.Multiaddr) {
	for part := range slices.Chunk(at, maxRecordAddrs) {
		n.found(discovery.Candidate{Info: peer.AddrInfo{ID: p, Addrs: part}, Source: discovery.SourceMDNS})
		n.found(discovery.Candidate{Info: peer.AddrInfo{ID: p, Addrs: part}, Source: discovery.SourceKademlia})
	}
	n.Host().Peerstore().AddAddrs(p, at, peerstore.TempAddrTTL) // as look-ups in the DHT do
}

// A peer is found where it says itself that it is, whatever others add to that. The swarm
// dials lower ports first.
func TestLiesHideNobody(t *testing.T) {
	const count = 80
	at, _ := mute(t, count+1)
	var lies []multiaddr.Multiaddr
	for _, l := range at[:count] {
		lies = append(lies, addrOf(t, l))
	}
	at[count].Close()
	honest, _ := startNode(t, func(c *Config) { c.Listen = []multiaddr.Multiaddr{addrOf(t, at[count])} })
	n, _ := startNode(t, func(c *Config) {
		for c.Identity.ID() < honest.ID() { // so that it lets the other dial first, for a second
			id, err := identity.New()
			if err != nil {
				t.Fatal(err)
			}
			c.Identity = id
		}
	})
	rec, err := ownRecord(honest.cfg.Identity, honest.Host().Addrs())
	if err != nil {
		t.Fatal(err)
	}
	w := n.Watch()
	n.emit(gossip.Candidate{Peer: rec.Peer, Source: gossip.SourceExchange, Record: &rec})
	lie(n, honest.ID(), lies)
	for soon, linked := time.After(10*time.Second), false; !linked; {
		select {
		case ev := <-w.C():
			linked = ev.What == "linked"
		case <-soon:
			t.Fatal("it is not found")
		}
	}
}

// What others say of where a peer is is not written down.
func TestLiesAreNotRemembered(t *testing.T) {
	n, _ := startNode(t, func(c *Config) { c.StateDir = t.TempDir() })
	honest, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	at, _ := mute(t, 20)
	var lies []multiaddr.Multiaddr
	for _, l := range at {
		lies = append(lies, addrOf(t, l))
	}
	rec, err := ownRecord(honest, lies[:1])
	if err != nil {
		t.Fatal(err)
	}
	n.emit(gossip.Candidate{Peer: rec.Peer, Source: gossip.SourceExchange, Record: &rec})
	eventually(t, "it is known", func() bool { return len(n.coreStatus().Candidates) == 1 })
	lie(n, honest.ID(), lies[1:])
	n.savePeers()
	known, err := n.journal.Peers()
	if err != nil {
		t.Fatal(err)
	}
	if len(known) != 1 || !bytes.Equal(known[0].Record, rec.Bytes) || slices.ContainsFunc(lies[1:], func(a multiaddr.Multiaddr) bool { return multiaddr.Contains(known[0].Addrs, a) }) {
		t.Errorf("remembered: %v", known)
	}
}

// Any number of peers that the DHT makes up at one address get it dialled once.
func TestOneVictimOfTheDHT(t *testing.T) {
	n, _ := startNode(t, nil)
	friend, _ := startNode(t, nil)
	introduce(n, friend)
	meet(t, n, friend)
	at, came := mute(t, 1)
	victim := []multiaddr.Multiaddr{addrOf(t, at[0])}
	for i := range 100 {
		p := peer.ID(fmt.Sprint("made up ", i))
		n.Host().Peerstore().AddAddrs(p, victim, time.Hour) // as it does with who writes itself down here
		n.found(discovery.Candidate{Info: peer.AddrInfo{ID: p, Addrs: victim}, Source: discovery.SourceKademlia})
	}
	eventually(t, "ten dials have failed", func() bool { return n.coreStatus().Counters.DialsFailed >= 10 })
	if got := came.Load(); got != 1 {
		t.Errorf("it was dialled %d times", got)
	}
}

// What the DHT says of addresses inside networks where this node is not, and of names, is
// not dialled.
func TestDHTNamesNothingInside(t *testing.T) {
	n, _ := startNode(t, nil) // on loopback alone
	for text, want := range map[string]bool{
		"/ip4/127.0.0.1/tcp/1":        true,
		"/ip4/192.0.2.1/tcp/1":        true,
		"/ip4/169.254.169.254/tcp/80": false,
		"/ip4/192.168.1.1/tcp/80":     false,
		"/dns4/victim.example/tcp/80": false,
	} {
		p := peer.ID("at " + text)
		n.found(discovery.Candidate{Info: peer.AddrInfo{ID: p, Addrs: []multiaddr.Multiaddr{multiaddr.StringCast(text)}}, Source: discovery.SourceKademlia})
		if got := len(n.heardAt(p, gossip.SourceKademlia)) == 1; got != want {
			t.Errorf("%s is kept: %t", text, got)
		}
	}
}
