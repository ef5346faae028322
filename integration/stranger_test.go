package integration_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"hearsay/integration"
	"hearsay/node/gossip"
	"hearsay/node/identity"
	"hearsay/node/transport"
	"hearsay/pow"
)

// stranger is a neighbour made by hand: it sees every message that a node sends,
// with what modules are not told (epochs, numbers, proofs), and can say things
// that a node would not. It answers what has to be answered.
type stranger struct {
	t     testing.TB
	id    *identity.Identity
	host  host.Host
	links *transport.Transport
	takes []uint16
	// manners is what it does with a message, nil = answer what has to be answered.
	manners func(s *stranger, from gossip.PeerID, m gossip.Message)
	// released is for the test to close where manners wait for it.
	released chan struct{}

	mu      sync.Mutex
	events  []gossip.Event
	changed chan struct{} // closed at the next event
}

func newStranger(t testing.TB, takes ...uint16) *stranger {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(
		libp2p.Identity(id.PrivKey()),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.DisableRelay(),
		libp2p.DisableIdentifyAddressDiscovery(),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return strangerOn(t, h, id, nil, takes...)
}

// guest is a stranger on a cluster's mock network.
func guest(t testing.TB, c *integration.Cluster, manners func(*stranger, gossip.PeerID, gossip.Message), takes ...uint16) *stranger {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	return strangerOn(t, c.Guest(id), id, manners, takes...)
}

func strangerOn(t testing.TB, h host.Host, id *identity.Identity, manners func(*stranger, gossip.PeerID, gossip.Message), takes ...uint16) *stranger {
	t.Helper()
	s := &stranger{t: t, id: id, host: h, takes: takes, manners: manners, released: make(chan struct{}), changed: make(chan struct{})}
	if s.manners == nil {
		s.manners = (*stranger).answer
	}
	var err error
	s.links, err = transport.New(transport.Config{Host: s.host, Network: testNetwork, Agent: "stranger", Emit: s.take})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.links.Close() })
	return s
}

// testNetwork is the name of the network that the nodes of a cluster are in.
const testNetwork = "integration"

func (s *stranger) take(ev gossip.Event) {
	switch ev := ev.(type) {
	case gossip.LinkUp:
		s.links.Send(ev.Peer, &gossip.Interests{Types: s.takes}, false)
	case gossip.Received:
		s.manners(s, ev.From, ev.Msg)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, ev)
	close(s.changed)
	s.changed = make(chan struct{})
}

// answer says what has to be said.
func (s *stranger) answer(to gossip.PeerID, m gossip.Message) {
	switch m := m.(type) {
	case *gossip.Push:
		s.links.Send(to, &gossip.Receipt{Verdicts: []gossip.Verdict{gossip.VerdictNew}}, false)
	case *gossip.Have:
		s.links.Send(to, &gossip.Graft{Group: m.Group, IDs: m.IDs}, false)
	case *gossip.Ping:
		s.links.Send(to, &gossip.Pong{Number: m.Number}, false)
	}
}

// silent reads and never replies.
func silent(*stranger, gossip.PeerID, gossip.Message) {}

// seen is how many events there were so far.
func (s *stranger) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

// await waits until enough, which is handed one event after the other from
// number from on, returns true.
func (s *stranger) await(what string, from int, enough func(gossip.Event) bool) {
	s.t.Helper()
	deadline := time.After(integration.DefaultPatience)
	for {
		s.mu.Lock()
		events, changed := s.events[from:], s.changed
		s.mu.Unlock()
		for _, ev := range events {
			from++
			if enough(ev) {
				return
			}
		}
		select {
		case <-changed:
		case <-deadline:
			s.t.Fatalf("a stranger waited %v for %s and saw %d events", integration.DefaultPatience, what, s.seen())
		}
	}
}

// link becomes a neighbour of a node.
func (s *stranger) link(info peer.AddrInfo) {
	s.t.Helper()
	from := s.seen()
	s.host.Peerstore().ClearAddrs(info.ID)
	s.host.Peerstore().AddAddrs(info.ID, info.Addrs, peerstore.PermanentAddrTTL)
	s.links.Dial(gossip.PeerID(info.ID))
	s.await("a link", from, func(ev gossip.Event) bool {
		switch ev := ev.(type) {
		case gossip.LinkUp:
			return ev.Peer == gossip.PeerID(info.ID)
		case gossip.DialFailed:
			s.t.Fatalf("no link to %v: %v", info, s.links.Failure(ev.Peer).Err)
		}
		return false
	})
}

// awaitUnlinked waits for the end of a link.
func (s *stranger) awaitUnlinked(id peer.ID, from int) {
	s.t.Helper()
	s.await("the end of a link", from, func(ev gossip.Event) bool {
		down, ok := ev.(gossip.LinkDown)
		return ok && down.Peer == gossip.PeerID(id)
	})
}

// rumorOf is the rumor in an event, nil if there is none.
func rumorOf(ev gossip.Event) *gossip.Rumor {
	if r, ok := ev.(gossip.Received); ok {
		switch m := r.Msg.(type) {
		case *gossip.Push:
			return m.Rumor
		case *gossip.Fill:
			return m.Rumor
		}
	}
	return nil
}

// awaitRumor waits for a rumor that is wanted.
func (s *stranger) awaitRumor(what string, want func(*gossip.Rumor) bool) *gossip.Rumor {
	s.t.Helper()
	var found *gossip.Rumor
	s.await(what, 0, func(ev gossip.Event) bool {
		if r := rumorOf(ev); r != nil && want(r) {
			found = r
		}
		return found != nil
	})
	return found
}

// tell pushes a rumor to a node and returns its verdict.
func (s *stranger) tell(to peer.ID, r *gossip.Rumor) gossip.Verdict {
	s.t.Helper()
	from := s.seen()
	s.links.Send(gossip.PeerID(to), &gossip.Push{Rumor: r, Hops: 1}, false)
	verdict := gossip.Verdict(255)
	s.await("a receipt", from, func(ev gossip.Event) bool {
		if r, ok := ev.(gossip.Received); ok {
			if m, ok := r.Msg.(*gossip.Receipt); ok {
				verdict = m.Verdicts[0]
				return true
			}
		}
		return false
	})
	return verdict
}

// seal makes a rumor, signed by whoever, with proof of work of some bits.
func seal(t testing.TB, by *identity.Identity, h gossip.Header, payload []byte, bits int) *gossip.Rumor {
	t.Helper()
	h.Network = testNetwork
	if h.Created == 0 {
		h.Created = time.Now().UnixMilli()
		h.Expires = h.Created + time.Minute.Milliseconds()
	}
	r, err := gossip.NewRumor(h, payload)
	if err != nil {
		t.Fatal(err)
	}
	if r.Nonce, err = pow.Solve(t.Context(), r.ID, bits); err != nil {
		t.Fatal(fmt.Errorf("proof of work: %w", err))
	}
	if r.Signature, err = by.Sign(r.ID); err != nil {
		t.Fatal(err)
	}
	r.PublicKey = by.Public()
	return r
}

// addressOf is where a node of a cluster over TCP is reached.
func addressOf(c *integration.Cluster, i int) peer.AddrInfo {
	h := c.Node(i).Running().Host()
	return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}
}
