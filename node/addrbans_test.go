package node

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
	"hearsay/node/transport"
	"hearsay/node/wire"
)

// Several keys of one address close it for a while; two, or one that comes back, do
// not; nor does what says nothing of who is there.
func TestAddressIsClosed(t *testing.T) {
	at := multiaddr.StringCast
	now := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		cut   []string // addresses of peers that were cut off
		from  string
		holds bool
	}{
		"three":                    {[]string{"/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2", "/ip4/192.0.2.1/udp/3/quic-v1"}, "/ip4/192.0.2.1/tcp/9", true},
		"two":                      {[]string{"/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2"}, "/ip4/192.0.2.1/tcp/9", false},
		"three of a neighbourhood": {[]string{"/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/2", "/ip4/192.0.2.3/tcp/3"}, "/ip4/192.0.2.1/tcp/9", false},
		"another address":          {[]string{"/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2", "/ip4/192.0.2.1/tcp/3"}, "/ip4/192.0.2.2/tcp/9", false},
		"one network of IPv6":      {[]string{"/ip6/2001:db8::1/tcp/1", "/ip6/2001:db8::2/tcp/2", "/ip6/2001:db8::3/tcp/3"}, "/ip6/2001:db8::9/tcp/9", true},
		"mapped":                   {[]string{"/ip6/::ffff:192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2", "/ip4/192.0.2.1/tcp/3"}, "/ip4/192.0.2.1/tcp/9", true},
		"loopback":                 {[]string{"/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2", "/ip4/127.0.0.1/tcp/3"}, "/ip4/127.0.0.1/tcp/9", false},
		"a name":                   {[]string{"/dns/x/tcp/1", "/dns/x/tcp/2", "/dns/x/tcp/3"}, "/dns/x/tcp/9", false},
		"a relay": {[]string{"/ip4/192.0.2.1/tcp/1/p2p-circuit", "/ip4/192.0.2.1/tcp/1/p2p-circuit", "/ip4/192.0.2.1/tcp/1/p2p-circuit"},
			"/ip4/192.0.2.1/tcp/9", false},
	} {
		var b addrBans
		for i, a := range c.cut {
			b.note(peer.ID(fmt.Sprint("peer", i)), at(a), now)
			b.note(peer.ID(fmt.Sprint("peer", i)), at(a), now)
		}
		if got := b.holds(at(c.from), now.Add(banMemory-1)); got != c.holds {
			t.Errorf("%s: closed is %t", name, got)
		}
		if b.holds(at(c.from), now.Add(banMemory)) {
			t.Errorf("%s: closed for too long", name)
		}
		// Who comes one at a time is not several.
		for i := range 5 {
			now := now.Add(time.Duration(i+1) * banMemory)
			b.note(peer.ID(fmt.Sprint("late", i)), at(c.from), now)
			if b.holds(at(c.from), now) {
				t.Errorf("%s: closed by one", name)
			}
		}
	}
	var b addrBans
	for i := range maxBanAddrs + 10 {
		b.note("p", at(fmt.Sprintf("/ip4/10.0.%d.%d/tcp/1", i/256, i%256)), now.Add(time.Duration(i)))
	}
	if len(b.seen) != maxBanAddrs || b.seen[mustPlace(t, &b, "/ip4/10.0.0.9/tcp/1")] != nil || b.seen[mustPlace(t, &b, "/ip4/10.0.0.10/tcp/1")] == nil {
		t.Errorf("%d addresses are remembered", len(b.seen))
	}
}

func mustPlace(t *testing.T, b *addrBans, addr string) netip.Prefix {
	t.Helper()
	at, ok := b.place(multiaddr.StringCast(addr))
	if !ok {
		t.Fatal(addr)
	}
	return at
}

// A node that has cut three keys off takes no connection from their address; who was
// its neighbour before stays, and itself it can dial there.
func TestClosedAddressIsNotAnswered(t *testing.T) {
	apart := func(cfg *Config) { cfg.PeerExchange = false }
	a, _ := startNode(t, apart)
	a.gate.bans.loopback = true
	friend, _ := startNode(t, apart)
	introduce(a, friend)
	meet(t, a, friend)
	for i := range banKeys {
		hostile, _ := startNode(t, apart)
		introduce(a, hostile)
		meet(t, a, hostile)
		w := a.Watch()
		a.call(func(time.Time) {
			if i == 0 { // it does not wait for that
				hostile.Host().Network().ClosePeer(a.ID())
				awaitUnconnected(t, a.Host(), hostile.ID())
			}
			a.carryOut(gossip.Hangup{Peer: gossip.PeerID(hostile.ID()), Reason: "a test", Now: true, Banned: true})
		})
		await(t, w, "unlinked", hostile.ID())
		w.Close()
	}
	late, _ := startNode(t, apart)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := late.Host().Connect(ctx, peer.AddrInfo{ID: a.ID(), Addrs: a.Host().Addrs()}); err == nil {
		t.Error("a fourth key got a connection")
	}
	meet(t, a, friend)
	if err := a.Host().Connect(ctx, peer.AddrInfo{ID: late.ID(), Addrs: late.Host().Addrs()}); err != nil {
		t.Errorf("the node itself cannot connect there: %v", err)
	}
}

// awaitUnconnected waits until a host has no connection to a peer.
func awaitUnconnected(t *testing.T, h host.Host, p peer.ID) {
	t.Helper()
	sub, err := h.EventBus().Subscribe(new(event.EvtPeerConnectednessChanged))
	if err != nil {
		t.Error(err)
		return
	}
	defer sub.Close()
	for timeout := time.After(20 * time.Second); h.Network().Connectedness(p) == network.Connected; {
		select {
		case <-sub.Out():
		case <-timeout:
			t.Errorf("%v is still connected", p)
			return
		}
	}
}

// Nor from that of three keys that sent what cannot be read; each of them is kept out at once.
func TestBrokenProtocolClosesAddress(t *testing.T) {
	a, _ := startNode(t, func(cfg *Config) { cfg.PeerExchange = false })
	a.gate.bans.loopback = true
	at := peer.AddrInfo{ID: a.ID(), Addrs: a.Host().Addrs()}
	newHost := func() host.Host {
		h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
			libp2p.Muxer(yamux.ID, yamux.DefaultTransport), libp2p.DisableRelay())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		h.SetStreamHandler(transport.GossipProtocol, func(network.Stream) {}) // the node's answer
		return h
	}
	hello, err := wire.AppendHello(nil, wire.Hello{Version: wire.Version, Network: a.cfg.Network, Session: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range banKeys {
		w := a.Watch()
		h := newHost()
		if err := h.Connect(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		s, err := h.NewStream(t.Context(), a.ID(), transport.GossipProtocol)
		if err != nil {
			t.Fatal(err)
		}
		s.Write(hello)
		await(t, w, "linked", h.ID())
		s.Write([]byte{7, 0x1a, 5, 0x0a, 3, 1, 1, 'a'}) // a Push of what is no rumor
		await(t, w, "unlinked", h.ID())
		w.Close()
		awaitUnconnected(t, a.Host(), h.ID())
	}
	if n := a.Status().Counters["misbehaviour"]; n != banKeys {
		t.Errorf("%d neighbours were cut off", n)
	}
	if err := newHost().Connect(t.Context(), at); err == nil {
		t.Error("a fourth key got a connection")
	}
}
