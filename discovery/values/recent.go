package values

import (
	"container/list"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// recent keeps something about the peers that were used last, up to a limit.
type recent[T any] struct {
	mu    *sync.Mutex
	limit int
	order *list.List // of remembered[T], the one used last in front
	index map[peer.ID]*list.Element
}

type remembered[T any] struct {
	id peer.ID
	v  T
}

func newRecent[T any](limit int) recent[T] {
	return recent[T]{new(sync.Mutex), limit, list.New(), make(map[peer.ID]*list.Element)}
}

// use returns what is kept about a peer, which is fresh() if there is nothing.
func (r recent[T]) use(id peer.ID, fresh func() T) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.index[id]; ok {
		r.order.MoveToFront(e)
		return e.Value.(remembered[T]).v
	}
	if r.order.Len() >= r.limit {
		last := r.order.Back()
		delete(r.index, r.order.Remove(last).(remembered[T]).id)
	}
	v := fresh()
	r.index[id] = r.order.PushFront(remembered[T]{id, v})
	return v
}

// look returns what is kept about a peer.
func (r recent[T]) look(id peer.ID) (v T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.index[id]
	if ok {
		v = e.Value.(remembered[T]).v
	}
	return v, ok
}

// forget drops what is kept about a peer.
func (r recent[T]) forget(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.index[id]; ok {
		r.order.Remove(e)
		delete(r.index, id)
	}
}

const (
	// silence is how long a node that let a request time out is asked nothing, so
	// that only one look-up waits for it.
	silence = 20 * time.Second
	// maxSilent is how many of them are remembered.
	maxSilent = 1024
)

// silent are the nodes that let a request time out lately.
type silent struct{ recent[time.Time] }

func (s silent) noted(id peer.ID, now time.Time) {
	s.forget(id)
	s.use(id, func() time.Time { return now })
}

func (s silent) is(id peer.ID, now time.Time) bool {
	at, ok := s.look(id)
	return ok && now.Sub(at) < silence
}

func (s silent) heard(id peer.ID) { s.forget(id) }
