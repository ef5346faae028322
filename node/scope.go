package node

import (
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// dialable is those of a peer's addresses that may be dialled on the word of its
// record. A record is signed by the peer alone, so it may name anything: names
// that somebody else would have to look up, relays, groups, and addresses inside
// networks that the peer has never been in. Private addresses are only dialled
// by a node that has one itself, and loopback addresses by one that has nothing
// else.
func dialable(addrs, own []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	var private, outward bool
	for _, a := range own {
		private = private || manet.IsPrivateAddr(a) && !manet.IsIPLoopback(a)
		outward = outward || !manet.IsIPLoopback(a)
	}
	var good []multiaddr.Multiaddr
	for _, a := range addrs {
		ip, err := manet.ToIP(a)
		if err != nil {
			continue // a name, or a relay's
		}
		if _, err := a.ValueForProtocol(multiaddr.P_CIRCUIT); err == nil {
			continue
		}
		switch {
		case ip.IsUnspecified() || ip.IsMulticast() || manet.IsIP6LinkLocal(a) || ip.IsLinkLocalUnicast():
		case ip.IsLoopback() && outward:
		case !ip.IsLoopback() && manet.IsPrivateAddr(a) && !private:
		default:
			good = append(good, a)
		}
	}
	return good
}
