package node

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// RumorID names a rumor: SHA-256 over its signed bytes.
type RumorID = [32]byte

// Announcement is data to spread.
type Announcement struct {
	DataType uint16 // any value is ordinary
	TTL      uint8  // hops, 0 = unlimited
	Data     []byte // up to 65,527 bytes (gossip.MaxPayload)
	Private  bool   // Data is sealed to its recipients (package envelope): a rumor of gossip.KindPrivate
}

// Announced tells what became of an Announcement.
type Announced struct {
	ID         RumorID
	Neighbours int           // to which it was pushed at once; 0 is no error: later ones get it by anti-entropy
	Work       time.Duration // spent on queueing, proof of work and signature
}

// Rumor is a rumor as a listener is told it.
type Rumor struct {
	ID       RumorID
	Origin   peer.ID
	DataType uint16
	Data     []byte // shared, not to be modified
	Private  bool   // Data is said to be sealed to recipients, who may be others
	Created  time.Time
	Expires  time.Time
	Received time.Time
}

// PeerState says what a peer is to this node now.
type PeerState string

const (
	// PeerNeighbour is linked: rumors are exchanged with it.
	PeerNeighbour PeerState = "neighbour"
	// PeerMember is known to be in the network by its presence, without a link.
	PeerMember PeerState = "member"
	// PeerKnown was heard of and could be dialled; nobody vouches for its being up.
	PeerKnown PeerState = "known"
	// PeerDown was a neighbour or was dialled, and cannot be reached.
	PeerDown PeerState = "down"
	// PeerSuspect is a member whose link broke, here or elsewhere, and that did
	// not answer; it has some seconds to say that it lives.
	PeerSuspect PeerState = "suspect"
	// PeerLost is a member that did not: several found it dead. It is a member
	// again as soon as anything newer is heard of it.
	PeerLost PeerState = "lost"
	// PeerGone announced that it left.
	PeerGone PeerState = "left"
)

// Peer is everything this node knows about another.
type Peer struct {
	ID        peer.ID
	State     PeerState
	Since     time.Time     // of State; zero if unknown
	Addrs     []string      // multiaddrs without the peer ID; of a neighbour the one in use first
	Direction string        // "in" or "out" for a neighbour, else ""
	Transport string        // "tcp", for a neighbour
	Relayed   bool          // the link goes through a relay
	RTT       time.Duration // of the last ping, 0 = not measured
	Source    string        // how it was heard of first: lan, contact, remembered, exchange, kademlia, inbound
	Agent     string        // name and version that it tells
	Interests []uint16      // data types that it takes
	Tree      bool          // presences are pushed to this neighbour in full, not only named
	TreeTypes []uint16      // data types of which rumors are, as far as both take them
	LastError string        // of the last failed dial or ended link, "" = none
	NextDial  time.Time     // when it is dialled next; zero = not planned
}

// Route is how news of a node get here: the neighbour that was the first to bring
// its latest rumor.
type Route struct {
	Origin peer.ID
	Via    peer.ID
	Since  time.Time
}

// PeerEvent is a change that people like to see.
type PeerEvent struct {
	Time time.Time
	Peer peer.ID
	What string // linked, unlinked, joined, left, expired, suspected, lost, back
	Addr string // remote address for linked
}

// Status is a summary of the node.
type Status struct {
	ID         peer.ID
	Network    string
	Agent      string
	Started    time.Time
	Addrs      []string // listen addresses with the peer ID, ready to be given to others
	Difficulty int      // leading zero bits of a rumor's proof of work
	Degree     int
	Neighbours int
	Members    int // presences alive, this node included, without those taken for lost
	// Size is how many nodes there are, this one included, and SizeDeviation the
	// standard deviation of that; 0 = each of them is known.
	Size, SizeDeviation float64
	Rumors              int // events kept
	CacheSize           int
	Held                int // rumors waiting for modules' votes
	Interests           []uint16
	Modules             int      // attached sessions and listeners
	Warnings            []string // what a user should know, in words
	// Counters by name: what was received, sent, dropped and why.
	Counters map[string]uint64
}
