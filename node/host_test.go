package node

import (
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/identity"
	"hearsay/node/transport"
)

// TestSurface holds the list of everything that a node answers to on the
// network. What is added here is added for every attacker, too.
func TestSurface(t *testing.T) {
	n, _ := startNode(t, func(c *Config) { c.Kademlia = true })
	var got []string
	for _, p := range n.Host().Mux().Protocols() {
		got = append(got, string(p))
	}
	slices.Sort(got)
	want := []string{
		"/hearsay/direct/1.0.0", "/hearsay/gossip/1.0.0",
		"/hearsay/hearsay/kad/1.0.0", // prefix, network, protocol: never the public /ipfs/kad/1.0.0
		"/hearsay/peers/1.0.0",
		"/hearsay/sync/1.0.0",
		"/ipfs/id/1.0.0",
		"/ipfs/id/push/1.0.0",
		"/ipfs/ping/1.0.0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the node speaks\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	for _, a := range n.Host().Network().ListenAddresses() {
		if s := a.String(); !strings.HasPrefix(s, "/ip4/127.0.0.1/tcp/") {
			t.Errorf("the node listens on %s too", s)
		}
	}
}

func TestOwnRecordTellsLoopbackOnlyIfThereIsNothingElse(t *testing.T) {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ addrs, want []string }{
		{[]string{"/ip4/127.0.0.1/tcp/1", "/ip4/192.0.2.1/tcp/1", "/ip6/::1/tcp/1"}, []string{"/ip4/192.0.2.1/tcp/1"}},
		{[]string{"/ip4/127.0.0.1/tcp/1"}, []string{"/ip4/127.0.0.1/tcp/1"}},
	} {
		var addrs []multiaddr.Multiaddr
		for _, a := range test.addrs {
			addrs = append(addrs, multiaddr.StringCast(a))
		}
		rec, err := ownRecord(id, addrs)
		if err != nil {
			t.Fatal(err)
		}
		opened, info, err := transport.OpenRecord(rec.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if peer.ID(opened.Peer) != id.ID() || opened.Seq != rec.Seq {
			t.Errorf("the record is of %v, number %d", peer.ID(opened.Peer), opened.Seq)
		}
		var told []string
		for _, a := range info.Addrs {
			told = append(told, a.String())
		}
		if !slices.Equal(told, test.want) {
			t.Errorf("of %v it tells %v, want %v", test.addrs, told, test.want)
		}
	}
}
