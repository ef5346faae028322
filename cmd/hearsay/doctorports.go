package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	ma "github.com/multiformats/go-multiaddr"

	"hearsay/apibridge"
	"hearsay/node/config"
	"hearsay/node/health"
)

// place is where a node would listen.
type place struct {
	address  string
	port     int
	what     string // it is for
	setting  string
	replaced bool // by another port if this one is taken: nobody asked for it
}

// checkPorts looks whether a node could listen wherever it would, and who has the
// ports that are taken.
func checkPorts(cfg *config.Config) (cs []health.Condition) {
	for _, addr := range cfg.Listen {
		_, err := try(addr)
		if err == nil || cfg.ListenDefault && !errors.Is(err, syscall.EADDRINUSE) {
			continue // of the defaults a node leaves out what the machine has not, such as IPv6
		}
		text, _ := addr.ValueForProtocol(ma.P_TCP)
		port, _ := strconv.Atoi(text)
		cs = append(cs, place{addr.String(), port, "other nodes", "p2p_address", cfg.ListenDefault}.refused(err))
		break
	}
	api := func(address string) (net.Listener, error) { return apibridge.Listen(address, cfg.APIAllowRemote) }
	control := func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	for _, s := range []struct {
		at            config.Endpoint
		what, setting string
		listen        func(string) (net.Listener, error)
	}{
		{cfg.API, "modules", "api_address", api},
		{cfg.DHTAPI, "the DHT API", "[dht] api_address", api},
		{cfg.RPSAPI, "the RPS API", "[rps] api_address", api},
		{cfg.NSEAPI, "the NSE API", "[nse] api_address", api},
		{cfg.Control, "the control API", "control_address", control},
	} {
		if s.at.Off {
			continue
		}
		l, err := s.listen(s.at.Address())
		if err != nil {
			cs = append(cs, place{s.at.Address(), int(s.at.Port), s.what, s.setting, s.at.Default}.refused(err))
			continue
		}
		l.Close()
	}
	return cs
}

// refused says why the system does not let a node listen there, and what to do.
func (p place) refused(err error) health.Condition {
	c := health.Condition{Code: health.AddressUnusable, About: p.setting}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		c.Code = health.PortTaken
		c.Text = fmt.Sprintf("Port %d, for %s, is taken%s.", p.port, p.what, takenBy(p.port))
		c.Cure = "stop the program that has it, or choose another port: " + p.setting
		if p.replaced {
			c.Severity = health.Info
			c.Text = strings.TrimSuffix(c.Text, ".") + "; a node takes another one then."
			c.Cure = "nothing, if another port will do; else " + c.Cure
		}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		c.Text = fmt.Sprintf("%s, for %s, is not an address of this machine.", p.address, p.what)
		c.Cure = "name one that it has: " + p.setting
	case errors.Is(err, syscall.EACCES):
		c.Text = fmt.Sprintf("Port %d, for %s, is not for this user: those below 1024 need privileges.", p.port, p.what)
		c.Cure = "choose a port from 1024 on: " + p.setting
	default:
		c.Text = fmt.Sprintf("%s, for %s, cannot be listened at: %v.", p.address, p.what, cause(err))
		c.Cure = "as it says; or name another address: " + p.setting
	}
	return c
}
