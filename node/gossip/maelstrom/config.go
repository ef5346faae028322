package maelstrom

import (
	"math/rand/v2"
	"time"

	"hearsay/node/gossip"
)

// Config is how a node of a Maelstrom test behaves.
type Config struct {
	// Core has the settings of the core. Identity, epoch, chance and verifier are
	// filled in.
	Core gossip.Config
	// Epoch is the core's: larger than in any earlier run of the same node.
	Epoch uint64
	// Rand is the core's source of chance.
	Rand *rand.Rand
	// Gather is how long frames for one peer may wait for others to share a
	// datagram with. 0 = as long as one event is being handled.
	Gather time.Duration
	// AckDelay is how long an acknowledgement may wait for a frame to ride on.
	AckDelay time.Duration
	// Retransmit is how long after sending a frame that was not acknowledged is
	// sent again. It has to be longer than a round trip, AckDelay and Gather
	// together, or everything is sent twice.
	Retransmit time.Duration
	// Log, unless nil, is told what is wrong with lines that nobody can be
	// answered for.
	Log func(error)
}

// dataType is the one that values are announced as.
const dataType = 1

// base has what all profiles share: the core's defaults, with stores that hold
// a whole test (values survive only as rumors), no heartbeat (there are no
// presences), anti-entropy every 5 s, so that two rounds lie in the 10 s that
// Maelstrom waits before it reads for the last time, and comparisons that always
// go on: where a topology is a tree, what a healed link brings has one way.
func base() Config {
	core := gossip.DefaultConfig()
	core.Network = "maelstrom"
	core.CacheSize = 1 << 20
	core.CacheBytes = 256 << 20
	core.Lifetime = gossip.MaxLifetime
	core.Heartbeat = 0
	core.AntiEntropy = 5 * time.Second
	core.ContinueMongering = 1
	core.PeerExchange = false
	core.Shuffle = 0
	return Config{
		Core:       core,
		AckDelay:   800 * time.Millisecond,
		Retransmit: 1500 * time.Millisecond,
	}
}

// LowLatency is the profile that tells of a value as soon as it can: everything
// is sent at once, down the links of the topology.
func LowLatency() Config { return base() }

// LowTraffic is the profile that spends few messages: what goes to one peer
// within 50 ms shares a datagram.
func LowTraffic() Config {
	c := base()
	c.Gather = 50 * time.Millisecond
	return c
}
