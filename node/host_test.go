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
	base := []string{
		"/hearsay/direct/1.0.0",
		"/hearsay/gossip/1.0.0",
		"/hearsay/hearsay/kad/1.0.0", // prefix, network, protocol: never the public /ipfs/kad/1.0.0
		"/hearsay/hearsay/values/1.0.0",
		"/hearsay/peers/1.0.0",
		"/hearsay/sync/1.0.0",
		"/ipfs/id/1.0.0",
		"/ipfs/id/push/1.0.0",
		"/ipfs/ping/1.0.0",
	}
	autonat := []string{"/libp2p/autonat/2/dial-back", "/libp2p/autonat/2/dial-request"}
	stop := []string{"/libp2p/circuit/relay/0.2.0/stop"} // connections that a relay brings
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		// The relay service answers on a node that turned out to be public only, and
		// hole punching on one that knows a public address of its own.
		{"defaults", func(*Config) {}, slices.Concat(base, autonat, stop)},
		{"all on", func(c *Config) { c.PortMapping = true }, slices.Concat(base, autonat, stop)},
		{"a list of peers", func(c *Config) { c.Allow = []peer.ID{} }, slices.Concat(base, stop)},
		{"no AutoNAT", func(c *Config) { c.AutoNAT = false }, slices.Concat(base, stop)},
		{"no relays", func(c *Config) { c.Relay = false }, slices.Concat(base, autonat)},
		{"nothing for outside", func(c *Config) { c.AutoNAT, c.Relay, c.RelayService, c.HolePunching = false, false, false, false }, base},
		{"no Kademlia either", func(c *Config) {
			c.AutoNAT, c.Relay, c.RelayService, c.HolePunching, c.Kademlia = false, false, false, false, false
		}, slices.DeleteFunc(slices.Clone(base), func(s string) bool { return strings.HasPrefix(s, "/hearsay/hearsay/") })},
	} {
		n, end := startNode(t, func(c *Config) { c.Kademlia = true; test.change(c) })
		var got []string
		for _, p := range n.Host().Mux().Protocols() {
			got = append(got, string(p))
		}
		slices.Sort(got)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: the node speaks\n\t%s\nwant\n\t%s", test.name, strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
		}
		for _, a := range n.Host().Network().ListenAddresses() {
			if s := a.String(); !strings.HasPrefix(s, "/ip4/127.0.0.1/tcp/") && (s != "/p2p-circuit" || !n.cfg.Relay) {
				t.Errorf("%s: the node listens on %s too", test.name, s)
			}
		}
		end()
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
