package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	ma "github.com/multiformats/go-multiaddr"

	"hearsay/node/config"
	"hearsay/node/control"
	"hearsay/node/health"
)

// nowhere is a configuration of a node that listens at no port of its choice.
func nowhere() *config.Config {
	cfg := config.Default()
	cfg.Listen, cfg.ListenDefault = []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}, false
	cfg.API = config.Endpoint{Off: true}
	return cfg
}

// Every port that a node would want is looked at, and so is whether the address is
// this machine's.
func TestCheckPorts(t *testing.T) {
	if cs := checkPorts(nowhere()); len(cs) != 0 {
		t.Errorf("any free port: %+v", cs)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := config.Endpoint{Host: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port)}
	elsewhere := config.Endpoint{Host: "192.0.2.1", Port: 7000} // TEST-NET-1, nobody's
	at := func(e config.Endpoint) ma.Multiaddr {
		return ma.StringCast(fmt.Sprintf("/ip4/%s/tcp/%d", e.Host, e.Port))
	}
	for setting, set := range map[string]func(*config.Config, config.Endpoint){
		"p2p_address":       func(c *config.Config, e config.Endpoint) { c.Listen = []ma.Multiaddr{at(e)} },
		"api_address":       func(c *config.Config, e config.Endpoint) { c.API = e },
		"[dht] api_address": func(c *config.Config, e config.Endpoint) { c.DHTAPI = e },
		"[rps] api_address": func(c *config.Config, e config.Endpoint) { c.RPSAPI = e },
		"[nse] api_address": func(c *config.Config, e config.Endpoint) { c.NSEAPI = e },
		"control_address":   func(c *config.Config, e config.Endpoint) { c.Control = e },
	} {
		cfg := nowhere()
		cfg.APIAllowRemote = true
		for e, want := range map[config.Endpoint]health.Code{taken: health.PortTaken, elsewhere: health.AddressUnusable} {
			set(cfg, e)
			cs := checkPorts(cfg)
			if len(cs) != 1 || cs[0].Code != want || cs[0].About != setting || cs[0].Severity != "" || !strings.HasSuffix(cs[0].Cure, ": "+setting) {
				t.Errorf("%s = %v: %+v, want %s", setting, e, cs, want)
			}
		}
	}
	cfg := nowhere()
	cfg.API = taken
	cfg.API.Default = true
	if cs := checkPorts(cfg); len(cs) != 1 || cs[0].Severity != health.Info || !strings.Contains(cs[0].Text, "takes another one") {
		t.Errorf("a default that is taken: %+v", cs)
	}
}

// Each refusal of the system has its own cure.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		err        error
		code       health.Code
		text, cure string
	}{
		{syscall.EADDRINUSE, health.PortTaken, "Port 80, for modules, is taken", "stop the program"},
		{syscall.EADDRNOTAVAIL, health.AddressUnusable, "192.0.2.1:80, for modules, is not an address of this machine.", "name one that it has: api_address"},
		{syscall.EACCES, health.AddressUnusable, "Port 80, for modules, is not for this user", "a port from 1024 on: api_address"},
		{errors.New("no such host"), health.AddressUnusable, "cannot be listened at: listen: no such host.", "another address: api_address"},
	} {
		c := place{address: "192.0.2.1:80", port: 80, what: "modules", setting: "api_address"}.refused(fmt.Errorf("listen: %w", test.err))
		if c.Code != test.code || !strings.Contains(c.Text, test.text) || !strings.Contains(c.Cure, test.cure) {
			t.Errorf("%v: %+v", test.err, c)
		}
	}
}

// What is said of being reached is no more than is known, and what is to be done has
// not been done.
func TestReachWords(t *testing.T) {
	for _, test := range []struct {
		name   string
		reach  control.Reach
		answer string
		has    string // the last line
		not    string
	}{
		{"private", control.Reach{State: health.ReachPrivate}, "no", "or set port_mapping = true", "autonat"},
		{"private, and the router is asked", control.Reach{State: health.ReachPrivate, MapsPorts: true, MappingError: "nobody answers"}, "no", "forward the p2p port", "port_mapping"},
		{"unknown", control.Reach{State: health.ReachUnknown, Asks: true, MapsPorts: true}, "not known", "wait until a neighbour elsewhere has tried", "autonat"},
		{"unknown, and nobody is asked", control.Reach{State: health.ReachUnknown, MapsPorts: true}, "not known", "set autonat = true", "wait"},
		{"public", control.Reach{State: health.ReachPublic, Asks: true}, "yes", "relays", "to do"},
		{"private addresses", control.Reach{State: health.ReachLocal, Asks: true}, "on this network, perhaps; nobody from elsewhere has asked", "relays", "to do"},
		{"loopback alone", control.Reach{State: health.ReachAlone, Asks: true}, "no, only programs on this machine", "connect this machine to a network", "autonat"},
		{"private addresses, and one came", control.Reach{State: health.ReachNear, Asks: true}, "on this network, yes; nobody from elsewhere has asked", "relays", "to do"},
	} {
		lines := reachWords(test.reach)
		last := lines[len(lines)-1]
		if !strings.Contains(last, test.has) || strings.Contains(last, test.not) {
			t.Errorf("%s: %q", test.name, last)
		}
		if lines[0] != "Can others open connections to this node?  "+test.answer {
			t.Errorf("%s: %q", test.name, lines[0])
		}
		if slices.ContainsFunc(lines[1:], func(l string) bool { return strings.Contains(l, "yes") }) {
			t.Errorf("%s: %q", test.name, lines[1:])
		}
	}
}
