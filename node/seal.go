package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/identity"
	"hearsay/pow"
)

// leaveWork is how long the proof of work for a leave may take. A leave without
// one is still told to the neighbours, so shutting down does not wait longer.
const leaveWork = 600 * time.Millisecond

// sealer gives own rumors their proof of work and signature, one after the
// other on all cores, so that they leave in the order in which they were
// numbered, but for presences, which go ahead.
type sealer struct {
	id     *identity.Identity
	bits   int
	emit   func(gossip.Event)
	parent context.Context

	out int // on the loop: seals that the core has not heard of again

	mu      sync.Mutex
	queue   []gossip.Seal
	running bool
	cancel  context.CancelFunc // of the one being worked on
}

// begin answers a seal at once, or returns nil and has another goroutine emit the
// answer. Either way the loop, which calls it, calls ended when the core is answered.
//
// Without proof of work a seal is one signature, of 11 µs by Ed25519 and of 0.7 to 6 ms
// by RSA. The former takes no longer than to hand a rumor over and back, so the loop
// signs what only neighbours wait for, unless something before it is being sealed. What
// modules of this node were told already may have been answered by them before it is
// signed, so the loop must be free for them.
func (s *sealer) begin(a gossip.Seal) gossip.Event {
	s.out++
	if s.quick() && !a.Told && s.out == 1 {
		return s.outcome(s.parent, a.Rumor)
	}
	s.add(a)
	return nil
}

func (s *sealer) ended() { s.out-- }

// quick reports whether a seal costs next to nothing.
func (s *sealer) quick() bool { return s.bits == 0 && s.id.Kind() == identity.Ed25519 }

// add queues a seal. An urgent one makes all others fail unless these are quick, and one
// that goes ahead waits only for what is being worked on and for others like it.
func (s *sealer) add(a gossip.Seal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Urgent && !s.quick() {
		if s.cancel != nil {
			s.cancel()
		}
		for _, q := range s.queue {
			go s.emit(gossip.SealFailed{ID: q.Rumor.ID})
		}
		s.queue = nil
	}
	at := len(s.queue)
	if a.Ahead {
		at = 0
		for at < len(s.queue) && (s.queue[at].Ahead || s.queue[at].Urgent) {
			at++
		}
	}
	s.queue = slices.Insert(s.queue, at, a)
	if s.running {
		return
	}
	s.running = true
	if s.quick() {
		go s.sign()
	} else {
		go s.work()
	}
}

// work seals until the queue is empty.
func (s *sealer) work() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.running, s.cancel = false, nil
			s.mu.Unlock()
			return
		}
		a := s.queue[0]
		s.queue = s.queue[1:]
		var ctx context.Context
		var cancel context.CancelFunc
		if a.Urgent {
			ctx, cancel = context.WithTimeout(s.parent, leaveWork)
		} else {
			ctx, cancel = context.WithCancel(s.parent)
		}
		s.cancel = cancel
		s.mu.Unlock()

		ev := s.outcome(ctx, a.Rumor)
		cancel()
		s.emit(ev)
	}
}

// sign is work for who is quick: nothing is worth calling off, nor taking in turns.
func (s *sealer) sign() {
	var batch []gossip.Seal
	for {
		clear(batch)
		s.mu.Lock()
		batch, s.queue = s.queue, batch[:0] // whose memory is used again
		if len(batch) == 0 {
			s.running = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		for _, a := range batch {
			s.emit(s.outcome(s.parent, a.Rumor))
		}
	}
}

// outcome seals a rumor and is what the core hears of that.
func (s *sealer) outcome(ctx context.Context, r *gossip.Rumor) gossip.Event {
	sealed, err := s.seal(ctx, r)
	switch {
	case err == nil:
		return gossip.Sealed{Rumor: sealed}
	case errors.Is(err, context.Canceled):
		log.Debugf("sealing was given up: %v", err) // the node leaves
	default:
		log.Warnf("sealing an announcement: %v", err)
	}
	return gossip.SealFailed{ID: r.ID}
}

func (s *sealer) seal(ctx context.Context, r *gossip.Rumor) (*gossip.Rumor, error) {
	nonce, err := pow.Solve(ctx, r.ID, s.bits)
	if err != nil {
		return nil, err
	}
	sig, err := s.id.Sign(r.ID)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	sealed := *r
	sealed.Nonce, sealed.Signature, sealed.PublicKey = nonce, sig, s.id.Public()
	return &sealed, nil
}
