package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// pubsubSystem is go-libp2p-pubsub with its defaults: signed, strictly verified.
type pubsubSystem struct {
	fleet
	traffic *traffic
	topics  []*pubsub.Topic
	cancel  context.CancelFunc
	ended   sync.WaitGroup
	copies  atomic.Uint64
}

func newGossipSub(s *setting) (system, error) { return newPubSub(s, pubsub.NewGossipSub) }

func newFloodSub(s *setting) (system, error) { return newPubSub(s, pubsub.NewFloodSub) }

const topicName = "bench"

func newPubSub(s *setting, router func(context.Context, host.Host, ...pubsub.Option) (*pubsub.PubSub, error)) (system, error) {
	f, err := newFleet(s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	sys := &pubsubSystem{fleet: f, traffic: s.traffic, cancel: cancel}
	for i, h := range f {
		ps, err := router(ctx, h, pubsub.WithRawTracer(duplicateCounter{n: &sys.copies}))
		if err != nil {
			sys.close()
			return nil, err
		}
		t, err := ps.Join(topicName)
		if err != nil {
			sys.close()
			return nil, err
		}
		sub, err := t.Subscribe(pubsub.WithBufferSize(1 << 12)) // what does not fit would be lost here, not by the network
		if err != nil {
			sys.close()
			return nil, err
		}
		sys.topics = append(sys.topics, t)
		sys.ended.Go(func() {
			for {
				m, err := sub.Next(ctx)
				if err != nil {
					return
				}
				if m.ReceivedFrom != h.ID() {
					s.deliver(i, m.Data)
				}
			}
		})
	}
	if err := f.connect(s.graph); err != nil {
		sys.close()
		return nil, err
	}
	err = until("all neighbours' subscriptions", func() bool {
		for i, t := range sys.topics {
			if len(t.ListPeers()) < len(s.graph[i]) {
				return false
			}
		}
		return true
	})
	if err != nil {
		sys.close()
		return nil, err
	}
	time.Sleep(3 * time.Second) // heartbeats in which GossipSub makes its mesh, of which it tells nobody
	return sys, nil
}

func (sys *pubsubSystem) publish(i int, payload []byte) error {
	err := sys.topics[i].Publish(context.Background(), payload)
	if errors.Is(err, pubsub.ErrTopicClosed) {
		return nil
	}
	return err
}

func (sys *pubsubSystem) kill(i int) { sys.traffic.wires.crash(sys.fleet[i]) }

func (sys *pubsubSystem) duplicates() uint64 { return sys.copies.Load() }

func (sys *pubsubSystem) close() {
	sys.cancel()
	sys.ended.Wait()
	sys.fleet.close()
}

// duplicateCounter counts whole messages that came again.
type duplicateCounter struct{ n *atomic.Uint64 }

func (c duplicateCounter) DuplicateMessage(*pubsub.Message) { c.n.Add(1) }

func (duplicateCounter) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (duplicateCounter) OnClosedOutboundStream(peer.ID)           {}
func (duplicateCounter) Join(string)                              {}
func (duplicateCounter) Leave(string)                             {}
func (duplicateCounter) Graft(peer.ID, string)                    {}
func (duplicateCounter) Prune(peer.ID, string)                    {}
func (duplicateCounter) ValidateMessage(*pubsub.Message)          {}
func (duplicateCounter) DeliverMessage(*pubsub.Message)           {}
func (duplicateCounter) RejectMessage(*pubsub.Message, string)    {}
func (duplicateCounter) ThrottlePeer(peer.ID)                     {}
func (duplicateCounter) RecvRPC(*pubsub.RPC)                      {}
func (duplicateCounter) SendRPC(*pubsub.RPC, peer.ID)             {}
func (duplicateCounter) DropRPC(*pubsub.RPC, peer.ID)             {}
func (duplicateCounter) UndeliverableMessage(*pubsub.Message)     {}
