package transport

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
)

func TestNetGroup(t *testing.T) {
	for text, want := range map[string]gossip.NetGroup{
		"/ip4/131.159.20.7/tcp/4001":              "131.159.0.0/16",
		"/ip4/131.159.255.255/udp/1/quic-v1":      "131.159.0.0/16",
		"/ip4/8.8.8.8/tcp/1":                      "8.8.0.0/16",
		"/ip6/2a00:4700:1:2::3/tcp/1":             "2a00:4700::/32",
		"/ip6/2a00:4700:ffff::1/tcp/1":            "2a00:4700::/32",
		"/ip6/::ffff:8.8.8.8/tcp/1":               "8.8.0.0/16",
		"/ip4/10.1.2.3/tcp/1":                     "",
		"/ip4/172.16.0.1/tcp/1":                   "",
		"/ip4/172.31.255.255/tcp/1":               "",
		"/ip4/172.32.0.1/tcp/1":                   "172.32.0.0/16",
		"/ip4/192.168.1.1/tcp/1":                  "",
		"/ip4/100.64.0.1/tcp/1":                   "", // shared by a provider's customers
		"/ip4/127.0.0.1/tcp/1":                    "",
		"/ip4/169.254.1.1/tcp/1":                  "",
		"/ip4/0.0.0.0/tcp/1":                      "",
		"/ip4/224.0.0.1/udp/1":                    "",
		"/ip6/::1/tcp/1":                          "",
		"/ip6/fe80::1/tcp/1":                      "",
		"/ip6/fd00::1/tcp/1":                      "",
		"/dns4/example.org/tcp/1":                 "",
		"/p2p-circuit":                            "",
		"/ip4/8.8.8.8/tcp/1/ws":                   "8.8.0.0/16",
		"/ip6zone/eth0/ip6/fe80::1/tcp/1":         "",
		"/ip6zone/eth0/ip6/2a00:4700::1/tcp/1/ws": "2a00:4700::/32",
	} {
		if got := NetGroup(ma.StringCast(text)); got != want {
			t.Errorf("%s is in %q, want %q", text, got, want)
		}
	}
	if got := NetGroup(nil); got != "" {
		t.Errorf("no address is in %q", got)
	}
}

// TestRecordNetGroup: an address that leads nowhere else does not hide the group.
func TestRecordNetGroup(t *testing.T) {
	key := newKey(t)
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	of := func(texts ...string) gossip.NetGroup {
		rec := &peer.PeerRecord{PeerID: id, Seq: 1}
		for _, text := range texts {
			rec.Addrs = append(rec.Addrs, ma.StringCast(text))
		}
		return RecordNetGroup(sealed(t, key, rec))
	}
	if got := of("/ip4/192.168.1.1/tcp/1", "/ip4/131.159.1.1/tcp/1", "/ip4/8.8.8.8/tcp/1"); got != "131.159.0.0/16" {
		t.Errorf("group %q", got)
	}
	if got := of("/ip4/192.168.1.1/tcp/1"); got != "" {
		t.Errorf("group %q", got)
	}
	for _, rubbish := range [][]byte{nil, []byte("rubbish"), make([]byte, gossip.MaxRecord+1)} {
		if got := RecordNetGroup(rubbish); got != "" {
			t.Errorf("rubbish is in %q", got)
		}
	}
}
