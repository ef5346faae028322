package gossip

// Action is something that the driver is to do. Actions are done in order.
type Action interface{ action() }

// Actions is the buffer that Handle appends to. The driver empties it (by
// reslicing to length 0) and passes it again.
type Actions []Action

// Send queues a message on the link to a peer. If the queue is full the driver
// answers with SendDropped, and if the link is gone it does nothing: LinkDown
// is on its way.
type Send struct {
	To  PeerID
	Msg Message
	// Urgent goes ahead of everything queued.
	Urgent bool
}

// Deliver tells a rumor to a local module. One of this node's own may not have its
// proof of work and signature yet.
type Deliver struct {
	Module ModuleID
	Rumor  *Rumor
}

// Carried tells a new rumor that everybody carries and that another node said: a
// private one, which may be for this node, or a state. Nobody votes on it.
type Carried struct{ Rumor *Rumor }

// Seal asks for proof of work and signature on a rumor of this node's own.
// Seals are worked off one after the other, in order but for Urgent and Ahead;
// answer: Sealed or SealFailed.
type Seal struct {
	Rumor *Rumor
	// Urgent goes before all others, which may fail for it: the node leaves.
	Urgent bool
	// Ahead goes before those that are not begun: this node's presence must not
	// expire behind a long queue of announcements.
	Ahead bool
	// Told says that this node's modules have just been told it: with others to do
	// there is no hurry.
	Told bool
}

// Published tells that the rumor asked for by Publish is on its way to Neighbours.
type Published struct {
	Ticket     uint64
	ID         RumorID
	Neighbours int // to which it was pushed at once
}

// Refused tells that a Publish came to nothing.
type Refused struct {
	Ticket uint64
	Err    error
}

// NotSubscribed answers a Subscribe that there was no room for.
type NotSubscribed struct {
	Module   ModuleID
	DataType uint16
	Err      error // ErrModules or ErrTypes
}

// RaiseEpoch asks for an epoch above the given one, persisted before it is
// used; answer: EpochRaised. Until then nothing is published.
type RaiseEpoch struct{ Above uint64 }

// Dial asks for a link to a peer; answer: LinkUp or DialFailed. Record is the
// newest signed record that was heard of it, nil if there is none.
type Dial struct {
	Peer   PeerID
	Record *PeerRecord
	// Named says that there is no more to the peer than what others say: a
	// driver does well not to let many of these lead to one address.
	Named bool
	// Probe asks only whether the peer can be reached and is who it should be;
	// answer: Reached or DialFailed. A driver that cannot tell makes a link.
	Probe bool
}

// Hangup ends the link to a peer after what is queued for it has been written,
// or at once if Now.
type Hangup struct {
	Peer   PeerID
	Reason string
	Now    bool
	Banned bool // it misbehaved, and is not welcome for banTime
}

// Farewell tells that the leave has been queued on all links, ahead of
// everything else: flush and close them, then stop.
type Farewell struct{}

// PeerEvent tells people what happens around this node.
type PeerEvent struct {
	Peer PeerID
	What PeerChange
}

// PeerChange is what happened to a peer, as this node sees it.
type PeerChange uint8

const (
	// PeerLinked: it is a neighbour now.
	PeerLinked PeerChange = iota + 1
	// PeerUnlinked: it is no longer a neighbour.
	PeerUnlinked
	// PeerJoined: its presence was heard for the first time, or again after it left.
	PeerJoined
	// PeerLeft: it announced its leave.
	PeerLeft
	// PeerExpired: its presence was not renewed.
	PeerExpired
	// PeerSuspected: its link broke and it does not answer, as this node or
	// enough others found.
	PeerSuspected
	// PeerLost: it did not refute that, and is taken for dead.
	PeerLost
	// PeerBack: it was suspected or lost, and lives.
	PeerBack
	// PeerEquivocated: it signed two rumors with one number. Only the first that
	// came here was told.
	PeerEquivocated
)

// String is the word that users see.
func (c PeerChange) String() string {
	switch c {
	case PeerLinked:
		return "linked"
	case PeerUnlinked:
		return "unlinked"
	case PeerJoined:
		return "joined"
	case PeerLeft:
		return "left"
	case PeerExpired:
		return "expired"
	case PeerSuspected:
		return "suspected"
	case PeerLost:
		return "lost"
	case PeerBack:
		return "back"
	case PeerEquivocated:
		return "equivocated"
	}
	return "unknown"
}

func (Send) action()          {}
func (Deliver) action()       {}
func (Carried) action()       {}
func (Seal) action()          {}
func (Published) action()     {}
func (Refused) action()       {}
func (NotSubscribed) action() {}
func (RaiseEpoch) action()    {}
func (Dial) action()          {}
func (Hangup) action()        {}
func (Farewell) action()      {}
func (PeerEvent) action()     {}

// PeerKey tells that a node has a key for private messages, or another one than
// before: Member has it.
type PeerKey struct{ Peer PeerID }

func (PeerKey) action() {}
