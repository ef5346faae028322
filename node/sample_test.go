package node

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
	"hearsay/node/identity"
)

// Of three nodes, one with an RSA key, each offers the other two, with the
// address, ports and key that are theirs, and knows that there are three.
func TestSamplePeer(t *testing.T) {
	a, _ := startNode(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if p, err := a.SamplePeer(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("alone, sampled %+v (%v)", p, err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hostkey.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600); err != nil {
		t.Fatal(err)
	}
	b, _ := startNode(t, func(c *Config) {
		if c.Identity, err = identity.Load(file); err != nil {
			t.Fatal(err)
		}
		c.Ports = []gossip.Port{{App: 560, Port: 6301}, {App: 650}}
	})
	c, _ := startNode(t, nil)
	for _, n := range []*Node{b, c} {
		n.Introduce(peer.AddrInfo{ID: a.ID(), Addrs: a.Host().Addrs()})
	}
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	all := []*Node{a, b, c}
	for _, n := range all {
		seen := make(map[peer.ID]SampledPeer)
		for len(seen) < 2 {
			p, err := n.SamplePeer(ctx)
			if err != nil {
				t.Fatalf("after %d: %v", len(seen), err)
			}
			seen[p.ID] = p
		}
		for id, p := range seen {
			i := slices.IndexFunc(all, func(n *Node) bool { return n.ID() == id })
			if i < 0 || all[i] == n {
				t.Fatalf("sampled %v", id)
			}
			der, err := x509.ParsePKIXPublicKey(p.Hostkey)
			if err != nil {
				t.Fatalf("hostkey: %v", err)
			}
			public, err := crypto.PubKeyToStdKey(all[i].cfg.Identity.PrivKey().GetPublic())
			if err != nil || !samePublic(public, der) {
				t.Errorf("another hostkey than that of %v: %T (%v)", id, der, err)
			}
			port := p.Addr.Port()
			want := []gossip.Port{{App: 500, Port: port}}
			if all[i] == b {
				want = append(want, gossip.Port{App: 560, Port: 6301}, gossip.Port{App: 650, Port: port})
			}
			if !slices.Equal(p.Ports, want) {
				t.Errorf("ports of %v: %v, want %v", id, p.Ports, want)
			}
			if p.Addr.Addr().String() != "127.0.0.1" || bestAddr(all[i].Host().Addrs()) != p.Addr {
				t.Errorf("%v is at %v, told is %v", id, all[i].Host().Addrs(), p.Addr)
			}
		}
		for nodes, deviation := n.EstimateSize(); nodes != 3 || deviation != 0; nodes, deviation = n.EstimateSize() {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("estimates %v ± %v, want 3", nodes, deviation)
			}
		}
	}
	if s := a.Status(); s.Size != 3 || s.SizeDeviation != 0 {
		t.Errorf("status: %v ± %v", s.Size, s.SizeDeviation)
	}
}

// IPv4 is preferred; what has no port, or leads elsewhere, is no address.
func TestBestAddr(t *testing.T) {
	for _, row := range []struct {
		want  string
		addrs []string
	}{
		{"invalid AddrPort", nil},
		{"192.0.2.1:6001", []string{"/ip6/2001:db8::1/tcp/6001", "/ip4/192.0.2.1/tcp/6001", "/ip4/192.0.2.2/tcp/6001"}},
		{"[2001:db8::1]:6001", []string{"/ip4/192.0.2.1/udp/6001", "/ip6/2001:db8::1/tcp/6001", "/ip6/2001:db8::2/tcp/6001"}},
		{"invalid AddrPort", []string{"/ip6zone/eth0/ip6/fe80::1/tcp/6001"}},
	} {
		var addrs []multiaddr.Multiaddr
		for _, a := range row.addrs {
			addrs = append(addrs, multiaddr.StringCast(a))
		}
		if got := bestAddr(addrs).String(); got != row.want {
			t.Errorf("of %v: %v, want %v", row.addrs, got, row.want)
		}
	}
}

func samePublic(a, b any) bool {
	x, err := x509.MarshalPKIXPublicKey(a)
	y, err2 := x509.MarshalPKIXPublicKey(b)
	return err == nil && err2 == nil && slices.Equal(x, y)
}
