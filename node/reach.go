package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	bhost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	relayv2 "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/discovery/aligned"
	"hearsay/node/health"
	"hearsay/node/transport"
)

// Being reached from outside: whether others can open connections to this node,
// and what helps if they cannot. On a LAN without anybody on the Internet nothing
// of this sends a packet: AutoNAT asks about public addresses only, a place at a
// relay is sought only by a node that has met somebody beyond its router, and the
// router is asked for a port only if the user said so.
//
// libp2p 0.51 tells two stories: AutoNAT v2 judges single addresses, while
// AutoRelay and the relay service still listen for the verdict of AutoNAT v1 on
// the whole host, which nobody here serves. So this file gives the verdict, from
// v2's and from what else is plain to see: behind a router, libp2p believes what
// others say of a node's public address only when four of them agree, and a small
// network has not four.

const (
	// reachPause is how often the verdict is looked at again, besides when
	// addresses change.
	reachPause = 5 * time.Second
	// At most maxRelays keep a place for this node, and it looks for more
	// relayPause after it looked last.
	maxRelays  = 2
	relayPause = 10 * time.Second
	// relayBackoff is how long a peer that had no place is left alone.
	relayBackoff = 5 * time.Minute
	// relayPlaces is for how many peers a public node keeps a place, and for how
	// many behind one address: a household, as with connections.
	relayPlaces, relayPlacesPerIP = 128, 64
	// relayCircuits is how many relayed connections one peer may have through it.
	relayCircuits = 16
	// RelayData and RelayTime end a relayed connection: that many bytes in one
	// direction, that long after it began. They are libp2p's defaults, which
	// everybody counts on.
	relayData = 128 << 10
	relayTime = 2 * time.Minute
)

// reach is what is known of this node's being reachable.
type reach struct {
	nat *portMapper // nil = the router is not asked

	mu      sync.Mutex
	verdict network.Reachability
	said    health.Reach
	relays  []peer.ID
	untried []multiaddr.Multiaddr
	good    []multiaddr.Multiaddr
	bad     []multiaddr.Multiaddr
	met     bool               // there was a connection with somebody elsewhere
	host    host.Host          // nil until begin
	known   func(peer.ID) bool // whether a peer is one of ours
}

// begin tells what the host's options could not know before there was one.
func (r *reach) begin(h host.Host, known func(peer.ID) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.host, r.known = h, known
}

// options are the host's options for what the configuration switches on.
func (r *reach) options(cfg *Config) (opts []libp2p.Option) {
	if cfg.asksOthers() {
		opts = append(opts, libp2p.EnableAutoNATv2())
	}
	if cfg.PortMapping {
		opts = append(opts, libp2p.NATManager(func(net network.Network) bhost.NATManager {
			r.nat = newPortMapper(net)
			return r.nat
		}))
	}
	if !cfg.Relay {
		opts = append(opts, libp2p.DisableRelay())
	} else {
		opts = append(opts, libp2p.EnableRelay(),
			libp2p.EnableAutoRelayWithPeerSource(func(ctx context.Context, n int) <-chan peer.AddrInfo { return r.relaysAmong(n) },
				autorelay.WithNumRelays(maxRelays), autorelay.WithMinCandidates(1), autorelay.WithBootDelay(relayPause),
				autorelay.WithMinInterval(relayPause), autorelay.WithBackoff(relayBackoff)))
		if cfg.HolePunching {
			opts = append(opts, libp2p.EnableHolePunching())
		}
	}
	if cfg.RelayService {
		limits := relayv2.DefaultResources()
		limits.Limit = &relayv2.RelayLimit{Data: relayData, Duration: relayTime}
		limits.MaxReservations, limits.MaxReservationsPerIP, limits.MaxReservationsPerASN = relayPlaces, relayPlacesPerIP, relayPlaces
		limits.MaxCircuits = relayCircuits
		opts = append(opts, libp2p.EnableRelayService(relayv2.WithResources(limits), relayv2.WithACL(relayACL{r})))
	}
	if !cfg.asksOthers() && !cfg.Relay {
		opts = append(opts, libp2p.DisableIdentifyAddressDiscovery())
	}
	return opts
}

// asksOthers reports whether AutoNAT is on. Who tries an address for this node
// does so under a name made for that, which no list of allowed peers can have:
// with a list there would be only one verdict.
func (c *Config) asksOthers() bool { return c.AutoNAT && c.Allow == nil }

// relayACL has a relay serve members of this network, and nobody else.
type relayACL struct{ r *reach }

func (a relayACL) AllowReserve(p peer.ID, _ multiaddr.Multiaddr) bool { return a.r.ours(p) }

func (a relayACL) AllowConnect(src peer.ID, _ multiaddr.Multiaddr, dest peer.ID) bool {
	return a.r.ours(src) && a.r.ours(dest)
}

func (r *reach) ours(p peer.ID) bool {
	r.mu.Lock()
	known := r.known
	r.mu.Unlock()
	return known != nil && known(p)
}

// relaysAmong names peers that this node is connected to, that are in its
// network and that relay, if it needs one.
func (r *reach) relaysAmong(n int) <-chan peer.AddrInfo {
	found := make(chan peer.AddrInfo, n)
	defer close(found)
	r.mu.Lock()
	h, needed := r.host, r.verdict == network.ReachabilityPrivate
	r.mu.Unlock()
	if h == nil || !needed {
		return found
	}
	for _, p := range h.Network().Peers() {
		if n == 0 {
			break
		}
		if speaks, err := h.Peerstore().SupportsProtocols(p, proto.ProtoIDv2Hop); err != nil || len(speaks) == 0 || !r.ours(p) || h.Network().Connectedness(p) != network.Connected {
			continue
		}
		found <- peer.AddrInfo{ID: p, Addrs: h.Peerstore().Addrs(p)}
		n--
	}
	return found
}

// watchReach keeps the verdict, and tells those parts of libp2p that wait for it.
func (n *Node) watchReach(ctx context.Context) {
	bus := n.host.EventBus()
	tell, err := bus.Emitter(new(event.EvtLocalReachabilityChanged), eventbus.Stateful)
	if err != nil {
		log.Errorf("nobody will be told whether this node is reachable: %v", err)
		return
	}
	defer tell.Close()
	changes, err := bus.Subscribe([]any{new(event.EvtHostReachableAddrsChanged), new(event.EvtAutoRelayAddrsUpdated)}, eventbus.BufSize(16))
	if err != nil {
		log.Errorf("whether this node is reachable cannot be watched: %v", err)
		return
	}
	defer changes.Close()
	tick := time.NewTimer(aligned.Next(reachPause))
	defer tick.Stop()
	for {
		if v, news := n.reach.judge(n.host); news {
			tell.Emit(event.EvtLocalReachabilityChanged{Reachability: v})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tick.Reset(aligned.Next(reachPause))
		case ev, ok := <-changes.Out():
			if !ok {
				return
			}
			n.reach.note(ev)
		}
	}
}

// note takes in what libp2p found out.
func (r *reach) note(ev any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch ev := ev.(type) {
	case event.EvtHostReachableAddrsChanged:
		r.good, r.bad, r.untried = ev.Reachable, ev.Unreachable, ev.Unknown
	case event.EvtAutoRelayAddrsUpdated:
		r.relays = nil
		for _, a := range ev.RelayAddrs {
			if id, err := a.ValueForProtocol(multiaddr.P_P2P); err == nil {
				if p, err := peer.Decode(id); err == nil && !slices.Contains(r.relays, p) {
					r.relays = append(r.relays, p)
				}
			}
		}
	}
}

// judge gives the verdict, and reports whether it is another than before.
func (r *reach) judge(h host.Host) (v network.Reachability, news bool) {
	var private, public, through, met bool
	var came, near multiaddr.Multiaddr // by itself, from elsewhere and from this network
	for _, a := range h.Addrs() {
		switch _, err := a.ValueForProtocol(multiaddr.P_CIRCUIT); {
		case err == nil || manet.IsIPLoopback(a):
		case manet.IsPublicAddr(a):
			public = true
		default:
			private = true
		}
	}
	for _, c := range h.Network().Conns() {
		local, a, stat := c.LocalMultiaddr(), c.RemoteMultiaddr(), c.Stat()
		if stat.Limited {
			continue
		}
		in, here := stat.Direction == network.DirInbound, manet.IsPublicAddr(local)
		beside := !manet.IsPublicAddr(a) || sameNetwork(local, a)
		met = met || !beside
		switch {
		case beside:
			if in && otherMachine(local, a) {
				near = a
			}
		case here && in:
			came = a // hole punching would do the same, but needs it least here
		case !here && stat.Direction == network.DirOutbound:
			through = true
		}
	}
	mapping, by, failure := "", "", ""
	if r.nat != nil {
		for _, a := range h.Network().ListenAddresses() {
			if m := r.nat.GetMapping(a); m != nil {
				mapping, by = m.String(), r.nat.by()
			}
		}
		if err := r.nat.why(); err != nil && mapping == "" {
			failure = err.Error()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	said := health.Reach{Mapping: mapping, MappedBy: by, MappingError: failure, MapsPorts: r.nat != nil,
		Reachable: texts(r.good), Unreachable: texts(r.bad), Untried: texts(r.untried)}
	r.met = r.met || met
	for _, p := range r.relays {
		said.Relays = append(said.Relays, p.String())
	}
	switch {
	case len(r.good) > 0 && r.met: // AutoNAT asks neighbours on this network, too
		v, said.State = network.ReachabilityPublic, health.ReachPublic
		said.Observation = "a peer elsewhere opened a connection to " + said.Reachable[0] + " when it was asked to"
	case came != nil:
		v, said.State = network.ReachabilityPublic, health.ReachPublic
		said.Observation = "a peer came from " + came.String() + ", elsewhere, by itself"
	case len(r.bad) > 0:
		v, said.State = network.ReachabilityPrivate, health.ReachPrivate
		said.Observation = "peers elsewhere were asked to open a connection to " + said.Unreachable[0] + " and could not"
	case through:
		v, said.State = network.ReachabilityPrivate, health.ReachPrivate
		said.Observation = "this machine's addresses are private, and it reaches others through a router that translates them; none of them has reached it"
	case public:
		v, said.State = network.ReachabilityUnknown, health.ReachUnknown
		said.Observation = "this machine has public addresses, and nobody has tried them yet"
	case private && near != nil:
		v, said.State = network.ReachabilityUnknown, health.ReachNear
		said.Observation = "a peer on the same network came from " + near.String() + ", by itself"
	case private:
		v, said.State = network.ReachabilityUnknown, health.ReachLocal
		said.Observation = "this machine has private addresses, and everybody whom it met is on the same network or has not shown to be elsewhere"
	default:
		v, said.State = network.ReachabilityUnknown, health.ReachAlone
		said.Observation = "this node listens on loopback addresses only"
	}
	news = v != r.verdict
	r.verdict, r.said = v, said
	return v, news
}

// otherMachine reports whether who came from there is not on this machine: a system
// dials an address of its own from that address.
func otherMachine(local, remote multiaddr.Multiaddr) bool {
	from, err := manet.ToIP(remote)
	if err != nil {
		return false
	}
	to, err := manet.ToIP(local)
	return err == nil && !from.IsLoopback() && !from.Equal(to)
}

// sameNetwork reports whether two public addresses are behind the same router: one
// address, or two of an IPv6 network of 64 bits, which is what a LAN has (RFC 4291,
// 2.5.1). Who comes from there has not come through the router's firewall.
func sameNetwork(local, remote multiaddr.Multiaddr) bool {
	to, err1 := manet.ToIP(local)
	from, err2 := manet.ToIP(remote)
	if err1 != nil || err2 != nil {
		return false
	}
	return to.Equal(from) || to.To4() == nil && from.To4() == nil && [8]byte(to) == [8]byte(from)
}

func texts(addrs []multiaddr.Multiaddr) []string {
	list := make([]string, 0, len(addrs))
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list
}

// Reach is what is known of this node's being reachable from outside.
func (n *Node) Reach() health.Reach {
	n.reach.mu.Lock()
	defer n.reach.mu.Unlock()
	said := n.reach.said
	if said.State == "" {
		said.State, said.Observation = health.ReachUnknown, "nobody has looked yet"
	}
	said.Asks = n.cfg.asksOthers()
	said.Relaying = n.relays()
	return said
}

// relays reports whether this node relays for others now.
func (n *Node) relays() bool {
	return slices.Contains(n.host.Mux().Protocols(), proto.ProtoIDv2Hop)
}

// ours reports whether a peer is known as one of this network: it is a neighbour,
// or has been. A link counts by itself, for others come with new keys: one host with 20 a
// second fills met in less than four minutes.
func (n *Node) ours(p peer.ID) bool {
	return n.gate.allows(p) && (n.host.ConnManager().IsProtected(p, transport.LinkTag) || n.met.Contains(p))
}

// maxMet is of how many peers that have been neighbours, the last ones, that is known,
// some 150 bytes each. The peerstore forgets what it notes a minute after a peer is gone.
const maxMet = 4096

// viaRelay turns the relayed addresses of a record into ones that name the relay
// alone, if this node knows it itself: where a relay is, is not believed to those
// who use it.
func (n *Node) viaRelay(addrs []multiaddr.Multiaddr) (good []multiaddr.Multiaddr) {
	if !n.cfg.Relay {
		return nil
	}
	for _, a := range addrs {
		if _, err := a.ValueForProtocol(multiaddr.P_CIRCUIT); err != nil {
			continue
		}
		id, err := a.ValueForProtocol(multiaddr.P_P2P)
		if err != nil {
			continue
		}
		relay, err := peer.Decode(id)
		if err != nil || relay == n.host.ID() || !n.ours(relay) {
			continue
		}
		if via, err := multiaddr.NewMultiaddr(fmt.Sprintf("/p2p/%s/p2p-circuit", relay)); err == nil && !multiaddr.Contains(good, via) {
			good = append(good, via)
		}
	}
	return good
}
