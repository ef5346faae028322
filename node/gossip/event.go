package gossip

import "time"

// Event is something that happened to a node: State.Handle takes it in.
type Event interface{ event() }

// Tick only lets time pass. The driver sends it when Deadline has come.
type Tick struct{}

// Publish asks for a rumor of this node's own. The core numbers and stamps it,
// tells it to the other local modules, and answers with a Seal action. If it then
// cannot be sealed (the node leaves, ErrSeal, ErrBusy), they have heard something
// that no other node will, and Refused tells the announcer so.
type Publish struct {
	Ticket   uint64 // returned in Published or Refused
	From     ModuleID
	Kind     Kind // KindEvent, KindState or KindPrivate
	DataType uint16
	Key      string
	TTL      uint8
	Lifetime time.Duration // 0 = Config.Lifetime
	Payload  []byte

	urgent bool   // the leave
	ahead  bool   // a presence
	told   uint64 // of an earlier attempt (pendingRumor)
}

// Sealed returns a rumor from a Seal action with proof of work and signature.
// The driver returns rumors in the order in which the core asked for them, but
// for those that go ahead. Numbers need not come back in order.
type Sealed struct{ Rumor *Rumor }

// SealFailed tells that a rumor of a Seal action will never be sealed.
type SealFailed struct{ ID RumorID }

// EpochRaised answers RaiseEpoch: the new epoch is on disk.
type EpochRaised struct{ Epoch uint64 }

// ModuleID names a local module: a session of the module API, or a program
// that embeds the node. 0 is nobody.
type ModuleID uint64

// Subscribe makes a module a taker of a data type. Repeating it changes nothing.
type Subscribe struct {
	Module   ModuleID
	DataType uint16
	// Votes says that the module will answer every delivery with a Vote. A
	// module that does not vote only listens.
	Votes bool
}

// Vote is a module's word on a rumor that it was told.
type Vote struct {
	Module ModuleID
	ID     RumorID
	Valid  bool
}

// ModuleGone ends a module's subscriptions and withdraws its open votes.
type ModuleGone struct{ Module ModuleID }

// LinkUp tells that messages can be sent to a peer and that it can send to us:
// both directions have been opened and greeted.
type LinkUp struct {
	Peer PeerID
	// Dialled says that the link came of a Dial of this node.
	Dialled bool
	// Net is the network group of the address that the peer has on this link.
	Net NetGroup
	// Relayed says that the link goes through a third peer, which ends it after
	// little data and some minutes.
	Relayed bool
}

// Broke tells that a linked peer sent what no honest node sends, such as a frame or a rumor
// that cannot be read. The driver ends the link for it: LinkDown is next.
type Broke struct{ Peer PeerID }

// LinkDown tells that the link to a peer has ended, for whatever reason.
type LinkDown struct{ Peer PeerID }

// Received is a message from a linked peer.
type Received struct {
	From PeerID
	Msg  Message
}

// SendDropped tells that a message could not be queued because the link is
// slower than what it was given.
type SendDropped struct {
	To  PeerID
	Msg Message
}

// Source tells how a peer was heard of.
type Source uint8

const (
	// SourceInbound: it came to us.
	SourceInbound Source = iota + 1
	// SourceLAN: mDNS, or another node on this machine.
	SourceLAN
	// SourceContact: configured as a first contact.
	SourceContact
	// SourceRemembered: known from an earlier run.
	SourceRemembered
	// SourceExchange: named by a peer, in a peer list or by its presence.
	SourceExchange
	// SourceKademlia: found in the DHT.
	SourceKademlia
)

// String is the word that users see.
func (s Source) String() string {
	switch s {
	case SourceInbound:
		return "inbound"
	case SourceLAN:
		return "lan"
	case SourceContact:
		return "contact"
	case SourceRemembered:
		return "remembered"
	case SourceExchange:
		return "exchange"
	case SourceKademlia:
		return "kademlia"
	}
	return "unknown"
}

// Candidate tells of a peer that could be dialled: the driver has an address.
type Candidate struct {
	Peer   PeerID
	Source Source
	// Record is the peer's signed record if there is one, for handing on.
	Record *PeerRecord
	// Net is the network group of the peer's addresses.
	Net NetGroup
	// Takes are data types that the peer is said to take, up to MaxTakes: it is
	// dialled if takers of them are missing.
	Takes []uint16
	// Anchor says that it was one of the oldest neighbours of the last run's own
	// choice: it is dialled before others.
	Anchor bool
}

// Reached answers a Dial with Probe: the peer is there.
type Reached struct{ Peer PeerID }

// DialFailed tells that a Dial did not lead to a link, or a probe nowhere.
type DialFailed struct{ Peer PeerID }

// SelfRecord tells this node's own signed peer record, at the start and
// whenever its addresses change.
type SelfRecord struct{ Record PeerRecord }

// SelfKey tells the certificate that goes into this node's presence as
// Presence.Key, at the start and whenever it is renewed.
type SelfKey struct{ Certificate []byte }

// Leave asks the node to say goodbye. The core answers with Farewell.
type Leave struct{}

func (Tick) event()        {}
func (Publish) event()     {}
func (Sealed) event()      {}
func (SealFailed) event()  {}
func (EpochRaised) event() {}
func (Subscribe) event()   {}
func (Vote) event()        {}
func (ModuleGone) event()  {}
func (LinkUp) event()      {}
func (Broke) event()       {}
func (LinkDown) event()    {}
func (Received) event()    {}
func (SendDropped) event() {}
func (Candidate) event()   {}
func (Reached) event()     {}
func (DialFailed) event()  {}
func (SelfRecord) event()  {}
func (SelfKey) event()     {}
func (Leave) event()       {}
