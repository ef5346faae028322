package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/core/transport"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/identity"
	links "hearsay/node/transport"
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
		opened, info, err := links.OpenRecord(rec.Bytes)
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

// However small the machine, there is room for all links, for more connections than those
// at which idle ones are pruned, and for somebody beside the largest site.
func TestRoomForConnections(t *testing.T) {
	for _, degree := range []int{1, 30, 1000} {
		l := limits(rcmgr.DefaultLimits.Scale(256<<20, 1024), degree).ToPartialLimitConfig()
		most := rcmgr.LimitVal(4*degree + connsHigh + connsPerSite)
		if l.System.ConnsInbound < most || l.System.ConnsOutbound < most || l.System.Conns < 2*most {
			t.Errorf("with degree %d there is room for %d connections from others, %d to others and %d in all, want %d and twice that",
				degree, l.System.ConnsInbound, l.System.ConnsOutbound, l.System.Conns, most)
		}
		if l.Transient.ConnsInbound <= connsPerSite || l.Transient.FD <= connsPerSite || l.Transient.Conns <= connsPerSite || connsPerIPv4 > connsPerSite {
			t.Errorf("one site takes all %d places of connections whose peer is not known yet", l.Transient.ConnsInbound)
		}
		if l.Stream != rcmgr.DefaultLimits.Scale(256<<20, 1024).ToPartialLimitConfig().Stream {
			t.Error("limits of something else than connections are changed")
		}
	}
}

// Who opens connections under many keys and leaves them idle keeps nobody out.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	n, _ := startNode(t, nil)
	for range connsHigh + 10 {
		id, err := identity.New()
		if err != nil {
			t.Fatal(err)
		}
		muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
		secure, err := noise.New(noise.ID, id.PrivKey(), muxers)
		if err != nil {
			t.Fatal(err)
		}
		up, err := upgrader.New([]sec.SecureTransport{secure}, muxers, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		dialer, err := tcp.NewTCPTransport(up, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := dialer.Dial(t.Context(), n.Host().Addrs()[0], n.ID()); err == nil { // that it gets so many is not the point
			t.Cleanup(func() { c.Close() })
		}
	}
	guest, _ := startNode(t, nil)
	guest.Introduce(peer.AddrInfo{ID: n.ID(), Addrs: n.Host().Addrs()})
	meet(t, guest, n)
}

// However many dials to public IPv6 addresses were in vain, further ones are made.
func TestIPv6IsNotGivenUp(t *testing.T) {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Identity, cfg.Listen = id, nil
	vain := new(inVain)
	h, err := newHost(&cfg, newGate(id.ID(), nil), []libp2p.Option{libp2p.DisableRelay(), libp2p.Transport(func() *inVain { return vain })})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	const dials = 120
	for i := range dials {
		p := peer.ID(fmt.Sprint("peer ", i))
		h.Peerstore().AddAddr(p, multiaddr.StringCast(fmt.Sprintf("/ip6/2a00:4700::%d/sctp/1", i+1)), peerstore.TempAddrTTL)
		if _, err := h.Network().DialPeer(t.Context(), p); err == nil {
			t.Fatal("somebody is there")
		}
	}
	if vain.dials != dials {
		t.Errorf("of %d dials %d were made", dials, vain.dials)
	}
	if !h.Network().CanDial("peer", multiaddr.StringCast("/ip6/2a00:4700::1/tcp/1")) {
		t.Error("no public IPv6 address is dialled any more")
	}
}

// inVain is a transport that fails; no packet is sent.
type inVain struct {
	transport.Transport
	dials int
}

func (v *inVain) CanDial(a multiaddr.Multiaddr) bool {
	_, err := a.ValueForProtocol(multiaddr.P_SCTP)
	return err == nil
}
func (v *inVain) Protocols() []int { return []int{multiaddr.P_SCTP} }
func (v *inVain) Proxy() bool      { return false }
func (v *inVain) Dial(context.Context, multiaddr.Multiaddr, peer.ID) (transport.CapableConn, error) {
	v.dials++
	return nil, errors.New("in vain")
}

// Others' IPv6 addresses are tried for them by who has just reached one, and not by who
// may have no IPv6.
func TestIPv6IsTriedByWhoHasIt(t *testing.T) {
	c := ipv6Dials()
	for i, dial := range []struct {
		good  bool
		state string
	}{{false, "Blocked"}, {false, "Blocked"}, {true, "Probing"}, {true, "Allowed"}, {true, "Allowed"}, {false, "Blocked"}} {
		if c.RecordResult(dial.good); c.State().String() != dial.state {
			t.Errorf("after dial %d, good %t, the state is %v, want %s", i, dial.good, c.State(), dial.state)
		}
		for range 200 {
			if c.HandleRequest().String() == "Blocked" {
				t.Fatalf("after dial %d no more are made", i)
			}
		}
	}
	if c := ipv6Dials(); c.State().String() != "Probing" {
		t.Errorf("in the beginning: %v", c.State())
	}
	c = ipv6Dials()
	if c.RecordResult(true); c.State().String() != "Allowed" {
		t.Errorf("after the first good dial: %v", c.State())
	}
}
