package node

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
	"hearsay/node/transport"
)

// Where peers are dialled. The host's book keeps 64 addresses of a peer, whoever told
// them, and the swarm tries eight of them at a time, for up to 15 s each: who adds enough
// that lead nowhere hides the true ones. So what is only heard of where a peer is does not
// go into the book until the peer is dialled, and then little of it beside what is known
// from the peer itself.

const (
	// addrTTL is how long the book keeps where a peer was met, or is by the word of
	// the user. Peers that were lost are retried for long, so it is long.
	addrTTL = 12 * time.Hour
	// maxHeard is of how many peers it is kept where they are said to be: of more
	// than mDNS and the DHT may name in ten minutes.
	maxHeard = 1024
	// heardBeside is how many such addresses are dialled beside better ones: fewer
	// than the swarm tries at a time.
	heardBeside = 4
)

// hearsay is who is said to be somewhere, and by whom.
type hearsay struct {
	peer   peer.ID
	source gossip.Source
}

// hear notes where a peer is said to be; what the same source said before is forgotten.
func (n *Node) hear(info peer.AddrInfo, source gossip.Source) {
	n.heard.Add(hearsay{info.ID, source}, info.Addrs[:min(len(info.Addrs), maxRecordAddrs)])
}

// heardAt is where a source says that a peer is.
func (n *Node) heardAt(p peer.ID, source gossip.Source) []multiaddr.Multiaddr {
	if addrs, ok := n.heard.Peek(hearsay{p, source}); ok {
		return addrs.([]multiaddr.Multiaddr)
	}
	return nil
}

// metAt is what the book has of a peer, without what look-ups in the DHT were told while
// it was not connected.
func (n *Node) metAt(p peer.ID) []multiaddr.Multiaddr {
	if n.host.Network().Connectedness(p) == network.NotConnected {
		n.host.Peerstore().UpdateAddrs(p, peerstore.TempAddrTTL, 0)
	}
	return n.host.Peerstore().Addrs(p)
}

// locate has the book say where a peer is that is to be dialled now: where it was met, what
// its record says, and what others say, those on this link before the DHT. If there is no
// more to it than what others say, it is dialled where nobody else was sought in vain.
func (n *Node) locate(a gossip.Dial, now time.Time) {
	p, book := peer.ID(a.Peer), n.host.Peerstore()
	if n.host.Network().Connectedness(p) == network.Connected {
		return
	}
	if a.Named {
		book.ClearAddrs(p)
	}
	met := n.metAt(p)
	var addrs []multiaddr.Multiaddr
	if a.Record != nil {
		if info, err := transport.ReadRecord(a.Record.Bytes); err == nil && info.ID == p {
			addrs = append(dialable(info.Addrs, n.host.Addrs()), n.viaRelay(info.Addrs)...)
		}
	}
	room := heardBeside
	for _, source := range []gossip.Source{gossip.SourceLAN, gossip.SourceKademlia} {
		said := slices.DeleteFunc(slices.Clone(n.heardAt(p, source)), func(a multiaddr.Multiaddr) bool {
			return multiaddr.Contains(met, a) || multiaddr.Contains(addrs, a)
		})
		if len(met)+len(addrs) > 0 && len(said) > room {
			rand.Shuffle(len(said), func(i, j int) { said[i], said[j] = said[j], said[i] })
			said = said[:room]
		}
		if len(met)+len(addrs) > 0 {
			room -= len(said)
		}
		addrs = append(addrs, said...)
	}
	if a.Named {
		addrs = n.dead.alive(a.Peer, addrs, now)
		n.dead.begin(a.Peer, addrs, now)
	}
	book.AddAddrs(p, addrs, peerstore.TempAddrTTL)
}
