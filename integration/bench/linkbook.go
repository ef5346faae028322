package main

import (
	"sync"

	"hearsay/node"
	"hearsay/node/gossip"
	"hearsay/node/transport"
)

// largePayload is from which size on is counted how often a link carries a
// message: Hearsay promises once.
const largePayload = 32 << 10

// linkBook counts how often a link carries a rumor, either way, where it is
// written.
type linkBook struct {
	mu      sync.Mutex
	peers   map[gossip.PeerID]int
	carried map[passage]struct{}
	again   uint64
}

// passage is a rumor on a link, the host of the lower number first.
type passage struct {
	low, high int
	id        gossip.RumorID
}

func newLinkBook() *linkBook {
	return &linkBook{peers: make(map[gossip.PeerID]int), carried: make(map[passage]struct{})}
}

// name tells which host is whose, before there are links.
func (b *linkBook) name(nodes []*node.Node) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, n := range nodes {
		b.peers[gossip.PeerID(n.ID())] = i
	}
}

// of watches what host i writes.
func (b *linkBook) of(i int) func(transport.Direction, gossip.PeerID, gossip.Message) {
	return func(d transport.Direction, to gossip.PeerID, m gossip.Message) {
		if d != transport.Out {
			return
		}
		switch m := m.(type) {
		case *gossip.Push:
			b.sent(i, to, m.Rumor)
		case *gossip.Fill:
			b.sent(i, to, m.Rumor)
		}
	}
}

func (b *linkBook) sent(from int, to gossip.PeerID, r *gossip.Rumor) {
	if r.Kind != gossip.KindEvent {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p := passage{min(from, b.peers[to]), max(from, b.peers[to]), r.ID}
	if _, ok := b.carried[p]; ok {
		b.again++
	}
	b.carried[p] = struct{}{}
}

// twice is how many times a link carried what it had carried before.
func (b *linkBook) twice() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.again
}
