package gossip

// Message is what two cores say to each other. The adapter turns messages into
// frames; the simulator hands them over as they are. Messages are immutable
// once sent: one Push is shared by all links that it goes to.
type Message interface{ message() }

// Caps on what one message may hold. The decoder enforces them before the core
// sees a message, the core when it makes one.
const (
	MaxInterests = 1024      // data types in one list
	MaxVerdicts  = 4096      // verdicts in one Receipt
	MaxRecords   = 64        // peer records in one PeerList
	MaxOffered   = 16        // peer records in one PeersRequest
	MaxRecord    = 4096      // bytes of one signed peer record
	MaxRanges    = 1024      // ranges in one Sync
	MaxIDs       = 4096      // rumor IDs in one Sync, Want, Have or Graft
	MaxHeld      = 1<<16 - 1 // milliseconds in Have
)

// Interests is the full list of data types that the sender takes. It is the
// first message on a link and is sent again whenever the list changes; until
// it is here the peer takes nothing.
type Interests struct {
	Types []uint16 // ascending
	// Carries says that the sender also carries what everybody carries.
	Carries bool
}

// Push carries a rumor down a link. Every Push is answered by one verdict.
type Push struct {
	Rumor *Rumor
	Hops  uint8 // links travelled, this one included; 255 = that or more
	// Rooted says that the sender has a tree of its own for the rumor's origin:
	// if it is a duplicate, the shared tree has no part in that.
	Rooted bool
	// Landmark is by whose tree it travels, see Near; 0 = by none's.
	Landmark uint64
}

// Verdict is what became of one pushed rumor.
type Verdict uint8

const (
	// VerdictNew: verified and kept; the receiver now sees to its spreading.
	VerdictNew Verdict = iota
	// VerdictDuplicate: the receiver knew it. The link leaves the group's tree.
	VerdictDuplicate
	// VerdictUnwanted: no module of the receiver takes this data type.
	VerdictUnwanted
	// VerdictStale: expired, superseded, or of a sequence number long passed.
	VerdictStale
	// VerdictBusy: the receiver has no room now. The rumor is not lost:
	// anti-entropy offers it again.
	VerdictBusy
	// VerdictInvalid: malformed, forged, or short of work.
	VerdictInvalid
	// VerdictElsewhere: the receiver knew it, for this origin's rumors come to it
	// another way. The link leaves the tree of that origin.
	VerdictElsewhere
	// VerdictKnown: the receiver knew it by chance, because it had been asking
	// round or comparing, or may have seen another of its number. The link stays as it is.
	VerdictKnown

	verdicts // how many there are
)

// Valid reports whether v is one of the verdicts above.
func (v Verdict) Valid() bool { return v < verdicts }

// Receipt answers the oldest unanswered pushes of a link, in their order. Links
// are ordered and reliable, so counting replaces naming: a verdict is one byte.
type Receipt struct {
	Verdicts []Verdict
}

// Have tells which rumors of a group the sender could give: what Push would
// carry on a link that is not part of the group's tree.
type Have struct {
	Group Group
	IDs   []ShortID
	// Held is for how many milliseconds the sender has had each, up to MaxHeld:
	// the receiver learns by it how early the rumor would have come this way.
	Held []uint16
	// Ask says that the rumors will not come by a tree unless they are asked for:
	// they are too large to be sent on a guess.
	Ask bool
	// Near tells how far landmarks are, at most MaxNear: by their trees the sender
	// pushes what comes from afar.
	Near []Near
}

// Graft asks to be pushed rumors, and all later ones of their group, too.
type Graft struct {
	Group Group
	// IDs are rumors that the sender lacks. Without them and Origins it asks for
	// later ones only.
	IDs []ShortID
	// Origins are rumors that the sender has, one of each origin whose later ones
	// it wants from here: the link joins the trees of these origins.
	Origins []ShortID
}

// Ping asks for a Pong with the same number.
type Ping struct{ Number uint64 }

// Pong answers a Ping.
type Pong struct{ Number uint64 }

// PeerRecord is a peer's signed statement of its addresses, as libp2p defines
// it (a signed envelope around a peer record). In a PeerList it is verified
// before the core sees it; one from a presence is vouched for by the rumor's
// signature, and read when the peer is dialled.
type PeerRecord struct {
	Peer  PeerID
	Seq   uint64 // of the record: a larger one is newer
	Bytes []byte // the signed envelope, at most MaxRecord
}

// PeersRequest asks for peers that the receiver knows, and offers some in
// exchange: the sender's own record first if it has one.
type PeersRequest struct {
	Records []PeerRecord // at most MaxOffered
}

// PeerList answers a PeersRequest. One that was not asked for is ignored, unless it is
// the first on its link and the receiver has not come to ask: it was sent away.
type PeerList struct {
	Records []PeerRecord // at most MaxRecords
}

// Bye refuses or ends a link. The sender closes it next.
type Bye struct{ Reason ByeReason }

// ByeReason says why a link ends.
type ByeReason uint8

const (
	// ByeFull: the sender has all the neighbours that it wants. It is alive and
	// may have room later.
	ByeFull ByeReason = iota + 1
	// ByeLeaving: the sender shuts down.
	ByeLeaving
	// ByeMisbehaved: the receiver broke the protocol and is not welcome for a while.
	ByeMisbehaved
)

// Sync is one step of anti-entropy about one group; see reconcile.go. A node
// answers the ranges in which it differs, with smaller ranges or with IDs.
type Sync struct {
	Group Group
	Floor int64 // Unix ms: rumors created before it are not talked about
	// Ranges cover the whole order. None at all ends the answer to a Want, and
	// answers an opening at a bad time.
	Ranges []Range
}

// Want asks for the rumors with these IDs, in answer to a Sync that listed them.
type Want struct {
	Group Group
	IDs   []RumorID
}

// Fill carries one rumor that the receiver lacked, as a Sync showed or a Want
// asked for. It is like Push, without a receipt.
type Fill struct {
	Rumor *Rumor
	Hops  uint8
}

func (*Interests) message()    {}
func (*Push) message()         {}
func (*Receipt) message()      {}
func (*Have) message()         {}
func (*Graft) message()        {}
func (*Ping) message()         {}
func (*Pong) message()         {}
func (*PeersRequest) message() {}
func (*PeerList) message()     {}
func (*Bye) message()          {}
func (*Sync) message()         {}
func (*Want) message()         {}
func (*Fill) message()         {}
