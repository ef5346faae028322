package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru"
	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/discovery"
	"hearsay/discovery/values"
	"hearsay/node/direct"
	"hearsay/node/gossip"
	"hearsay/node/journal"
	"hearsay/node/mail"
	"hearsay/node/shared"
	"hearsay/node/transport"
)

var log = logging.Logger("hearsay/node")

// JournalFile is the journal's name in Config.StateDir.
const JournalFile = "journal.db"

// ErrStopped is returned by calls on a node that does not run any more.
var ErrStopped = errors.New("the node has stopped")

// Node is a running node. Make it with New, run it with Run. Its methods may
// be called by several goroutines at once, from New on; what needs the loop
// waits for Run.
type Node struct {
	cfg      Config
	seed     uint64
	host     host.Host
	core     *gossip.State
	journal  *journal.Journal // nil = in memory
	links    *transport.Transport
	trace    func(transport.Direction, gossip.PeerID, gossip.Message) // nil = none
	finder   *discovery.Discovery
	values   *values.Service
	sealer   *sealer
	verifier *verifier
	mail     *mail.Mail
	direct   *direct.Direct
	state    *shared.State
	started  time.Time
	health   healthWatch
	watchdog *watchdog
	gate     *gate
	reach    reach
	met      *lru.Cache // of peers that have been neighbours, by when they last came or went
	heard    *lru.Cache // where others say that peers are, by hearsay

	events chan gossip.Event
	calls  chan func(now time.Time) // on the loop
	ready  chan struct{}
	done   chan struct{}      // closed when the loop has ended
	ctx    context.Context    // ends with the loop
	cancel context.CancelFunc // of ctx
	ran    atomic.Bool

	// Owned by the loop.
	actions   gossip.Actions
	waiting   []gossip.Event // that are handled one after the other (batch.go)
	dead      deadAddrs
	farewell  bool
	modules   map[gossip.ModuleID]module
	observers map[*Observer]struct{}
	tickets   map[uint64]chan<- published
	ticket    uint64 // the last one given
	refused   error  // what became of the Subscribe being handled, nil = it was taken

	mu       sync.Mutex
	module   uint64 // the last module ID given
	watchers map[*Watcher]struct{}
	troubles troubles
	pace     pace
}

// published is the outcome of an announcement.
type published struct {
	id         RumorID
	neighbours int
	err        error
}

const (
	eventQueue = 1024
	callQueue  = 64
	// eventBatch is how many events may go before calls and the clock in a row, and
	// how many signatures may be checked together.
	eventBatch = 32
	// maxAnnouncing is how many announcements may be under way; the next ones
	// wait. It is less than the core takes, which needs room for presence.
	maxAnnouncing = 192
	// leaveTime bounds how long the loop goes on after it was told to leave,
	// for the leave to be sealed and queued.
	leaveTime = leaveWork + 200*time.Millisecond
)

// New puts a node together: it opens the journal, takes a new epoch and
// listens. Nothing is sent before Run. A node that is not run must be closed.
func New(cfg Config, opts ...Option) (*Node, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg:       cfg,
		seed:      rand.Uint64(),
		started:   time.Now(),
		events:    make(chan gossip.Event, eventQueue),
		calls:     make(chan func(time.Time), callQueue),
		dead:      newDeadAddrs(),
		watchdog:  newWatchdog(),
		ready:     make(chan struct{}),
		done:      make(chan struct{}),
		observers: make(map[*Observer]struct{}),
		modules:   make(map[gossip.ModuleID]module),
		tickets:   make(map[uint64]chan<- published),
		watchers:  make(map[*Watcher]struct{}),
		pace:      newPace(),
	}
	n.met, _ = lru.New(maxMet) // fails only of a size below 1
	n.heard, _ = lru.New(maxHeard)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	for _, o := range opts {
		o(n)
	}
	if err := n.assemble(); err != nil {
		n.cancel()
		n.release()
		return nil, err
	}
	return n, nil
}

func (n *Node) assemble() error {
	epoch, err := n.openJournal()
	if err != nil {
		return err
	}
	n.gate = newGate(n.cfg.Identity.ID(), n.cfg.Allow)
	if n.host == nil {
		if n.host, err = newHost(&n.cfg, n.gate, n.reach.options(&n.cfg)); err != nil {
			return fmt.Errorf("listening on %v: %w", n.cfg.Listen, err)
		}
	}
	if n.host.ID() != n.cfg.Identity.ID() {
		return fmt.Errorf("the host is %v, the identity %v: they must be the same", n.host.ID(), n.cfg.Identity.ID())
	}
	n.reach.begin(n.host, n.ours)
	n.verifier = newVerifier(n.cfg.DifficultyBits)
	if n.core, err = gossip.New(n.coreConfig(epoch)); err != nil {
		return err
	}
	if n.finder, err = n.newDiscovery(); err != nil {
		return err
	}
	if err = n.newValues(); err != nil {
		return err
	}
	n.sealer = &sealer{id: n.cfg.Identity, bits: n.cfg.DifficultyBits, emit: n.emit, parent: n.ctx}
	if err := n.openMail(); err != nil {
		return err
	}
	n.links, err = transport.New(transport.Config{Host: n.host, Network: n.cfg.Network, Agent: n.cfg.Agent, Work: uint32(n.cfg.DifficultyBits) + 1, Emit: n.emit, Trace: n.trace})
	return err
}

// openJournal takes this run's epoch.
func (n *Node) openJournal() (epoch uint64, err error) {
	if n.cfg.StateDir == "" {
		return uint64(time.Now().UnixMilli()), nil
	}
	if err := os.MkdirAll(n.cfg.StateDir, 0o700); err != nil {
		return 0, fmt.Errorf("state folder: %w", err)
	}
	if n.journal, err = journal.Open(filepath.Join(n.cfg.StateDir, JournalFile)); err != nil {
		return 0, err
	}
	return n.journal.NextEpoch()
}

// ID is the node's peer ID.
func (n *Node) ID() peer.ID { return n.host.ID() }

// Host is the libp2p host below. Whoever uses it leaves its connections alone.
func (n *Node) Host() host.Host { return n.host }

// Ready is closed when the node runs.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Run runs the node until ctx ends, then has it leave properly, in under 3 s,
// and closes it. It can be called once.
func (n *Node) Run(ctx context.Context) error {
	if !n.ran.CompareAndSwap(false, true) {
		return errors.New("node: Run was called before, or the node was closed")
	}
	var wg sync.WaitGroup
	finding, stopFinding := context.WithCancel(ctx)
	wg.Go(func() { n.watchAddresses(finding) })
	wg.Go(func() {
		if err := n.finder.Run(finding); err != nil {
			log.Errorf("discovery: %v", err)
		}
	})
	wg.Go(func() { n.remember(finding) })
	if n.finder.Values() == nil {
		wg.Go(func() { n.values.Run(finding) }) // which discovery does otherwise
	}
	wg.Go(func() { n.watchTypes(finding) })
	wg.Go(func() { n.watchHealth(finding) })
	wg.Go(func() { n.watchdog.watch(finding, n.calls) })
	wg.Go(func() { n.mail.Run(finding) })
	wg.Go(func() { n.state.Run(finding) })
	wg.Go(func() { n.watchReach(finding) })
	n.recall()
	close(n.ready)

	err := n.loop(ctx)
	stopFinding()
	wg.Wait()
	n.savePeers()
	n.release()
	return err
}

// Close ends a node that was never run.
func (n *Node) Close() error {
	if n.ran.CompareAndSwap(false, true) {
		n.cancel()
		close(n.done)
		n.release()
	}
	return nil
}

// release closes what New opened.
func (n *Node) release() {
	if n.direct != nil {
		n.direct.Close()
	}
	if n.links != nil {
		n.links.Close()
	}
	if n.host != nil {
		n.host.Close()
	}
	if n.journal != nil {
		n.journal.Close()
	}
}
