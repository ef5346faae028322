package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
	"github.com/libp2p/go-libp2p/core/network"
	bhost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-netroute"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// A port at the router. NAT-PMP (RFC 6886) is asked first, because the answer is
// there within milliseconds, and then UPnP, which takes seconds.
//
// UPnP is libp2p's. Its NAT-PMP, as of v0.51, finds no router on Linux, as it asks
// for the way to 0.0.0.0, which go-netroute v0.4 refuses; it never takes a mapping
// back; and it looks for a router once only, however early a node starts.

const (
	// pmpPatience is how long a router has for one answer: it is asked after 0,
	// 250, 750 and 1750 ms.
	pmpPatience = 2 * time.Second
	// pmpLife is how long a mapping is kept by a router that hears no more of this
	// node, and pmpRenew how often it hears. A router that began anew has forgotten
	// everything until then.
	pmpLife, pmpRenew = 5 * time.Minute, 2 * time.Minute
	// upnpPatience is how long libp2p looks for a router, and a little more.
	upnpPatience = 12 * time.Second
	// When no router answers, it is looked for again after mapRetry, and then in
	// pauses that double up to mapRetryMost.
	mapRetry, mapRetryMost = 30 * time.Second, 15 * time.Minute
)

// The ways to a mapping, as in health.Reach.MappedBy.
const byPMP, byUPnP = "NAT-PMP", "UPnP"

// pmpRouter is a router that may speak NAT-PMP: a natpmp.Client. Its calls block
// for up to pmpPatience.
type pmpRouter interface {
	GetExternalAddress() (*natpmp.GetExternalAddressResult, error)
	AddPortMapping(protocol string, internal, external, seconds int) (*natpmp.AddPortMappingResult, error)
}

// portMapper keeps a port at the router for each TCP port of IPv4 that the host
// listens on. It is libp2p's NATManager.
type portMapper struct {
	net     network.Network
	gateway func() (netip.Addr, error)
	pmp     func(gateway netip.Addr) pmpRouter
	upnp    func(network.Network) bhost.NATManager
	stop    context.CancelFunc
	ended   chan struct{}
	wake    chan struct{} // ports have changed
	moved   chan struct{} // this machine's addresses have

	mu       sync.Mutex
	other    bhost.NATManager // libp2p's, while it has found a router
	external netip.Addr       // of a router that speaks NAT-PMP
	ports    map[int]int      // there, by those here
	failure  error            // of the last search
}

// newPortMapper begins to look for a router.
func newPortMapper(n network.Network) *portMapper {
	m := &portMapper{net: n, gateway: wayOut, upnp: bhost.NewNATManager, pmp: func(gateway netip.Addr) pmpRouter {
		return natpmp.NewClientWithTimeout(gateway.AsSlice(), pmpPatience)
	}}
	m.begin()
	return m
}

func (m *portMapper) begin() {
	m.ended, m.ports = make(chan struct{}), make(map[int]int)
	m.wake, m.moved = make(chan struct{}, 1), make(chan struct{}, 1)
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	go m.run(ctx)
}

// wayOut is the first router on the way out of here. Nothing is sent to find it: the
// system is asked for the route to an address that is reserved for documentation
// (RFC 5737).
func wayOut() (netip.Addr, error) {
	routes, err := netroute.New()
	if err != nil {
		return netip.Addr{}, err
	}
	_, ip, _, err := routes.Route(net.IPv4(192, 0, 2, 1))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("no way out: %w", err)
	}
	router, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.Addr{}, errors.New("no router on the way out")
	}
	return router.Unmap(), nil
}

func (m *portMapper) run(ctx context.Context) {
	defer close(m.ended)
	changed := &network.NotifyBundle{
		ListenF:      func(network.Network, multiaddr.Multiaddr) { poke(m.wake) },
		ListenCloseF: func(network.Network, multiaddr.Multiaddr) { poke(m.wake) },
	}
	m.net.Notify(changed)
	defer m.net.StopNotify(changed)
	for pause := mapRetry; ; {
		err := m.keepPMP(ctx)
		if err != nil && ctx.Err() == nil {
			if upnp := m.keepUPnP(ctx); upnp == nil {
				err = nil
			} else {
				err = fmt.Errorf("by NAT-PMP: %w; by UPnP %w", err, upnp)
			}
		}
		if err == nil {
			pause = mapRetry // it was there
		}
		m.mu.Lock()
		m.failure = err
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-m.moved:
			pause = mapRetry
		case <-time.After(pause):
			pause = min(2*pause, mapRetryMost)
		}
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// lookAgain tells that this machine may be on another network.
func (m *portMapper) lookAgain() { poke(m.moved) }

// isElsewhere reports whether another router is the first one on the way out than was
// before, and has the search begin at once then.
func (m *portMapper) isElsewhere(before netip.Addr) bool {
	now, _ := m.gateway()
	if now == before {
		return false
	}
	log.Infow("another router is on the way out", "now", now, "before", before)
	m.lookAgain()
	return true
}

// keepPMP keeps the ports mapped until ctx ends, and takes them back then. An
// error says why there is no router that does it; nil also if there was one, which
// answers no more or is another one now.
func (m *portMapper) keepPMP(ctx context.Context) error {
	gateway, err := m.gateway()
	if err != nil {
		return err
	}
	router := m.pmp(gateway)
	// The calls take no context, and who ends this need not wait for a router that
	// never was there: to ask for its address changes nothing.
	answer := make(chan error, 1)
	go func() {
		_, err := router.GetExternalAddress()
		answer <- err
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-answer:
		if err != nil {
			return err
		}
	}
	defer m.takeBack(router)
	tick := time.NewTicker(pmpRenew)
	defer tick.Stop()
	for found := false; ; found = true {
		if err := m.renew(router); err != nil {
			if found {
				log.Infow("the router maps no port any more", "error", err)
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		case <-m.moved:
			if m.isElsewhere(gateway) {
				return nil
			}
		case <-tick.C:
		}
	}
}

// renew has the router map the ports that the host listens on now, and those only.
func (m *portMapper) renew(router pmpRouter) error {
	outside, err := router.GetExternalAddress()
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.external = netip.AddrFrom4(outside.ExternalIPAddress)
	if m.external.IsUnspecified() {
		m.mu.Unlock()
		return errors.New("the router has no address outside")
	}
	unused := make(map[int]bool)
	for here := range m.ports {
		unused[here] = true
	}
	m.mu.Unlock()
	for _, a := range m.net.ListenAddresses() {
		here := mappable(a)
		if here == 0 {
			continue
		}
		delete(unused, here)
		m.mu.Lock()
		want := m.ports[here]
		m.mu.Unlock()
		if want == 0 {
			want = here
		}
		got, err := router.AddPortMapping("tcp", here, want, int(pmpLife/time.Second))
		if err != nil {
			return err
		}
		m.mu.Lock()
		m.ports[here] = int(got.MappedExternalPort)
		m.mu.Unlock()
	}
	for here := range unused {
		m.mu.Lock()
		delete(m.ports, here)
		m.mu.Unlock()
		if _, err := router.AddPortMapping("tcp", here, 0, 0); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.failure = nil
	m.mu.Unlock()
	return nil
}

// takeBack ends all mappings.
func (m *portMapper) takeBack(router pmpRouter) {
	m.mu.Lock()
	ports := m.ports
	m.ports, m.external = make(map[int]int), netip.Addr{}
	m.mu.Unlock()
	for here := range ports {
		if _, err := router.AddPortMapping("tcp", here, 0, 0); err != nil {
			log.Infow("the router was not told that a mapping is needed no more; it ends by itself", "port", here, "error", err)
			return
		}
	}
}

var errNobody = errors.New("nobody answers")

// keepUPnP leaves it to libp2p until ctx ends. An error says why there is no router that
// maps ports; nil also if there was one, which does not any more or is another one now:
// libp2p looks for another only after one has refused three connections.
func (m *portMapper) keepUPnP(ctx context.Context) error {
	gateway, _ := m.gateway()
	other := m.upnp(keepsListening{m.net})
	defer other.Close()
	late := time.After(upnpPatience)
	for !other.HasDiscoveredNAT() {
		select {
		case <-ctx.Done():
			return nil
		case <-late:
			return errNobody
		case <-time.After(100 * time.Millisecond): // it tells nobody
		}
	}
	m.mu.Lock()
	m.other, m.failure = other, nil
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.other = nil
		m.mu.Unlock()
	}()
	tick := time.NewTicker(pmpRenew)
	defer tick.Stop()
	for found := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-m.moved:
			if m.isElsewhere(gateway) {
				return nil
			}
		case <-tick.C:
			switch {
			case m.maps(other):
				found = true
			case found:
				log.Info("the router maps no port any more")
				return nil
			default:
				return errors.New("a router answers and maps no port")
			}
		}
	}
}

// maps reports whether a port is mapped, or none needs to be.
func (m *portMapper) maps(other bhost.NATManager) bool {
	needed := false
	for _, a := range m.net.ListenAddresses() {
		if mappable(a) != 0 {
			needed = true
			if other.GetMapping(a) != nil {
				return true
			}
		}
	}
	return !needed
}

// keepsListening is a network that tells of no listener's end. A host that ends
// closes its listeners first. libp2p's manager begins to remove their mappings
// then, and gives that up when it is closed itself a moment later, so that they
// stay; those that it has when it is closed it removes in peace.
type keepsListening struct{ network.Network }

// Notify registers a notifiee for new listeners, which is all that is asked of it
// here.
func (k keepsListening) Notify(n network.Notifiee) { k.Network.Notify(listensOnly{n}) }

// StopNotify ends that.
func (k keepsListening) StopNotify(n network.Notifiee) { k.Network.StopNotify(listensOnly{n}) }

type listensOnly struct{ network.Notifiee }

func (listensOnly) ListenClose(network.Network, multiaddr.Multiaddr) {}

// mappable is the TCP port of an address that a router can map a port to, 0 if it
// cannot.
func mappable(a multiaddr.Multiaddr) (port int) {
	first, _ := multiaddr.SplitFirst(a)
	if first == nil || first.Protocol().Code != multiaddr.P_IP4 {
		return 0
	}
	_, text, err := manet.DialArgs(a)
	if err != nil {
		return 0
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || !at.Addr().IsGlobalUnicast() && !at.Addr().IsUnspecified() {
		return 0
	}
	if _, err := a.ValueForProtocol(multiaddr.P_TCP); err != nil {
		return 0
	}
	return int(at.Port())
}

// GetMapping is the address outside of an address that the host listens on, nil if
// there is none.
func (m *portMapper) GetMapping(a multiaddr.Multiaddr) multiaddr.Multiaddr {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.other != nil {
		return m.other.GetMapping(a)
	}
	there := m.ports[mappable(a)]
	if there == 0 {
		return nil
	}
	outside, err := manet.FromNetAddr(net.TCPAddrFromAddrPort(netip.AddrPortFrom(m.external, uint16(there))))
	if err != nil {
		return nil
	}
	_, rest := multiaddr.SplitFunc(a, func(c multiaddr.Component) bool {
		return c.Protocol().Code != multiaddr.P_IP4 && c.Protocol().Code != multiaddr.P_TCP
	})
	return outside.Encapsulate(rest)
}

// HasDiscoveredNAT reports whether there is a router that maps ports.
func (m *portMapper) HasDiscoveredNAT() bool { return m.by() != "" }

// by is the way to the router, "" if there is none.
func (m *portMapper) by() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.other != nil:
		return byUPnP
	case len(m.ports) > 0:
		return byPMP
	}
	return ""
}

// why is why there is no router that maps ports, nil while that is not known.
func (m *portMapper) why() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failure
}

// Close takes the mappings back, for which a router that answers no more has
// pmpPatience.
func (m *portMapper) Close() error {
	m.stop()
	<-m.ended
	return nil
}
