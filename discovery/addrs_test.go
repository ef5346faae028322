package discovery

import (
	"fmt"
	"slices"
	"testing"

	ma "github.com/multiformats/go-multiaddr"
)

func addrs(texts ...string) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, t := range texts {
		out = append(out, ma.StringCast(t))
	}
	return out
}

func TestLinkAddrs(t *testing.T) {
	const relay = "/p2p/12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu/p2p-circuit"
	for text, want := range map[string]bool{
		"/ip4/10.0.0.7/tcp/4001":           true,
		"/ip4/192.0.2.7/tcp/4001":          true,
		"/ip4/169.254.1.2/tcp/4001":        true,
		"/ip6/fd00::7/tcp/4001":            true,
		"/ip6/2001:db8::7/udp/1/quic-v1":   true,
		"/ip4/127.0.0.1/tcp/4001":          false,
		"/ip4/127.9.9.9/tcp/22":            false,
		"/ip6/::1/tcp/4001":                false,
		"/ip4/0.0.0.0/tcp/4001":            false,
		"/ip6/::/tcp/4001":                 false,
		"/ip4/224.0.0.251/tcp/5353":        false,
		"/ip6/ff02::fb/tcp/5353":           false,
		"/ip4/255.255.255.255/tcp/1":       false,
		"/ip6/fe80::1/tcp/4001":            false,
		"/dns4/victim.example/tcp/80":      false,
		"/dnsaddr/victim.example":          false,
		"/unix/run/x.sock":                 false,
		"/ip4/10.0.0.7/tcp/4001" + relay:   false,
		"/ip6/::ffff:127.0.0.1/tcp/4001":   false,
		"/ip6/::ffff:224.0.0.1/tcp/4001":   false,
		"/memory/1":                        false,
		"/p2p/12D3KooWHHzSeKaY8xuZVzkLbKF": false,
	} {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			if want {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if got := len(linkAddrs([]ma.Multiaddr{a})) == 1; got != want {
			t.Errorf("%s: kept %v, want %v", text, got, want)
		}
	}
	var many []ma.Multiaddr
	for i := range 100 {
		many = append(many, ma.StringCast(fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", i+1)))
	}
	if n := len(linkAddrs(many)); n != maxAddrs {
		t.Errorf("%d of 100 addresses kept, want %d", n, maxAddrs)
	}
}

func TestIPv4First(t *testing.T) {
	in := addrs("/ip6/2001:db8::2/tcp/1", "/ip4/10.0.0.2/tcp/1", "/ip6/2001:db8::1/tcp/1", "/ip4/10.0.0.1/tcp/1")
	want := addrs("/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.2/tcp/1", "/ip6/2001:db8::1/tcp/1", "/ip6/2001:db8::2/tcp/1")
	ipv4First(in)
	if !slices.EqualFunc(in, want, ma.Multiaddr.Equal) {
		t.Errorf("got %v", in)
	}
}
