package apibridge_test

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"hearsay/apibridge"
)

func TestListen_Accepts(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "localhost:0", "LocalHost:0", "127.3.2.1:0", "[::ffff:127.0.0.1]:0"} {
		ln, err := apibridge.Listen(address, false)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		addr := ln.Addr().(*net.TCPAddr)
		c, err := net.Dial("tcp4", addr.String()) // reachable over IPv4
		if err != nil {
			t.Errorf("%s: %v", address, err)
		} else {
			c.Close()
		}
		ln.Close()
	}
	if ln, err := apibridge.Listen("[::1]:0", false); err == nil {
		ln.Close()
	} else if !errors.Is(err, syscall.EADDRNOTAVAIL) && !errors.Is(err, syscall.EAFNOSUPPORT) { // no IPv6 here
		t.Error(err)
	}
}

func TestListen_RefusesWhatOthersCanReach(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0", "[::ffff:192.0.2.1]:0", "10.0.0.1:7001"} {
		if ln, err := apibridge.Listen(address, false); err == nil {
			ln.Close()
			t.Errorf("%s was taken", address)
		} else if !strings.Contains(err.Error(), "other machines") || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: the error does not say what to do: %v", address, err)
		}
	}
}

func TestListen_BadAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"":                 "host:port",
		"127.0.0.1":        "host:port",
		"::1:7001":         "host:port",
		"127.0.0.1:http":   "not a number",
		"127.0.0.1:65536":  "not a number",
		"127.0.0.1:-1":     "not a number",
		"127.0.0.1:":       "not a number",
		"no.such.invalid:": "not a number",
	} {
		ln, err := apibridge.Listen(address, false)
		if err == nil {
			ln.Close()
			t.Errorf("%q was taken", address)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+address+`"`) {
			t.Errorf("%q: %v", address, err)
		}
	}
}
