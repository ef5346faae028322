package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/direct"
	"hearsay/node/envelope"
)

const (
	// directPatience is how long a recipient has to answer straight before its
	// message goes by a rumor, too.
	directPatience = 2 * time.Second
	// directAtOnce is how many recipients of one message are tried at a time.
	directAtOnce = 16
	// failureTime is for how long one that could not be reached is not tried again,
	// and maxFailed how many of those are remembered.
	failureTime = time.Minute
	maxFailed   = 4096
	// maxSent is how many sent messages are remembered, for their receipts.
	maxSent = 1024
)

// Errors of a message that goes to nobody.
var (
	// ErrText: the text does not fit.
	ErrText = fmt.Errorf("mail: a private message has at most %d bytes", MaxText)
	// ErrRecipients: nobody, too many, or this node itself.
	ErrRecipients = errors.New("mail: recipients")
	// ErrNobody: none of the recipients can be written to.
	ErrNobody = errors.New("mail: no recipient can be written to")
)

// Delivery is what became of a message at one recipient.
type Delivery struct {
	Peer peer.ID
	// Way is how it was sent there.
	Way Way
	// Arrived is when the recipient said that it has it, zero = it has not said so.
	Arrived time.Time
	// Problem says in words why Way is Nowhere, or why it is not Direct.
	Problem string
}

// Sent is a message of this node's.
type Sent struct {
	ID         ID
	Created    time.Time
	Expires    time.Time  // who has not got it by then does not get it
	Deliveries []Delivery // in the order in which the recipients were named
}

// Arrived is how many recipients said that they have it.
func (s *Sent) Arrived() (n int) {
	for _, d := range s.Deliveries {
		if !d.Arrived.IsZero() {
			n++
		}
	}
	return n
}

// Options change how a message is sent.
type Options struct {
	// NoReceipt asks recipients that get it by a rumor for no receipt.
	NoReceipt bool
	// Relay sends it by a rumor only.
	Relay bool
	// Patience is how long a recipient's key is waited for if none is known, as of
	// one whose presence has not come yet; 0 = not at all.
	Patience time.Duration
	// Begin, unless nil, is called once no key is waited for any more, before any work
	// is done for the message. Send fails with its error.
	Begin func() error
}

// Send seals a message to nodes and sends it to each by the way that there is. It
// returns when every recipient's way is settled: for one that was reached straight
// that is when it arrived, for the others when the rumor is on its way. It fails if
// no recipient can be written to; what keeps one of several is in its Delivery.
func (m *Mail) Send(ctx context.Context, to []peer.ID, text []byte, o Options) (Sent, error) {
	if len(text) > MaxText {
		return Sent{}, fmt.Errorf("%w, and this one has %d", ErrText, len(text))
	}
	seen := make(map[peer.ID]bool)
	for _, p := range to {
		switch {
		case p == m.self:
			return Sent{}, fmt.Errorf("%w: this node itself is one", ErrRecipients)
		case p.Validate() != nil:
			return Sent{}, fmt.Errorf("%w: %q is no peer ID", ErrRecipients, string(p))
		}
		seen[p] = true
	}
	if len(to) == 0 || len(to) > envelope.MaxRecipients || len(seen) < len(to) {
		return Sent{}, fmt.Errorf("%w: %d of them, %d different; allowed are 1 to %d, each once", ErrRecipients, len(to), len(seen), envelope.MaxRecipients)
	}
	m.awaitKeys(ctx, to, o.Patience)
	if o.Begin != nil {
		if err := o.Begin(); err != nil {
			return Sent{}, err
		}
	}
	now := time.Now().Truncate(time.Millisecond)
	l := &letter{kind: kindMessage, created: now, expires: now.Add(min(m.cfg.Lifetime, maxLife)), body: text}
	if !o.NoReceipt {
		l.flags |= flagReceipt
	}
	rand.Read(l.id[:])
	sent := &Sent{ID: l.id, Created: l.created, Expires: l.expires}
	for _, p := range to {
		sent.Deliveries = append(sent.Deliveries, Delivery{Peer: p, Way: Nowhere})
	}
	m.mu.Lock()
	m.sent.add(sent)
	m.mu.Unlock()
	err := m.dispatch(ctx, sent, l, o.Relay)
	m.mu.Lock()
	defer m.mu.Unlock()
	copied := sent.clone()
	return copied, err
}

func (s *Sent) clone() Sent {
	c := *s
	c.Deliveries = slices.Clone(s.Deliveries)
	return c
}

// settle notes what became of a delivery.
func (m *Mail) settle(d *Delivery, way Way, arrived bool, problem string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d.Way, d.Problem = way, problem
	if arrived && d.Arrived.IsZero() {
		d.Arrived = time.Now()
	}
}

// dispatch seals and sends a letter to all its recipients, whose deliveries it
// fills in.
func (m *Mail) dispatch(ctx context.Context, sent *Sent, l *letter, relayOnly bool) error {
	var certificates []*envelope.Certificate
	var able []*Delivery
	for i := range sent.Deliveries {
		d := &sent.Deliveries[i]
		c, err := m.certificateOf(d.Peer, time.Now())
		if err != nil {
			m.settle(d, Nowhere, false, err.Error())
			continue
		}
		m.known.keep(d.Peer, c.Bytes)
		certificates = append(certificates, c)
		able = append(able, d)
	}
	if len(able) == 0 {
		return fmt.Errorf("%w: %s", ErrNobody, sent.Deliveries[0].Problem)
	}
	sealed, err := envelope.Seal(envelope.About{Network: m.cfg.Network, Origin: m.self}, m.cfg.Identity, certificates, l.encode())
	if err != nil {
		return err
	}
	relay := m.sendDirect(ctx, able, sealed, relayOnly)
	if len(relay) > 0 {
		err = m.cfg.Relay(ctx, sealed, time.Until(l.expires))
	}
	for _, d := range relay {
		if err != nil {
			m.settle(d, Nowhere, false, err.Error())
		} else {
			m.settle(d, Relayed, false, d.Problem)
		}
	}
	switch {
	case slices.ContainsFunc(able, func(d *Delivery) bool { return d.Way != Nowhere }):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: %s", ErrNobody, able[0].Problem)
}

// keyNews wakes those who wait for a key.
type keyNews struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, with each key
}

// KeyKnown says that a node has told a certificate, which Config.Certificate has from
// now on, as long as it knows a presence of the node; here it is remembered for longer.
// It does not block.
func (m *Mail) KeyKnown(of peer.ID, certificate []byte) {
	if len(certificate) > 0 {
		m.known.note(of, certificate)
	}
	m.keys.mu.Lock()
	defer m.keys.mu.Unlock()
	close(m.keys.changed)
	m.keys.changed = make(chan struct{})
}

// awaitKeys returns when the keys of all recipients can be used, or patience or ctx
// is at its end.
func (m *Mail) awaitKeys(ctx context.Context, to []peer.ID, patience time.Duration) {
	if patience <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		m.keys.mu.Lock()
		changed := m.keys.changed // before it is looked
		m.keys.mu.Unlock()
		if !slices.ContainsFunc(to, func(p peer.ID) bool {
			_, err := m.certificateOf(p, time.Now())
			return err != nil
		}) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// sendDirect tries to reach recipients straight and returns those that are left.
func (m *Mail) sendDirect(ctx context.Context, all []*Delivery, sealed []byte, relayOnly bool) (left []*Delivery) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	free := make(chan struct{}, directAtOnce)
	for _, d := range all {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			if relayOnly || !m.tryDirect(ctx, d, sealed) {
				mu.Lock()
				defer mu.Unlock()
				left = append(left, d)
			}
		})
	}
	wg.Wait()
	return left
}

// tryDirect reports whether a recipient's message is settled without a rumor: it
// arrived, or the recipient's answer would be the same to a rumor of the same bytes.
func (m *Mail) tryDirect(ctx context.Context, d *Delivery, sealed []byte) bool {
	answer, err := m.straight(ctx, d.Peer, sealed)
	switch {
	case err != nil:
		m.settle(d, Nowhere, false, err.Error())
		return false
	case answer.Arrived():
		m.settle(d, Direct, true, "")
		return true
	case answer == direct.Busy:
		m.settle(d, Nowhere, false, "it is busy")
		return false
	case answer == direct.NotForUs:
		m.settle(d, Nowhere, false, "it has another key by now; its next presence tells it")
		return true
	}
	m.settle(d, Nowhere, false, "it refused the message; do the clocks differ?")
	return true
}

// errNotReachable: there is no reason to try.
var errNotReachable = errors.New("it cannot be reached straight")

// straight brings an envelope straight to a node, unless that failed a moment ago.
func (m *Mail) straight(ctx context.Context, to peer.ID, sealed []byte) (direct.Answer, error) {
	if m.failed.lately(to) || !m.cfg.Reachable(to) {
		return 0, errNotReachable
	}
	ctx, cancel := context.WithTimeout(ctx, directPatience)
	defer cancel()
	answer, err := m.cfg.Direct(ctx, to, sealed)
	m.failed.note(to, err != nil)
	return answer, err
}

// Met forgets that a node could not be reached: it is a neighbour now. It does not
// block.
func (m *Mail) Met(p peer.ID) { m.failed.note(p, false) }

// failures are the nodes that could not be reached straight a while ago.
type failures struct {
	mu sync.Mutex
	at map[peer.ID]time.Time
}

func (f *failures) lately(p peer.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, failed := f.at[p]
	return failed && time.Since(at) < failureTime
}

func (f *failures) note(p peer.ID, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !failed {
		delete(f.at, p)
	} else if len(f.at) < maxFailed {
		f.at[p] = time.Now()
	}
}

func (f *failures) expire(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, at := range f.at {
		if now.Sub(at) > failureTime {
			delete(f.at, p)
		}
	}
}

// Sent tells what became of a message so far, false if it is not remembered.
func (m *Mail) Sent(id ID) (Sent, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sent.of[id]
	if s == nil {
		return Sent{}, false
	}
	return s.clone(), true
}

// outbox is the messages that were sent last.
type outbox struct {
	of    map[ID]*Sent
	order []ID
}

func newOutbox() outbox { return outbox{of: make(map[ID]*Sent)} }

func (o *outbox) add(s *Sent) {
	o.of[s.ID] = s
	o.order = append(o.order, s.ID)
	if len(o.order) > maxSent {
		delete(o.of, o.order[0])
		o.order = o.order[1:]
	}
}
