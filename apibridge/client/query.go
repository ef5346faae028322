package client

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"hearsay/apibridge/apimsg"
)

// Peer is a random peer of the network.
type Peer struct {
	Addr    netip.AddrPort   // where it meets other nodes
	Ports   []apimsg.AppPort // where its modules meet those of others, at the same address
	Hostkey []byte           // DER SubjectPublicKeyInfo
}

// SamplePeer asks the RPS API at address, host:port, for a random peer, on a
// connection of its own. A node that knows nobody lets the question wait for some
// seconds, and then closes the connection: io.EOF.
func SamplePeer(ctx context.Context, address string) (Peer, error) {
	m, err := ask(ctx, address, &apimsg.RPSQuery{}, apimsg.TypeRPSPeer)
	if err != nil {
		return Peer{}, err
	}
	p := m.(*apimsg.RPSPeer)
	return Peer{netip.AddrPortFrom(p.Addr, p.Port), slices.Clone(p.Ports), bytes.Clone(p.Hostkey)}, nil
}

// EstimateSize asks the NSE API at address, host:port, how many peers the network
// has, and for the standard deviation of that, on a connection of its own.
func EstimateSize(ctx context.Context, address string) (peers, deviation uint32, err error) {
	m, err := ask(ctx, address, &apimsg.NSEQuery{}, apimsg.TypeNSEEstimate)
	if err != nil {
		return 0, 0, err
	}
	e := m.(*apimsg.NSEEstimate)
	return e.Peers, e.StandardDeviation, nil
}

// ask sends one question and reads its answer.
func ask(ctx context.Context, address string, question apimsg.Message, answer apimsg.Type) (apimsg.Message, error) {
	c, err := Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.send(ctx, question); err != nil {
		return nil, err
	}
	m, err := interruptible(ctx, c.conn.SetReadDeadline, apimsg.NewReader(c.conn, answer).Next)
	if err != nil {
		return nil, fmt.Errorf("client: answer to %v: %w", question.Type(), err)
	}
	return m, nil
}
