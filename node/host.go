package node

import (
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/x/rate"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/node/gossip"
	"hearsay/node/identity"
)

const (
	// keepAlive is how long yamux waits for an answer on a silent connection.
	// With it and its write time-out a dead link is noticed in 9 s instead of 39.
	keepAlive = 5 * time.Second
	// A household or company behind one address may run many nodes. libp2p's
	// default of 8 connections an address would lock most of them out.
	connsPerIPv4 = 128
	connsPerIPv6 = 128 // per /56, what a household gets
	connsPerSite = 256 // per /48 of IPv6, which anybody gets who asks for it
	// Connections of all kinds, look-ups in the DHT among them, are pruned to
	// connsLow when there are more than connsHigh. Links are protected.
	connsLow, connsHigh = 160, 256
	// maxRecordAddrs bounds the addresses that a node tells of itself.
	maxRecordAddrs = 16
)

// newHost assembles the host: TCP with Noise and yamux, and what more is given.
func newHost(cfg *Config, gate *gate, more []libp2p.Option) (host.Host, error) {
	mux := *yamux.DefaultTransport
	mux.KeepAliveInterval = keepAlive
	mux.ConnectionWriteTimeout = keepAlive

	resources, err := rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits(rcmgr.DefaultLimits.AutoScale(), cfg.Degree)),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: connsPerIPv4}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: connsPerIPv6}, {PrefixLength: 48, ConnCount: connsPerSite}},
		),
		rcmgr.WithConnRateLimiters(newConnRate()),
	)
	if err != nil {
		return nil, err
	}
	conns, err := connmgr.NewConnManager(connsLow, connsHigh, connmgr.WithGracePeriod(20*time.Second))
	if err != nil {
		return nil, err
	}
	opts := []libp2p.Option{
		libp2p.Identity(cfg.Identity.PrivKey()),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, (*yamux.Transport)(&mux)),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(conns),
		libp2p.UserAgent(cfg.Agent),
		libp2p.ConnectionGater(gate),
		libp2p.IPv6BlackHoleSuccessCounter(ipv6Dials()),
		libp2p.DisableMetrics(),
	}
	opts = append(opts, more...)
	if cfg.NetworkKey != nil {
		opts = append(opts, libp2p.PrivateNetwork(cfg.NetworkKey[:]))
	}
	if len(cfg.Listen) == 0 {
		opts = append(opts, libp2p.NoListenAddrs)
	} else {
		opts = append(opts, libp2p.ListenAddrs(cfg.Listen...))
	}
	return libp2p.New(opts...)
}

// limits are libp2p's for this machine, but for connections. Of these it takes 80 from
// others on a machine of 2 GiB: fewer than there may be links, which are not pruned, and
// fewer than the connsHigh at which others are. Who had them all, idle, would keep
// everybody out for good, and nobody would hear that there is no room. No address may have
// all places either, also not of connections whose peer is not known yet.
func limits(auto rcmgr.ConcreteLimitConfig, degree int) rcmgr.ConcreteLimitConfig {
	conns := rcmgr.LimitVal(2*connsHigh + 4*degree)
	return rcmgr.PartialLimitConfig{
		System:    rcmgr.ResourceLimits{ConnsInbound: conns, ConnsOutbound: conns, Conns: 2 * conns},
		Transient: rcmgr.ResourceLimits{ConnsInbound: 2 * connsPerSite, Conns: 3 * connsPerSite, FD: 3 * connsPerSite},
	}.Build(auto)
}

// ipv6Dials counts how dials to public IPv6 addresses end. By libp2p's own counter a
// hundred in vain, on whatever network, have all later ones refused but every hundredth. By
// one that looks at the last dial alone none is refused. Who is asked to try the addresses
// of others (AutoNAT v2) does so by IPv6 only if that dial succeeded: a node without IPv6
// would tell everybody that they cannot be reached.
func ipv6Dials() *swarm.BlackHoleSuccessCounter {
	return &swarm.BlackHoleSuccessCounter{N: 1, MinSuccesses: 1, Name: "IPv6"}
}

// newConnRate limits how fast one address may open connections: an RSA hostkey
// spends 5 ms on each handshake. A mass join behind one address still passes.
func newConnRate() *rate.Limiter {
	unlimited := func(prefix string) rate.PrefixLimit {
		return rate.PrefixLimit{Prefix: netip.MustParsePrefix(prefix)}
	}
	perSubnet := func(bits int) rate.SubnetLimit {
		return rate.SubnetLimit{PrefixLength: bits, Limit: rate.Limit{RPS: 20, Burst: connsPerIPv4}}
	}
	return &rate.Limiter{
		NetworkPrefixLimits: []rate.PrefixLimit{unlimited("127.0.0.0/8"), unlimited("::1/128")},
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{perSubnet(32)},
			IPv6SubnetLimits: []rate.SubnetLimit{perSubnet(56)},
			GracePeriod:      time.Minute,
		},
	}
}

// ownRecord signs the addresses at which this node can be reached. Loopback
// addresses are only told when there are no others: they lead other machines to
// themselves.
func ownRecord(id *identity.Identity, addrs []multiaddr.Multiaddr) (gossip.PeerRecord, error) {
	var outward []multiaddr.Multiaddr
	for _, a := range addrs {
		if !manet.IsIPLoopback(a) {
			outward = append(outward, a)
		}
	}
	if len(outward) == 0 {
		outward = addrs
	}
	rec := peer.PeerRecordFromAddrInfo(peer.AddrInfo{ID: id.ID(), Addrs: outward[:min(len(outward), maxRecordAddrs)]})
	env, err := record.Seal(rec, id.PrivKey())
	if err != nil {
		return gossip.PeerRecord{}, err
	}
	b, err := env.Marshal()
	if err != nil {
		return gossip.PeerRecord{}, err
	}
	return gossip.PeerRecord{Peer: gossip.PeerID(rec.PeerID), Seq: rec.Seq, Bytes: b}, nil
}
