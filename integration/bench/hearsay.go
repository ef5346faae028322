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
	votes := newBallot()
	session, err = m.Open(func(id [32]byte, _ uint16, data []byte) {
		deliver(data)
		votes.put(id)
	})
	if err != nil {
		return 0, err
	}
	go func() { // until the process ends: a node that has stopped takes no votes
		for {
			for _, id := range votes.take() {
				m.Vote(session, id, true)
			}
		}
	}()
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

// ballot is rumors to vote on. A delivery must not wait for the vote on the one
// before, so there is no limit but that of the load. Two lists take turns, so
// that it allocates nothing itself.
type ballot struct {
	mu         sync.Mutex
	waiting    sync.Cond
	ids, spare [][32]byte
}

func newBallot() *ballot {
	b := new(ballot)
	b.waiting.L = &b.mu
	return b
}

func (b *ballot) put(id [32]byte) {
	b.mu.Lock()
	b.ids = append(b.ids, id)
	b.mu.Unlock()
	b.waiting.Signal()
}

// take waits for rumors; what it returned before is no longer valid then.
func (b *ballot) take() [][32]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.ids) == 0 {
		b.waiting.Wait()
	}
	ids := b.ids
	b.ids, b.spare = b.spare[:0], ids
	return ids
}
