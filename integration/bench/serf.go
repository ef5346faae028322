package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
)

// countedTransport is memberlist's own transport, UDP and TCP on loopback, with
// the bytes counted where they are sent, and slow if the cell says so.
type countedTransport struct {
	*memberlist.NetTransport
	dial dialer
}

func newCountedTransport(s *setting) (*countedTransport, error) {
	t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{BindAddrs: []string{"127.0.0.1"}, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		return nil, err
	}
	return &countedTransport{t, dialer{count: s.traffic, delay: s.Delay}}, nil
}

func (t *countedTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (t *countedTransport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	t.dial.count.bytes.Add(int64(len(b)))
	if t.dial.delay == 0 {
		return t.NetTransport.WriteToAddress(b, addr)
	}
	held := append([]byte(nil), b...)
	time.AfterFunc(t.dial.delay, func() { t.NetTransport.WriteToAddress(held, addr) })
	return time.Now(), nil
}

func (t *countedTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (t *countedTransport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	d := t.dial
	d.Timeout = timeout
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, "tcp", addr.Addr)
}

// memberlistConfig is the defaults for a LAN, quiet.
func memberlistConfig(s *setting, i int) (*memberlist.Config, error) {
	t, err := newCountedTransport(s)
	if err != nil {
		return nil, err
	}
	cfg := memberlist.DefaultLANConfig()
	cfg.Name = fmt.Sprintf("host-%d", i)
	cfg.Transport = t
	cfg.BindAddr, cfg.BindPort = "127.0.0.1", t.GetAutoBindPort()
	cfg.AdvertiseAddr, cfg.AdvertisePort = "127.0.0.1", cfg.BindPort
	cfg.LogOutput = io.Discard
	return cfg, nil
}

// serfSystem is serf agents with the defaults for a LAN. Its user events are
// neither signed nor acknowledged, and it has no links: graph and Links mean
// nothing to it.
type serfSystem struct {
	*setting
	agents []*serf.Serf
}

func newSerfAgent(s *setting, i int, events chan<- serf.Event) (*serf.Serf, error) {
	m, err := memberlistConfig(s, i)
	if err != nil {
		return nil, err
	}
	cfg := serf.DefaultConfig()
	cfg.Init()
	cfg.NodeName = m.Name
	cfg.MemberlistConfig = m
	cfg.LogOutput = io.Discard
	cfg.UserEventSizeLimit = 9 << 10 // its greatest
	cfg.EventCh = events
	return serf.Create(cfg)
}

func newSerf(s *setting) (system, error) {
	sys := &serfSystem{setting: s}
	for i := range s.Hosts {
		events := make(chan serf.Event, 1<<14)
		agent, err := newSerfAgent(s, i, events)
		if err != nil {
			return nil, err
		}
		sys.agents = append(sys.agents, agent)
		go func() {
			for {
				select {
				case e := <-events:
					if u, ok := e.(serf.UserEvent); ok && !sys.mine(i, u.Payload) {
						s.deliver(i, u.Payload)
					}
				case <-agent.ShutdownCh():
					return
				}
			}
		}()
	}
	return sys, joinAll(sys.agents)
}

// joinAll has all agents join the first at one moment.
func joinAll(agents []*serf.Serf) error {
	first := agents[0].Memberlist().LocalNode().Address()
	for _, a := range agents[1:] {
		go a.Join([]string{first}, true)
	}
	return until("all agents to know all", func() bool {
		for _, a := range agents {
			if a.NumNodes() < len(agents) {
				return false
			}
		}
		return true
	})
}

// published remembers who published what: serf tells an agent its own events.
var published sync.Map

func (sys *serfSystem) mine(i int, payload []byte) bool {
	if len(payload) < headerSize {
		return true
	}
	from, ok := published.Load(binary.BigEndian.Uint64(payload))
	return ok && from == i
}

var eventNumber atomic.Uint64

func (sys *serfSystem) publish(i int, payload []byte) error {
	published.Store(binary.BigEndian.Uint64(payload), i)
	return sys.agents[i].UserEvent(fmt.Sprint(eventNumber.Add(1)), payload, false)
}

func (sys *serfSystem) kill(i int) { sys.agents[i].Shutdown() }

func (sys *serfSystem) close() {
	for _, a := range sys.agents {
		a.Shutdown()
	}
}
