package discovery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	ma "github.com/multiformats/go-multiaddr"
)

// ErrHandshake: somebody answers at an address, but does not understand this
// node. So it is with another network key, or with none; it can also be a program
// of another kind, or a machine without time.
var ErrHandshake = errors.New("somebody answers there and cannot be talked to, as with another network key (network_key) on one side, or none")

// askID asks the node at addr for its peer ID.
//
// A libp2p handshake needs to know whom it calls, so this calls a peer that
// does not exist: the ID of a key made on the spot and forgotten. The node at
// the other end proves who it is instead, and the handshake fails with that.
// Since the ID is new each time, the swarm's back-off after failed dials, which
// is kept by peer, never delays the next question.
func askID(ctx context.Context, h host.Host, addr ma.Multiaddr, asking func(peer.ID) func()) (peer.ID, error) {
	_, public, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return "", err
	}
	nobody, err := peer.IDFromPublicKey(public)
	if err != nil {
		return "", err
	}
	defer func() { // nothing of nobody stays behind
		h.Peerstore().ClearAddrs(nobody)
		h.Peerstore().RemovePeer(nobody)
	}()
	if asking != nil {
		defer asking(nobody)()
	}
	ctx = network.WithForceDirectDial(ctx, "asking for a peer ID")
	err = h.Connect(ctx, peer.AddrInfo{ID: nobody, Addrs: []ma.Multiaddr{addr}})
	var mismatch sec.ErrPeerIDMismatch
	switch {
	case errors.As(err, &mismatch):
		return mismatch.Actual, nil
	case err == nil:
		h.Network().ClosePeer(nobody)
		return "", errors.New("it claims a key that it cannot have")
	case ctx.Err() != nil:
		return "", fmt.Errorf("no answer: %w", ctx.Err())
	}
	// The swarm's error repeats the made-up ID; only what went wrong at the
	// address is of interest.
	var dial interface{ Unwrap() []error }
	if errors.As(err, &dial) {
		if causes := dial.Unwrap(); len(causes) > 0 {
			err = causes[len(causes)-1]
		}
	}
	if strings.Contains(err.Error(), "failed to negotiate security protocol") { // which has no type
		err = fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return "", err
}
