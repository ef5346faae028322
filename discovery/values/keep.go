package values

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"hearsay/discovery/aligned"
)

const (
	// Own values are spread again after renewAfter, give or take a quarter. While
	// fewer than placeNodes nodes have them, that is lastRetry, and while nobody has
	// taken them, they are tried in pauses from firstRetry to lastRetry.
	renewAfter = 10 * time.Minute
	firstRetry = time.Second
	lastRetry  = time.Minute
	// handOnAfter is how long a record may go unheard of before its holder hands
	// it on, give or take a quarter: of many holders one is first, and the others
	// hear of it. A quarter of the nodes gone in that time would do no harm.
	handOnAfter = 10 * time.Minute
	// handOnAlways is how often a holder hands a record on however much it hears of
	// it: who offers it to all holders all the time cannot make it die out with them.
	handOnAlways = time.Hour
	// handOnRate is how many records of others' a second are handed on to one node,
	// handOnBurst how many at once: half of what it takes from one peer, so that it takes
	// own values besides, and what it would refuse is not lost until the next round.
	handOnRate  = peerPuts / 2
	handOnBurst = peerPutsBurst / 2
	// maxCopies is the most nodes at one place that a value is given to at its
	// owner's wish.
	maxCopies = 20
	// maxSpreads is how many own values are spread at the same time, and of how many
	// keys the records are handed on besides.
	maxSpreads = 8
	// keepTick is how often Run looks at what is due, sweepTick how often it drops
	// what has expired, which only gives memory back where nothing is put: nobody is
	// told it any more, and whatever is put first drops it from all that is counted.
	keepTick  = time.Second
	sweepTick = 5 * time.Second
)

// own is a value put here.
type own struct {
	record *Record
	copies int       // wished for, at each place
	due    time.Time // zero: at once
	retry  time.Duration
	busy   bool // being spread
	given  bool // others have it, so that an offer is enough
}

// Run spreads what is put here and hands on what others have put, until ctx ends.
// What is put here does not wait for the handing on, which takes long where others
// have put much.
func (s *Service) Run(ctx context.Context) {
	var spreads errgroup.Group
	spreads.SetLimit(maxSpreads)
	defer spreads.Wait()
	var rounds errgroup.Group // of handing on, one at a time
	rounds.SetLimit(1)
	defer rounds.Wait()
	tick := time.NewTimer(aligned.Next(keepTick))
	defer tick.Stop()
	alone := true
	next, sweep := time.Now().Add(jitter(handOnAfter/8)), time.Now().Add(sweepTick)
	for ctx.Err() == nil {
		now := time.Now()
		known := len(s.cfg.Nearest(s.store.self, 1)) > 0
		if known && alone { // the first node has come
			s.hasten()
		}
		alone = !known
		for _, key := range s.due(now) {
			if ctx.Err() != nil {
				return
			}
			spreads.Go(func() error { s.spread(ctx, key); return nil })
		}
		if now.After(sweep) {
			s.store.sweepAll(now)
			sweep = now.Add(sweepTick)
		}
		if now.After(next) && known && rounds.TryGo(func() error { s.handOnQuiet(ctx, now); return nil }) {
			next = now.Add(jitter(handOnAfter / 8))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
			tick.Reset(aligned.Next(keepTick))
		case <-s.wake:
		}
	}
}

// jitter returns d, give or take a quarter.
func jitter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2) }

// hasten makes everything due that nobody has taken so far.
func (s *Service) hasten() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.own {
		if o.retry > 0 {
			o.due, o.retry = time.Time{}, 0
		}
	}
}

// due takes the own values whose time has come, and drops those that expired.
func (s *Service) due(now time.Time) (keys []Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.own {
		switch {
		case !o.record.Alive(now):
			delete(s.own, key)
		case !o.busy && !now.Before(o.due):
			o.busy = true
			keys = append(keys, key)
		}
	}
	return keys
}

// spread gives what this node has put under a key to the nodes that should have
// it, and returns how many have it now.
func (s *Service) spread(ctx context.Context, key Key) (copies int) {
	s.mu.Lock()
	o := s.own[key]
	if o == nil {
		s.mu.Unlock()
		return 0
	}
	given := o.given
	s.mu.Unlock()
	copies = s.distribute(ctx, []*Record{o.record}, o.copies, given)
	s.count.spread.Add(uint64(copies))
	s.mu.Lock()
	defer s.mu.Unlock()
	o.busy = false
	o.given = o.given || copies > 0
	switch {
	case copies >= placeNodes:
		o.due, o.retry = time.Now().Add(jitter(renewAfter)), 0
	case copies > 0: // the network is small, or not well known yet
		o.due, o.retry = time.Now().Add(jitter(lastRetry)), 0
	default:
		o.retry = min(max(2*o.retry, firstRetry), lastRetry)
		o.due = time.Now().Add(jitter(o.retry))
	}
	return copies
}

// handOnQuiet is one round of handing on what has not been heard of, until ctx ends.
func (s *Service) handOnQuiet(ctx context.Context, now time.Time) {
	var others errgroup.Group
	others.SetLimit(maxSpreads)
	defer others.Wait()
	for _, key := range s.store.quiet(now.Add(-handOnAfter), now.Add(-handOnAlways)) {
		if ctx.Err() != nil {
			return
		}
		others.Go(func() error { s.handOn(ctx, key); return nil })
	}
}

// handOn gives the records of a key to the nodes that should have them, those of
// earlier signers first.
func (s *Service) handOn(ctx context.Context, key Key) {
	now := time.Now()
	s.store.touch(key, now)
	n := s.distribute(ctx, s.store.get(key, now), placeNodes, true)
	s.count.handedOn.Add(uint64(n))
}

// distribute gives records of one key to the nodes nearest to its places, and
// returns how many of them have the last one. To an offer those that have it
// already answer shortly.
//
// Silent nodes may hold the look-ups up for longer than a record lives. So one that
// lives shortly goes to each node as soon as that has answered and belongs to the
// nearest that are known; a few get it that are not the nearest, and will not have it
// for long.
func (s *Service) distribute(ctx context.Context, records []*Record, perPlace int, offer bool) (copies int) {
	if len(records) == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var mu sync.Mutex
	given := make(map[peer.ID]bool)
	var wg sync.WaitGroup
	give := func(to peer.AddrInfo) {
		kept := false
		for _, r := range records {
			kept = s.give(ctx, to, r, offer)
		}
		mu.Lock()
		defer mu.Unlock()
		if kept {
			copies++
		}
	}
	giveOnce := func(near []peer.AddrInfo) {
		for _, info := range near {
			mu.Lock()
			again := given[info.ID]
			given[info.ID] = true
			mu.Unlock()
			if !again {
				wg.Go(func() { give(info) })
			}
		}
	}
	hasty := slices.ContainsFunc(records, func(r *Record) bool { return time.Until(r.Expires) < lookupTimeout })
	for _, at := range placesOf(records[0].Key) {
		l := &search{s: s, place: at, ask: &request{kind: kindFind, place: at}, width: perPlace}
		l.take = func(peer.ID, *response) bool {
			if hasty {
				giveOnce(l.settled())
			}
			return false
		}
		wg.Go(func() { giveOnce(l.run(ctx)) })
	}
	wg.Wait()
	return copies
}

// give hands a record to a node and says whether it has it now. What has been
// replaced or has expired while a look-up went on is not given any more.
func (s *Service) give(ctx context.Context, to peer.AddrInfo, r *Record, offer bool) bool {
	if now := time.Now(); !r.Alive(now) || s.store.replaced(r, now) {
		return false
	}
	if offer {
		p, err := s.call(ctx, to, &request{kind: kindOffer, key: r.Key, sequence: r.Sequence, digest: r.digest, signer: r.Signer})
		if err != nil || p.verdict != verdictWanted {
			return err == nil && p.verdict == verdictKept
		}
	}
	if r.Signer != s.cfg.Self {
		pace := s.handed.use(to.ID, func() *rate.Limiter { return rate.NewLimiter(handOnRate, handOnBurst) })
		if pace.Wait(ctx) != nil { // nor before the time is up
			return false
		}
	}
	p, err := s.call(ctx, to, &request{kind: kindPut, record: r})
	return err == nil && p.verdict == verdictKept
}
