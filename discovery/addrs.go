package discovery

import (
	"cmp"
	"slices"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// maxAddrs is how many addresses a candidate has at most. A node on a
// dual-stack machine with three interfaces has about ten; a list of thousands
// is an attack on its reader.
const maxAddrs = 16

// linkAddrs keeps the addresses that an informant on the same link may give: IP
// addresses that can be reached from another machine, up to maxAddrs of them.
//
// Loopback is left out because another machine's loopback is ours: a node that
// announces 127.0.0.1 would have everybody dial their own services. (Peers on
// this machine have other addresses, or are found through the folder.) Names
// would make us ask a resolver, and relays have nothing to do on a link.
func linkAddrs(addrs []ma.Multiaddr) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, a := range addrs {
		if len(out) == maxAddrs {
			break
		}
		if isUnicast(a) && !manet.IsIPLoopback(a) && !manet.IsIP6LinkLocal(a) && !isRelayed(a) {
			out = append(out, a)
		}
	}
	return out
}

// isUnicast reports whether a begins with an IP address that one host has.
func isUnicast(a ma.Multiaddr) bool {
	ip, err := manet.ToIP(a)
	return err == nil && !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsInterfaceLocalMulticast() && ip.String() != "255.255.255.255"
}

// isRelayed reports whether a leads through another peer.
func isRelayed(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

// ipv4First sorts: short addresses that work nearly everywhere come first, and
// the order is the same each time.
func ipv4First(addrs []ma.Multiaddr) {
	rank := func(a ma.Multiaddr) int {
		if _, err := a.ValueForProtocol(ma.P_IP4); err == nil {
			return 0
		}
		return 1
	}
	slices.SortFunc(addrs, func(a, b ma.Multiaddr) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Compare(b))
	})
}
