package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/apibridge"
	"hearsay/node/config"
	"hearsay/node/health"
)

// startPatience is how long a node waits for another one that is opening its ports.
const startPatience = 5 * time.Second

// takeTurns lets the nodes of one machine open their ports one after the other:
// between trying a port and listening on it another node could do the same, and
// as libp2p shares its port, neither would notice. It is a courtesy: after
// startPatience a node goes on all the same.
func takeTurns() (done func()) {
	for end := time.Now().Add(startPatience); ; time.Sleep(10 * time.Millisecond) {
		unlock, taken := lockStarts("hearsay-start")
		if !taken {
			return unlock
		}
		if time.Now().After(end) {
			return func() {}
		}
	}
}

// Ports that nobody asked for are replaced if they are taken; ports that the
// user asked for never are.

// listenAPI opens the port of the Gossip API; nil if the API is off. moved says
// that the default port was taken.
func listenAPI(cfg *config.Config) (l net.Listener, moved bool, err error) {
	if cfg.API.Off {
		return nil, false, nil
	}
	l, err = apibridge.Listen(cfg.API.Address(), cfg.APIAllowRemote)
	if cfg.API.Default && errors.Is(err, syscall.EADDRINUSE) {
		l, err = apibridge.Listen(net.JoinHostPort(cfg.API.Host, "0"), cfg.APIAllowRemote)
		moved = err == nil
	}
	if err != nil {
		return nil, false, unusable(cfg.API, "api_address", err)
	}
	return l, moved, nil
}

// unusable is what a node fails with that cannot listen where a setting says.
func unusable(at config.Endpoint, setting string, err error) error {
	p := place{address: at.Address(), port: int(at.Port), setting: setting}
	return &failure{exitFailed, err, p.refused(err).Cure}
}

// p2pAddrs returns where the node is to listen for others. moved says that the
// default port was taken.
//
// The ports are tried first because libp2p shares its own (SO_REUSEPORT): a
// second node on the same port would start without a complaint and take half of
// the first one's connections.
func p2pAddrs(cfg *config.Config) (addrs []ma.Multiaddr, moved bool, err error) {
	if !cfg.ListenDefault {
		for _, addr := range cfg.Listen {
			if _, err := try(addr); err != nil {
				return nil, false, fail("stop the program that uses it, or name another p2p_address", "p2p address %s: %w", addr, cause(err))
			}
		}
		return cfg.Listen, false, nil
	}
	if addrs = usable(cfg.Listen); len(addrs) > 0 {
		return addrs, false, nil
	}
	for range 16 { // a port free for IPv4 can be taken for IPv6
		port, err := try(ma.StringCast("/ip4/0.0.0.0/tcp/0"))
		if err != nil {
			return nil, false, fmt.Errorf("no port is free for other nodes to connect to: %w", err)
		}
		addrs = usable([]ma.Multiaddr{
			ma.StringCast(fmt.Sprintf("/ip4/0.0.0.0/tcp/%d", port)),
			ma.StringCast(fmt.Sprintf("/ip6/::/tcp/%d", port)),
		})
		if len(addrs) > 0 {
			return addrs, true, nil
		}
	}
	return nil, false, errors.New("no port is free for other nodes to connect to")
}

// usable leaves out what this machine does not have at all, such as IPv6, and
// is empty if any of the rest is taken.
func usable(addrs []ma.Multiaddr) (free []ma.Multiaddr) {
	for _, addr := range addrs {
		switch _, err := try(addr); {
		case err == nil:
			free = append(free, addr)
		case errors.Is(err, syscall.EADDRINUSE):
			return nil
		}
	}
	return free
}

// try listens on a TCP multiaddr for an instant and returns the port it got.
func try(addr ma.Multiaddr) (port int, err error) {
	l, err := manet.Listen(addr)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// cause is the system's own word for what went wrong with a socket.
func cause(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}

// reportMoved has the node's health tell which defaults were replaced.
func (as *assembly) reportMoved() {
	moved := func(port int, what, setting string) {
		text := fmt.Sprintf("Port %d, the default of %s, is taken%s, so another one was chosen.", port, what, takenBy(port))
		as.node.Report(health.Condition{Code: health.PortMoved, About: setting, Text: text,
			Cure: fmt.Sprintf("nothing, if the new one will do (hearsay id, hearsay doctor); else stop the other program, or choose a port: %s", setting)})
	}
	if as.p2pMoved {
		moved(config.DefaultP2PPort, "the p2p address", "p2p_address")
	}
	if as.apiMoved {
		moved(config.DefaultAPIPort, "the module API", "api_address")
	}
}

// takenBy is " by PROGRAM (process N)" if that can be found out.
func takenBy(port int) string {
	if h := health.PortHolder(port); h.PID != 0 {
		return fmt.Sprintf(" by %s (process %d)", oneLine(h.Name), h.PID)
	}
	return ""
}
