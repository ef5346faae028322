package integration

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node"
	"hearsay/node/identity"
)

// fabric is the network between the nodes of a cluster, and the only place that
// knows whether it is a mock one.
//
// Every pair of nodes can connect unless it is cut. On a mock network a cut pair
// has no link; but that does not end connections that are there, and over TCP
// there are no links to take away. So connections of a cut pair are closed: those
// that there are, and those that come later in the moment in which they come,
// before a stream is opened on them.
type fabric struct {
	patience time.Duration // for what ends a little later

	mu    sync.Mutex
	ids   []*identity.Identity
	index map[peer.ID]int
	hosts []host.Host // nil = unplugged
	apart func(i, j int) bool
	mock  mocknet.Mocknet // nil = TCP
	links map[pair]mocknet.Link
	// guests are hosts on the mock network that are no nodes, and the nodes' hosts
	// that each of them has a link to.
	guests map[host.Host]map[host.Host]bool
	// conns are all that the mock network ever made, for close.
	conns []network.Conn
}

func newFabric(opts options) *fabric {
	f := &fabric{patience: opts.patience, index: make(map[peer.ID]int), links: make(map[pair]mocknet.Link), guests: make(map[host.Host]map[host.Host]bool)}
	if !opts.tcp {
		f.mock = mocknet.New()
		f.mock.SetLinkDefaults(opts.links)
	}
	return f
}

// close ends the network, after all that was on it has ended.
//
// A mock connection that closes resets the streams that it has, and no more: one
// that is opened on it in that moment or later, which the real network refuses,
// stays open until who opened it ends it. Nodes do. Kademlia does not: it keeps its
// streams for the next request and, when it ends, leaves them to the connection.
func (f *fabric) close() {
	if f.mock == nil {
		return
	}
	f.mock.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endStreams(func(network.Conn) bool { return true })
}

// record notes the connections of a host on the mock network.
func (f *fabric) record(h host.Host) {
	if f.mock == nil {
		return
	}
	h.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.conns = append(f.conns, c)
	}})
}

// add makes place for one more node.
func (f *fabric) add(id *identity.Identity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index[id.ID()] = len(f.ids)
	f.ids = append(f.ids, id)
	f.hosts = append(f.hosts, nil)
}

// plug gives a node its host on the mock network; over TCP it makes its own.
func (f *fabric) plug(i int) ([]node.Option, error) {
	if f.mock == nil {
		return nil, nil
	}
	// 100::/64 is what IPv6 has set apart for addresses that lead nowhere (RFC 6666).
	addr := multiaddr.StringCast(fmt.Sprintf("/ip6/100::%x/tcp/4242", i+1))
	h, err := f.mock.AddPeer(f.ids[i].PrivKey(), addr)
	if err != nil {
		return nil, err
	}
	return []node.Option{node.WithHost(h)}, nil
}

// guest adds a host that can connect to all nodes and to all other guests.
func (f *fabric) guest(id *identity.Identity) (host.Host, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	addr := multiaddr.StringCast(fmt.Sprintf("/ip6/100::1:%x/tcp/4242", len(f.guests)+1))
	h, err := f.mock.AddPeer(id.PrivKey(), addr)
	if err != nil {
		return nil, err
	}
	f.record(h)
	for other := range f.guests {
		if _, err := f.mock.LinkNets(h.Network(), other.Network()); err != nil {
			return nil, err
		}
	}
	f.guests[h] = make(map[host.Host]bool)
	f.rewire()
	return h, nil
}

// watch lets a node's host connect to the others.
func (f *fabric) watch(i int, h host.Host) {
	f.record(h)
	h.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		f.mu.Lock()
		j, known := f.index[c.RemotePeer()]
		cut := known && !f.joined(i, j) || f.mock != nil && f.hosts[i] != h // which guests notice, too
		f.mu.Unlock()
		if cut {
			c.Close()
		}
	}})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts[i] = h
	f.rewire()
}

// unplug takes a node off the network, and returns when nothing can reach it. Its
// error says what still can.
func (f *fabric) unplug(i int) error {
	f.mu.Lock()
	h := f.hosts[i]
	f.hosts[i] = nil
	f.rewire()
	others := slices.Collect(maps.Keys(f.guests))
	for _, o := range f.hosts {
		if o != nil {
			others = append(others, o)
		}
	}
	f.mu.Unlock()
	var errs []error
	if h != nil {
		for _, o := range others {
			errs = append(errs, f.sever(h, o))
		}
	}
	return errors.Join(errs...)
}

// sever ends all connections between two hosts that cannot make new ones, and
// returns when nothing gets through any more.
func (f *fabric) sever(a, b host.Host) error {
	closeAll := func() (open int) {
		for _, c := range append(a.Network().ConnsToPeer(b.ID()), b.Network().ConnsToPeer(a.ID())...) {
			c.Close()
			open++
		}
		return open
	}
	if f.mock == nil {
		closeAll()
		return nil
	}
	// A mock connection closes its other end a little later. Until then that side
	// can open a stream on it that works: a node that is being killed told of its
	// leave that way, and neighbours stayed neighbours across a partition.
	gone := make(chan struct{}, 1)
	n := &network.NotifyBundle{DisconnectedF: func(network.Network, network.Conn) {
		select {
		case gone <- struct{}{}:
		default: // somebody is about to look
		}
	}}
	for _, h := range []host.Host{a, b} {
		h.Network().Notify(n)
		defer h.Network().StopNotify(n)
	}
	late := time.NewTimer(f.patience)
	defer late.Stop()
	for closeAll() > 0 {
		select {
		case <-gone:
		case <-late.C:
			return fmt.Errorf("%v and %v are still connected after %v", a.ID(), b.ID(), f.patience)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endStreams(func(c network.Conn) bool {
		return c.LocalPeer() == a.ID() && c.RemotePeer() == b.ID() || c.LocalPeer() == b.ID() && c.RemotePeer() == a.ID()
	})
	return nil
}

// endStreams resets the streams of some connections. f.mu is held.
func (f *fabric) endStreams(which func(network.Conn) bool) {
	for _, c := range f.conns {
		if which(c) {
			for _, s := range c.GetStreams() {
				s.Reset()
			}
		}
	}
}

// cut changes which pairs cannot connect: nil = none. Its error says which still do.
func (f *fabric) cut(apart func(i, j int) bool) error {
	f.mu.Lock()
	f.apart = apart
	f.rewire()
	var cut [][2]host.Host
	for j, b := range f.hosts {
		for i, a := range f.hosts[:j] {
			if a != nil && b != nil && !f.joined(i, j) {
				cut = append(cut, [2]host.Host{a, b})
			}
		}
	}
	f.mu.Unlock()
	var errs []error
	for _, c := range cut {
		errs = append(errs, f.sever(c[0], c[1]))
	}
	return errors.Join(errs...)
}

// joined reports whether two nodes can connect. f.mu is held.
func (f *fabric) joined(i, j int) bool {
	return f.hosts[i] != nil && f.hosts[j] != nil && (f.apart == nil || !f.apart(i, j))
}

// rewire brings the mock network's links in line. f.mu is held.
func (f *fabric) rewire() {
	if f.mock == nil {
		return
	}
	for g, linked := range f.guests {
		for h := range linked {
			if !slices.Contains(f.hosts, h) {
				f.mock.UnlinkNets(g.Network(), h.Network())
				delete(linked, h)
			}
		}
		for _, h := range f.hosts {
			if h != nil && !linked[h] {
				if _, err := f.mock.LinkNets(g.Network(), h.Network()); err == nil {
					linked[h] = true
				}
			}
		}
	}
	for j := range f.hosts {
		for i := range j {
			p := pair{i, j}
			switch l, ok := f.links[p]; {
			case ok && !f.joined(i, j):
				f.mock.Unlink(l)
				delete(f.links, p)
			case !ok && f.joined(i, j):
				if l, err := f.mock.LinkNets(f.hosts[i].Network(), f.hosts[j].Network()); err == nil {
					f.links[p] = l
				}
			}
		}
	}
}
