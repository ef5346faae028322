package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	somebody = "12D3KooWEGNsqWGYcLUUwZ2vkGT3ai1E7JBFgn2DkkYbWKL8jJqL"
	another  = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
)

func TestLoadPeers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "friends")
	for _, test := range []struct {
		name, text string
		want       int
		wrong      []string
	}{
		{"two", "\ufeff# friends\n\n" + somebody + " # Ann\r\n  " + another + "\n", 2, nil},
		{"none", "# nobody\n", 0, nil},
		{"empty", "", 0, nil},
		{"bad lines", "x\n" + somebody + "\n/ip4/1.2.3.4\n", 1, []string{"friends:1: \"x\" is no peer ID", "friends:3: "}},
		{"a line without end", strings.Repeat("x", 70_000), 0, []string{"friends: "}},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		peers, err := LoadPeers(path)
		if len(peers) != test.want || (err == nil) != (test.wrong == nil) {
			t.Errorf("%s: %v, %v", test.name, peers, err)
		}
		for _, w := range test.wrong {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v lacks %q", test.name, err, w)
			}
		}
	}
	for _, bad := range []string{path + "-missing", t.TempDir()} {
		if _, err := LoadPeers(bad); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestAllowPeersSetting(t *testing.T) {
	c, _, err := Parse("/etc/x/hearsay.ini", []byte("[hearsay]\nallow_peers = "+somebody+", "+another+"\nallow_peers_file = friends\nnetwork_key = swarm.key\n"))
	if err != nil || len(c.AllowPeers) != 2 || c.AllowPeers[0].String() != somebody || c.AllowPeersFile != "/etc/x/friends" || c.NetworkKey != "/etc/x/swarm.key" {
		t.Errorf("%v %v %v, %v", c.AllowPeers, c.AllowPeersFile, c.NetworkKey, err)
	}
	if _, _, err := Parse("x.ini", []byte("[hearsay]\nallow_peers = Ann\n")); err == nil || !strings.Contains(err.Error(), `"Ann" is no peer ID`) {
		t.Errorf("%v", err)
	}
}
