package node

import (
	"slices"
	"testing"

	"hearsay/node/gossip"
)

// A presence waits for no announcement that is not begun, and two of them keep
// their order.
func TestPresenceIsSealedAhead(t *testing.T) {
	s := &sealer{running: true} // somebody is at work
	numbered := func(seq uint64) *gossip.Rumor { return &gossip.Rumor{Header: gossip.Header{Seq: seq}} }
	for _, a := range []gossip.Seal{
		{Rumor: numbered(1)}, {Rumor: numbered(2)},
		{Rumor: numbered(3), Ahead: true}, {Rumor: numbered(4)}, {Rumor: numbered(5), Ahead: true},
	} {
		s.add(a)
	}
	var order []uint64
	for _, a := range s.queue {
		order = append(order, a.Rumor.Seq)
	}
	if want := []uint64{3, 5, 1, 2, 4}; !slices.Equal(order, want) {
		t.Errorf("sealed in the order %v, want %v", order, want)
	}
}
