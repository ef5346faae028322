package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/node/gossip"
)

// TestHandshakeFailed: a dial is tried again only if it got as far as a
// handshake, and not if another peer was found.
func TestHandshakeFailed(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	broken := errors.New("failed to negotiate security protocol: EOF")
	reset := fmt.Errorf("failed to negotiate security protocol: %w", &net.OpError{Op: "read", Err: syscall.ECONNRESET})
	other := fmt.Errorf("failed to negotiate security protocol: %w", sec.ErrPeerIDMismatch{})
	dial := func(causes ...error) error {
		e := &swarm.DialError{Cause: swarm.ErrAllDialsFailed}
		for _, c := range causes {
			e.DialErrors = append(e.DialErrors, swarm.TransportError{Cause: c})
		}
		return fmt.Errorf("dialling: %w", e)
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{errors.New("something else"), false},
		{context.Canceled, false},
		{dial(), false},
		{dial(refused), false},
		{dial(context.DeadlineExceeded), false},
		{dial(broken), true},
		{dial(reset), true},
		{dial(refused, broken), true},
		{dial(other), false},
		{dial(broken, other), false},
		{dial(other, broken), false},
	} {
		if got := handshakeFailed(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

// Somebody who speaks with another network key is taken for that, also if time ends while
// the next handshake is under way: what cannot be read may look like a long message, the
// end of which never comes.
func TestMisunderstoodInTheEnd(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var stuck []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := ln.Accept()
			switch {
			case err != nil:
				return
			case n == 0:
				c.Write(bytes.Repeat([]byte{0xff}, 16)) // no length of a message
				c.Close()
			default:
				stuck = append(stuck, c)
			}
		}
	}()
	h := newHost(t)
	n := newNode(t, h, withTiming(quick))
	var other peer.ID
	for other <= h.ID() { // who dials again soon
		if other, err = peer.IDFromPrivateKey(newKey(t)); err != nil {
			t.Fatal(err)
		}
	}
	addr, err := manet.FromNetAddr(ln.Addr())
	if err != nil {
		t.Fatal(err)
	}
	h.Peerstore().AddAddr(other, addr, time.Hour)
	n.Dial(gossip.PeerID(other))
	n.awaitFailed(gossip.PeerID(other))
	if err := n.Failure(gossip.PeerID(other)).Err; !errors.Is(err, ErrHandshake) {
		t.Errorf("the dial failed with %v", err)
	}
	ln.Close()
	<-done
	if len(stuck) == 0 {
		t.Error("nobody dialled again")
	}
	for _, c := range stuck {
		c.Close()
	}
}

// TestExplain: every code that a node sends has words for the one that gets it.
func TestExplain(t *testing.T) {
	words := map[string]bool{}
	for why := range causes {
		remote := &network.StreamError{Remote: true, ErrorCode: code(why)}
		words[explain(fmt.Errorf("read: %w", remote)).Error()] = true
		local := &network.StreamError{ErrorCode: code(why)}
		if err := explain(local); !errors.Is(err, local) {
			t.Errorf("a reset by this node is explained as %v", err)
		}
	}
	for _, c := range []network.StreamErrorCode{codeNetwork, codeStale, network.StreamRateLimited} {
		words[explain(&network.StreamError{Remote: true, ErrorCode: c}).Error()] = true
	}
	if len(words) != 9 {
		t.Errorf("%d explanations: %v", len(words), words)
	}
	if err := explain(network.ErrReset); !errors.Is(err, network.ErrReset) {
		t.Errorf("%v", err)
	}
}
