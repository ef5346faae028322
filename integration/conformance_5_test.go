package integration_test

import (
	"testing"

	"hearsay/integration"
)

// The rules of the NSE API, over real TCP:
//
//	520 QUERY      4 · 520
//	521 ESTIMATE  12 · 521 · peers u32 · standard deviation u32

const nseQuery = "\x00\x04\x02\x08"

// estimate is an ESTIMATE of a few nodes that are all known.
func estimate(nodes byte) string {
	return "\x00\x0c\x02\x09\x00\x00\x00" + string([]byte{nodes}) + "\x00\x00\x00\x00"
}

// A node counts itself, and others when it knows them; each question has one answer.
func TestConformance_5_Query(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, integration.WithNSEAPI(), integration.Pairs())
	m := moduleAt(t, c, 0, c.Node(0).NSEAPI())
	settled := func(nodes byte) {
		t.Helper()
		c.Await("a node to be sure how many there are", func() bool {
			m.send([]byte(nseQuery))
			got := string(m.read(12))
			if got[:8] != estimate(nodes)[:8] && got[:8] != estimate(1)[:8] {
				t.Fatalf("the answer is % x", got)
			}
			return got == estimate(nodes)
		})
	}
	settled(1)
	c.Connect(0, 1)
	settled(2) // the doubt passes a few seconds after the last news
	m.send([]byte(nseQuery + nseQuery + nseQuery))
	m.expectBytes(estimate(2) + estimate(2) + estimate(2))
	m.sendPieces([]byte(nseQuery[:3]), []byte(nseQuery[3:]))
	m.expectBytes(estimate(2))
}

// Other APIs' messages, the node's own, and a QUERY of a wrong size end the connection.
func TestConformance_5_Violations(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1, integration.WithNSEAPI())
	for _, wrong := range []string{rpsQuery, estimate(1), "\x00\x05\x02\x08x", "\x00\x03\x02\x08", "GET / HTTP/1.1\r\n\r\n"} {
		m := moduleAt(t, c, 0, c.Node(0).NSEAPI())
		m.send([]byte(wrong), []byte(nseQuery))
		m.expectClosed()
	}
}
