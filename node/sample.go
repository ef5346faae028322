package node

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/node/gossip"
	"hearsay/node/transport"
)

// appGossip is the number of the gossip application in port maps.
const appGossip = 500

const (
	// sampleDraws is how often is drawn before a node takes it that none of those
	// it knows can be reached from here.
	sampleDraws = 32
	// samplePause is how long it waits then.
	samplePause = 200 * time.Millisecond
)

// SampledPeer is a node that was drawn from the network.
type SampledPeer struct {
	ID   peer.ID
	Addr netip.AddrPort // its P2P address; IPv4 if it has one that can be reached from here
	// Ports is where its modules are reached at that address, ascending by
	// application and at most gossip.MaxPorts + 1: those that its presence tells,
	// and always gossip, at the P2P port.
	Ports   []gossip.Port
	Hostkey []byte // DER SubjectPublicKeyInfo
}

// SamplePeer draws one of the other nodes, each as likely as any other and
// independently of the one before. While there is none that can be reached it
// waits, until ctx ends.
func (n *Node) SamplePeer(ctx context.Context) (SampledPeer, error) {
	for {
		for range sampleDraws {
			var d gossip.Drawn
			known := false
			if !n.call(func(time.Time) { d, known = n.core.Draw() }) {
				return SampledPeer{}, ErrStopped
			}
			if !known {
				break
			}
			if p, err := n.sampled(d); err == nil {
				return p, nil
			}
		}
		select {
		case <-time.After(samplePause):
		case <-ctx.Done():
			return SampledPeer{}, fmt.Errorf("no peer is known that could be reached: %w", context.Cause(ctx))
		}
	}
}

// EstimateSize tells how many nodes the network has, this one included, and the
// standard deviation of that; 0 = each of them is known (gossip.Size).
func (n *Node) EstimateSize() (nodes, deviation float64) {
	var s gossip.Size
	if !n.call(func(time.Time) { n.handle(gossip.Tick{}); s = n.core.Size() }) {
		s = n.core.Size() // nobody changes it any more
	}
	return s.Nodes, s.Deviation
}

var errUnreachable = errors.New("has no address that can be reached from here")

// sampled works out what others need to reach a node that was drawn. Its record
// is not only signed but brings the key that it is signed with, which an RSA peer
// ID does not embed.
func (n *Node) sampled(d gossip.Drawn) (SampledPeer, error) {
	_, info, err := transport.OpenRecord(d.Record)
	if err != nil {
		return SampledPeer{}, err
	}
	env, err := record.UnmarshalEnvelope(d.Record)
	if err != nil {
		return SampledPeer{}, err
	}
	p := SampledPeer{ID: info.ID, Addr: bestAddr(dialable(info.Addrs, n.host.Addrs()))}
	if p.ID != peer.ID(d.Peer) || !p.Addr.IsValid() {
		return SampledPeer{}, errUnreachable
	}
	key, err := crypto.PubKeyToStdKey(env.PublicKey)
	if err != nil {
		return SampledPeer{}, err
	}
	if p.Hostkey, err = x509.MarshalPKIXPublicKey(key); err != nil {
		return SampledPeer{}, err
	}
	p.Ports = portMap(d.Ports, p.Addr.Port())
	return p, nil
}

// bestAddr is the first TCP address over IPv4, or else over IPv6.
func bestAddr(addrs []multiaddr.Multiaddr) (best netip.AddrPort) {
	for _, a := range addrs {
		na, err := manet.ToNetAddr(a)
		if err != nil || na.Network() != "tcp" {
			continue
		}
		ap, err := netip.ParseAddrPort(na.String())
		if err != nil || ap.Addr().Zone() != "" {
			continue
		}
		ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
		if ap.Addr().Is4() {
			return ap
		}
		if !best.IsValid() {
			best = ap
		}
	}
	return best
}

// portMap replaces the ports that are the P2P port, and adds gossip, which is
// always there.
func portMap(told []gossip.Port, p2p uint16) []gossip.Port {
	ports := slices.Clone(told)
	for i := range ports {
		if ports[i].Port == 0 {
			ports[i].Port = p2p
		}
	}
	if i, told := slices.BinarySearchFunc(ports, appGossip, func(p gossip.Port, app int) int { return int(p.App) - app }); !told {
		ports = slices.Insert(ports, i, gossip.Port{App: appGossip, Port: p2p})
	}
	return ports
}
