package transport

import (
	"sync/atomic"

	"hearsay/node/gossip"
)

// Kinds of message, as metrics name them.
var kindNames = [...]string{
	"interests", "push", "receipt", "ping", "pong", "bye", "sync", "want", "fill", "peers_request", "peer_list",
	"have", "graft",
}

const kinds = len(kindNames)

// classify gives a message's place in kindNames, and its lane.
func classify(m gossip.Message) (kind int, lane laneID) {
	switch m.(type) {
	case *gossip.Interests:
		return 0, gossipLane
	case *gossip.Push:
		return 1, gossipLane
	case *gossip.Receipt:
		return 2, gossipLane
	case *gossip.Ping:
		return 3, gossipLane
	case *gossip.Pong:
		return 4, gossipLane
	case *gossip.Bye:
		return 5, gossipLane
	case *gossip.Sync:
		return 6, syncLane
	case *gossip.Want:
		return 7, syncLane
	case *gossip.Fill:
		return 8, syncLane
	case *gossip.PeersRequest:
		return 9, peersLane
	case *gossip.PeerList:
		return 10, peersLane
	case *gossip.Have:
		return 11, gossipLane
	case *gossip.Graft:
		return 12, gossipLane
	}
	return 0, lanes
}

// Why links end, and streams are refused.
type cause uint8

const (
	endHangup    cause = iota // the core ended it
	endLeave                  // this node leaves
	endClose                  // this node stops
	endPeer                   // the peer ended it in an orderly way
	endReset                  // the peer reset a stream, or the connection broke
	endReplaced               // the peer began a new link
	endSlow                   // the peer did not take what was sent in time
	endStalled                // a frame did not end in time
	endFrame                  // malformed frame
	endRumor                  // malformed rumor
	endLane                   // message on the wrong lane, or against the stream's direction
	endOpen                   // a lane could not be opened
	endPanic                  // a fault in this program
	endRelay                  // a relayed link has used up what relays allow, or a direct way was found
	refusedMany               // stream refused: too many of one peer at once
	refusedHello              // stream refused: no proper hello
	refusedNet                // stream refused: of another network
	refusedStale              // stream refused: of a link that is over
	causes
)

// violation reports whether the peer sent what no honest one sends.
func (c cause) violation() bool { return c == endFrame || c == endRumor || c == endLane }

var causeNames = [causes]string{
	"hangup", "leave", "close", "peer", "reset", "replaced", "slow", "stalled", "frame", "rumor", "lane", "open", "panic", "relay",
	"too_many_streams", "no_hello", "other_network", "stale_stream",
}

type counters struct {
	messages, bytes [2][kinds]atomic.Uint64
	ends            [causes]atomic.Uint64
	dropped         atomic.Uint64
	unsendable      atomic.Uint64
	unknown         atomic.Uint64
	badRecords      atomic.Uint64
	unasked         atomic.Uint64
	panics          atomic.Uint64
}

func (c *counters) count(d Direction, kind, bytes int) {
	c.messages[d][kind].Add(1)
	c.bytes[d][kind].Add(uint64(bytes))
}

// Count is a number of messages and their frames' size in bytes.
type Count struct{ Messages, Bytes uint64 }

// Stats counts since the start. The keys of the maps never change.
type Stats struct {
	Sent, Received map[string]Count  // by kind of message
	Ended          map[string]uint64 // links ended and streams refused, by reason
	Dropped        uint64            // messages for which a queue was full
	Unsendable     uint64            // messages that the core should not have made
	Unknown        uint64            // frames of a kind that this version does not know
	BadRecords     uint64            // peer records that did not verify
	Unasked        uint64            // peer lists that were not asked for
	Panics         uint64            // faults caught at a stream
}

// Stats reads the counters.
func (t *Transport) Stats() Stats {
	c := &t.stats
	s := Stats{
		Sent:       make(map[string]Count, kinds),
		Received:   make(map[string]Count, kinds),
		Ended:      make(map[string]uint64, causes),
		Dropped:    c.dropped.Load(),
		Unsendable: c.unsendable.Load(),
		Unknown:    c.unknown.Load(),
		BadRecords: c.badRecords.Load(),
		Unasked:    c.unasked.Load(),
		Panics:     c.panics.Load(),
	}
	for i, name := range kindNames {
		s.Sent[name] = Count{c.messages[Out][i].Load(), c.bytes[Out][i].Load()}
		s.Received[name] = Count{c.messages[In][i].Load(), c.bytes[In][i].Load()}
	}
	for i, name := range causeNames {
		s.Ended[name] = c.ends[i].Load()
	}
	return s
}
