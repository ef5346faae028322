package health

import (
	"net"
	"os"
	"path/filepath"
)

// Unfit lists the network interfaces that are up and on which nodes cannot be
// found by multicast, and why. Loopback is none of them. Without the list of
// interfaces it is empty.
func Unfit() map[string]string {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	unfit := make(map[string]string)
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away a moment ago
		}
		if i.Flags&net.FlagRunning == 0 && isBridge(i.Name) {
			continue // a bridge of a program for containers or machines, none of which runs
		}
		if why := UnfitFor(i.Flags, addrs); why != "" {
			unfit[i.Name] = why
		}
	}
	return unfit
}

// isBridge reports whether an interface is a bridge, as Linux tells it.
func isBridge(name string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", filepath.Base(name), "bridge"))
	return err == nil
}

// UnfitFor says why nodes cannot be found by multicast on an interface with
// these flags and addresses, "" = they can, or nobody would expect it.
func UnfitFor(flags net.Flags, addrs []net.Addr) string {
	routable := false
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() && !n.IP.IsLoopback() {
			routable = true
		}
	}
	switch {
	case flags&net.FlagLoopback != 0 || flags&net.FlagUp == 0:
		return ""
	case flags&net.FlagRunning == 0:
		if !routable {
			return "" // an unused socket, not a network that failed
		}
		return "no cable or no wireless network is connected"
	case flags&net.FlagMulticast == 0 && routable:
		return "it does not multicast, as is usual for tunnels"
	case !routable && len(addrs) > 0:
		return "it has no address that others could use, only a link-local one"
	}
	return ""
}
