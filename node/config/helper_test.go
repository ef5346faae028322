package config

import (
	"testing"

	ma "github.com/multiformats/go-multiaddr"
)

// rsaID is the ID of some peer.
const rsaID = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"

func addr(t *testing.T, s string) ma.Multiaddr {
	t.Helper()
	m, err := ma.NewMultiaddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func addrs(t *testing.T, all ...string) []ma.Multiaddr {
	t.Helper()
	var ms []ma.Multiaddr
	for _, s := range all {
		ms = append(ms, addr(t, s))
	}
	return ms
}
