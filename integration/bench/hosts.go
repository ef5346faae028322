package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

// settle bounds how long a system may take until its hosts are linked.
const settle = 60 * time.Second

// newHost makes a host as all libp2p systems here have it: TCP on a loopback
// port, Noise, yamux, an Ed25519 key.
func newHost(s *setting, key crypto.PrivKey) (host.Host, error) {
	d := &dialer{Dialer: net.Dialer{Timeout: 10 * time.Second}, count: s.traffic, delay: s.Delay}
	opts := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.ListenAddrs(multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")),
		libp2p.Transport(tcp.NewTCPTransport, tcp.WithDialerForAddr(func(multiaddr.Multiaddr) (tcp.ContextDialer, error) { return d, nil })),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
	}
	if s.gater != nil {
		opts = append(opts, libp2p.ConnectionGater(s.gater))
	}
	h, err := libp2p.New(opts...)
	if err == nil {
		s.traffic.wires.own(h, d)
	}
	return h, err
}

// fleet is the hosts of a libp2p system.
type fleet []host.Host

func newFleet(s *setting) (fleet, error) {
	f := make(fleet, s.Hosts)
	for i := range f {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			return nil, err
		}
		if f[i], err = newHost(s, key); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (f fleet) close() {
	var wg sync.WaitGroup
	for _, h := range f {
		if h != nil {
			wg.Go(func() { h.Close() })
		}
	}
	wg.Wait()
}

func (f fleet) info(i int) peer.AddrInfo { return peer.AddrInfo{ID: f[i].ID(), Addrs: f[i].Addrs()} }

// connect makes the links of a graph. All hosts dial at once, each one link after
// the other: over slow links it takes a second, and not a minute.
func (f fleet) connect(graph [][]int) error {
	ctx, cancel := context.WithTimeout(context.Background(), settle)
	defer cancel()
	failed := make([]error, len(graph))
	var wg sync.WaitGroup
	for i, neighbours := range graph {
		wg.Go(func() {
			for _, j := range neighbours {
				if i >= j {
					continue
				}
				if err := f[i].Connect(ctx, f.info(j)); err != nil {
					failed[i] = fmt.Errorf("host %d to host %d: %w", i, j, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

// until waits for a condition that the systems have no event for.
func until(what string, done func() bool) error {
	for end := time.Now().Add(settle); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if done() {
			return nil
		}
	}
	return errors.New("waited in vain for " + what)
}
