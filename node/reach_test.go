package node

import (
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/health"
)

// judgedHost is a host as far as its reachability is judged, with judgedConns.
type judgedHost struct {
	host.Host
	addrs []string
	net   judgedNet
}

type judgedNet struct {
	network.Network
	conns []network.Conn
}

func (h judgedHost) Addrs() (all []multiaddr.Multiaddr) {
	for _, a := range h.addrs {
		all = append(all, multiaddr.StringCast(a))
	}
	return all
}

func (h judgedHost) Network() network.Network { return h.net }
func (n judgedNet) Conns() []network.Conn     { return n.conns }

type judgedConn struct {
	network.Conn
	local, remote string
	stat          network.ConnStats
}

func (c judgedConn) LocalMultiaddr() multiaddr.Multiaddr  { return multiaddr.StringCast(c.local) }
func (c judgedConn) RemoteMultiaddr() multiaddr.Multiaddr { return multiaddr.StringCast(c.remote) }
func (c judgedConn) Stat() network.ConnStats              { return c.stat }

func connection(direction network.Direction, local, remote string) judgedConn {
	return judgedConn{local: local, remote: remote, stat: network.ConnStats{Stats: network.Stats{Direction: direction}}}
}

// Those on the same network tell that an address is reachable, too, when they are
// asked to try; only if somebody was elsewhere it is believed.
func TestJudgeTriedAddresses(t *testing.T) {
	const here, there = "/ip6/2a00::1/tcp/6001", "/ip6/2a00::2/tcp/50001"
	r := &reach{good: []multiaddr.Multiaddr{multiaddr.StringCast(here)}}
	judge := func(conns ...network.Conn) health.Reachability {
		r.judge(judgedHost{addrs: []string{here}, net: judgedNet{conns: conns}})
		return r.said.State
	}
	lan := connection(network.DirOutbound, here, there)
	if s := judge(lan); s != health.ReachUnknown {
		t.Errorf("a node that knows its own network only says %s", s)
	}
	if s := judge(lan, connection(network.DirOutbound, here, "/ip6/2a00:0:0:1::2/tcp/6001")); s != health.ReachPublic {
		t.Errorf("a node with a peer elsewhere says %s", s)
	}
	if s := judge(lan); s != health.ReachPublic {
		t.Errorf("after that peer went it says %s", s)
	}
}

// Who came by itself shows that this node is reached, from where it came and from
// no further; what this machine has with itself shows nothing.
func TestJudgeReach(t *testing.T) {
	const (
		here, there = "/ip4/10.0.0.1/tcp/6001", "/ip4/10.0.0.2/tcp/50001"
		loopback    = "/ip4/127.0.0.1/tcp/6001"
		world       = "/ip4/5.5.5.1/tcp/6001"
		here6       = "/ip6/fe80::1/tcp/6001"
		there6      = "/ip6zone/eth0/ip6/fe80::2/tcp/50001"
		world6      = "/ip6/2a00::1/tcp/6001"
		in, out     = network.DirInbound, network.DirOutbound
	)
	relayed := connection(in, here, there)
	relayed.stat.Limited = true
	for _, test := range []struct {
		name  string
		addrs []string
		conns []network.Conn
		state health.Reachability
		why   string
	}{
		{"alone", []string{here}, nil, health.ReachLocal, "on the same network"},
		{"one came", []string{here}, []network.Conn{connection(out, here, there), connection(in, here, there)}, health.ReachNear, "a peer on the same network came from " + there + ", by itself"},
		{"one came by IPv6", []string{here}, []network.Conn{connection(in, here6, there6)}, health.ReachNear, there6},
		{"one was dialled", []string{here}, []network.Conn{connection(out, here, there)}, health.ReachLocal, "on the same network"},
		{"one came through a relay", []string{here}, []network.Conn{relayed}, health.ReachLocal, "on the same network"},
		{"one of this machine, by loopback", []string{here}, []network.Conn{connection(in, loopback, "/ip4/127.0.0.1/tcp/50001")}, health.ReachLocal, "on the same network"},
		{"one of this machine, by another loopback address", []string{here}, []network.Conn{connection(in, "/ip4/127.0.0.2/tcp/6001", "/ip4/127.0.0.1/tcp/50001")}, health.ReachLocal, "on the same network"},
		{"one of this machine, by its address", []string{here}, []network.Conn{connection(in, here, "/ip4/10.0.0.1/tcp/50001")}, health.ReachLocal, "on the same network"},
		{"one of this machine, by its IPv6 address", []string{here}, []network.Conn{connection(in, here6, "/ip6zone/eth0/ip6/fe80::1/tcp/50001")}, health.ReachLocal, "on the same network"},
		{"loopback alone", []string{loopback}, []network.Conn{connection(in, loopback, "/ip4/127.0.0.1/tcp/50001")}, health.ReachAlone, "loopback addresses only"},
		{"one came, and the address is gone", []string{loopback}, []network.Conn{connection(in, here, there)}, health.ReachAlone, "loopback addresses only"},
		{"one came, and a router is between this and others", []string{here}, []network.Conn{connection(in, here, there), connection(out, here, world)}, health.ReachPrivate, "through a router"},
		{"one came, and public addresses are untried", []string{here, world}, []network.Conn{connection(in, here, there)}, health.ReachUnknown, "nobody has tried them"},
		{"one came from this network, by IPv6", []string{world6}, []network.Conn{connection(in, world6, "/ip6/2a00::2/tcp/50001")}, health.ReachUnknown, "nobody has tried them"},
		{"one of this machine, by its public address", []string{world}, []network.Conn{connection(in, world, "/ip4/5.5.5.1/tcp/50001")}, health.ReachUnknown, "nobody has tried them"},
		{"one came from elsewhere, by IPv6", []string{world6}, []network.Conn{connection(in, world6, "/ip6/2a00:0:0:1::2/tcp/50001")}, health.ReachPublic, "2a00:0:0:1::2/tcp/50001, elsewhere"},
		{"one came from elsewhere", []string{world}, []network.Conn{connection(in, world, "/ip4/5.5.5.2/tcp/50001"), connection(in, here, there)}, health.ReachPublic, "/ip4/5.5.5.2/tcp/50001, elsewhere"},
	} {
		want := map[health.Reachability]network.Reachability{health.ReachPublic: network.ReachabilityPublic, health.ReachPrivate: network.ReachabilityPrivate}[test.state]
		r := &reach{}
		v, news := r.judge(judgedHost{addrs: test.addrs, net: judgedNet{conns: test.conns}})
		if r.said.State != test.state || !strings.Contains(r.said.Observation, test.why) {
			t.Errorf("%s: %s, as %s; want %s, as %q", test.name, r.said.State, r.said.Observation, test.state, test.why)
		}
		if v != want || news != (want != network.ReachabilityUnknown) {
			t.Errorf("%s: libp2p is told %s (news: %v), want %s", test.name, v, news, want)
		}
	}
}
