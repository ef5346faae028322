package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Endpoint is where a local TCP service listens.
type Endpoint struct {
	// Host is an IP address in canonical form or a host name; "" is every
	// interface. "localhost" has become 127.0.0.1: clients that resolve it to
	// IPv4 only must reach it.
	Host string
	// Port is 0 for any free port.
	Port uint16
	// Off says that the service is not wanted; Host and Port are then zero.
	Off bool
	// Default says that the file does not set the endpoint: if the port is taken,
	// a free one will do. A port that the user asked for must not be replaced.
	Default bool
}

// Address returns host:port for [net.Listen], or "" if the service is off.
func (e Endpoint) Address() string {
	if e.Off {
		return ""
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// String returns the endpoint as it stands in a file: host:port or off.
func (e Endpoint) String() string {
	if e.Off {
		return "off"
	}
	return e.Address()
}

// Loopback says whether nobody but programs of this machine reaches the
// endpoint. A host name could resolve to anything and does not count.
func (e Endpoint) Loopback() bool {
	ip, err := netip.ParseAddr(e.Host)
	return err == nil && ip.IsLoopback()
}

// Bootstrapper is a first contact: any node of the network.
type Bootstrapper struct {
	// Addr is where to dial, without the peer ID.
	Addr ma.Multiaddr
	// ID is who must answer; "" accepts whoever does (trust on first use).
	ID peer.ID
}

// String returns the multiaddr, with /p2p/ID if the ID is known.
func (b Bootstrapper) String() string {
	if b.ID == "" {
		return b.Addr.String()
	}
	return b.Addr.String() + "/p2p/" + b.ID.String()
}

func parseEndpoint(v string) (Endpoint, error) {
	if v == "" || strings.EqualFold(v, "off") {
		return Endpoint{Off: true}, nil
	}
	host, port, err := splitHostPort(v)
	return Endpoint{Host: host, Port: port}, err
}

// splitHostPort checks host:port without looking anything up. The host comes
// back in canonical form, "localhost" as 127.0.0.1, none as "".
func splitHostPort(v string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(v)
	if err != nil {
		return "", 0, fmt.Errorf("%s is not host:port (IPv6 in brackets, as in [::1]:6001)", quote(v))
	}
	n, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %s is not a port from 0 to 65535", quote(v), quote(service))
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && (ip.Zone() == "" || isHostname(ip.Zone()+".zone")):
		return ip.Unmap().String(), uint16(n), nil
	case strings.EqualFold(host, "localhost"):
		return "127.0.0.1", uint16(n), nil
	case host == "" || isHostname(host):
		return strings.ToLower(host), uint16(n), nil
	}
	return "", 0, fmt.Errorf("%s: %s is neither an IP address nor a host name", quote(v), quote(host))
}

// isHostname follows RFC 1123 and allows the underscore, which service names in
// DNS and containers have. A last label of digits only is a mistyped IPv4
// address, never a name.
func isHostname(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return len(s) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

// parseListen reads one address to listen on; host:port without a host means
// every interface, IPv4 and IPv6.
func parseListen(v string) ([]ma.Multiaddr, error) {
	if !strings.HasPrefix(v, "/") {
		host, port, err := splitHostPort(v)
		if err != nil {
			return nil, err
		}
		if host == "" {
			return everyInterface(port), nil
		}
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return nil, fmt.Errorf("%s: a node listens on an IP address of its own, not on a name; "+
				"0.0.0.0 and [::] are all of them", quote(v))
		}
		m, err := tcpAddr(ip, port)
		return []ma.Multiaddr{m}, err
	}
	m, err := parseMultiaddr(v)
	if err != nil {
		return nil, err
	}
	switch p := splitPlace(m); {
	case hasProtocol(m, ma.P_P2P):
		return nil, fmt.Errorf("%s: leave out /p2p/…: a node's own peer ID follows from its hostkey", quote(v))
	case !p.ip.IsValid():
		return nil, fmt.Errorf("%s: a node listens on an IP address: /ip4/… or /ip6/… comes first", quote(v))
	case p.transport == 0:
		return nil, fmt.Errorf("%s names no port, as in /ip4/0.0.0.0/tcp/6001", quote(v))
	}
	return []ma.Multiaddr{m}, nil
}

// parseBootstrapper reads one first contact: a multiaddr with or without
// /p2p/ID, or host:port over TCP.
func parseBootstrapper(v string) (Bootstrapper, error) {
	if scheme, _, ok := strings.Cut(strings.ToLower(v), "://"); ok {
		if scheme == "http" || scheme == "https" {
			return Bootstrapper{}, fmt.Errorf("%s: Hearsay needs no central server: "+
				"name any other node's p2p address, or leave the line out", quote(v))
		}
		return Bootstrapper{}, fmt.Errorf("%s is a URL; write host:port", quote(v))
	}
	if !strings.HasPrefix(v, "/") {
		host, port, err := splitHostPort(v)
		switch {
		case err != nil:
			return Bootstrapper{}, err
		case host == "":
			return Bootstrapper{}, fmt.Errorf("%s names no host", quote(v))
		}
		var m ma.Multiaddr
		if ip, err := netip.ParseAddr(host); err == nil {
			m, err = tcpAddr(ip, port)
			if err != nil {
				return Bootstrapper{}, err
			}
		} else if m, err = ma.NewMultiaddr(fmt.Sprintf("/dns/%s/tcp/%d", host, port)); err != nil {
			return Bootstrapper{}, fmt.Errorf("%s: %w", quote(v), err)
		}
		return Bootstrapper{Addr: m}, checkContact(v, m)
	}
	m, err := parseMultiaddr(v)
	if err != nil {
		return Bootstrapper{}, err
	}
	m, id := peer.SplitAddr(m)
	return Bootstrapper{Addr: m, ID: id}, checkContact(v, m)
}

// checkContact refuses what nobody could dial.
func checkContact(v string, m ma.Multiaddr) error {
	switch p := splitPlace(m); {
	case p.dnsaddr:
		return nil // a DNS record says the rest
	case !p.ip.IsValid() && p.name == "":
		return fmt.Errorf("%s: an IP address or a name comes first, as in /ip4/192.0.2.1/tcp/6001", quote(v))
	case p.ip.IsValid() && p.ip.IsUnspecified():
		return fmt.Errorf("%s means every interface; name one at which that node is reached", quote(v))
	case p.transport == 0:
		return fmt.Errorf("%s names no port, as in /ip4/192.0.2.1/tcp/6001", quote(v))
	case p.port == 0:
		return fmt.Errorf("%s: port 0 reaches nobody; name that node's port, 1 to 65535", quote(v))
	}
	return nil
}

func parseMultiaddr(v string) (ma.Multiaddr, error) {
	for _, r := range v {
		if r <= ' ' || r > '~' || strings.ContainsRune(`#;"'\,`, r) {
			return nil, fmt.Errorf("%s: %q has no place in a multiaddr", quote(v), r)
		}
	}
	m, err := ma.NewMultiaddr(v)
	if err != nil {
		why := strings.TrimPrefix(err.Error(), fmt.Sprintf("failed to parse multiaddr %q: ", v))
		return nil, fmt.Errorf("%s is not a multiaddr such as /ip4/192.0.2.1/tcp/6001: %s", quote(v), clip(why, 120))
	}
	for _, c := range m {
		switch c.Code() {
		case ma.P_DNS, ma.P_DNS4, ma.P_DNS6, ma.P_DNSADDR:
			if !isHostname(c.Value()) {
				return nil, fmt.Errorf("%s: %s is not a host name", quote(v), quote(c.Value()))
			}
		}
	}
	return m, nil
}

// place is the start of a multiaddr: which host, by which transport and port.
type place struct {
	ip        netip.Addr // invalid if a name stands there, or nothing of use
	name      string
	dnsaddr   bool // name is to be looked up for whole multiaddrs
	transport int  // ma.P_TCP, ma.P_UDP, or 0 if no port follows
	port      uint16
}

func splitPlace(m ma.Multiaddr) (p place) {
	var zone string
	if len(m) > 0 && m[0].Code() == ma.P_IP6ZONE {
		zone, m = m[0].Value(), m[1:]
	}
	if len(m) == 0 {
		return place{}
	}
	switch m[0].Code() {
	case ma.P_IP4, ma.P_IP6:
		p.ip, _ = netip.AddrFromSlice(m[0].RawValue())
		p.ip = p.ip.WithZone(zone)
	case ma.P_DNSADDR:
		p.dnsaddr = true
		fallthrough
	case ma.P_DNS, ma.P_DNS4, ma.P_DNS6:
		p.name = m[0].Value()
	}
	if len(m) > 1 && (m[1].Code() == ma.P_TCP || m[1].Code() == ma.P_UDP) {
		p.transport = m[1].Code()
		raw := m[1].RawValue() // two bytes, big-endian, checked by the library
		p.port = uint16(raw[0])<<8 | uint16(raw[1])
	}
	return p
}

// covers says whether whoever dials q on this machine reaches a listener at p.
func (p place) covers(q place) bool {
	if p.port == 0 || p.port != q.port || p.transport != q.transport || !p.ip.IsValid() || !q.ip.IsValid() {
		return false
	}
	return p.ip == q.ip || p.ip.IsUnspecified() && p.ip.Is4() == q.ip.Is4() && q.ip.IsLoopback()
}

// collides says whether two listeners on p and q cannot both have their port.
func (p place) collides(q place) bool {
	if p.port == 0 || p.port != q.port || p.transport != q.transport || !p.ip.IsValid() || !q.ip.IsValid() {
		return false
	}
	return p.ip == q.ip || p.ip.Is4() == q.ip.Is4() && (p.ip.IsUnspecified() || q.ip.IsUnspecified())
}

func hasProtocol(m ma.Multiaddr, code int) bool {
	_, err := m.ValueForProtocol(code)
	return err == nil
}

func tcpAddr(ip netip.Addr, port uint16) (ma.Multiaddr, error) {
	s := fmt.Sprintf("/ip4/%s/tcp/%d", ip, port)
	if ip.Is6() {
		s = fmt.Sprintf("/ip6/%s/tcp/%d", ip.WithZone(""), port)
		if zone := ip.Zone(); zone != "" {
			s = "/ip6zone/" + zone + s
		}
	}
	m, err := ma.NewMultiaddr(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(s), err)
	}
	return m, nil
}

func everyInterface(port uint16) []ma.Multiaddr {
	v4, _ := tcpAddr(netip.IPv4Unspecified(), port) // constant addresses cannot fail
	v6, _ := tcpAddr(netip.IPv6Unspecified(), port)
	return []ma.Multiaddr{v4, v6}
}
