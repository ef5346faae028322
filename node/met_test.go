package node

import (
	"strconv"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Any number of peers with new keys makes nobody forget a neighbour, whether as a relay
// or as one to relay for. One that is gone is remembered from the end of its link on.
func TestNewKeysDoNotSupplantNeighbours(t *testing.T) {
	n, _ := startNode(t, nil)
	old, stop := startNode(t, nil)
	introduce(n, old)
	meet(t, n, old)
	came := 0
	crowd := func(size int) {
		for range size {
			came++
			n.met.Add(peer.ID("key "+strconv.Itoa(came)), nil)
		}
	}
	crowd(maxMet)
	acl := relayACL{&n.reach}
	if !acl.AllowReserve(old.ID(), nil) || !acl.AllowConnect(old.ID(), nil, old.ID()) {
		t.Error("a neighbour's relaying is refused")
	}
	through := multiaddr.StringCast("/ip4/192.0.2.1/tcp/1/p2p/" + old.ID().String() + "/p2p-circuit")
	if len(n.viaRelay([]multiaddr.Multiaddr{through})) != 1 {
		t.Error("a neighbour is not known as a relay")
	}

	stop()
	eventually(t, "the link is over", func() bool { return len(n.coreStatus().Neighbours) == 0 })
	crowd(maxMet - 1)
	if !acl.AllowReserve(old.ID(), nil) {
		t.Error("who was a neighbour until now is forgotten before those who came earlier")
	}
	crowd(1)
	if acl.AllowReserve(old.ID(), nil) {
		t.Error("who has no link is never forgotten")
	}
}
