package node

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"hearsay/node/direct"
	"hearsay/node/gossip"
	"hearsay/node/mail"
	"hearsay/node/shared"
	"hearsay/node/transport"
)

// What everybody carries: private messages (package mail) and shared state (package
// shared).

// openMail sets both up.
func (n *Node) openMail() error {
	keys, err := mail.LoadKeys(n.cfg.StateDir, n.cfg.Identity, time.Now())
	if err != nil {
		return err
	}
	private := mail.Config{
		Identity:    n.cfg.Identity,
		Network:     n.cfg.Network,
		Keys:        keys,
		Lifetime:    n.cfg.Lifetime,
		Certificate: n.certificate,
		Reachable:   n.reachable,
		Relay:       n.relay,
		Direct: func(ctx context.Context, to peer.ID, sealed []byte) (direct.Answer, error) {
			answer, err := n.direct.Send(ctx, to, sealed)
			found := n.host.Network().Connectedness(to) == network.Connected
			n.call(func(now time.Time) { n.dead.ended(gossip.PeerID(to), found, now) })
			return answer, err
		},
		Announce: func(certificate []byte) { n.emit(gossip.SelfKey{Certificate: certificate}) },
		Warn:     func(err error) { n.trouble(&n.troubles.mail, err) },
	}
	state := shared.Config{Self: n.host.ID(), Lifetime: n.cfg.Lifetime, Publish: n.publishState}
	if n.journal != nil {
		private.Store, state.Store = n.journal, n.journal
	}
	if n.mail, err = mail.New(private); err != nil {
		return err
	}
	if n.state, err = shared.New(state); err != nil {
		return err
	}
	n.direct = direct.New(n.host, n.mail.Receive)
	return nil
}

// carried hands on a rumor that everybody carries. It does not block the loop.
func (n *Node) carried(r *gossip.Rumor) {
	if r.Kind == gossip.KindPrivate {
		n.mail.Carried(peer.ID(r.Origin), r.Payload)
		return
	}
	n.state.Take(shared.Rumor{Origin: peer.ID(r.Origin), Epoch: r.Epoch, Seq: r.Seq, Key: r.Key, Expires: time.UnixMilli(r.Expires), Payload: r.Payload})
}

// member is what the core knows of a node.
func (n *Node) member(p peer.ID) (m gossip.MemberStatus, ok bool) {
	n.call(func(time.Time) { m, ok = n.core.Member(gossip.PeerID(p)) })
	return m, ok
}

// certificate is the certificate in a node's newest presence, nil if it has none, and
// whether the node is here.
func (n *Node) certificate(p peer.ID) (certificate []byte, here bool) {
	m, ok := n.member(p)
	return m.Key, ok && isHere(m)
}

// isHere reports whether a member has neither left nor been lost.
func isHere(m gossip.MemberStatus) bool { return !m.Left && m.Lost.IsZero() }

// reachable reports whether a node may be reached straight, and tells the host the
// addresses of its presence.
func (n *Node) reachable(p peer.ID) bool {
	if n.host.Network().Connectedness(p) == network.Connected {
		return true
	}
	m, ok := n.member(p)
	if !ok || !isHere(m) {
		return false
	}
	if _, info, err := transport.OpenRecord(m.Record); err == nil && info.ID == p {
		addrs := dialable(info.Addrs, n.host.Addrs())
		n.call(func(now time.Time) { addrs = n.dead.alive(m.Peer, addrs, now) })
		n.host.Peerstore().AddAddrs(p, addrs, peerstore.TempAddrTTL)
	}
	return len(n.host.Peerstore().Addrs(p)) > 0
}

// sayCarried says something that everybody carries and waits until it is on its way.
func (n *Node) sayCarried(ctx context.Context, ev gossip.Publish) error {
	outcome, err := n.say(ctx, ev)
	if err != nil {
		return err
	}
	select {
	case p := <-outcome:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the proof of work: %w", context.Cause(ctx))
	}
}

func (n *Node) relay(ctx context.Context, sealed []byte, lifetime time.Duration) error {
	return n.sayCarried(ctx, gossip.Publish{Kind: gossip.KindPrivate, Lifetime: lifetime, Payload: sealed})
}

func (n *Node) publishState(ctx context.Context, key string, payload []byte, lifetime time.Duration) error {
	return n.sayCarried(ctx, gossip.Publish{Kind: gossip.KindState, Key: key, Lifetime: lifetime, Payload: payload})
}

// Send sends a private message of up to mail.MaxText bytes to up to 64 nodes, to
// each by the way that there is; see mail.Mail.Send.
func (n *Node) Send(ctx context.Context, to []peer.ID, data []byte, o mail.Options) (mail.Sent, error) {
	return n.mail.Send(ctx, to, data, o)
}

// Sent tells what became of a private message, false if it is not remembered.
func (n *Node) Sent(id mail.ID) (mail.Sent, bool) { return n.mail.Sent(id) }

// Inbox reads the private messages that came, and receipts, after the event with a
// number; 0 = all that are kept.
func (n *Node) Inbox(after uint64) *mail.Reader { return n.mail.Read(after) }

// InboxNew reads the private messages and receipts that come from now on.
func (n *Node) InboxNew() *mail.Reader { return n.mail.ReadNew() }

// SetState says a value under a key of this node's to everybody.
func (n *Node) SetState(ctx context.Context, key string, value []byte) error {
	return n.state.Set(ctx, key, value)
}

// DeleteState takes a key of this node's back.
func (n *Node) DeleteState(ctx context.Context, key string) error { return n.state.Delete(ctx, key) }

// State lists what nodes say: one of them unless of is empty, under one key unless
// key is empty.
func (n *Node) State(of peer.ID, key string) []shared.Entry { return n.state.Get(of, key) }

// WatchState tells everything that nodes say, and what changes from then on.
func (n *Node) WatchState() *shared.Watcher { return n.state.Watch() }
