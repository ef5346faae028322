package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node"
	"hearsay/node/identity"
)

// hearsaySystem is nodes as they ship, with neighbours that are given.
type hearsaySystem struct {
	*setting
	nodes   []*node.Node
	session []uint64
	cancel  []context.CancelFunc
	ended   sync.WaitGroup
	dead    []bool
	before  uint64 // duplicates at those who have been killed
	links   *linkBook
}

// dataType of the messages.
const dataType = 1000

// hearsayConfig is the default configuration without what would make links of
// its own and without proof of work, which is measured apart.
func hearsayConfig(s *setting) node.Config {
	cfg := node.DefaultConfig()
	cfg.MDNS, cfg.Kademlia, cfg.PeerExchange = false, false, false
	cfg.Degree = s.Links
	cfg.DifficultyBits = 0
	cfg.CacheSize = 10000
	return cfg
}

// newNode makes a node on a host like all others and runs it.
func newNode(s *setting, cfg node.Config, opts ...node.Option) (n *node.Node, cancel context.CancelFunc, ended chan struct{}, err error) {
	if cfg.Identity, err = identity.New(); err != nil {
		return nil, nil, nil, err
	}
	h, err := newHost(s, cfg.Identity.PrivKey())
	if err != nil {
		return nil, nil, nil, err
	}
	if n, err = node.New(cfg, append(opts, node.WithHost(h), node.WithSeed(s.Seed))...); err != nil {
		h.Close()
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		n.Run(ctx)
	}()
	<-n.Ready()
	return n, cancel, ended, nil
}

func newHearsay(s *setting) (system, error) {
	sys := &hearsaySystem{setting: s, dead: make([]bool, s.Hosts)}
	var opts []node.Option
	if s.Payload >= largePayload {
		sys.links = newLinkBook()
	}
	for i := range s.Hosts {
		if sys.links != nil {
			opts = []node.Option{node.WithTrace(sys.links.of(i))}
		}
		n, cancel, ended, err := newNode(s, hearsayConfig(s), opts...)
		if err != nil {
			sys.close()
			return nil, err
		}
		sys.nodes, sys.cancel = append(sys.nodes, n), append(sys.cancel, cancel)
		sys.ended.Go(func() { <-ended })
		if err := sys.subscribe(i); err != nil {
			sys.close()
			return nil, err
		}
	}
	sys.links.name(sys.nodes)
	for i, neighbours := range s.graph {
		for _, j := range neighbours {
			if i < j {
				sys.nodes[i].Introduce(peer.AddrInfo{ID: sys.nodes[j].ID(), Addrs: sys.nodes[j].Host().Addrs()})
			}
		}
	}
	err := until(fmt.Sprintf("all to know all %d and to have %d neighbours", s.Hosts, s.Links), func() bool {
		for _, n := range sys.nodes {
			if st := n.Status(); st.Members < s.Hosts || st.Neighbours < s.Links {
				return false
			}
		}
		return true
	})
	if err != nil {
		sys.close()
		return nil, err
	}
	return sys, nil
}

// subscribe attaches a module that finds everything valid.
func (sys *hearsaySystem) subscribe(i int) error {
	session, err := listen(sys.nodes[i].Modules(), func(data []byte) { sys.deliver(i, data) })
	sys.session = append(sys.session, session)
	return err
}

// listen attaches a module that hears of messages and finds all of them valid.
func listen(m node.Modules, deliver func(data []byte)) (session uint64, err error) {
	session, err = m.OpenJudge(func(_ [32]byte, _ uint16, data []byte) bool {
		deliver(data)
		return true
	})
	if err != nil {
		return 0, err
	}
	return session, m.Subscribe(session, dataType)
}

func (sys *hearsaySystem) publish(i int, payload []byte) error {
	return sys.nodes[i].Modules().Announce(context.Background(), sys.session[i], 0, dataType, payload)
}

func (sys *hearsaySystem) kill(i int) {
	sys.dead[i] = true
	sys.before += sys.nodes[i].Status().Counters["duplicates"]
	sys.traffic.wires.crash(sys.nodes[i].Host())
	sys.cancel[i]()
}

func (sys *hearsaySystem) duplicates() uint64 {
	sum := sys.before
	for i, n := range sys.nodes {
		if !sys.dead[i] {
			sum += n.Status().Counters["duplicates"]
		}
	}
	return sum
}

func (sys *hearsaySystem) carriedTwice() uint64 { return sys.links.twice() }

func (sys *hearsaySystem) close() {
	for _, cancel := range sys.cancel {
		cancel()
	}
	done := make(chan struct{})
	go func() { sys.ended.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
	}
}
