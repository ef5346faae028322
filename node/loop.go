package node

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
)

// emit hands an event to the loop, waiting while it is busy, and of a LinkDown until
// that is handled. After the loop has ended events vanish.
func (n *Node) emit(ev gossip.Event) {
	if down, ok := ev.(gossip.LinkDown); ok {
		handled := make(chan struct{})
		n.queue(awaited{down, handled})
		select {
		case <-handled:
		case <-n.done:
		}
		return
	}
	n.queue(ev)
}

// awaited is a LinkDown, and tells when it is handled: until then the core takes the
// link for one that is up, and what it sends must not reach the peer on another.
type awaited struct {
	gossip.LinkDown
	handled chan struct{}
}

func (n *Node) queue(ev gossip.Event) {
	select {
	case n.events <- ev: // mostly: waiting for two things at once costs more
		return
	default:
	}
	select {
	case n.events <- ev:
	case <-n.done:
	}
}

// call runs f on the loop and waits for it. It reports false if the node has
// stopped.
func (n *Node) call(f func(now time.Time)) bool {
	ran := make(chan struct{})
	n.post(func(now time.Time) { f(now); close(ran) })
	select {
	case <-ran:
		return true
	case <-n.done:
	}
	select {
	case <-ran: // before the end
		return true
	default:
		return false
	}
}

// post has the loop run f, after all that the caller had it run before. It returns
// when the loop will come to it, waiting while many others wait. After the loop has
// ended f vanishes.
func (n *Node) post(f func(now time.Time)) {
	select {
	case n.calls <- f:
	case <-n.done:
	}
}

// loop drives the core until the node has left.
func (n *Node) loop(ctx context.Context) error {
	defer n.endLoop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	leave := ctx.Done()
	var giveUp <-chan time.Time
	var set time.Time // what the timer is set to
	for !n.farewell {
		select {
		case ev := <-n.events:
			n.handleWaiting(ev)
		case f := <-n.calls:
			f(time.Now())
		case <-timer.C:
			set = time.Time{}
			n.handle(gossip.Tick{})
		case <-leave:
			leave = nil
			giveUp = time.After(leaveTime)
			n.handle(gossip.Leave{})
		case <-giveUp:
			log.Warnf("leaving took too long: neighbours will notice by themselves")
			n.farewell = true
		}
		// A stopped or fired timer needs no draining before Reset (Go 1.23).
		switch d := n.core.Deadline(); {
		case d.Equal(set):
		case d.IsZero():
			timer.Stop()
			set = d
		default:
			timer.Reset(time.Until(d))
			set = d
		}
	}
	stop := n.discardEvents()
	defer stop()
	if err := n.links.Farewell(context.Background()); err != nil {
		log.Infof("leaving: %v", err)
	}
	return nil
}

// discardEvents takes events that nobody needs any more, so that the readers of
// links do not wait in emit when the goodbyes' answers come, until stop.
func (n *Node) discardEvents() (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case ev := <-n.events:
				if down, ok := ev.(awaited); ok {
					close(down.handled)
				}
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

// endLoop lets nobody wait for a loop that is no more.
func (n *Node) endLoop() {
	n.cancel()
	close(n.done)
	for t, c := range n.tickets {
		c <- published{err: ErrStopped}
		delete(n.tickets, t)
	}
}

func (n *Node) handle(ev gossip.Event) {
	switch ev := ev.(type) {
	case gossip.LinkUp:
		n.met.Add(peer.ID(ev.Peer), nil)
		n.dead.ended(ev.Peer, true, time.Now())
	case gossip.LinkDown:
		n.met.Add(peer.ID(ev.Peer), nil) // it is new from now on
	case gossip.Reached:
		n.dead.ended(ev.Peer, true, time.Now())
	case gossip.DialFailed:
		n.dead.ended(ev.Peer, false, time.Now())
	case gossip.Sealed, gossip.SealFailed:
		n.sealer.ended()
	case awaited:
		n.handle(ev.LinkDown)
		close(ev.handled)
		return
	}
	n.actions = n.actions[:0]
	n.core.Handle(time.Now(), ev, &n.actions)
	// Carrying out an action can give an event: SendDropped, a vote, or what a seal came
	// to. The core hears of it after all of these actions.
	var few [4]gossip.Event
	events := few[:0]
	for _, a := range n.actions {
		if ev := n.carryOut(a); ev != nil {
			events = append(events, ev)
		}
	}
	clear(n.actions)
	for _, ev := range events {
		n.handle(ev)
	}
}

func (n *Node) carryOut(a gossip.Action) gossip.Event {
	switch a := a.(type) {
	case gossip.Send:
		if n.links.Send(a.To, a.Msg, a.Urgent) {
			return gossip.SendDropped{To: a.To, Msg: a.Msg}
		}
	case gossip.Deliver:
		if m, open := n.modules[a.Module]; open {
			return m.tell(a)
		}
	case gossip.Carried:
		n.carried(a.Rumor)
	case gossip.Seal:
		return n.sealer.begin(a)
	case gossip.Published:
		n.answer(a.Ticket, published{id: a.ID, neighbours: a.Neighbours})
	case gossip.Refused:
		n.answer(a.Ticket, published{err: a.Err})
	case gossip.NotSubscribed:
		n.refused = a.Err
		log.Warnf("a module cannot take type %d: %v", a.DataType, a.Err)
	case gossip.RaiseEpoch:
		go n.raiseEpoch(a.Above)
	case gossip.Dial:
		n.locate(a, time.Now())
		if a.Probe {
			n.links.Probe(a.Peer)
		} else {
			n.links.Dial(a.Peer)
		}
	case gossip.Hangup:
		if a.Banned {
			addrs := []multiaddr.Multiaddr{n.links.Addr(a.Peer)} // its connection may be closed by now
			for _, c := range n.host.Network().ConnsToPeer(peer.ID(a.Peer)) {
				addrs = append(addrs, c.RemoteMultiaddr())
			}
			for _, addr := range addrs {
				n.gate.bans.note(peer.ID(a.Peer), addr, time.Now())
			}
		}
		n.links.Hangup(a.Peer, a.Reason, a.Now)
	case gossip.Farewell:
		n.farewell = true
	case gossip.PeerEvent:
		if a.What == gossip.PeerJoined {
			m, _ := n.core.Member(a.Peer)
			n.links.Vouch(a.Peer, m.Record)
		}
		n.peerEvent(a)
	case gossip.PeerKey:
		m, _ := n.core.Member(a.Peer)
		n.mail.KeyKnown(peer.ID(a.Peer), m.Key)
	case gossip.Learnt:
		n.observed(Observed{ID: a.Rumor.ID, Rumor: rumorOf(a.Rumor), Via: peer.ID(a.From), Hops: int(a.Hops), Filled: a.Filled})
	case gossip.Settled:
		n.observed(Observed{ID: a.ID, Verdict: a.Outcome.String()})
	case gossip.KeyCopied:
		log.Warnf("another node uses this node's hostkey; its news came by %s", peer.ID(a.Via))
	}
	return nil
}

func (n *Node) answer(ticket uint64, p published) {
	if c := n.tickets[ticket]; c != nil {
		c <- p // buffered
		delete(n.tickets, ticket)
		n.pace.release(p.neighbours > 0)
	}
}

// raiseEpoch fetches an epoch above the one that others know of this node.
// Without a disk to put it on nothing is published; that is said, and tried again.
func (n *Node) raiseEpoch(above uint64) {
	for {
		epoch := max(above+1, uint64(time.Now().UnixMilli()))
		var err error
		if n.journal != nil {
			epoch, err = n.journal.RaiseEpoch(above)
		}
		if err == nil {
			n.trouble(&n.troubles.epoch, nil)
			n.emit(gossip.EpochRaised{Epoch: epoch})
			return
		}
		n.trouble(&n.troubles.epoch, err)
		log.Errorf("raising the epoch: %v", err)
		select {
		case <-time.After(5 * time.Second):
		case <-n.ctx.Done():
			return
		}
	}
}
