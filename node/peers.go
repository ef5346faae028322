package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"hearsay/discovery"
	"hearsay/node/gossip"
	"hearsay/node/journal"
	"hearsay/node/transport"
)

const (
	// saveInterval is how often the known peers are written down.
	saveInterval = time.Minute
	// anchors is how many neighbours are dialled before all others after a
	// restart. Who would shut a node off from the others by being there first
	// when it starts has to have been there before (Bitcoin Core's anchors).
	anchors = 2
)

// newDiscovery sets up what looks for peers.
func (n *Node) newDiscovery() (*discovery.Discovery, error) {
	cfg := discovery.Config{
		Host:     n.host,
		Network:  n.cfg.Network,
		Found:    n.found,
		MDNS:     n.cfg.MDNS,
		Local:    n.cfg.MDNS,
		Kademlia: n.cfg.Kademlia,
		Asking:   n.gate.asking,
	}
	for _, text := range n.cfg.Contacts {
		c, err := discovery.ParseContact(text)
		if err != nil {
			return nil, fmt.Errorf("first contact: %w", err)
		}
		cfg.Contacts = append(cfg.Contacts, c)
	}
	if n.journal != nil {
		known, err := n.journal.Contacts()
		if err != nil {
			return nil, err
		}
		cfg.KnownContactID = func(address string) (peer.ID, bool) {
			id, ok := known[address]
			return id, ok
		}
		cfg.ContactLearnt = func(address string, id peer.ID) {
			if err := n.journal.SaveContact(address, id); err != nil {
				log.Warnf("remembering the first contact %s: %v", address, err)
			}
		}
	}
	return discovery.New(cfg)
}

// found takes in a candidate of discovery.
func (n *Node) found(c discovery.Candidate) {
	source := gossip.SourceLAN
	switch c.Source {
	case discovery.SourceContact:
		source = gossip.SourceContact
	case discovery.SourceKademlia:
		source = gossip.SourceKademlia
		// Strangers say so, as they do in records.
		c.Info.Addrs = append(dialable(c.Info.Addrs, n.host.Addrs()), n.viaRelay(c.Info.Addrs)...)
	}
	if len(c.Info.Addrs) > 0 {
		n.candidate(c.Info, source, c.Types...)
	}
}

func (n *Node) candidate(info peer.AddrInfo, source gossip.Source, takes ...uint16) {
	if !n.gate.allows(info.ID) {
		return
	}
	if source == gossip.SourceContact {
		n.host.Peerstore().AddAddrs(info.ID, info.Addrs, addrTTL)
	} else {
		n.hear(info, source)
	}
	n.emit(gossip.Candidate{Peer: gossip.PeerID(info.ID), Source: source, Net: transport.NetGroupOf(info.Addrs), Takes: takes})
}

// Introduce tells the node of a peer, as a first contact that was configured
// would; it dials it when it sees fit.
func (n *Node) Introduce(info peer.AddrInfo) { n.candidate(info, gossip.SourceContact) }

// watchAddresses keeps the record of this node's own addresses current, and has another
// router asked for a port when they change.
func (n *Node) watchAddresses(ctx context.Context) {
	sub, err := n.host.EventBus().Subscribe(new(event.EvtLocalAddressesUpdated))
	if err != nil {
		log.Errorf("address changes cannot be watched: %v", err)
		return
	}
	defer sub.Close()
	for {
		rec, err := ownRecord(n.cfg.Identity, n.host.Addrs())
		if err != nil {
			log.Errorf("signing the own addresses: %v", err)
			return
		}
		n.emit(gossip.SelfRecord{Record: rec})
		select {
		case <-sub.Out():
			if n.reach.nat != nil {
				n.reach.nat.lookAgain()
			}
		case <-ctx.Done():
			return
		}
	}
}

// recall makes candidates of the peers known from earlier runs. The last seen
// of those that were anchors are anchors again.
func (n *Node) recall() {
	if n.journal == nil {
		return
	}
	known, err := n.journal.Peers()
	if err != nil {
		n.trouble(&n.troubles.journal, fmt.Errorf("the peers of earlier runs cannot be read: %w", err))
		return
	}
	found := 0
	for _, p := range known {
		c := gossip.Candidate{Peer: gossip.PeerID(p.ID), Source: gossip.SourceRemembered, Net: transport.NetGroupOf(p.Addrs)}
		if rec, err := transport.VerifyRecord(p.Record); err == nil && rec.Peer == c.Peer {
			c.Record = &rec
		}
		if len(p.Addrs) == 0 && c.Record == nil {
			continue
		}
		if p.Anchor && found < anchors {
			c.Anchor = true
			found++
		}
		n.host.Peerstore().AddAddrs(p.ID, p.Addrs, addrTTL)
		// The loop does not run yet, and its queue takes only so many.
		select {
		case n.events <- c:
		default:
			return
		}
	}
}

// remember writes down the peers from time to time.
func (n *Node) remember(ctx context.Context) {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.savePeers()
		case <-ctx.Done():
			return
		}
	}
}

// savePeers writes down who the neighbours are and who else is worth a dial.
func (n *Node) savePeers() {
	if n.journal == nil {
		return
	}
	st := n.coreStatus()
	linked := make(map[gossip.PeerID]bool)
	for _, l := range st.Neighbours {
		linked[l.Peer] = true
	}
	oldest := oldestChosen(st.Neighbours)
	var save []journal.KnownPeer
	for _, c := range st.Candidates {
		addrs := n.metAt(peer.ID(c.Peer)) // others may say what they like, and it would last
		k := journal.KnownPeer{
			ID:     peer.ID(c.Peer),
			Addrs:  addrs[:min(len(addrs), maxRecordAddrs)],
			Anchor: slices.Contains(oldest, c.Peer),
			Source: c.Source.String(),
		}
		if c.Record != nil {
			k.Record = c.Record.Bytes
		}
		if c.Fails > 0 && c.Met.IsZero() || len(k.Addrs) == 0 && len(k.Record) == 0 {
			continue
		}
		if k.LastSeen = c.Met; linked[c.Peer] {
			k.LastSeen = time.Now()
		}
		save = append(save, k)
	}
	err := n.journal.SavePeers(save)
	n.trouble(&n.troubles.journal, err)
	if err != nil {
		log.Warnf("remembering peers: %v", err)
	}
}

// oldestChosen is the neighbours of this node's own choice that it has had for
// longest: those that others would find hardest to plant.
func oldestChosen(neighbours []gossip.NeighbourStatus) []gossip.PeerID {
	var chosen []gossip.NeighbourStatus
	for _, l := range neighbours {
		if l.Dialled {
			chosen = append(chosen, l)
		}
	}
	slices.SortStableFunc(chosen, func(a, b gossip.NeighbourStatus) int { return a.Since.Compare(b.Since) })
	var oldest []gossip.PeerID
	for _, l := range chosen[:min(len(chosen), anchors)] {
		oldest = append(oldest, l.Peer)
	}
	return oldest
}

// Watcher is told what happens to peers.
type Watcher struct {
	n *Node
	c chan PeerEvent
}

// watcherQueue is how many changes wait for a watcher before they are dropped.
const watcherQueue = 256

// Watch begins to tell changes of peers.
func (n *Node) Watch() *Watcher {
	w := &Watcher{n, make(chan PeerEvent, watcherQueue)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watchers[w] = struct{}{}
	return w
}

// C gives the changes. It is never closed; it falls silent after Close.
func (w *Watcher) C() <-chan PeerEvent { return w.c }

// Close ends watching.
func (w *Watcher) Close() {
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	delete(w.n.watchers, w)
}

// peerEvent tells the watchers. libp2p would forget where a neighbour was a quarter of
// an hour after it is lost, so its addresses are kept for redialling.
func (n *Node) peerEvent(a gossip.PeerEvent) {
	ev := PeerEvent{Time: time.Now(), Peer: peer.ID(a.Peer), What: a.What.String()}
	if a.What == gossip.PeerLinked {
		n.mail.Met(ev.Peer)
	}
	if a.What == gossip.PeerLinked || a.What == gossip.PeerUnlinked {
		for i, c := range n.host.Network().ConnsToPeer(ev.Peer) {
			if i == 0 {
				ev.Addr = c.RemoteMultiaddr().String()
			}
			if c.Stat().Direction == network.DirOutbound && !c.Stat().Limited {
				n.host.Peerstore().AddAddr(ev.Peer, c.RemoteMultiaddr(), addrTTL)
			}
		}
		n.host.Peerstore().UpdateAddrs(ev.Peer, peerstore.RecentlyConnectedAddrTTL, addrTTL)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for w := range n.watchers {
		select {
		case w.c <- ev:
		default: // a watcher that sleeps misses changes; Peers has the truth
		}
	}
}
