package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Contact is an address to begin with.
type Contact struct {
	text string
	addr ma.Multiaddr // without the peer ID
	id   peer.ID      // "" if it was not given
}

// String returns the address as the user wrote it.
func (c Contact) String() string { return c.text }

// ID returns the peer ID that the address names, "" if it names none.
func (c Contact) ID() peer.ID { return c.id }

// ParseContact reads an address in one of the forms
//
//	/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…   a multiaddr with the peer's ID
//	/dns/node.example/tcp/4001              one without: the peer is asked for its ID
//	node.example:4001   192.0.2.7:4001   [2001:db8::7]:4001
//
// The last three mean TCP. An error says which part is wrong.
func ParseContact(text string) (Contact, error) {
	var a ma.Multiaddr
	var err error
	if strings.HasPrefix(text, "/") {
		a, err = ma.NewMultiaddr(text)
	} else {
		a, err = hostPort(text)
	}
	if err != nil {
		return Contact{}, fmt.Errorf("contact %q: %w", text, err)
	}
	c := Contact{text: text}
	c.addr, c.id = peer.SplitAddr(a)
	if err := c.check(); err != nil {
		return Contact{}, fmt.Errorf("contact %q: %w", text, err)
	}
	return c, nil
}

func (c Contact) check() error {
	if len(c.addr) == 0 {
		return errors.New("is a peer ID only: put an address like /ip4/192.0.2.7/tcp/4001 before it")
	}
	switch c.addr[0].Protocol().Code {
	case ma.P_DNS, ma.P_DNS4, ma.P_DNS6:
	case ma.P_IP4, ma.P_IP6, ma.P_IP6ZONE:
		if !isUnicast(c.addr) {
			return errors.New("is no address of a single machine: give the one at which the other node can be reached")
		}
	default:
		return fmt.Errorf("begins with /%s: begin with /ip4, /ip6, /dns, /dns4 or /dns6", c.addr[0].Protocol().Name)
	}
	if portOf(c.addr) == 0 {
		return errors.New("has no port: add one, as in /ip4/192.0.2.7/tcp/4001 or 192.0.2.7:4001")
	}
	if c.id == "" && isRelayed(c.addr) {
		return errors.New("leads through a relay: add /p2p/ and the ID of the peer behind it")
	}
	return nil
}

// hostName is what can be asked of a resolver: the letters, digits and hyphens
// of RFC 1123, and the underscores that private networks like.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9.])?$`)

// hostPort reads host:port.
func hostPort(text string) (ma.Multiaddr, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return nil, errors.New("is neither host:port, [IPv6 address]:port nor a multiaddr like /ip4/192.0.2.7/tcp/4001")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	var machine ma.Multiaddr
	if ip, err := netip.ParseAddr(host); err == nil {
		machine, err = manet.FromIPAndZone(ip.Unmap().AsSlice(), ip.Zone())
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", host, err)
		}
	} else if hostName.MatchString(host) {
		machine, err = ma.NewMultiaddr("/dns/" + host)
		if err != nil {
			return nil, fmt.Errorf("host name %q: %w", host, err)
		}
	} else {
		return nil, fmt.Errorf("%q is neither a host name nor an IP address", host)
	}
	return machine.Encapsulate(ma.StringCast("/tcp/" + port)), nil
}

// lookupFunc asks for a name's addresses; network is "ip", "ip4" or "ip6".
type lookupFunc func(ctx context.Context, network, host string) ([]netip.Addr, error)

// lookup asks the system's resolver, hosts file included.
var lookup lookupFunc = net.DefaultResolver.LookupNetIP

// resolve replaces a host name by its addresses, IPv4 first, at most maxAddrs.
func (c Contact) resolve(ctx context.Context, lookup lookupFunc) ([]ma.Multiaddr, error) {
	var family string
	switch c.addr[0].Protocol().Code {
	case ma.P_DNS:
		family = "ip"
	case ma.P_DNS4:
		family = "ip4"
	case ma.P_DNS6:
		family = "ip6"
	default:
		return []ma.Multiaddr{c.addr}, nil
	}
	ips, err := lookup(ctx, family, c.addr[0].Value())
	if err != nil {
		return nil, err
	}
	var out []ma.Multiaddr
	for _, ip := range ips {
		a, err := manet.FromIPAndZone(ip.Unmap().AsSlice(), ip.Zone())
		if err == nil && isUnicast(a) {
			out = append(out, append(a, c.addr[1:]...))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the name %s has no address", c.addr[0].Value())
	}
	ipv4First(out)
	out = slices.CompactFunc(out, ma.Multiaddr.Equal)
	return out[:min(len(out), maxAddrs)], nil
}
