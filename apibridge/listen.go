package apibridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lookupTimeout bounds the resolution of a host name.
const lookupTimeout = 5 * time.Second

// Listen opens the TCP port of a module API. The address is host:port; the
// name localhost means 127.0.0.1, and any other name its IPv4 address where it
// has one, because there are modules that know nothing else. Port 0 takes a
// free port.
//
// The API has no authentication: who reaches it can announce in this node's
// name. So an address that other machines can reach, and no address at all,
// is refused unless allowRemote is set. A port that is taken is an error;
// another one is never used in its place.
func Listen(address string, allowRemote bool) (net.Listener, error) {
	addr, err := resolve(address, allowRemote)
	if err != nil {
		return nil, fmt.Errorf("apibridge: API address %q: %w", address, err)
	}
	if !addr.Addr().IsLoopback() {
		log.Warnf("the module API on %v can be reached by other machines and asks nobody who they are", addr)
	}
	ln, err := net.Listen(arguments(addr))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("apibridge: API address %v is taken: stop the program that uses it, or choose another address: %w", addr, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("apibridge: API address %v is not an address of this machine: %w", addr, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("apibridge: API address %v: ports below 1024 need privileges, choose a higher one: %w", addr, err)
	case err != nil:
		return nil, fmt.Errorf("apibridge: API address %v: %w", addr, err)
	}
	return ln, nil
}

// arguments are what net.Listen takes for an address.
func arguments(addr netip.AddrPort) (network, address string) {
	switch ip := addr.Addr(); {
	case ip == netip.IPv6Unspecified():
		return "tcp", fmt.Sprintf(":%d", addr.Port()) // IPv4 and IPv6, as far as the machine has them
	case ip.Is4():
		return "tcp4", addr.String()
	default:
		return "tcp6", addr.String()
	}
}

// resolve finds the address to listen on and judges it.
func resolve(address string, allowRemote bool) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("not of the form host:port: %w", err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port %q is not a number from 0 to 65535", service)
	}
	var ip netip.Addr
	switch {
	case host == "":
		ip = netip.IPv6Unspecified()
	case strings.EqualFold(host, "localhost"):
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		if ip, err = netip.ParseAddr(host); err != nil {
			if ip, err = lookup(host); err != nil {
				return netip.AddrPort{}, err
			}
		}
	}
	ip = ip.Unmap()
	if !ip.IsLoopback() && !allowRemote {
		return netip.AddrPort{}, fmt.Errorf("%v can be reached by other machines, and the API asks nobody who they are: use 127.0.0.1, or allow remote modules explicitly", ip)
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}

// lookup resolves a host name.
func lookup(host string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	return preferIPv4(ips)
}

func preferIPv4(ips []netip.Addr) (netip.Addr, error) {
	if len(ips) == 0 {
		return netip.Addr{}, errors.New("the name has no address")
	}
	i := slices.IndexFunc(ips, func(ip netip.Addr) bool { return ip.Unmap().Is4() })
	return ips[max(i, 0)].Unmap(), nil
}
