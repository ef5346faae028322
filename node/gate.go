package node

import (
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/health"
)

// maxRefused bounds the peers that are remembered as having been kept out;
// beyond it the one that was heard of longest ago gives way.
const maxRefused = 64

// gate lets only some peers have connections: the list of Config.Allow. It is
// asked by the host about every connection, whatever opens it, gossip, the DHT
// or a relay, and whichever side began.
//
// The list is about connections. What an allowed peer passes on may come from
// anybody, as everywhere in gossip: the network is closed if all its nodes have
// the list, or one network key.
type gate struct {
	mu      sync.Mutex
	open    bool // everybody may
	allowed map[peer.ID]bool
	asked   map[peer.ID]int // peers that do not exist, by which addresses are asked who is there
	refused []health.Met    // the latest last
	bans    addrBans
}

func newGate(self peer.ID, allow []peer.ID) *gate {
	g := &gate{asked: make(map[peer.ID]int)}
	g.set(self, allow)
	return g
}

// set replaces the list; nil = everybody.
func (g *gate) set(self peer.ID, allow []peer.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = allow == nil
	g.allowed = map[peer.ID]bool{self: true}
	for _, p := range allow {
		g.allowed[p] = true
	}
}

// allows reports whether a peer is on the list.
func (g *gate) allows(p peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open || g.allowed[p]
}

// asking lets a peer be dialled that does not exist, to learn who does at its
// address; done ends it.
func (g *gate) asking(p peer.ID) (done func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[p]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.asked[p]--; g.asked[p] == 0 {
			delete(g.asked, p)
		}
	}
}

// kept notes that a peer was kept out.
func (g *gate) kept(p peer.ID) {
	who := p.String()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = slices.DeleteFunc(g.refused, func(m health.Met) bool { return m.Who == who })
	if len(g.refused) == maxRefused {
		g.refused = slices.Delete(g.refused, 0, 1)
	}
	g.refused = append(g.refused, health.Met{Who: who, At: time.Now()})
}

// keptOut are the peers that were kept out, the latest first.
func (g *gate) keptOut() []health.Met {
	g.mu.Lock()
	defer g.mu.Unlock()
	met := slices.Clone(g.refused)
	slices.Reverse(met)
	return met
}

// InterceptPeerDial is asked before a peer is dialled.
func (g *gate) InterceptPeerDial(p peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open || g.allowed[p] || g.asked[p] > 0
}

// InterceptAddrDial is asked about each address of such a peer.
func (g *gate) InterceptAddrDial(peer.ID, multiaddr.Multiaddr) bool { return true }

// InterceptAccept is asked when somebody connects, before it is known who.
func (g *gate) InterceptAccept(c network.ConnMultiaddrs) bool {
	return !g.bans.holds(c.RemoteMultiaddr(), time.Now())
}

// InterceptSecured is asked when a peer has proved who it is.
func (g *gate) InterceptSecured(d network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	if g.allows(p) {
		return true
	}
	g.kept(p)
	return false
}

// InterceptUpgraded is asked when the connection is complete: of one that was
// begun before the list changed it is asked too late otherwise.
func (g *gate) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return g.allows(c.RemotePeer()), 0
}

// Allow replaces the list of peers that may have connections, nil = everybody,
// and closes the connections of those who may not any more.
func (n *Node) Allow(peers []peer.ID) {
	n.gate.set(n.host.ID(), peers)
	for _, p := range n.host.Network().Peers() {
		if !n.gate.allows(p) {
			n.gate.kept(p)
			n.host.Network().ClosePeer(p)
		}
	}
}
