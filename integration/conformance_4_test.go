package integration_test

import (
	"crypto/x509"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/gossip"
)

// The rules of the RPS API, over real TCP:
//
//	540 QUERY     4 · 540
//	541 PEER   size · 541 · P2P port u16 · number of ports u8 · 7 reserved bits, V ·
//	           for each port application u16, port u16 · IP address, 4 or 16 bytes · hostkey

const rpsQuery = "\x00\x04\x02\x1c"

// peerMessage is the PEER that tells of node i. Ports follow Gossip's.
func peerMessage(t *testing.T, c *integration.Cluster, i int, ports ...gossip.Port) string {
	t.Helper()
	at, err := manet.ToNetAddr(c.Node(i).Running().Host().Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddrPort(at.String())
	key, err := crypto.PubKeyToStdKey(c.Node(i).Identity().PrivKey().GetPublic())
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ports = append([]gossip.Port{{App: 500, Port: address.Port()}}, ports...)
	b := binary.BigEndian.AppendUint16([]byte{0, 0, 0x02, 0x1d}, address.Port())
	b = append(b, byte(len(ports)), 0)
	if address.Addr().Is6() {
		b[7] = 1
	}
	for _, p := range ports {
		b = binary.BigEndian.AppendUint16(b, p.App)
		b = binary.BigEndian.AppendUint16(b, p.Port)
	}
	b = append(append(b, address.Addr().AsSlice()...), der...)
	binary.BigEndian.PutUint16(b, uint16(len(b)))
	return string(b)
}

// expectBytes reads exactly these.
func (r *raw) expectBytes(want string) {
	r.t.Helper()
	if got := string(r.read(len(want))); got != want {
		r.t.Fatalf("node %d sent\n\t% x, want\n\t% x", r.i, got, want)
	}
}

// Of two nodes each offers the other, with where its modules are reached, over IPv6 on
// the mock network and IPv4 on loopback; each question has one answer.
func TestConformance_4_Query(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, opts ...integration.Option) {
		onion := gossip.Port{App: 560, Port: 6301}
		c := integration.New(t, 2, append(opts, integration.WithRPSAPI(), integration.WithConfig(func(i int, cfg *node.Config) {
			if i == 1 {
				cfg.Ports = []gossip.Port{onion, {App: 650}} // 0: the P2P port
			}
		}))...)
		a, b := moduleAt(t, c, 0, c.Node(0).RPSAPI()), moduleAt(t, c, 1, c.Node(1).RPSAPI())
		here, there := peerMessage(t, c, 0), peerMessage(t, c, 1)
		port := binary.BigEndian.Uint16([]byte(there[4:]))
		there = peerMessage(t, c, 1, onion, gossip.Port{App: 650, Port: port})
		a.send([]byte(rpsQuery))
		a.expectBytes(there)
		b.send([]byte(rpsQuery + rpsQuery + rpsQuery))
		b.expectBytes(here + here + here)
		a.sendPieces([]byte(rpsQuery[:1]), []byte(rpsQuery[1:]))
		a.expectBytes(there)
	})
}

// With nobody to offer a QUERY waits for somebody.
func TestConformance_4_QueryWaits(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, integration.WithRPSAPI(), integration.Pairs())
	m := moduleAt(t, c, 0, c.Node(0).RPSAPI())
	m.send([]byte(rpsQuery))
	m.expectSilence(100 * time.Millisecond)
	c.Connect(0, 1)
	m.expectBytes(peerMessage(t, c, 1))
}

// Other APIs' messages, the node's own, and a QUERY of a wrong size end the connection.
func TestConformance_4_Violations(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, integration.WithRPSAPI())
	for _, wrong := range []string{nseQuery, peerMessage(t, c, 1), "\x00\x05\x02\x1cx", "\x00\x03\x02\x1c", "GET / HTTP/1.1\r\n\r\n"} {
		m := moduleAt(t, c, 0, c.Node(0).RPSAPI())
		m.send([]byte(wrong), []byte(rpsQuery))
		m.expectClosed()
	}
}
