package transport

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

var log = logging.Logger("hearsay/transport")

// The protocols of the three lanes.
const (
	GossipProtocol protocol.ID = "/hearsay/gossip/1.0.0"
	SyncProtocol   protocol.ID = "/hearsay/sync/1.0.0"
	PeersProtocol  protocol.ID = "/hearsay/peers/1.0.0"
)

// Config is what a Transport is made with.
type Config struct {
	// Host has the connections. The transport never closes it.
	Host host.Host
	// Network is the network's name: peers of another are refused.
	Network string
	// Agent is what Hello tells about this program, up to wire.MaxAgent bytes.
	Agent string
	// Work is one more than the bits of proof of work that Hello tells, 0 = tell
	// nothing.
	Work uint32
	// Emit takes in events. It may block, and is called by several goroutines,
	// none of which holds a lock. Once nobody takes events any more it has to
	// return all the same, or Close waits for it. That of a LinkDown returns when
	// the core has handled it: only then the peer's next link can come up, lest
	// what the core sends on the one that has ended goes down that one.
	Emit func(gossip.Event)
	// Trace, unless nil, sees every message: when it is written, and when it
	// was read and before it is emitted. It must not block.
	Trace func(Direction, gossip.PeerID, gossip.Message)
}

// Direction is which way a message goes.
type Direction uint8

const (
	// Out is from this node.
	Out Direction = iota
	// In is to this node.
	In
)

// String is "out" or "in".
func (d Direction) String() string {
	if d == In {
		return "in"
	}
	return "out"
}

// timing has what a link waits for, so that tests need not.
type timing struct {
	greet  time.Duration // from Dial to LinkUp, and for the hello of a stream
	frame  time.Duration // for the rest of a frame that has begun
	flush  time.Duration // for one flush to be taken by the peer
	drain  time.Duration // for an orderly end
	urgent time.Duration // for the urgent messages before a cut
	churn  time.Duration // age of a link before the peer may have another
	punch  time.Duration // for a relayed connection to become a direct one
	relic  time.Duration // age difference of two connections of which one is dead
}

var defaultTiming = timing{
	greet:  10 * time.Second,
	frame:  10 * time.Second,
	flush:  5 * time.Second,
	drain:  2 * time.Second,
	urgent: 500 * time.Millisecond,
	churn:  250 * time.Millisecond,
	punch:  5 * time.Second,
	relic:  5 * time.Second,
}

// maxGreeters bounds the streams of one peer that are not part of its link yet.
// An honest one has three at once, or six when it begins anew.
const maxGreeters = 8

// Transport is the links of one node. All methods may be called by several
// goroutines at once.
type Transport struct {
	cfg    Config
	host   host.Host
	timing timing
	stats  counters
	muted  atomic.Bool // no more Received: the node is leaving
	warned seldom
	known  recordCache

	ctx    context.Context // until Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	idle    chan *lane   // to writers that have nothing to do
	resting atomic.Int32 // how many there are

	mu       sync.Mutex
	closed   bool
	leaving  bool
	remotes  map[peer.ID]*remote
	failures map[peer.ID]Failure
}

// remote is what is known of a peer while something goes on with it.
type remote struct {
	link     *link         // nil = none
	changed  chan struct{} // closed, and made anew, when link or its stage changes
	users    int           // goroutines that hold this
	greeters int           // streams that are not part of link yet
}

// Failure is the last thing that went wrong with a peer.
type Failure struct {
	Err error
	At  time.Time
}

// maxFailures bounds the peers whose failures are remembered; beyond it any one
// gives way.
const maxFailures = 1024

// New starts to take streams on cfg.Host.
func New(cfg Config) (*Transport, error) { return newTransport(cfg, defaultTiming) }

func newTransport(cfg Config, timing timing) (*Transport, error) {
	if cfg.Host == nil || cfg.Emit == nil {
		return nil, errors.New("transport: a host and a taker of events are needed")
	}
	if _, err := wire.AppendHello(nil, wire.Hello{Version: wire.Version, Network: cfg.Network, Agent: cfg.Agent, Session: 1}); err != nil {
		return nil, fmt.Errorf("transport: network %q, agent %q: %w", cfg.Network, cfg.Agent, err)
	}
	t := &Transport{
		cfg:      cfg,
		host:     cfg.Host,
		timing:   timing,
		remotes:  make(map[peer.ID]*remote),
		failures: make(map[peer.ID]Failure),
		known:    newRecordCache(),
		idle:     make(chan *lane),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	for id := range lanes {
		t.host.SetStreamHandler(protocols[id], func(s network.Stream) { t.accept(id, s) })
	}
	return t, nil
}

// Dial makes a link to a peer, whose addresses the host must know. It returns
// at once; LinkUp or DialFailed follows within 10 s. If there is a link it does
// nothing.
func (t *Transport) Dial(p gossip.PeerID) {
	rem := t.enter(peer.ID(p))
	if rem == nil { // closed or leaving: nobody waits for an answer
		return
	}
	go func() {
		defer t.exit(peer.ID(p), rem)
		t.dial(peer.ID(p), rem)
	}()
}

// Probe finds out whether a peer, whose addresses the host must know, can be
// reached. It returns at once; Reached or DialFailed follows within 10 s. No
// link comes of it, only a connection, which is the connection manager's.
func (t *Transport) Probe(p gossip.PeerID) {
	rem := t.enter(peer.ID(p))
	if rem == nil { // closed or leaving: nobody waits for an answer
		return
	}
	go func() {
		defer t.exit(peer.ID(p), rem)
		ctx, cancel := context.WithTimeout(t.ctx, t.timing.greet)
		defer cancel()
		t.insist(peer.ID(p))
		if err := t.host.Connect(ctx, peer.AddrInfo{ID: peer.ID(p)}); err != nil {
			t.mu.Lock()
			t.failed(peer.ID(p), noConnection(err))
			t.mu.Unlock()
			t.cfg.Emit(gossip.DialFailed{Peer: p})
			return
		}
		t.cfg.Emit(gossip.Reached{Peer: p})
	}()
}

// Send queues a message on the link to a peer, an urgent one ahead of all
// others. It never blocks. If the queue is full it returns true, for the caller
// to hand the core a SendDropped. Without a link it does nothing: LinkDown is
// on its way.
func (t *Transport) Send(p gossip.PeerID, m gossip.Message, urgent bool) (dropped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rem := t.remotes[peer.ID(p)]
	if rem == nil || rem.link == nil || rem.link.stage != up {
		return false
	}
	_, id := classify(m)
	if id >= lanes {
		log.Errorf("no lane for a %T", m)
		return false
	}
	if !rem.link.out[id].push(m, urgent) {
		t.stats.dropped.Add(1)
		return true
	}
	if _, ok := m.(*gossip.PeersRequest); ok {
		rem.link.credit.Add(1)
	}
	return false
}

// Vouch notes the record, if any, in a verified presence of the peer: where a list of peers
// has it no other signature is looked at. A copy of the envelope is kept.
func (t *Transport) Vouch(p gossip.PeerID, envelope []byte) { t.known.vouch(p, envelope) }

// Hangup ends the link to a peer for a reason, which Failure will tell. What is
// queued is written first, for up to 2 s; if now, only what is urgent, for up
// to 0.5 s, and the connection is closed too, also if the link has just ended by
// itself. LinkDown follows in any case.
func (t *Transport) Hangup(p gossip.PeerID, reason string, now bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rem := t.remotes[peer.ID(p)]
	if rem == nil || rem.link == nil {
		return
	}
	l := rem.link
	if now {
		l.hangUp = true
		l.end(endHangup, errors.New(reason), cut)
		return
	}
	l.end(endHangup, errors.New(reason), drain)
}

// Addr is the address that a peer has on its link, or had if that has ended and its
// LinkDown is not handled yet. It is nil without a link.
func (t *Transport) Addr(p gossip.PeerID) ma.Multiaddr {
	t.mu.Lock()
	defer t.mu.Unlock()
	if rem := t.remotes[peer.ID(p)]; rem != nil && rem.link != nil {
		if s := rem.link.out[gossipLane].stream; s != nil {
			return s.Conn().RemoteMultiaddr()
		}
	}
	return nil
}

// Farewell ends all links, in parallel, after everything queued on them has
// been written and read, which takes up to 2 s. From its call on no message is
// emitted, no link made and no peer dialled. The error says how many peers did
// not confirm in time.
//
// It does not need Emit to make progress, so it may be called by the goroutine
// that takes events.
func (t *Transport) Farewell(ctx context.Context) error {
	t.muted.Store(true)
	t.mu.Lock()
	t.leaving = true
	var links []*link
	for _, rem := range t.remotes {
		if l := rem.link; l != nil {
			if l.stage == up || l.stage == over && l.how != reset { // such a one is being written out
				links = append(links, l)
			}
			l.end(endLeave, errLeaving, drain)
		}
	}
	t.mu.Unlock()

	late := 0
	for _, l := range links {
		select {
		case <-l.done:
			if !l.quiet.Load() {
				late++
			}
		case <-ctx.Done():
			late++
		}
	}
	if late > 0 {
		return fmt.Errorf("transport: %d of %d neighbours did not confirm the goodbye", late, len(links))
	}
	return nil
}

// Close ends everything at once and waits until it has ended. It returns after
// the last event was emitted.
func (t *Transport) Close() error {
	for id := range lanes {
		t.host.RemoveStreamHandler(protocols[id])
	}
	t.mu.Lock()
	t.closed = true
	for _, rem := range t.remotes {
		if rem.link != nil {
			rem.link.end(endClose, errClosed, reset)
		}
	}
	t.mu.Unlock()
	t.cancel()
	t.wg.Wait()
	return nil
}

// LinkInfo describes a link.
type LinkInfo struct {
	Peer       gossip.PeerID
	Since      time.Time
	Dialled    bool              // this node asked for the link
	Direction  network.Direction // of the connection below
	RemoteAddr string            // multiaddr, without the peer ID
	Relayed    bool              // through a relay, which limits time and data
	Ahead      time.Duration     // of the clock that the peer told when the link began, against this node's now; 0 too if it did not tell
	ToldTime   bool              // it told its clock
	Work       uint32            // one more than the bits of proof of work that it asks for, 0 = it did not tell
	Agent      string            // name and version as the peer tells them: not to be printed unquoted
	QueueLen   int               // messages waiting to be written
	QueueBytes int               // about their size
}

// Links are the links that are up, by peer ID.
func (t *Transport) Links() []LinkInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	infos := make([]LinkInfo, 0, len(t.remotes))
	for _, p := range slices.Sorted(maps.Keys(t.remotes)) {
		l := t.remotes[p].link
		if l == nil || l.stage != up {
			continue
		}
		info := LinkInfo{
			Peer:       gossip.PeerID(p),
			Since:      l.since,
			Dialled:    l.dialled,
			Direction:  l.conn.Direction,
			Relayed:    l.conn.Limited,
			Agent:      l.theirs.Agent,
			Ahead:      l.clock.ahead(now),
			ToldTime:   l.theirs.Time != 0,
			Work:       l.theirs.Work,
			RemoteAddr: l.addr,
		}
		for _, n := range l.out {
			messages, bytes := n.queued()
			info.QueueLen += messages
			info.QueueBytes += bytes
		}
		infos = append(infos, info)
	}
	return infos
}

// Failure is why the last dial to a peer failed or its last link ended, with
// Err nil if nothing is known.
func (t *Transport) Failure(p gossip.PeerID) Failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures[peer.ID(p)]
}

// Failures are the peers without a link whose last failure is of this kind, with
// its time.
func (t *Transport) Failures(kind error) map[gossip.PeerID]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := make(map[gossip.PeerID]time.Time)
	for p, f := range t.failures {
		if rem := t.remotes[p]; errors.Is(f.Err, kind) && (rem == nil || rem.link == nil || rem.link.stage != up) {
			of[gossip.PeerID(p)] = f.At
		}
	}
	return of
}

// failed notes an error and reports whether it is news. t.mu is held.
func (t *Transport) failed(p peer.ID, err error) bool {
	before, known := t.failures[p]
	if !known && len(t.failures) >= maxFailures {
		for some := range t.failures {
			delete(t.failures, some)
			break
		}
	}
	t.failures[p] = Failure{Err: err, At: time.Now()}
	return !known || before.Err.Error() != err.Error()
}

// mayWarn limits what others can make a node write to its log.
func (t *Transport) mayWarn() bool { return t.warned.may(time.Now(), warnPause) }

// warnPause is the shortest time between two warnings about peers.
const warnPause = 5 * time.Second

// enter begins something with a peer, for exit to end. It returns nil if the
// transport is ending. Who leaves still takes the lanes of links that it ends:
// to a peer that opens one at that moment a reset would be the end of the link,
// before it has read the goodbye.
func (t *Transport) enter(p peer.ID) *remote {
	t.mu.Lock()
	defer t.mu.Unlock()
	rem := t.remotes[p]
	if t.closed || t.leaving && (rem == nil || rem.link == nil) {
		return nil
	}
	if rem == nil {
		rem = &remote{changed: make(chan struct{})}
		t.remotes[p] = rem
	}
	rem.users++
	t.wg.Add(1)
	return rem
}

func (t *Transport) exit(p peer.ID, rem *remote) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rem.users--
	if rem.users == 0 && rem.link == nil {
		delete(t.remotes, p)
	}
	t.wg.Done()
}

// notify wakes who waits for a change of a peer's link. t.mu is held.
func (rem *remote) notify() {
	close(rem.changed)
	rem.changed = make(chan struct{})
}
