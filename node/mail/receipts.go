package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"github.com/hashicorp/golang-lru/simplelru"
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
	// maxOwed is how many senders wait for receipts, and as many more whose keys are not
	// known.
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

	// keyless are those to be tried again for senders whose keys were not known: who was
	// away may get messages before it hears who is here.
	keyless *simplelru.LRU // []ID by peer.ID
}

func newOwed() owed {
	return owed{of: make(map[peer.ID][]ID), more: make(chan struct{}, 1), keyless: newLRU(maxOwed)}
}

// owe sees to receipts for messages that came by a rumor. m.mu is held.
func (m *Mail) owe(to peer.ID, ids ...ID) {
	o := &m.owed
	before := o.of[to]
	if before == nil && len(o.of) >= maxOwed {
		m.count.receiptsLost.Add(uint64(len(ids)))
		return
	}
	if before == nil {
		o.order = append(o.order, to)
	}
	o.of[to] = m.asMany(append(before, ids...))
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// asMany is as many as one receipt acknowledges.
func (m *Mail) asMany(ids []ID) []ID {
	n := min(len(ids), maxAcknowledged)
	m.count.receiptsLost.Add(uint64(len(ids) - n))
	return ids[:n]
}

// putOff keeps receipts for a sender whose key is not known.
func (m *Mail) putOff(to peer.ID, ids []ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	waiting := m.owed.keyless
	if before, ok := waiting.Peek(to); ok {
		ids = m.asMany(append(before.([]ID), ids...))
	} else if waiting.Len() >= maxOwed {
		_, lost, _ := waiting.RemoveOldest()
		m.count.receiptsLost.Add(uint64(len(lost.([]ID))))
	}
	waiting.Add(to, ids)
}

// oweAgain has those that were put off tried again, if there is room. m.mu is held.
func (m *Mail) oweAgain() {
	waiting := m.owed.keyless
	for waiting.Len() > 0 && len(m.owed.of) < maxOwed {
		to, ids, _ := waiting.RemoveOldest()
		m.owe(to.(peer.ID), ids.([]ID)...)
	}
}

// answered reports, once, whether a message came straight, and so had an answer. m.mu is
// held.
func (m *Mail) answered(from peer.ID, id ID) bool {
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
	if errors.Is(err, errNoKey) {
		m.putOff(to, ids)
		return false
	}
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
