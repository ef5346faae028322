package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

const someID = "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu"

func TestParseContact(t *testing.T) {
	for text, want := range map[string]struct{ addr, id string }{
		"192.0.2.7:4001":                         {"/ip4/192.0.2.7/tcp/4001", ""},
		"127.0.0.1:4001":                         {"/ip4/127.0.0.1/tcp/4001", ""},
		"[2001:db8::7]:4001":                     {"/ip6/2001:db8::7/tcp/4001", ""},
		"[::ffff:192.0.2.7]:4001":                {"/ip4/192.0.2.7/tcp/4001", ""},
		"[fe80::7%eth0]:4001":                    {"/ip6zone/eth0/ip6/fe80::7/tcp/4001", ""},
		"node.example:4001":                      {"/dns/node.example/tcp/4001", ""},
		"my_phone:65535":                         {"/dns/my_phone/tcp/65535", ""},
		"/ip4/192.0.2.7/tcp/4001":                {"/ip4/192.0.2.7/tcp/4001", ""},
		"/ip4/192.0.2.7/tcp/4001/p2p/" + someID:  {"/ip4/192.0.2.7/tcp/4001", someID},
		"/dns4/node.example/tcp/1/p2p/" + someID: {"/dns4/node.example/tcp/1", someID},
		"/ip4/192.0.2.7/udp/4001/quic-v1":        {"/ip4/192.0.2.7/udp/4001/quic-v1", ""},
		"/ip6zone/eth0/ip6/fe80::7/tcp/4001":     {"/ip6zone/eth0/ip6/fe80::7/tcp/4001", ""},
		"/ip4/192.0.2.7/tcp/1/p2p/" + someID + "/p2p-circuit/p2p/" + someID: {"/ip4/192.0.2.7/tcp/1/p2p/" + someID + "/p2p-circuit", someID},
	} {
		c, err := ParseContact(text)
		if err != nil {
			t.Error(err)
			continue
		}
		id := ""
		if c.ID() != "" {
			id = c.ID().String()
		}
		if c.addr.String() != want.addr || id != want.id || c.String() != text {
			t.Errorf("%s is read as %s, ID %q", text, c.addr, id)
		}
	}
	for text, says := range map[string]string{
		"":                              "neither host:port",
		"192.0.2.7":                     "neither host:port",
		"2001:db8::7":                   "neither host:port",
		"node.example:":                 "port",
		"node.example:0":                "port",
		"node.example:65536":            "port",
		"node.example:http":             "port",
		":4001":                         "neither a host name",
		"a b:4001":                      "neither a host name",
		"http://node.example:4001":      "neither",
		"0.0.0.0:4001":                  "single machine",
		"[::]:4001":                     "single machine",
		"224.0.0.1:4001":                "single machine",
		"/ip4/192.0.2.7":                "no port",
		"/ip4/192.0.2.7/tcp/0":          "no port",
		"/ip4/192.0.2.7.1/tcp/4001":     "ip4",
		"/dnsaddr/node.example":         "begin with",
		"/unix/run/node.sock":           "begin with",
		"/p2p/" + someID:                "peer ID only",
		"/ip4/192.0.2.7/tcp/1/p2p/nope": "p2p",
		"/ip4/192.0.2.7/tcp/1/p2p/" + someID + "/p2p-circuit": "relay",
	} {
		c, err := ParseContact(text)
		if err == nil {
			t.Errorf("%q is accepted as %v", text, c.addr)
		} else if !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("%q: the error %q does not say %q", text, err, says)
		}
	}
}

func FuzzParseContact(f *testing.F) {
	for _, s := range []string{"a:1", "[::1]:2", "/ip4/1.2.3.4/tcp/5", "/dns/a/tcp/1/p2p/" + someID, "[fe80::1%a]:1", "/ip6zone/a/ip6/fe80::1/tcp/1"} {
		f.Add(s)
	}
	none := func(context.Context, string, string) ([]netip.Addr, error) { return nil, errors.New("no network") }
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseContact(s)
		if err != nil {
			return
		}
		if portOf(c.addr) < 1 || portOf(c.addr) > 65535 || c.String() != s {
			t.Errorf("%q became %v", s, c.addr)
		}
		if a, err := c.resolve(t.Context(), none); err == nil && (len(a) != 1 || !isUnicast(a[0])) {
			t.Errorf("%q resolves to %v", s, a)
		}
	})
}

func TestResolve(t *testing.T) {
	var asked string
	answer := []string{"2001:db8::1", "192.0.2.2", "::ffff:192.0.2.1", "192.0.2.2", "0.0.0.0"}
	lookup := func(_ context.Context, network, host string) (ips []netip.Addr, err error) {
		asked = network + " " + host
		for _, a := range answer {
			ips = append(ips, netip.MustParseAddr(a))
		}
		return ips, nil
	}
	c, err := ParseContact("node.example:4001")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.resolve(t.Context(), lookup)
	if err != nil || asked != "ip node.example" ||
		fmt.Sprint(got) != "[/ip4/192.0.2.1/tcp/4001 /ip4/192.0.2.2/tcp/4001 /ip6/2001:db8::1/tcp/4001]" {
		t.Errorf("%v gives %v, %v", asked, got, err)
	}
	answer = nil
	if got, err := c.resolve(t.Context(), lookup); err == nil {
		t.Errorf("no address is taken for %v", got)
	}
	for i := range 100 {
		answer = append(answer, fmt.Sprintf("192.0.2.%d", i+1))
	}
	if got, _ := c.resolve(t.Context(), lookup); len(got) != maxAddrs {
		t.Errorf("%d addresses of one name, want %d", len(got), maxAddrs)
	}
	c, err = ParseContact("/dns6/node.example/tcp/1/p2p/" + someID)
	if err != nil {
		t.Fatal(err)
	}
	if c.resolve(t.Context(), lookup); asked != "ip6 node.example" {
		t.Errorf("asked for %q", asked)
	}
}

func mustContact(t testing.TB, text string) Contact {
	t.Helper()
	c, err := ParseContact(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustID(t testing.TB, text string) peer.ID {
	t.Helper()
	id, err := peer.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
