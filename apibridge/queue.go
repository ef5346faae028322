package apibridge

// rumor is what a module is told.
type rumor struct {
	id       [32]byte
	dataType uint16
	replayed bool   // came with a NOTIFY: the module could not have read it before
	data     []byte // shared and immutable
}

// queue is a first-in, first-out buffer that grows as needed and keeps no
// reference to what was taken out. The zero value is empty.
type queue struct {
	ring []rumor // its length is a power of two, or 0
	head int     // of the oldest
	len  int
	peak int // the most that have waited since it was empty

	live, replayed backlog // together all that wait
}

// backlog is how much waits.
type backlog struct{ n, bytes int }

// keepRing is the longest ring that an empty queue keeps.
const keepRing = 4096

func (q *queue) backlog(r rumor) *backlog {
	if r.replayed {
		return &q.replayed
	}
	return &q.live
}

func (q *queue) push(r rumor) {
	if q.len == len(q.ring) {
		ring := make([]rumor, max(2*len(q.ring), 16))
		n := copy(ring, q.ring[q.head:])
		copy(ring[n:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.len)&(len(q.ring)-1)] = r
	q.len++
	q.peak = max(q.peak, q.len)
	b := q.backlog(r)
	b.n++
	b.bytes += len(r.data)
}

// pop takes out the oldest; there must be one.
func (q *queue) pop() rumor {
	r := q.ring[q.head]
	q.ring[q.head] = rumor{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	b := q.backlog(r)
	b.n--
	b.bytes -= len(r.data)
	if q.len--; q.len == 0 {
		q.peak = 0
		if len(q.ring) > keepRing { // a replay can be much longer than anything after it
			q.ring, q.head = nil, 0
		}
	}
	return r
}
