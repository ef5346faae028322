package values

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

const (
	// DefaultTTL is how long a value lives whose owner does not say.
	DefaultTTL = time.Hour
	// lookupTimeout bounds a look-up, whatever nodes do.
	lookupTimeout = 8 * time.Second
	// maxLookups is how many look-ups go on at the same time; the next ones wait.
	maxLookups = 64
)

// Config is what a Service is made with. All fields are needed.
type Config struct {
	Network string
	Self    peer.ID
	Key     crypto.PrivKey // of Self; signs what is put here
	// Nearest are up to n nodes of the routing table, the nearest to a point of
	// Kademlia's key space first, with addresses as far as they are known.
	Nearest func(point [32]byte, n int) []peer.AddrInfo
	// Call sends a request to another node and returns its answer, which is what
	// Handle returned there. It returns when ctx ends.
	Call func(ctx context.Context, to peer.AddrInfo, request []byte) ([]byte, error)
}

// Service keeps values and finds them. Its methods may be called by several
// goroutines at once.
type Service struct {
	cfg    Config
	store  *store
	silent silent
	puts   *rates                // records from others
	asks   *rates                // and to them
	handed recent[*rate.Limiter] // records of others' to each node
	slots  chan struct{}
	count  counters
	wake   chan struct{} // has room for one: something is to be spread
	detach func()        // nil without a host

	mu  sync.Mutex
	own map[Key]*own
}

// counters are the live form of Stats.
type counters struct {
	kept, refused, full, busy, malformed   atomic.Uint64
	asked, calls, failed, spread, handedOn atomic.Uint64
	gets, found, rejected                  atomic.Uint64
}

// Stats are a service's counters since its start, but for Records, Bytes and Own.
type Stats struct {
	Records int // kept now
	Bytes   int // that they are charged
	Own     int // of them put here

	Kept      uint64 // other nodes' records taken
	Refused   uint64 // records that were wrong: forged, expired, of another network
	Full      uint64 // records for which there was no room
	Busy      uint64 // records and questions above a peer's rate
	Malformed uint64 // messages that were none
	Displaced uint64 // records that made room for nearer ones
	Expired   uint64 // records that have had their time

	Asked    uint64 // requests for a key's records that were answered
	Calls    uint64 // requests made
	Failed   uint64 // of them, those without an answer
	Spread   uint64 // records of this node's given to others, copies
	HandedOn uint64 // records of others' given to others, copies
	Gets     uint64 // look-ups
	Found    uint64 // of them, those that found something
	Rejected uint64 // records found that were wrong
}

// New returns a service that knows no values.
func New(cfg Config) (*Service, error) {
	if cfg.Key == nil || cfg.Nearest == nil || cfg.Call == nil || !cfg.Self.MatchesPrivateKey(cfg.Key) {
		return nil, errors.New("values: Config needs Self, its Key, Nearest and Call")
	}
	return &Service{
		cfg:    cfg,
		store:  newStore(cfg.Self),
		silent: silent{newRecent[time.Time](maxSilent)},
		puts:   newRates(peerPuts, peerPutsBurst, allPuts, allPutsBurst),
		asks:   newRates(peerAsks, peerAsksBurst, allAsks, allAsksBurst),
		handed: newRecent[*rate.Limiter](maxBuckets),
		slots:  make(chan struct{}, maxLookups),
		wake:   make(chan struct{}, 1),
		own:    make(map[Key]*own),
	}, nil
}

// Stats returns the counters as they are now.
func (s *Service) Stats() Stats {
	records, bytes := s.store.size()
	s.store.mu.Lock()
	lost := s.store.lost
	s.store.mu.Unlock()
	s.mu.Lock()
	mine := len(s.own)
	s.mu.Unlock()
	c := &s.count
	return Stats{
		Records: records, Bytes: bytes, Own: mine,
		Kept: c.kept.Load(), Refused: c.refused.Load(), Full: c.full.Load(), Busy: c.busy.Load(), Malformed: c.malformed.Load(),
		Displaced: lost.displaced, Expired: lost.expired,
		Asked: c.asked.Load(), Calls: c.calls.Load(), Failed: c.failed.Load(), Spread: c.spread.Load(), HandedOn: c.handedOn.Load(),
		Gets: c.gets.Load(), Found: c.found.Load(), Rejected: c.rejected.Load(),
	}
}

// Why Put does not keep a value that is right in itself.
var (
	// ErrFull: what this node has put and has not expired is as much as it may be. What
	// others have put is never in the way.
	ErrFull = fmt.Errorf("the values of one node take at most %d KiB together, until some expire", MaxSignerBytes>>10)
	// ErrNewer: a newer value came from another node while this one was signed. It
	// happens to nodes that share a hostkey; the next Put succeeds.
	ErrNewer = errors.New("another node with this node's hostkey has just put a newer value under this key")
)

// Put signs a value and keeps it here, so that Get finds it at this node from now
// on; Run spreads it. A ttl of 0 is DefaultTTL, and none is above MaxTTL. copies
// is how many nodes at each place should have it: 0 or less than 8 = 8, at most
// 20. A later Put replaces an earlier one of the same key, even one that would have
// lived longer: this node does not get that one back from others.
func (s *Service) Put(key Key, value []byte, ttl time.Duration, copies int) (*Record, error) {
	r, err := s.put(key, value, ttl, copies, false)
	if err == nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return r, err
}

// PutNow is Put, and spreads the value itself. It returns how many other nodes
// have it then, which may be 0: later ones will.
func (s *Service) PutNow(ctx context.Context, key Key, value []byte, ttl time.Duration, copies int) (r *Record, others int, err error) {
	if r, err = s.put(key, value, ttl, copies, true); err == nil {
		others = s.spread(ctx, key)
	}
	return r, others, err
}

func (s *Service) put(key Key, value []byte, ttl time.Duration, copies int, busy bool) (*Record, error) {
	switch {
	case ttl < 0:
		return nil, fmt.Errorf("a value cannot live for %v", ttl)
	case ttl == 0:
		ttl = DefaultTTL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	sequence := max(uint64(now.UnixMilli()), s.store.next(key, now))
	r, err := Sign(s.cfg.Key, s.cfg.Network, key, value, sequence, now, now.Add(min(ttl, MaxTTL)))
	if err != nil {
		return nil, err
	}
	switch s.store.put(r, now) {
	case verdictKept:
	case verdictFull:
		return nil, ErrFull
	default:
		return nil, ErrNewer
	}
	s.own[key] = &own{record: r, copies: min(max(copies, placeNodes), maxCopies), busy: busy}
	return r, nil
}

// Get returns the value that counts (see the package's documentation), nil if
// there is none or it is not found before ctx ends or 8 s are over.
func (s *Service) Get(ctx context.Context, key Key) *Record {
	now := time.Now()
	if r := s.store.of(key, s.cfg.Self, now); r != nil {
		s.count.gets.Add(1)
		s.count.found.Add(1)
		return r
	}
	if all := s.find(ctx, key, false); len(all) > 0 {
		return all[0]
	}
	return nil
}

// All returns the values of all signers, up to 8, the one that counts first.
func (s *Service) All(ctx context.Context, key Key) []*Record { return s.find(ctx, key, true) }

// find looks at the three places at the same time. exhaustive waits for all of
// their nodes.
func (s *Service) find(ctx context.Context, key Key, exhaustive bool) []*Record {
	s.count.gets.Add(1)
	t := newTally(s.cfg.Self)
	here, _ := nearestPlace(s.store.self, key)
	t.add(s.cfg.Self, here, s.store.get(key, time.Now()))
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		s.findAt(ctx, key, t, exhaustive)
		<-s.slots
	case <-ctx.Done():
	}
	now := time.Now()
	var alive []*Record
	for _, r := range t.all() {
		if r.Alive(now) { // it may have taken a while
			alive = append(alive, r)
		}
	}
	if len(alive) > 0 {
		s.count.found.Add(1)
	}
	return alive
}

func (s *Service) findAt(ctx context.Context, key Key, t *tally, exhaustive bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex // of t
	known := new(proven)
	hurry := make(chan struct{})
	hurried := false
	take := func(i int, l *search) func(peer.ID, *response) bool {
		return func(from peer.ID, p *response) bool {
			checked := s.checked(key, p.records, known)
			mu.Lock()
			defer mu.Unlock()
			t.add(from, i, checked)
			t.near[i] = l.settled()
			if exhaustive {
				return false
			}
			if t.enough() || len(checked) > 0 && checked[0].vouched() == 2 {
				cancel()
				return true
			}
			if len(t.best) > 0 && !hurried {
				hurried = true
				time.AfterFunc(slow, func() { close(hurry) })
			}
			return false
		}
	}
	var wg sync.WaitGroup
	for i, at := range placesOf(key) {
		l := &search{s: s, place: at, ask: &request{kind: kindGet, place: at, key: key}, hurry: hurry}
		l.take = take(i, l)
		wg.Go(func() {
			near := l.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			t.near[i] = near
		})
	}
	wg.Wait()
}

// checked leaves out what no honest node would have sent, and what this node has
// replaced: that others still have it where its successor expired is no lie.
func (s *Service) checked(key Key, records []*Record, known *proven) []*Record {
	now := time.Now()
	var good []*Record
	for _, r := range records {
		if err := known.check(r, s.cfg.Network, key, now); err == nil {
			if !s.store.replaced(r, now) {
				good = append(good, r)
			}
		} else if !errors.Is(err, ErrExpired) { // which may have happened on the way
			s.count.rejected.Add(1)
		}
	}
	return good
}
