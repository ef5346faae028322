package shared

import "context"

// Watcher is told what changes. However slow it is, it misses no last word: of
// several changes to one key it is told the last. Only one that leaves 16,384 keys
// waiting misses the oldest of them.
type Watcher struct {
	s       *State
	pending map[name]Change
	order   []name
	more    chan struct{} // holds one element if something is pending
}

// Watch makes a watcher, which is told everything that there is first.
func (s *State) Watch() *Watcher {
	w := &Watcher{s: s, pending: make(map[name]Change), more: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.list("", "") {
		w.tell(name{e.Peer, e.Key}, Change{Entry: e})
	}
	s.watchers[w] = struct{}{}
	return w
}

// Close ends watching.
func (w *Watcher) Close() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	delete(w.s.watchers, w)
}

// Next waits for the next change. It fails when ctx ends.
func (w *Watcher) Next(ctx context.Context) (Change, error) {
	for {
		w.s.mu.Lock()
		if len(w.order) > 0 {
			n := w.order[0]
			w.order = w.order[1:]
			c := w.pending[n]
			delete(w.pending, n)
			w.s.mu.Unlock()
			return c, nil
		}
		w.s.mu.Unlock()
		select {
		case <-w.more:
		case <-ctx.Done():
			return Change{}, context.Cause(ctx)
		}
	}
}

// tell notes a change for all watchers. s.mu is held.
func (s *State) tell(n name, c Change) {
	for w := range s.watchers {
		w.tell(n, c)
	}
}

// tell is bounded by the entries that there can be, and as many that were forgotten
// meanwhile.
func (w *Watcher) tell(n name, c Change) {
	if _, waits := w.pending[n]; !waits {
		if len(w.order) >= 2*maxEntries {
			delete(w.pending, w.order[0])
			w.order = w.order[1:]
		}
		w.order = append(w.order, n)
	}
	w.pending[n] = c
	select {
	case w.more <- struct{}{}:
	default:
	}
}
