package node

import (
	"math/rand/v2"

	"hearsay/node/gossip"
	"hearsay/node/transport"
)

// coreConfig is the core's configuration: what it has a default for and the node
// has no setting for is the default.
func (n *Node) coreConfig(epoch uint64) gossip.Config {
	c := gossip.DefaultConfig()
	c.Self = gossip.PeerID(n.host.ID())
	c.Network = n.cfg.Network
	c.Epoch = epoch
	c.Agent = n.cfg.Agent
	c.Ports = n.cfg.Ports
	c.Rand = rand.New(rand.NewPCG(n.seed, epoch))
	c.Verifier = n.verifier
	c.Degree = n.cfg.Degree
	c.CacheSize = n.cfg.CacheSize
	c.Lifetime = n.cfg.Lifetime
	c.Replay = n.cfg.Replay
	c.ValidationTimeout = n.cfg.ValidationTimeout
	c.AckTimeout = n.cfg.AckTimeout
	c.Heartbeat = n.cfg.Heartbeat
	c.AntiEntropy = n.cfg.AntiEntropy
	c.ContinueMongering = n.cfg.ContinueMongering
	c.PeerExchange = n.cfg.PeerExchange
	c.Carry = true
	c.Shuffle = n.cfg.Shuffle
	c.NetGroup = transport.RecordNetGroup
	return c
}
