package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node"
)

// membership is hosts that know of each other.
type membership interface {
	join()             // all at one moment, by way of host 0
	known(i int) int   // how many host i takes to be alive, itself included
	leave(i int) error // host i takes its leave
	kill(i int)        // host i ends without a word; its sockets are closed
	stop()
}

var memberships = map[string]func(*setting) (membership, error){
	"hearsay":    newHearsayMembers,
	"memberlist": newMemberlistMembers,
	"serf":       newSerfMembers,
}

// runMembers measures how long it takes until all know what is: after all have
// joined by way of one, after one has left, and after one has died.
func runMembers(c cell) (map[string]float64, error) {
	make, ok := memberships[c.System]
	if !ok {
		return nil, fmt.Errorf("system %q has no membership", c.System)
	}
	s := &setting{cell: c, traffic: new(traffic)}
	m, err := make(s)
	if err != nil {
		return nil, err
	}
	defer m.stop()
	gone := map[int]bool{}
	figures := map[string]float64{}
	// timed begins something and waits until all others know.
	timed := func(name string, begin func()) error {
		began, cpu := time.Now(), cpuTime()
		begin()
		err := until("all to know of it: "+name, func() bool {
			for i := range c.Hosts {
				if !gone[i] && m.known(i) != c.Hosts-len(gone) {
					return false
				}
			}
			return true
		})
		figures[name+"_ms"] = float64(time.Since(began)) / 1e6
		figures[name+"_cpu_ms"] = float64(cpuTime()-cpu) / 1e6
		return err
	}
	if err := timed("join", m.join); err != nil {
		return nil, err
	}
	figures["join_bytes_per_host"] = float64(s.traffic.bytes.Load()) / float64(c.Hosts)
	time.Sleep(c.Warm) // what joining began has ended
	bytes, cpu := s.traffic.bytes.Load(), cpuTime()
	time.Sleep(c.For)
	figures["idle_bytes_per_s_and_host"] = float64(s.traffic.bytes.Load()-bytes) / c.For.Seconds() / float64(c.Hosts)
	figures["idle_cpu_ms_per_s_and_host"] = (cpuTime() - cpu).Seconds() * 1000 / c.For.Seconds() / float64(c.Hosts)
	gone[c.Hosts-1] = true
	if err := timed("leave", func() { go m.leave(c.Hosts - 1) }); err != nil { // which may take its time

		return nil, err
	}
	gone[c.Hosts-2] = true
	if err := timed("kill", func() { m.kill(c.Hosts - 2) }); err != nil {
		return nil, err
	}
	return figures, nil
}

type hearsayMembers struct {
	*setting
	nodes  []*node.Node
	cancel []func()
}

func newHearsayMembers(s *setting) (membership, error) {
	m := &hearsayMembers{setting: s}
	for range s.Hosts {
		cfg := node.DefaultConfig()
		cfg.MDNS, cfg.Kademlia, cfg.DifficultyBits = false, false, 0
		n, cancel, _, err := newNode(s, cfg)
		if err != nil {
			return nil, err
		}
		m.nodes, m.cancel = append(m.nodes, n), append(m.cancel, cancel)
	}
	// As the others do, each knows itself before it joins.
	return m, until("all to have started", func() bool {
		return !slices.ContainsFunc(m.nodes, func(n *node.Node) bool { return n.Status().Members == 0 })
	})
}

func (m *hearsayMembers) join() {
	first := peer.AddrInfo{ID: m.nodes[0].ID(), Addrs: m.nodes[0].Host().Addrs()}
	for _, n := range m.nodes[1:] {
		n.Introduce(first)
	}
}

func (m *hearsayMembers) known(i int) int   { return m.nodes[i].Status().Members }
func (m *hearsayMembers) leave(i int) error { m.cancel[i](); return nil }
func (m *hearsayMembers) kill(i int)        { m.traffic.wires.crash(m.nodes[i].Host()) }

func (m *hearsayMembers) stop() {
	for _, cancel := range m.cancel {
		cancel()
	}
}

type memberlistMembers struct{ lists []*memberlist.Memberlist }

func newMemberlistMembers(s *setting) (membership, error) {
	m := &memberlistMembers{}
	for i := range s.Hosts {
		cfg, err := memberlistConfig(s, i)
		if err != nil {
			return nil, err
		}
		l, err := memberlist.Create(cfg)
		if err != nil {
			return nil, err
		}
		m.lists = append(m.lists, l)
	}
	return m, nil
}

func (m *memberlistMembers) join() {
	first := m.lists[0].LocalNode().Address()
	for _, l := range m.lists[1:] {
		go l.Join([]string{first})
	}
}

func (m *memberlistMembers) known(i int) int   { return m.lists[i].NumMembers() }
func (m *memberlistMembers) leave(i int) error { return m.lists[i].Leave(settle) }
func (m *memberlistMembers) kill(i int)        { m.lists[i].Shutdown() }

func (m *memberlistMembers) stop() {
	for _, l := range m.lists {
		l.Shutdown()
	}
}

type serfMembers struct{ agents []*serf.Serf }

func newSerfMembers(s *setting) (membership, error) {
	m := &serfMembers{}
	for i := range s.Hosts {
		events := make(chan serf.Event, 64)
		agent, err := newSerfAgent(s, i, events)
		if err != nil {
			return nil, err
		}
		go func() {
			for {
				select {
				case <-events:
				case <-agent.ShutdownCh():
					return
				}
			}
		}()
		m.agents = append(m.agents, agent)
	}
	return m, nil
}

func (m *serfMembers) join() {
	first := m.agents[0].Memberlist().LocalNode().Address()
	for _, a := range m.agents[1:] {
		go a.Join([]string{first}, true)
	}
}

// known counts who is alive: serf keeps the left and the failed in its list.
func (m *serfMembers) known(i int) int {
	n := 0
	for _, mem := range m.agents[i].Members() {
		if mem.Status == serf.StatusAlive {
			n++
		}
	}
	return n
}

func (m *serfMembers) leave(i int) error { return m.agents[i].Leave() }
func (m *serfMembers) kill(i int)        { m.agents[i].Shutdown() }

func (m *serfMembers) stop() {
	var wg sync.WaitGroup
	for _, a := range m.agents {
		wg.Go(func() { a.Shutdown() })
	}
	wg.Wait()
}
