package transport

import (
	"net/netip"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/node/gossip"
)

// Prefixes that make a network group: what one provider or one company often
// has to itself. Bitcoin Core groups addresses the same way.
const (
	groupBitsIPv4 = 16
	groupBitsIPv6 = 32
)

// NetGroup is the network group of an address: its /16 for IPv4, its /32 for
// IPv6, in the notation of CIDR. It is "" for addresses that are not global
// (private, shared, loopback, link-local and the like), and for names.
func NetGroup(a ma.Multiaddr) gossip.NetGroup {
	ip, err := manet.ToIP(a)
	if err != nil {
		return ""
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return ""
	}
	addr = addr.Unmap() // IPv4 in IPv6 is IPv4
	if bare, err := manet.FromIP(addr.AsSlice()); err != nil || !manet.IsPublicAddr(bare) {
		return ""
	}
	bits := groupBitsIPv6
	if addr.Is4() {
		bits = groupBitsIPv4
	}
	return gossip.NetGroup(netip.PrefixFrom(addr, bits).Masked().String())
}

// NetGroupOf is the network group of the first of several addresses that has one.
func NetGroupOf(addrs []ma.Multiaddr) gossip.NetGroup {
	for _, a := range addrs {
		if g := NetGroup(a); g != "" {
			return g
		}
	}
	return ""
}

// RecordNetGroup is NetGroupOf the addresses in a signed peer record, "" for one that
// cannot be dialled (ReadRecord). The signature is not looked at: VerifyRecord has done
// that, or the rumor that the record came in.
func RecordNetGroup(envelope []byte) gossip.NetGroup {
	info, err := ReadRecord(envelope)
	if err != nil {
		return ""
	}
	return NetGroupOf(info.Addrs)
}
