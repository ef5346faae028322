package main

import (
	"errors"
	"net"
	"sync"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"
)

// wires are the connections between libp2p hosts, so that a host can end as if its
// process was killed: its sockets close at once, and nobody is told a word. A host
// that is closed in order takes a while, in which it may say that its addresses
// changed, or that it leaves. The zero value has none.
type wires struct {
	mu    sync.Mutex
	hosts map[peer.ID]*dialer
	open  map[*countedConn]*dialer // and who dialled them
}

var errCrashed = errors.New("this host has crashed")

func (w *wires) own(h host.Host, d *dialer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hosts == nil {
		w.hosts = make(map[peer.ID]*dialer)
	}
	w.hosts[h.ID()] = d
}

func (w *wires) add(c *countedConn, d *dialer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.dead {
		return errCrashed
	}
	if w.open == nil {
		w.open = make(map[*countedConn]*dialer)
	}
	w.open[c] = d
	return nil
}

func (w *wires) remove(c *countedConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
}

// crash ends a host without a word.
func (w *wires) crash(h host.Host) {
	addrs := h.Network().ListenAddresses()
	w.cut(h.ID(), addrs) // before anything else, which it would tell of
	if s, ok := h.Network().(*swarm.Swarm); ok {
		s.ListenClose(addrs...)
	}
	w.cut(h.ID(), addrs) // whoever dialled it meanwhile
	h.Network().Close()
}

// cut closes the sockets of the connections that a host dialled and of those that
// were dialled to one of its addresses.
func (w *wires) cut(p peer.ID, addrs []multiaddr.Multiaddr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.hosts[p]
	d.dead = true
	ports := make(map[string]bool)
	for _, a := range addrs {
		if port, err := a.ValueForProtocol(multiaddr.P_TCP); err == nil {
			ports[port] = true
		}
	}
	for c, by := range w.open {
		_, port, _ := net.SplitHostPort(c.RemoteAddr().String())
		if by == d || ports[port] {
			c.TCPConn.Close()
			delete(w.open, c)
		}
	}
}
