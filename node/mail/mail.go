package mail

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/simplelru"
	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/direct"
	"hearsay/node/envelope"
	"hearsay/node/identity"
	"hearsay/node/journal"
)

var log = logging.Logger("hearsay/mail")

// Store is the part of the journal that mail uses.
type Store interface {
	SaveValues(changes ...journal.Change) error
	Values(bucket journal.Bucket, visit func(key []byte, value json.RawMessage) error) error
}

type change = journal.Change

// Config is what Mail is made with. All functions may be called by several
// goroutines at once.
type Config struct {
	Identity *identity.Identity
	Network  string
	Keys     *Keys
	// Lifetime is how long a message may be on its way, up to 24 h.
	Lifetime time.Duration
	// Store keeps what must survive a restart; nil = nothing does.
	Store Store
	// Certificate is the certificate that a node's newest presence has, nil if there
	// is none, and whether the node is here. Of one that is here and has none, none that
	// it told before is used.
	Certificate func(peer.ID) (certificate []byte, here bool)
	// Reachable reports whether it is worth trying to reach a node straight.
	Reachable func(peer.ID) bool
	// Direct brings an envelope straight to a node.
	Direct func(context.Context, peer.ID, []byte) (direct.Answer, error)
	// Relay spreads an envelope in a private rumor; it returns when that is on its way.
	Relay func(ctx context.Context, sealed []byte, lifetime time.Duration) error
	// Announce has others told this node's certificate.
	Announce func(certificate []byte)
	// Warn shows a user all that is wrong, or with nil that nothing is any more.
	Warn func(error)
}

const (
	// maxOpening is how many carried rumors wait to be tried, and maxOpeningBytes how
	// many bytes they have: what a node carries for others (package gossip).
	maxOpening      = 4096
	maxOpeningBytes = 16 << 20
	// sweepPause is how often what expired is forgotten, keys are looked at, and receipts
	// are tried again for which there was no key.
	sweepPause = time.Minute
)

// Mail is the private messages of one node. Make it with New, run it with Run.
type Mail struct {
	cfg     Config
	self    peer.ID
	started time.Time
	opening openings

	mu    sync.Mutex
	told  *told
	inbox inbox
	sent  outbox
	owed  owed
	disk  disk
	// answers are the messages that came straight last, so that no receipt was owed.
	answers *simplelru.LRU // by toldKey

	known    certificates
	failed   failures
	keys     keyNews
	troubles troubles

	count struct{ opened, unread, refused, overflow, receiptsLost, unsaved atomic.Uint64 }
}

// troubles are failures that last, each set and cleared by who meets it.
type troubles struct {
	mu        sync.Mutex
	key, disk error
}

// carried is a private rumor that may be for this node.
type carried struct {
	origin peer.ID
	sealed []byte
}

// openings are carried rumors that wait to be tried, up to maxOpening of up to
// maxOpeningBytes. Most nodes have none most of the time, and then they take no memory.
type openings struct {
	more chan struct{} // has room for one: there are some

	mu      sync.Mutex
	waiting []carried
	bytes   int // of all that wait
}

// add returns false if there is no room.
func (o *openings) add(c carried) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) >= maxOpening || o.bytes+len(c.sealed) > maxOpeningBytes {
		return false
	}
	o.bytes += len(c.sealed)
	o.waiting = append(o.waiting, c)
	select {
	case o.more <- struct{}{}:
	default:
	}
	return true
}

// next takes out the one that waits longest.
func (o *openings) next() (c carried, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		return c, false
	}
	c = o.waiting[0]
	o.bytes -= len(c.sealed)
	o.waiting[0] = carried{}
	if o.waiting = o.waiting[1:]; len(o.waiting) == 0 {
		o.waiting = nil
	}
	return c, true
}

// New reads what the store has. Nothing is sent before Run.
func New(cfg Config) (*Mail, error) {
	m := &Mail{
		cfg:     cfg,
		self:    cfg.Identity.ID(),
		started: time.Now(),
		opening: openings{more: make(chan struct{}, 1)},
		told:    newTold(),
		inbox:   newInbox(time.Now()),
		sent:    newOutbox(),
		owed:    newOwed(),
		answers: newLRU(maxAnswers),
		known:   newCertificates(),
		failed:  failures{at: make(map[peer.ID]time.Time)},
		keys:    keyNews{changed: make(chan struct{})},
	}
	if err := m.load(); err != nil {
		return nil, err
	}
	return m, nil
}

// Run tells others this node's key, opens what comes and sends receipts, until ctx
// ends.
func (m *Mail) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { m.openAll(ctx) })
	wg.Go(func() { m.acknowledgeAll(ctx) })
	var certified time.Time
	sweep := time.NewTicker(sweepPause)
	defer sweep.Stop()
	for {
		now := time.Now()
		renewed, err := m.cfg.Keys.renew(now)
		if err != nil {
			err = fmt.Errorf("the key for private messages cannot be renewed: %w", err)
		}
		m.trouble(&m.troubles.key, err)
		if renewed || certificateDue(certified, now) {
			if c, err := m.cfg.Keys.certificate(now); err != nil {
				log.Errorf("certifying the message key: %v", err)
			} else {
				m.cfg.Announce(c.Bytes)
				certified = now
			}
		}
		select {
		case <-sweep.C:
			m.sweep(time.Now())
		case <-ctx.Done():
			wg.Wait()
			return
		}
	}
}

// trouble notes, or with nil clears, one of the troubles, and has all shown.
func (m *Mail) trouble(which *error, err error) {
	t := &m.troubles
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil && *which == nil || m.cfg.Warn == nil {
		return
	}
	*which = err
	all := cmp.Or(t.key, t.disk)
	if t.key != nil && t.disk != nil {
		all = fmt.Errorf("%w; %w", t.key, t.disk) // on one line
	}
	m.cfg.Warn(all)
}

// sweep forgets what has expired.
func (m *Mail) sweep(now time.Time) {
	m.failed.expire(now)
	// A wall clock that leaps ahead and back must not have letters told twice: that they
	// were told is also remembered by the steady clock, so on a machine that slept for longer.
	steady := m.started.Add(time.Since(m.started))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.oweAgain()
	m.save(m.told.expire(time.UnixMilli(min(now.UnixMilli(), steady.UnixMilli()))))
}

// Carried takes in a private rumor that everybody carries. It never blocks.
func (m *Mail) Carried(origin peer.ID, sealed []byte) {
	if !m.opening.add(carried{origin, sealed}) {
		m.count.overflow.Add(1)
	}
}

// openAll tries the carried rumors, as many at once as one write to the disk is
// worth.
func (m *Mail) openAll(ctx context.Context) {
	for ctx.Err() == nil {
		if c, ok := m.opening.next(); ok {
			m.take(c.origin, c.sealed, Relayed)
			continue
		}
		select {
		case <-m.opening.more:
		case <-ctx.Done():
			return
		}
	}
}

// Receive takes an envelope that came straight from a peer. It satisfies
// direct.Receive.
func (m *Mail) Receive(from peer.ID, sealed []byte) direct.Answer {
	return m.take(from, sealed, Direct)
}

// take opens an envelope and settles what is in it.
func (m *Mail) take(from peer.ID, sealed []byte, way Way) direct.Answer {
	about := envelope.About{Network: m.cfg.Network, Origin: from}
	opened, err := m.cfg.Keys.open(about, m.self, sealed)
	if errors.Is(err, envelope.ErrNotForUs) {
		m.count.unread.Add(1)
		return direct.NotForUs
	}
	now := time.Now()
	var l *letter
	if err == nil {
		l, err = parseLetter(opened.Text, now)
	}
	if err != nil {
		m.count.refused.Add(1)
		log.Debugf("a private message of %s is refused: %v", from, err)
		return direct.Refused
	}
	m.count.opened.Add(1)
	if l.kind == kindReceipt {
		m.receipt(from, l, now)
		return direct.Told
	}
	answer := m.tell(&Letter{ID: l.id, From: from, To: opened.Recipients, Text: l.body, Created: l.created, Received: now, Way: way}, l)
	if answer == direct.Told {
		m.correspond(from)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// A rumor to one recipient says that its sender heard no answer. One to several may be
	// for the others.
	if way == Relayed && l.flags&flagReceipt != 0 &&
		(answer == direct.Told || answer == direct.Known && len(opened.Recipients) == 1 && m.answered(from, l.id)) {
		m.owe(from, l.id)
	}
	return answer
}

// tell keeps a message for the readers, once.
func (m *Mail) tell(letter *Letter, l *letter) direct.Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch known, old := m.told.knows(letter.From, l); {
	case known:
		return direct.Known
	case old:
		m.count.refused.Add(1)
		return direct.Refused
	}
	if letter.Way == Direct {
		m.answers.Add(toldKey{letter.From, l.id}, nil)
	}
	changes := append(m.told.note(letter.From, l), m.inbox.addLetter(letter)...)
	// On the disk before anybody reads it or hears that it arrived. If that fails, a
	// message is told twice after a restart, or is lost in it, unless the disk takes
	// it before: better than now.
	m.save(changes)
	m.inbox.publish()
	return direct.Told
}

// Counters tell what became of private messages, by name.
func (m *Mail) Counters() map[string]uint64 {
	return map[string]uint64{
		"mail_opened":        m.count.opened.Load(),
		"mail_unread":        m.count.unread.Load(),
		"mail_refused":       m.count.refused.Load(),
		"mail_overflow":      m.count.overflow.Load(),
		"mail_receipts_lost": m.count.receiptsLost.Load(),
		"mail_unsaved":       m.count.unsaved.Load(),
	}
}

// quantile is the value below which 1/n of them lie. It sorts values.
func quantile[T cmp.Ordered](values []T, n int) T {
	slices.Sort(values)
	return values[len(values)/n]
}
