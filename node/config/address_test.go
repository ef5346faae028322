package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestEndpoints(t *testing.T) {
	for value, want := range map[string]Endpoint{
		"127.0.0.1:7001":          {Host: "127.0.0.1", Port: 7001},
		"localhost:7002":          {Host: "127.0.0.1", Port: 7002},
		"LocalHost:0":             {Host: "127.0.0.1"},
		"127.8.9.10:65535":        {Host: "127.8.9.10", Port: 65535},
		"[::1]:7001":              {Host: "::1", Port: 7001},
		"[0:0::1]:7001":           {Host: "::1", Port: 7001},
		"[::ffff:127.0.0.1]:7001": {Host: "127.0.0.1", Port: 7001},
		"off":                     {Off: true},
		"OFF":                     {Off: true},
		"":                        {Off: true},
		"# none":                  {Off: true},
	} {
		c, _ := parse(t, "[gossip]\napi_address = "+value)
		if c.API != want {
			t.Errorf("api_address = %s: got %+v, want %+v", value, c.API, want)
		}
		c, _ = parse(t, "[gossip]\napi_address = off\n[hearsay]\ncontrol_address = "+value)
		if c.Control != want {
			t.Errorf("control_address = %s: got %+v, want %+v", value, c.Control, want)
		}
	}
	if e := (Endpoint{Off: true}); e.Address() != "" || e.Loopback() {
		t.Errorf("off listens at %q", e.Address())
	}
	for value, want := range map[string]string{
		":7001":            ":7001",
		"0.0.0.0:7001":     "0.0.0.0:7001",
		"Gossip.LAN:7001":  "gossip.lan:7001",
		"[fe80::1%eth0]:1": "[fe80::1%eth0]:1",
	} {
		c, _ := parse(t, "[gossip]\napi_allow_remote = yes\napi_address = "+value)
		if c.API.Address() != want || c.API.Loopback() {
			t.Errorf("api_address = %s: got %q, want %q", value, c.API.Address(), want)
		}
		_, _, err := Parse("node.ini", []byte("[gossip]\napi_address = "+value))
		if err == nil || !strings.Contains(err.Error(), "node.ini:2: api_address: ") || !strings.Contains(err.Error(), "api_allow_remote") {
			t.Errorf("api_address = %s without api_allow_remote: %v", value, err)
		}
		_, _, err = Parse("node.ini", []byte("[gossip]\napi_allow_remote = yes\n[hearsay]\ncontrol_address = "+value))
		if err == nil || !strings.Contains(err.Error(), "node.ini:4: control_address: ") {
			t.Errorf("control_address = %s: %v", value, err)
		}
	}
}

func TestListen(t *testing.T) {
	for value, want := range map[string][]string{
		"127.0.0.1:6001":                          {"/ip4/127.0.0.1/tcp/6001"},
		"localhost:6001":                          {"/ip4/127.0.0.1/tcp/6001"},
		":6001":                                   {"/ip4/0.0.0.0/tcp/6001", "/ip6/::/tcp/6001"},
		"0.0.0.0:0":                               {"/ip4/0.0.0.0/tcp/0"},
		"[::]:6001, 0.0.0.0:6002":                 {"/ip6/::/tcp/6001", "/ip4/0.0.0.0/tcp/6002"},
		"/ip4/127.0.0.1/udp/6001/quic-v1":         {"/ip4/127.0.0.1/udp/6001/quic-v1"},
		"[fe80::1%eth0]:6001":                     {"/ip6zone/eth0/ip6/fe80::1/tcp/6001"},
		"127.0.0.1:6001,/ip4/127.0.0.1/tcp/06001": {"/ip4/127.0.0.1/tcp/6001"},
	} {
		for _, key := range []string{"p2p_address", "listen_address"} {
			c, warnings := parse(t, "[gossip]\n"+key+" = "+value)
			if !reflect.DeepEqual(c.Listen, addrs(t, want...)) || c.ListenDefault || len(warnings) != 0 {
				t.Errorf("%s = %s: got %v, default %v, warnings %v", key, value, c.Listen, c.ListenDefault, warnings)
			}
		}
	}
	if c, _ := parse(t, ""); !c.ListenDefault || !c.API.Default || !c.Control.Default || !c.StateDirDefault {
		t.Errorf("an empty file must leave all defaults marked: %+v", c)
	}
	c, _ := parse(t, "[gossip]\np2p_address = :6001\napi_address = 127.0.0.1:7001\n[hearsay]\nstate_dir = /home/alice/.local/state/hearsay")
	if c.ListenDefault || c.API.Default || c.StateDirDefault {
		t.Errorf("a default that the file spells out is the user's wish: %+v", c)
	}
}

func TestBootstrap(t *testing.T) {
	const rsa = rsaID
	for value, want := range map[string]string{
		"192.0.2.1:6001":                      "/ip4/192.0.2.1/tcp/6001",
		"[2001:db8::1]:6001":                  "/ip6/2001:db8::1/tcp/6001",
		"localhost:6001":                      "/ip4/127.0.0.1/tcp/6001",
		"Node1.example:6001":                  "/dns/node1.example/tcp/6001",
		"node_1:6001":                         "/dns/node_1/tcp/6001",
		"/ip4/192.0.2.1/tcp/6001/p2p/" + rsa:  "/ip4/192.0.2.1/tcp/6001/p2p/" + rsa,
		"/ip4/192.0.2.1/tcp/6001/ipfs/" + rsa: "/ip4/192.0.2.1/tcp/6001/p2p/" + rsa,
		"/dns4/node1/tcp/6001":                "/dns4/node1/tcp/6001",
		"/dnsaddr/example.org/p2p/" + rsa:     "/dnsaddr/example.org/p2p/" + rsa,
		"/ip4/192.0.2.1/udp/6001/quic-v1":     "/ip4/192.0.2.1/udp/6001/quic-v1",
		"/ip4/192.0.2.1/tcp/1/p2p/" + rsa + "/p2p-circuit/p2p/" + rsa: "/ip4/192.0.2.1/tcp/1/p2p/" + rsa + "/p2p-circuit/p2p/" + rsa,
	} {
		for _, key := range []string{"bootstrapper", "bootstrapper_address"} {
			c, warnings := parse(t, "[gossip]\n"+key+" = "+value)
			if len(c.Bootstrap) != 1 || c.Bootstrap[0].String() != want || len(warnings) != 0 {
				t.Errorf("%s = %s: got %v, warnings %v, want %s", key, value, c.Bootstrap, warnings, want)
			}
			if got, want := c.Bootstrap[0].ID != "", strings.Contains(value, rsa); got != want {
				t.Errorf("%s = %s: ID %q", key, value, c.Bootstrap[0].ID)
			}
		}
	}
}

// TestOwnAddress: a first contact that is the node itself is dropped with a
// warning, and only if that is certain.
func TestOwnAddress(t *testing.T) {
	for _, test := range []struct {
		listen, boot string
		own          bool
	}{
		{"p2p_address = 127.0.0.1:6001", "127.0.0.1:6001", true},
		{"p2p_address = 127.0.0.1:6001", "localhost:6001", true},
		{"p2p_address = 127.0.0.1:6001", "/ip4/127.0.0.1/tcp/6001", true},
		{"p2p_address = [::1]:6001, 127.0.0.1:6001", "127.0.0.1:6001", true},
		{"p2p_address = :6001", "[::1]:6001", true},
		{"p2p_address = 0.0.0.0:6001", "127.0.0.1:6001", true},
		{"p2p_address = 192.0.2.1:6001", "192.0.2.1:6001", true},
		{"p2p_address = 0.0.0.0:6001", "[::1]:6001", false},
		{"p2p_address = 0.0.0.0:6001", "192.0.2.1:6001", false},
		{"p2p_address = 127.0.0.1:6001", "127.0.0.1:6002", false},
		{"p2p_address = 127.0.0.1:6001", "127.0.0.2:6001", false},
		{"p2p_address = 127.0.0.1:6001", "/ip4/127.0.0.1/udp/6001/quic-v1", false},
		{"p2p_address = 127.0.0.1:6001", "/ip4/127.0.0.1/tcp/6001/p2p/" + rsaID + "/p2p-circuit", false},
		{"", "127.0.0.1:6001", false}, // the default port moves if another node has it
	} {
		c, warnings := parse(t, "[gossip]\nbootstrapper = 192.0.2.7:6001, "+test.boot+"\n"+test.listen)
		if test.own && (len(c.Bootstrap) != 1 || len(warnings) != 1 || warnings[0].Line != 2) {
			t.Errorf("%v: own address kept: %v, warnings %v", test, c.Bootstrap, warnings)
		}
		if !test.own && (len(c.Bootstrap) != 2 || len(warnings) != 0) {
			t.Errorf("%v: dropped: %v, warnings %v", test, c.Bootstrap, warnings)
		}
	}
}

// TestTooMany: a list that is too long is named by its length.
func TestTooMany(t *testing.T) {
	var all []string
	for port := range maxBootstrappers + 1 {
		all = append(all, fmt.Sprintf("192.0.2.1:%d", port+1))
	}
	for _, test := range []struct {
		key  string
		most int
	}{{"bootstrapper", maxBootstrappers}, {"p2p_address", maxListen}} {
		c, _ := parse(t, "[gossip]\n"+test.key+" = "+strings.Join(all[:test.most], ","))
		if max(len(c.Bootstrap), len(c.Listen)) != test.most {
			t.Errorf("%s: %d addresses went missing", test.key, test.most)
		}
		_, _, err := Parse("node.ini", []byte("[gossip]\n"+test.key+" = "+strings.Join(all[:test.most+1], ",")))
		if want := fmt.Sprintf("node.ini:2: %s: names %d addresses (allowed: ", test.key, test.most+1); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v", test.key, err)
		}
	}
}
