package node

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// The core bans a peer that misbehaves by its key, and a new key costs nothing. So
// an address from which several of them came in a short time is not listened to for
// a while, before a handshake is spent on it. Several, because many honest nodes can
// share an address with one that is not; and links that are there stay.

const (
	// banKeys peers, cut off with no more than banMemory between one and the next,
	// close their address for banMemory from the last one on.
	banKeys   = 3
	banMemory = 10 * time.Minute // as long as the core bans a peer
	// maxBanAddrs bounds the addresses that are remembered; beyond it the one where
	// it is longest ago gives way.
	maxBanAddrs = 1024
)

// addrBans are the addresses of peers that were cut off. Its zero value is ready.
type addrBans struct {
	mu       sync.Mutex
	seen     map[netip.Prefix]*offenders
	loopback bool // for tests: it counts like others
}

// offenders are peers of one address.
type offenders struct {
	peers []peer.ID // the first banKeys
	last  time.Time
}

// note is called when a peer at an address was cut off.
func (b *addrBans) note(p peer.ID, addr multiaddr.Multiaddr, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok := b.place(addr)
	if !ok {
		return
	}
	o := b.seen[at]
	if o == nil || now.Sub(o.last) >= banMemory {
		if b.seen == nil {
			b.seen = make(map[netip.Prefix]*offenders)
		}
		if o == nil && len(b.seen) >= maxBanAddrs {
			b.forgetOldest()
		}
		o = new(offenders)
		b.seen[at] = o
	}
	o.last = now
	if len(o.peers) < banKeys && !slices.Contains(o.peers, p) {
		if o.peers = append(o.peers, p); len(o.peers) == banKeys {
			log.Warnf("%d peers at %v misbehaved: no connection is taken from there for %v", banKeys, at, banMemory)
		}
	}
}

// holds reports whether no connection is to be taken from an address.
func (b *addrBans) holds(addr multiaddr.Multiaddr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok := b.place(addr)
	if !ok {
		return false
	}
	o := b.seen[at]
	return o != nil && len(o.peers) == banKeys && now.Sub(o.last) < banMemory
}

func (b *addrBans) forgetOldest() {
	var oldest netip.Prefix
	for at, o := range b.seen {
		if first := b.seen[oldest]; first == nil || o.last.Before(first.last) {
			oldest = at
		}
	}
	delete(b.seen, oldest)
}

// place is what shares a fate: an IPv4 address, or the 64 bits of IPv6 that one
// network has. A relay's address is not the peer's, and everybody on this machine
// has loopback.
func (b *addrBans) place(addr multiaddr.Multiaddr) (netip.Prefix, bool) {
	if _, err := addr.ValueForProtocol(multiaddr.P_CIRCUIT); err == nil {
		return netip.Prefix{}, false
	}
	ip, err := manet.ToIP(addr)
	if err != nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(ip)
	if a = a.Unmap(); !ok || a.IsLoopback() && !b.loopback {
		return netip.Prefix{}, false
	}
	bits := 64
	if a.Is4() {
		bits = 32
	}
	at, err := a.Prefix(bits)
	return at, err == nil
}
