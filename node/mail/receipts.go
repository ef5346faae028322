package mail

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/direct"
	"hearsay/node/envelope"
)

const (
	// receiptDelay is how long messages of one sender are gathered for one receipt,
	// and receiptJitter up to how much longer by chance, so that who watches rumors
	// cannot tell by the moment which receipt is for which message.
	receiptDelay  = 200 * time.Millisecond
	receiptJitter = 800 * time.Millisecond
	// receiptPause is the time between two rumors with receipts: each costs this node
	// a proof of work, and all others room. Somebody who cannot be reached and sends
	// to many could make them answer all at once.
	receiptPause = time.Second
	// maxOwed is how many senders wait for receipts.
	maxOwed = 256
	// maxAnswers is of how many messages that came straight it is remembered, for the few
	// seconds in which a rumor would follow that tells that the answer was not heard.
	maxAnswers = 1024
)

// owed is the receipts that this node has to send.
type owed struct {
	of    map[peer.ID][]ID
	order []peer.ID
	more  chan struct{} // holds one element if there is something to do
}

func newOwed() owed { return owed{of: make(map[peer.ID][]ID), more: make(chan struct{}, 1)} }

// owe sees to a receipt for a message that came by a rumor.
func (m *Mail) owe(to peer.ID, id ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := &m.owed
	switch ids := o.of[to]; {
	case ids == nil && len(o.of) >= maxOwed, len(ids) >= maxAcknowledged:
		m.count.receiptsLost.Add(1)
		return
	case ids == nil:
		o.order = append(o.order, to)
	}
	o.of[to] = append(o.of[to], id)
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// answered reports, once, whether a message came straight, and so had an answer.
func (m *Mail) answered(from peer.ID, id ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answers.Remove(toldKey{from, id})
}

// next takes out the receipts for the sender that waits longest.
func (o *owed) next() (to peer.ID, ids []ID) {
	if len(o.order) == 0 {
		return "", nil
	}
	to = o.order[0]
	o.order = o.order[1:]
	ids = o.of[to]
	delete(o.of, to)
	return to, ids
}

// acknowledgeAll sends receipts until ctx ends.
func (m *Mail) acknowledgeAll(ctx context.Context) {
	pause := func(d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for {
		select {
		case <-m.owed.more:
		case <-ctx.Done():
			return
		}
		if !pause(receiptDelay + mrand.N(receiptJitter)) {
			return
		}
		for {
			m.mu.Lock()
			to, ids := m.owed.next()
			m.mu.Unlock()
			if ids == nil {
				break
			}
			if m.acknowledge(ctx, to, ids) && !pause(receiptPause) {
				return
			}
		}
	}
}

// acknowledge sends one receipt and reports whether it went by a rumor.
func (m *Mail) acknowledge(ctx context.Context, to peer.ID, ids []ID) (relayed bool) {
	now := time.Now().Truncate(time.Millisecond)
	l := &letter{kind: kindReceipt, created: now, expires: now.Add(min(m.cfg.Lifetime, maxLife))}
	rand.Read(l.id[:])
	for _, id := range ids {
		l.body = append(l.body, id[:]...)
	}
	c, err := m.certificateOf(to, now)
	var sealed []byte
	if err == nil {
		sealed, err = envelope.Seal(envelope.About{Network: m.cfg.Network, Origin: m.self}, m.cfg.Identity, []*envelope.Certificate{c}, l.encode())
	}
	if err == nil {
		switch answer, failure := m.straight(ctx, to, sealed); {
		case failure != nil, answer == direct.Busy:
			relayed, err = true, m.cfg.Relay(ctx, sealed, time.Until(l.expires))
		case !answer.Arrived():
			err = fmt.Errorf("its answer is: %v", answer) // and would be to a rumor
		}
	}
	if err != nil {
		m.count.receiptsLost.Add(uint64(len(ids)))
		log.Debugf("no receipt for %s: %v", to, err)
	}
	return relayed
}

// receipt takes in that a recipient has some of this node's messages.
func (m *Mail) receipt(by peer.ID, l *letter, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range l.acknowledged() {
		s := m.sent.of[id]
		if s == nil {
			continue
		}
		for i := range s.Deliveries {
			if d := &s.Deliveries[i]; d.Peer == by && d.Arrived.IsZero() {
				d.Arrived = now
				m.inbox.addReceipt(&Receipt{id, by, now})
			}
		}
	}
	m.inbox.publish()
}
