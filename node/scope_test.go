package node

import (
	"testing"

	"github.com/multiformats/go-multiaddr"
)

// TestDialable: what a record names is dialled only where it can lead to the
// peer and not to somebody inside this node's own network.
func TestDialable(t *testing.T) {
	const public, lan, alone = "/ip4/131.159.1.1/tcp/4001", "/ip4/192.168.7.7/tcp/4001", "/ip4/127.0.0.1/tcp/4001"
	for text, want := range map[string]struct{ public, lan, alone bool }{
		"/ip4/8.8.8.8/tcp/1":              {true, true, true},
		"/ip4/172.32.0.1/tcp/1":           {true, true, true},
		"/ip6/2a00:4700::1/tcp/1":         {true, true, true},
		"/ip6/100::1/tcp/1":               {true, true, true}, // a mock network's
		"/ip4/10.0.0.1/tcp/1":             {false, true, false},
		"/ip4/172.16.0.1/tcp/1":           {false, true, false},
		"/ip4/192.168.1.1/tcp/22":         {false, true, false},
		"/ip6/fd00::1/tcp/1":              {false, true, false},
		"/ip4/127.0.0.1/tcp/1":            {false, false, true},
		"/ip4/127.9.9.9/tcp/1":            {false, false, true},
		"/ip6/::1/tcp/1":                  {false, false, true},
		"/ip4/0.0.0.0/tcp/1":              {},
		"/ip6/::/tcp/1":                   {},
		"/ip4/224.0.0.251/udp/5353":       {},
		"/ip6/ff02::fb/udp/5353":          {},
		"/ip4/169.254.169.254/tcp/80":     {},
		"/ip6/fe80::1/tcp/1":              {},
		"/ip6zone/eth0/ip6/fe80::1/tcp/1": {},
		"/dns4/victim.example/tcp/443":    {},
		"/dnsaddr/victim.example":         {},
		"/unix/tmp/socket":                {},
		"/p2p-circuit":                    {},
		"/ip4/8.8.8.8/tcp/1/p2p-circuit":  {},
		"/ip4/8.8.8.8/udp/1/quic-v1":      {true, true, true},
	} {
		for own, want := range map[string]bool{public: want.public, lan: want.lan, alone: want.alone} {
			got := dialable([]multiaddr.Multiaddr{multiaddr.StringCast(text)}, []multiaddr.Multiaddr{multiaddr.StringCast(own)})
			if (len(got) == 1) != want {
				t.Errorf("a node at %s would dial %s: %v", own, text, len(got) == 1)
			}
		}
	}
	// Who is in both may dial both.
	both := []multiaddr.Multiaddr{multiaddr.StringCast(public), multiaddr.StringCast(lan), multiaddr.StringCast(alone)}
	if got := dialable(both, both); len(got) != 2 {
		t.Errorf("a node at %v would dial %v", both, got)
	}
}
