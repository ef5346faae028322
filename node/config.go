package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
	"hearsay/node/identity"
	"hearsay/node/transport"
	"hearsay/pow"
)

// Config is what a node is made with. DefaultConfig has values for everything
// but Identity.
type Config struct {
	// Identity is the hostkey.
	Identity *identity.Identity
	// Network is the network's name, 1 to 32 bytes. Nodes of different names
	// never exchange anything.
	Network string
	// StateDir is where the journal lives. "" keeps everything in memory: then
	// the epoch rests on the clock alone.
	StateDir string
	// NetworkKey closes the network to everybody who has not the same; nil = it
	// is open.
	NetworkKey *identity.NetworkKey
	// Allow lists the peers that may have connections, nil = everybody.
	// [Node.Allow] replaces it.
	Allow []peer.ID
	// AutoNAT, PortMapping, Relay, RelayService and HolePunching are the ways of
	// being reached from outside; see reach.go. HolePunching needs Relay.
	AutoNAT, PortMapping, Relay, RelayService, HolePunching bool
	// Listen are the TCP addresses to listen on; none = do not listen.
	Listen []multiaddr.Multiaddr
	// Contacts are the first contacts, as package discovery reads them.
	Contacts []string
	// MDNS finds nodes on the same LAN, and on this machine.
	MDNS bool
	// Kademlia finds nodes of the network across the Internet.
	Kademlia bool
	// PeerExchange asks neighbours for their peers and tells them ours.
	PeerExchange bool
	// Shuffle is the pause between two exchanges of peers with a random
	// neighbour, 0 = only when a link comes up.
	Shuffle time.Duration
	// Degree is how many neighbours the node tries to have; it accepts up to
	// three times as many.
	Degree int
	// CacheSize is how many events are kept; the oldest go first.
	CacheSize int
	// DifficultyBits is the proof of work of the network, in leading zero bits,
	// 0 to pow.MaxBits. It must be the same at all nodes: what has less is
	// refused.
	DifficultyBits int
	// Heartbeat, AntiEntropy, ContinueMongering, ValidationTimeout, Lifetime,
	// Replay and AckTimeout are those of gossip.Config.
	Heartbeat         time.Duration
	AntiEntropy       time.Duration
	ContinueMongering float64
	ValidationTimeout time.Duration
	Lifetime          time.Duration
	Replay            time.Duration
	AckTimeout        time.Duration
	// Ports is where modules of this node meet those of other nodes, which are told
	// in its presence; port 0 = at the P2P port. Ascending by application, up to
	// gossip.MaxPorts. Gossip itself need not be told.
	Ports []gossip.Port
	// Agent is the name and version that others are told, up to 64 bytes.
	Agent string
}

// DefaultConfig returns the defaults, without an identity.
func DefaultConfig() Config {
	g := gossip.DefaultConfig()
	return Config{
		Network:           g.Network,
		AutoNAT:           true,
		Relay:             true,
		RelayService:      true,
		HolePunching:      true,
		MDNS:              true,
		Kademlia:          true,
		PeerExchange:      g.PeerExchange,
		Shuffle:           g.Shuffle,
		Degree:            g.Degree,
		CacheSize:         g.CacheSize,
		DifficultyBits:    16,
		Heartbeat:         g.Heartbeat,
		AntiEntropy:       g.AntiEntropy,
		ContinueMongering: g.ContinueMongering,
		ValidationTimeout: g.ValidationTimeout,
		Lifetime:          g.Lifetime,
		Replay:            g.Replay,
		AckTimeout:        g.AckTimeout,
		Agent:             "hearsay",
	}
}

func (c *Config) check() error {
	if c.Identity == nil {
		return errors.New("node: no identity: load a hostkey or make one")
	}
	if c.DifficultyBits < 0 || c.DifficultyBits > pow.MaxBits {
		return fmt.Errorf("node: difficulty of %d bits, allowed are 0 to %d", c.DifficultyBits, pow.MaxBits)
	}
	return nil
}

// Option changes how a node is put together; for tests and harnesses.
type Option func(*Node)

// WithHost has the node use a host of the caller's, for example one of a mock
// network. The node closes it at the end. Config.Listen is ignored.
func WithHost(h host.Host) Option { return func(n *Node) { n.host = h } }

// WithTrace has trace see every message between this node and its neighbours, as
// transport.Config.Trace does.
func WithTrace(trace func(transport.Direction, gossip.PeerID, gossip.Message)) Option {
	return func(n *Node) { n.trace = trace }
}

// WithSeed fixes the core's chance.
func WithSeed(seed uint64) Option { return func(n *Node) { n.seed = seed } }
