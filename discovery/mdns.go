package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/zeroconf/v2"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// mdnsNewPeers is how many peers that were not known yet are believed in
	// any mdnsPeriod, and mdnsRepeats how many announcements of known ones: one
	// machine on the link can announce as many as it likes. The rest of a large
	// network is found in later periods, or told by neighbours.
	mdnsNewPeers = 32
	mdnsRepeats  = 128
	mdnsPeriod   = time.Minute

	// mdnsTTL is how long others may remember our announcement. It makes them
	// hand us on again every two to three minutes, although nothing changed.
	mdnsTTL = 2 * time.Minute
	// mdnsSession is how long sockets and group memberships live: nothing says
	// that a kernel or a switch keeps them for ever.
	mdnsSession = 10 * time.Minute
	// mdnsRetry is the pause after a failure, unless the network changes first.
	mdnsRetry = 30 * time.Second

	// mdnsBytes is how much may be announced in one session: zeroconf keeps each
	// announcement as long as its sender says, up to the end of the session, however
	// many there are. 250 nodes with the longest announcements, each handed on again
	// every two minutes for the longest session and under two names, are half of it.
	mdnsBytes = 8 << 20
	// mdnsFlooded is the pause before the next session then, which nothing
	// shortens: not a change of the network either, which a host on it can bring
	// about. Meanwhile this node is still announced but hears nobody; the next
	// session begins by asking everybody, so it finds who came.
	mdnsFlooded = time.Minute

	// mdnsTextBytes bounds our announcement, so that with all that surrounds it
	// it fits into one packet of 1,500 bytes (RFC 6762, section 17).
	mdnsTextBytes = 1000
	// mdnsTexts is how many strings of one announcement are read.
	mdnsTexts = 64
	// mdnsPrefix marks an address in an announcement (libp2p mDNS specification).
	mdnsPrefix = "dnsaddr="
)

var errFlooded = errors.New("somebody on this network announces without end, so nobody is listened to for a minute")

// lan finds peers by mDNS.
//
// It uses zeroconf below libp2p's mdns package, with the same records on the
// wire, because that package announces interface addresses that are up to a
// minute old, has a fixed time to live of 53 minutes in which nobody is found
// twice, and where IPv6 is missing it finds nobody and its Close never returns.
type lan struct {
	*mechanism
	service string
	watch   *watcher
	intake  *intake
}

// run announces and listens in sessions; a change of the network begins a new one.
func (l *lan) run(ctx context.Context) {
	for ctx.Err() == nil {
		around, changed := l.watch.current()
		err := l.sessions(ctx, around, changed)
		if err != nil && ctx.Err() == nil {
			l.failed(err)
			pause(ctx, jitter(mdnsRetry), changed)
		}
	}
	l.failed(nil)
}

// sessions runs one session, over IPv4 and IPv6 if it can: zeroconf gives up
// if it cannot use all that it is told to.
func (l *lan) sessions(ctx context.Context, around surroundings, changed <-chan struct{}) error {
	try := []zeroconf.IPType{zeroconf.IPv4AndIPv6, zeroconf.IPv4, zeroconf.IPv6}
	switch {
	case len(around.links) == 0:
		return errors.New("no network interface is up that can multicast and has an address that others can reach")
	case !around.ipv6:
		try = []zeroconf.IPType{zeroconf.IPv4}
	case !around.ipv4:
		try = []zeroconf.IPType{zeroconf.IPv6}
	}
	var first error
	for _, traffic := range try {
		err := l.session(ctx, around, changed, traffic)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// session announces this node and listens to others until the network changes,
// ctx ends, the session is old enough or too much was announced in it; these are
// no errors.
func (l *lan) session(ctx context.Context, around surroundings, changed <-chan struct{}, traffic zeroconf.IPType) error {
	if texts, ips, port := announcement(l.self, around.listen); len(texts) > 0 {
		// A name that nobody has heard makes others hand us on at once.
		name := instanceName()
		server, err := zeroconf.RegisterProxy(name, l.service, "local", port, name, ips, texts, around.links,
			zeroconf.TTL(uint32(mdnsTTL/time.Second)))
		if err != nil {
			return fmt.Errorf("cannot announce by mDNS: %w", err)
		}
		defer server.Shutdown()
	}
	l.working(names(around.links)...)
	return l.listen(ctx, changed, func(ctx context.Context, entries chan<- *zeroconf.ServiceEntry) error {
		return zeroconf.Browse(ctx, l.service, "local", entries,
			zeroconf.SelectIfaces(around.links), zeroconf.SelectIPTraffic(traffic))
	})
}

// listen is the part of a session that hears others. It returns after the pause if
// too much was announced. browse must end soon when its context has, and closes
// entries then or leaves it.
func (l *lan) listen(ctx context.Context, changed <-chan struct{}, browse func(context.Context, chan<- *zeroconf.ServiceEntry) error) error {
	session, cancel := context.WithTimeout(ctx, jitter(mdnsSession))
	defer cancel()
	entries := make(chan *zeroconf.ServiceEntry, mdnsNewPeers)
	done := make(chan error, 1)
	go func() { done <- browse(session, entries) }()
	left, flooded := mdnsBytes, false
	for {
		select {
		case e := <-entries:
			if e == nil {
				entries = nil // closed
				continue
			}
			if !flooded {
				left -= weight(e)
				flooded = left < 0
			}
			if flooded {
				l.refuse()
				cancel()
				continue
			}
			l.heard(e.Text, time.Now())
		case <-changed:
			changed = nil
			cancel()
		case err := <-done:
			if err != nil {
				return fmt.Errorf("cannot listen to mDNS: %w", err)
			}
			if flooded {
				l.failed(errFlooded)
				pause(ctx, jitter(mdnsFlooded), nil)
			}
			return nil
		}
	}
}

// weight is about how many bytes zeroconf keeps of an announcement: what the
// sender chose the length of, and 512 for the rest.
func weight(e *zeroconf.ServiceEntry) int {
	n := 512 + 3*len(e.Instance) + len(e.HostName) + 40*(len(e.AddrIPv4)+len(e.AddrIPv6))
	for _, text := range e.Text {
		n += 16 + len(text)
	}
	return n
}

// announcement returns what is told of this node: a text for each address, and
// an address of each family and the port as DNS-SD wants them. A node that
// others cannot reach has no texts: it only listens.
func announcement(self peer.ID, listen []ma.Multiaddr) (texts, ips []string, port int) {
	size := 0
	families := make(map[int]bool)
	for _, a := range linkAddrs(listen) {
		text := mdnsPrefix + a.String() + "/p2p/" + self.String()
		if size += len(text) + 1; size > mdnsTextBytes {
			break
		}
		texts = append(texts, text)
		if code := a[0].Protocol().Code; !families[code] {
			families[code] = true
			ips = append(ips, a[0].Value())
		}
		if port == 0 {
			port = portOf(a)
		}
	}
	return texts, ips, max(port, 1)
}

// portOf returns the TCP or UDP port of a, 0 if it has none.
func portOf(a ma.Multiaddr) int {
	for _, code := range []int{ma.P_TCP, ma.P_UDP} {
		if v, err := a.ValueForProtocol(code); err == nil {
			port, _ := strconv.Atoi(v)
			return port
		}
	}
	return 0
}

// heard takes in one announcement.
func (l *lan) heard(texts []string, now time.Time) {
	for _, info := range announced(texts) {
		if info.ID == l.self {
			continue
		}
		if !l.intake.admit(info.ID, now) {
			l.refuse()
			continue
		}
		l.candidate(info)
	}
}

// announced reads the texts of an announcement: of several peers, should it
// name them, with the addresses that may be believed.
func announced(texts []string) []peer.AddrInfo {
	byPeer := make(map[peer.ID][]ma.Multiaddr)
	var order []peer.ID
	for _, t := range texts[:min(len(texts), mdnsTexts)] {
		text, ok := strings.CutPrefix(t, mdnsPrefix)
		if !ok {
			continue
		}
		whole, err := ma.NewMultiaddr(text)
		if err != nil {
			continue
		}
		a, id := peer.SplitAddr(whole)
		if id == "" || len(a) == 0 {
			continue
		}
		if _, ok := byPeer[id]; !ok {
			order = append(order, id)
		}
		byPeer[id] = append(byPeer[id], a)
	}
	var infos []peer.AddrInfo
	for _, id := range order {
		if addrs := linkAddrs(byPeer[id]); len(addrs) > 0 {
			infos = append(infos, peer.AddrInfo{ID: id, Addrs: addrs})
		}
	}
	return infos
}

// instanceName returns 32 random letters and digits, as the libp2p mDNS
// specification wants it: the name says nothing about the node.
func instanceName() string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	name := make([]byte, 32)
	for i := range name {
		name[i] = alphabet[rand.IntN(len(alphabet))]
	}
	return string(name)
}

func names(links []net.Interface) []string {
	out := make([]string, len(links))
	for i, l := range links {
		out[i] = l.Name
	}
	return out
}
