package scenario

import (
	"fmt"
	"math/rand/v2"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/gossip/sim"
)

// setup is what the settings of a scenario say.
type setup struct {
	nodes    int
	contacts int
	latency  time.Duration
	seal     time.Duration
	core     gossip.Config
	links    sim.LinkModel
	// delay makes the distribution of links' delays, which may depend on the seed.
	delay  func(seed uint64) sim.Delay
	silent float64 // share of the nodes that do not announce their presence
	bad    float64 // share of the nodes that are hostile
	kind   string  // of hostility
	paths  bool
}

func newSetup() setup {
	return setup{contacts: 3, latency: 20 * time.Millisecond, core: gossip.DefaultConfig()}
}

func (s *setup) check() error {
	if s.nodes == 0 {
		return fmt.Errorf("how many nodes? write: nodes N")
	}
	// The simulator makes cores of these settings and cannot go on without them.
	cfg := s.core
	cfg.Self, cfg.Epoch, cfg.Rand, cfg.Verifier = "x", 1, rand.New(rand.NewPCG(0, 0)), checker{}
	_, err := gossip.New(cfg)
	return err
}

// checker is a verifier for a core that is only made.
type checker struct{}

func (checker) Work(gossip.RumorID, uint64) bool { return false }
func (checker) Signature(*gossip.Rumor) bool     { return false }

// every reports whether node i is in a share of the nodes that is spread evenly
// over them.
func every(share float64, i int) bool {
	return int(share*float64(i+1)+1e-9) > int(share*float64(i)+1e-9)
}

// config is the simulator's configuration for one seed.
func (s *setup) config(seed uint64) sim.Config {
	cfg := sim.Config{
		Seed:     seed,
		Nodes:    s.nodes,
		Core:     s.core,
		Latency:  s.latency,
		Links:    s.links,
		SealTime: s.seal,
		Contacts: s.contacts,
		Paths:    s.paths,
	}
	if s.delay != nil {
		cfg.Links.Delay = s.delay(seed)
	}
	if s.silent > 0 {
		cfg.Silent = func(i int) bool { return every(s.silent, i) }
	}
	return cfg
}
