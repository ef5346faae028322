package health

import "time"

// Facts is what is known of a node at one moment. What was not looked at stays
// zero, and nothing is found about it.
type Facts struct {
	Now     time.Time
	Started time.Time

	// Stuck says that the node's loop stands still, and nothing else is known.
	Stuck bool

	// Neighbours is how many there are, Relayed how many of them are linked
	// through a relay.
	Neighbours, Relayed int
	// Unreached is how many nodes are known that could not be reached; it is known
	// without neighbours only.
	Unreached int
	// Listens are the addresses that the node listens on; MustListen says that
	// there should be some.
	Listens    []string
	MustListen bool
	// Contacts are the configured first contacts that have failed last.
	Contacts []Contact
	// Multicast is how finding nodes on the local network is doing.
	Multicast Multicast
	// Ways says that nodes can be found at all: a first contact, multicast,
	// remembered peers.
	Ways bool

	// Clocks are by how much the clocks of others are ahead of this node's.
	Clocks []time.Duration
	// Difficulty is this node's, in bits; Difficulties are those of neighbours
	// that have another one.
	Difficulty   int
	Difficulties map[string]int // by peer
	// BadWork counts rumors with too little work.
	BadWork uint64

	Reach Reach

	// Closed says that this node has a network key.
	Closed bool
	// OtherKey, OtherNetwork and Refused are peers that were met lately.
	OtherKey     []Met // speak with another network key, or with none
	OtherNetwork []Met // of networks of other names
	Refused      []Met // not on the list of those who are allowed

	// Copied says by whom this node learnt that another uses its hostkey, "" =
	// none does.
	Copied string

	// VotesTimedOut and Lags count up.
	VotesTimedOut uint64 // rumors that modules did not vote on in time
	Lags          uint64 // times that the node was late by more than a second

	// StateDir is the state folder, "" = none. DiskFree is what is free there in
	// bytes, negative = not known.
	StateDir string
	DiskFree int64
	// EpochError, JournalError: what fails about the journal, "" = nothing.
	EpochError, JournalError string
	// MailError: what fails about keeping private messages and their key, "" = nothing.
	MailError string
	// Quarantined is where a damaged journal was put, "" = it was not damaged.
	Quarantined string

	// OpenFiles of at most MaxFiles are open; MaxFiles 0 = not known.
	OpenFiles, MaxFiles int
}

// Contact is a first contact that has failed last.
type Contact struct{ Address, Error string }

// Multicast is how finding nodes by mDNS is doing.
type Multicast struct {
	On, Running bool
	Error       string
	// Flooded says that it pauses for a minute, because too much was announced.
	Flooded bool
	// Unfit are interfaces that are up and cannot be used, with the reason.
	Unfit map[string]string
}

// Met is something that was met.
type Met struct {
	Who  string // a peer ID, an address or the name of a network
	At   time.Time
	Last string // how it was met, in words
}

// Reachability says whether others can open connections to this node.
type Reachability string

const (
	// ReachUnknown: nobody has tried yet, or nobody can.
	ReachUnknown Reachability = "unknown"
	// ReachLocal: the node is only on private networks, where the others are. Whether
	// they can open connections to it is not seen.
	ReachLocal Reachability = "local"
	// ReachNear: like ReachLocal, and a peer on this network has a connection open that
	// it opened itself.
	ReachNear Reachability = "near"
	// ReachAlone: the node listens on this machine's loopback addresses only, because it
	// has no others now, or was told to.
	ReachAlone Reachability = "alone"
	// ReachPublic: a peer elsewhere has opened a connection, to try or by itself.
	ReachPublic Reachability = "public"
	// ReachPrivate: peers elsewhere have tried and failed, or none of them has come
	// through the router between.
	ReachPrivate Reachability = "private"
)

// Reach is what is known about this node's being reachable.
type Reach struct {
	State       Reachability `json:"state"`
	Observation string       `json:"observation"` // by what it is known, in words
	// Public addresses: those that were tried from outside with success, without,
	// and those that were not tried.
	Reachable   []string `json:"reachable"`
	Unreachable []string `json:"unreachable"`
	Untried     []string `json:"untried"`
	// Mapping is the address outside that the router forwards to this node, empty if
	// it forwards none. MappedBy is how it was asked: NAT-PMP or UPnP. MappingError is
	// why there is none, empty as long as it is being asked.
	Mapping      string   `json:"mapping"`
	MappedBy     string   `json:"mapped_by"`
	MappingError string   `json:"mapping_error"`
	MapsPorts    bool     `json:"port_mapping"` // asking is switched on
	Relays       []string `json:"relays"`       // peers that keep a place for this node
	Relaying     bool     `json:"relaying"`     // this node relays for others
	Asks         bool     `json:"autonat"`      // others are asked to try
}
