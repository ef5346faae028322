package pow

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// stride is how many nonces a worker takes at a time: large enough that
	// the shared counter costs nothing, small enough (0.2 ms on one core) that
	// cancellation and another worker's success are noticed promptly.
	stride = 4096

	// aloneBits is the highest difficulty that the caller's goroutine solves
	// by itself. Up to here the whole search takes, on average, no longer than
	// one stride, and helpers would wake to find it over (see README.md).
	aloneBits = 12
)

// Solve finds a nonce for which [Verify] holds, trying 2^bits nonces on
// average. It uses every core that the runtime may use (GOMAXPROCS); easy
// puzzles are solved in the caller's goroutine, and 0 bits cost nothing. All
// goroutines have ended when it returns.
//
// A bits outside 0 … [MaxBits] is an error. When ctx ends first, within a few
// milliseconds, the error wraps [context.Cause] of ctx.
func Solve(ctx context.Context, id [32]byte, bits int) (nonce uint64, err error) {
	switch {
	case bits < 0 || bits > MaxBits:
		return 0, fmt.Errorf("pow: difficulty of %d bits is out of range; choose 0 to %d (0 to %d hex digits)",
			bits, MaxBits, MaxBits/bitsPerHexDigit)
	case bits == 0:
		return 0, nil
	}

	s := search{id: id, bits: bits}
	var helpers sync.WaitGroup
	if bits > aloneBits {
		for range runtime.GOMAXPROCS(0) - 1 {
			helpers.Go(func() { s.run(ctx) })
		}
	}
	s.run(ctx)
	helpers.Wait()

	if n := s.found.Load(); n != nil {
		return *n, nil
	}
	return 0, fmt.Errorf("pow: gave up on %d bits after %d nonces: %w", bits, s.next.Load(), context.Cause(ctx))
}

// search is one puzzle on which several workers toil.
type search struct {
	id    [32]byte
	bits  int
	next  atomic.Uint64          // first nonce that no worker has taken
	found atomic.Pointer[uint64] // a solution, once there is one
}

// run takes stride after stride until the puzzle is solved or ctx ends.
// The supply of nonces, 2^64, outlasts MaxBits by far.
func (s *search) run(ctx context.Context) {
	h := newHasher(s.id)
	for ctx.Err() == nil && s.found.Load() == nil {
		from := s.next.Add(stride) - stride
		for nonce := from; nonce < from+stride; nonce++ {
			if meets(h.head(nonce), s.bits) {
				s.found.Store(&nonce)
				return
			}
		}
		// Every core is busy here, possibly for seconds, and the runtime takes
		// one away only after 10 ms: step aside for whoever forwards rumors.
		runtime.Gosched()
	}
}
