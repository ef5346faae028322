package gossip

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Verifier checks what costs more than comparing numbers. Its answers must be a pure
// function of its arguments, however it comes by them: State.Foresee tells what it will
// be asked.
type Verifier interface {
	// Work reports whether nonce proves the network's work for a rumor ID.
	Work(id RumorID, nonce uint64) bool
	// Signature reports whether r's signature is its origin's.
	Signature(r *Rumor) bool
}

// Config is what a core is made with. DefaultConfig has values that suit a LAN
// of phones and a network of thousands alike.
type Config struct {
	// Self is this node's own peer ID.
	Self PeerID
	// Network is the network's name: rumors of any other are refused.
	Network string
	// Epoch is larger than in any earlier run and already on disk.
	Epoch uint64
	// Agent is the name and version that presence tells others, up to 64 bytes.
	Agent string
	// Ports is where presence tells others that this node's modules can be
	// reached, ascending by application, up to MaxPorts.
	Ports []Port
	// Rand is the core's only source of chance. The same seed and the same
	// events give the same actions.
	Rand *rand.Rand
	// Verifier checks proof of work and signatures.
	Verifier Verifier

	// Degree is how many neighbours the node tries to have. More cost
	// duplicates, fewer cost hops. Up to three times as many are accepted.
	Degree int
	// CacheSize is how many events are kept for modules that subscribe late and
	// for nodes that lack them; the oldest go first.
	CacheSize int
	// CacheBytes bounds the same store in bytes.
	CacheBytes int
	// Lifetime is how long an event lives, up to MaxLifetime.
	Lifetime time.Duration
	// Replay is how far back a module is told, when it subscribes, what the
	// node learnt before. 0 = nothing. What waits for votes is told in any case.
	Replay time.Duration
	// ValidationTimeout is how long modules may take to vote on a rumor before
	// it is given up.
	ValidationTimeout time.Duration
	// AckTimeout is how long a neighbour may take to answer a push before
	// another is asked to carry it. 0 = for ever.
	AckTimeout time.Duration
	// Push is how rumors go down links.
	Push PushMode
	// HaveDelay is how long IDs are gathered for neighbours that are not pushed to.
	// Longer costs fewer messages; what a tree loses comes later by as much. In calm
	// times, when nothing was lost for a while, it is calmFactor times as long.
	HaveDelay time.Duration
	// ReceiptDelay is how long receipts for pushes that were new are gathered, in calm
	// times calmFactor times as long, and at most half of AckTimeout. They leave earlier
	// with other messages.
	ReceiptDelay time.Duration
	// Heartbeat is the pause between two renewals of this node's presence, while
	// there are few members: with n of them it is n/10 seconds if that is more. 0 =
	// never: then the presence lives for Lifetime at a time. Below 5 s it is of use
	// for a while only: others take 20 at once, and then one in 5 s.
	Heartbeat time.Duration
	// AntiEntropy is the pause between two comparisons of stores with a neighbour,
	// one after the other. 0 = only when a link comes up or a data type is new.
	AntiEntropy time.Duration
	// ContinueMongering is the probability of comparing with one more neighbour
	// at once after a comparison taught this node something.
	ContinueMongering float64
	// PeerExchange says whether addresses of third parties are asked for,
	// given, and believed.
	PeerExchange bool
	// Shuffle is the pause between two exchanges of peers with a random
	// neighbour; every fourth time a remembered peer is probed, too. 0 = never:
	// then peers are only asked for when a link comes up.
	Shuffle time.Duration
	// Carry has the node carry what every node should: private messages and shared
	// state (carried.go).
	Carry bool
	// Quiet keeps the node from announcing its presence. It still takes part in
	// the exchange of peers, so it finds neighbours and is found.
	Quiet bool
	// NetGroup tells the network group of the addresses in a signed peer record,
	// "" if they are in none or the record cannot be read. It must be a pure
	// function. nil = nobody is in any.
	NetGroup func(record []byte) NetGroup
}

// DefaultConfig returns the defaults of everything that has one.
func DefaultConfig() Config {
	return Config{
		Network:           "hearsay",
		Degree:            30,
		CacheSize:         1000,
		CacheBytes:        64 << 20,
		Lifetime:          time.Hour,
		Replay:            10 * time.Second,
		ValidationTimeout: 30 * time.Second,
		AckTimeout:        3 * time.Second,
		HaveDelay:         200 * time.Millisecond,
		ReceiptDelay:      500 * time.Millisecond,
		Heartbeat:         time.Minute,
		AntiEntropy:       10 * time.Second,
		ContinueMongering: 0.5,
		PeerExchange:      true,
		Shuffle:           30 * time.Second,
	}
}

// Caps on what remote input can make a core remember. Each bounds one map or
// queue; what does not fit is counted in Counters.
const (
	maxHeld         = 4096                   // rumors waiting for votes
	maxHeldBytes    = 64 << 20               // and their bytes
	maxRefused      = 4096                   // IDs that modules refused
	maxWindows      = 65536                  // (origin, epoch) pairs whose numbers are remembered
	maxMembers      = 65536                  // presences
	maxCandidates   = 256                    // peers that could be dialled
	maxPending      = 256                    // own rumors being sealed
	maxUnanswered   = 8192                   // pushes without a receipt on one link
	maxModules      = 4096                   // local modules
	maxBanned       = 1024                   // peers that are not welcome
	maxPauses       = 1024                   // forgotten peers that must not be dialled yet
	maxLost         = 32                     // lost neighbours that are retried for long
	maxDials        = 8                      // dials under way
	acceptFactor    = 3                      // times Degree: links accepted for any reason; everybody dials Degree, so the mean is at most twice that. As many as Degree more for rare data types
	pingInterval    = 5 * time.Second        // of a link on which nothing was heard
	pingTurn        = time.Second            // for which one end waits for the other to ping
	newTrips        = 3                      // pings that measure the round trip to a new neighbour,
	newTrip         = 2 * time.Second        // which is busy at first, with pauses like this
	oldTrip         = time.Minute            // after which it is measured again
	pingDead        = 15 * time.Second       // silence after which a link is given up
	receiptSoon     = 20 * time.Millisecond  // for which a verdict waits that changes what the neighbour does
	presenceMinimum = 250 * time.Millisecond // between two presences of one's own
	maxInvalid      = 20                     // invalid rumors after which a neighbour is cut off
	invalidPause    = banTime / maxInvalid   // after which one of them is forgotten
	banTime         = 10 * time.Minute       // for which it is not welcome then
)

func (c *Config) check() error {
	var errs []error
	bad := func(cond bool, format string, args ...any) {
		if cond {
			errs = append(errs, fmt.Errorf("gossip: "+format, args...))
		}
	}
	bad(c.Self == "" || len(c.Self) > MaxPeerID, "own peer ID of %d bytes, allowed are 1 to %d", len(c.Self), MaxPeerID)
	bad(c.Network == "" || len(c.Network) > MaxNetwork, "network name %q, allowed are 1 to %d bytes", c.Network, MaxNetwork)
	bad(c.Epoch == 0, "epoch 0: epochs count from 1")
	bad(len(c.Agent) > maxAgent, "agent name of %d bytes, at most %d", len(c.Agent), maxAgent)
	bad(len(c.Ports) > MaxPorts || !slices.IsSortedFunc(c.Ports, func(a, b Port) int { return cmp.Or(cmp.Compare(a.App, b.App), -1) }),
		"ports of %d applications, allowed are %d, ascending and different", len(c.Ports), MaxPorts)
	bad(c.Rand == nil, "no source of chance")
	bad(c.Verifier == nil, "no verifier")
	bad(c.Degree < 1, "degree %d, at least 1", c.Degree)
	bad(c.CacheSize < 1, "cache size %d, at least 1", c.CacheSize)
	bad(c.CacheBytes < MaxSigned, "cache of %d bytes, at least %d", c.CacheBytes, MaxSigned)
	bad(c.Lifetime <= 0 || c.Lifetime > MaxLifetime, "lifetime %v, allowed is up to %v", c.Lifetime, MaxLifetime)
	bad(c.ValidationTimeout <= 0, "validation time-out %v, must be positive", c.ValidationTimeout)
	bad(c.Replay < 0 || c.AckTimeout < 0 || c.Heartbeat < 0 || c.AntiEntropy < 0 || c.Shuffle < 0 || c.HaveDelay < 0 || c.ReceiptDelay < 0, "negative duration")
	bad(c.ContinueMongering < 0 || c.ContinueMongering > 1, "continue-mongering %v is no probability", c.ContinueMongering)
	bad(c.Push > PushFlood, "push mode %d does not exist", c.Push)
	return errors.Join(errs...)
}
