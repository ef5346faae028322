package discovery

import (
	"errors"
	"net"
	"syscall"

	"github.com/libp2p/go-libp2p/core/network"
	manet "github.com/multiformats/go-multiaddr/net"
)

// hangUpStranded closes the connections that a change of this machine's network has cut.
// Who uses them would find that out by silence alone, and meanwhile take the peers for
// present when they are found again.
func (d *Discovery) hangUpStranded() {
	for _, c := range stranded(d.cfg.Host.Network().Conns()) {
		log.Debugf("closing a connection to %s: this machine is not at %s any more", c.RemotePeer(), c.LocalMultiaddr())
		go c.Close() // which may take a while
	}
}

// stranded is those of some connections that begin at an address which this machine has
// no more: nothing gets through them.
func stranded(conns []network.Conn) (cut []network.Conn) {
	here := make(map[string]bool)
	for _, c := range conns {
		ip, err := manet.ToIP(c.LocalMultiaddr())
		if err != nil {
			continue
		}
		at := ip.String()
		if _, known := here[at]; !known {
			here[at] = isHere(ip)
		}
		if !here[at] {
			cut = append(cut, c)
		}
	}
	return cut
}

// isHere reports whether this machine has an address, or may have. Interfaces do not list
// all that it has (127.0.0.2, routes of type local); but to no other it can bind.
func isHere(ip net.IP) bool {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, syscall.EADDRNOTAVAIL)
}
