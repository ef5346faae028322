package values

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// callTimeout is how long a node may take to answer, connecting to it included.
	callTimeout = 2 * time.Second
	// slow is when another node is asked besides one that has not answered, and
	// the longest that a look-up which has found something waits for more.
	slow = 400 * time.Millisecond
	// parallel is how many nodes a look-up asks at the same time.
	parallel = 4
	// maxCandidates is how many nodes, the nearest ones, a look-up keeps in mind.
	maxCandidates = 64
)

// candidate is a node that a look-up heard of.
type candidate struct {
	peer.AddrInfo
	far   place // distance to the look-up's place
	state state
	since time.Time // when it was asked
}

type state uint8

const (
	fresh state = iota
	asked
	answered
	failed
)

// search is one look-up: nodes nearer and nearer to a place are asked until the
// width nearest of those that answer have answered (Kademlia's node look-up).
//
// A node that is slow does not hold it up: another one is asked besides. It is
// waited for at the end only, and for no longer than callTimeout in all.
type search struct {
	s     *Service
	place place
	width int // how many of the nearest are to answer, 0 = placeNodes
	ask   *request
	// take is given each answer, one at a time, and returns true to end.
	take func(from peer.ID, p *response) (done bool)
	// hurry, if not nil, is closed when slow nodes are to be waited for no longer.
	hurry <-chan struct{}

	hurried bool
	all     []*candidate // nearest first
	answers chan reply
}

type reply struct {
	from *candidate
	p    *response
	err  error
}

// run returns the nearest nodes that answered, up to width, nearest first.
func (l *search) run(ctx context.Context) (near []peer.AddrInfo) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.answers = make(chan reply)
	l.width = max(l.width, placeNodes)
	for _, info := range l.s.cfg.Nearest(l.place, maxNear) {
		l.learn(info)
	}
	tick := time.NewTimer(slow)
	defer tick.Stop()
	for {
		if l.hurried {
			l.skipSlow()
		}
		wait, more := l.askMore(ctx)
		if !more {
			break
		}
		tick.Reset(wait)
		select {
		case a := <-l.answers:
			if l.digest(a) {
				return l.nearest()
			}
		case <-l.hurry:
			l.hurry, l.hurried = nil, true
		case <-tick.C:
		case <-ctx.Done():
			return l.nearest()
		}
	}
	return l.nearest()
}

// digest takes an answer in.
func (l *search) digest(a reply) (done bool) {
	if a.err != nil {
		a.from.state = failed
		return false
	}
	a.from.state = answered
	for _, info := range a.p.near {
		l.learn(info)
	}
	return l.take(a.from.ID, a.p)
}

// learn adds a node that was heard of.
func (l *search) learn(info peer.AddrInfo) {
	if info.ID == l.s.cfg.Self || slices.ContainsFunc(l.all, func(c *candidate) bool { return c.ID == info.ID }) {
		return
	}
	c := &candidate{AddrInfo: info, far: home(info.ID).distance(l.place)}
	if l.s.silent.is(info.ID, time.Now()) {
		c.state = failed
	}
	i, _ := slices.BinarySearchFunc(l.all, c, func(a, b *candidate) int {
		if a.far.less(b.far) {
			return -1
		}
		return 1
	})
	l.all = slices.Insert(l.all, i, c)
	if len(l.all) > maxCandidates {
		l.all = l.all[:maxCandidates]
	}
}

// askMore asks whom it is time to ask, and says how long to wait for answers; more
// is false when there is nothing to wait for.
func (l *search) askMore(ctx context.Context) (wait time.Duration, more bool) {
	now := time.Now()
	wait = callTimeout
	counted, quick := 0, 0 // those among the nearest, and requests that are not slow
	var next []*candidate
	for _, c := range l.all {
		if counted == l.width {
			break
		}
		switch c.state {
		case answered:
			counted++
		case asked:
			more = true
			if age := now.Sub(c.since); age < slow {
				quick++
				counted++
				wait = min(wait, slow-age)
			}
		case fresh:
			counted++
			next = append(next, c)
		}
	}
	for _, c := range next {
		if quick == parallel {
			break
		}
		quick++
		more = true
		wait = min(wait, slow)
		c.state, c.since = asked, now
		go func() {
			p, err := l.s.call(ctx, c.AddrInfo, l.ask)
			select {
			case l.answers <- reply{c, p, err}:
			case <-ctx.Done():
			}
		}()
	}
	return wait, more
}

// skipSlow gives up those that are slow already.
func (l *search) skipSlow() {
	for _, c := range l.all {
		if c.state == asked && time.Since(c.since) >= slow {
			c.state = failed
		}
	}
}

// settled are the nodes that have answered among the width nearest ones that are
// known and have not failed: whom run will return unless it hears of nearer ones.
func (l *search) settled() (near []peer.AddrInfo) {
	counted := 0
	for _, c := range l.all {
		if c.state == failed {
			continue
		}
		if counted++; counted > l.width {
			break
		}
		if c.state == answered {
			near = append(near, c.AddrInfo)
		}
	}
	return near
}

func (l *search) nearest() (near []peer.AddrInfo) {
	for _, c := range l.all {
		if c.state == answered && len(near) < l.width {
			near = append(near, c.AddrInfo)
		}
	}
	return near
}

// call asks one node one thing.
func (s *Service) call(ctx context.Context, to peer.AddrInfo, q *request) (*response, error) {
	within, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s.count.calls.Add(1)
	b, err := s.cfg.Call(within, to, q.encode())
	if err == nil {
		var p *response
		if p, err = decodeResponse(q.kind, b); err == nil {
			s.silent.heard(to.ID)
			return p, nil
		}
		s.count.malformed.Add(1)
	}
	if ctx.Err() == nil {
		s.count.failed.Add(1)
		if errors.Is(within.Err(), context.DeadlineExceeded) {
			s.silent.noted(to.ID, time.Now())
		}
	}
	return nil, err
}
