package node

import (
	"time"

	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
)

const (
	// deadAddrTime is for how long an address where one peer was not found is
	// not dialled on the word of another.
	deadAddrTime = 10 * time.Minute
	// maxDeadAddrs bounds the addresses that are remembered for it. While there
	// are so many, further ones are not.
	maxDeadAddrs = 4096
)

// deadAddrs remembers where peers were not found. Anybody can make up any number
// of peers that all say they are at one address, somebody else's: it is dialled
// for the first of them. Peers that have been met do not count here, so that a
// node with a new hostkey at its old address is found. What paces dials to a
// single peer is the core. It is owned by the loop.
type deadAddrs struct {
	tried map[gossip.PeerID][]multiaddr.Multiaddr // dials under way
	dead  map[string]deadAddr                     // by address
}

type deadAddr struct {
	peer  gossip.PeerID
	until time.Time
}

func newDeadAddrs() deadAddrs {
	return deadAddrs{make(map[gossip.PeerID][]multiaddr.Multiaddr), make(map[string]deadAddr)}
}

// alive is those of a peer's addresses where no other peer was sought in vain
// lately, or is sought now.
func (d *deadAddrs) alive(p gossip.PeerID, addrs []multiaddr.Multiaddr, now time.Time) []multiaddr.Multiaddr {
	var good []multiaddr.Multiaddr
	for _, a := range addrs {
		if e, ok := d.dead[string(a.Bytes())]; !ok || e.peer == p || !e.until.After(now) {
			good = append(good, a)
		}
	}
	return good
}

// begin notes that a peer's dial begins, and what it will try: without any address there
// may be none, and nothing to remember.
func (d *deadAddrs) begin(p gossip.PeerID, addrs []multiaddr.Multiaddr, now time.Time) {
	delete(d.tried, p)
	if len(addrs) > 0 {
		d.tried[p] = addrs
		d.note(p, addrs, now)
	}
}

// ended takes in the answer to a dial.
func (d *deadAddrs) ended(p gossip.PeerID, found bool, now time.Time) {
	if !found {
		d.note(p, d.tried[p], now)
	} else {
		for _, a := range d.tried[p] {
			delete(d.dead, string(a.Bytes()))
		}
	}
	delete(d.tried, p)
}

// note takes addresses for dead from now on.
func (d *deadAddrs) note(p gossip.PeerID, addrs []multiaddr.Multiaddr, now time.Time) {
	for _, a := range addrs {
		key := string(a.Bytes())
		if _, known := d.dead[key]; !known && len(d.dead) >= maxDeadAddrs {
			for k, e := range d.dead {
				if !e.until.After(now) {
					delete(d.dead, k)
				}
			}
			if len(d.dead) >= maxDeadAddrs {
				continue
			}
		}
		d.dead[key] = deadAddr{p, now.Add(deadAddrTime)}
	}
}
