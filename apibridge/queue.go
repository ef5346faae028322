package apibridge

// rumor is what a module is told.
type rumor struct {
	id       [32]byte
	dataType uint16
	data     []byte // shared and immutable
}

// queue is a first-in, first-out buffer that grows as needed and keeps no
// reference to what was taken out. The zero value is empty.
type queue struct {
	ring  []rumor // its length is a power of two, or 0
	head  int     // of the oldest
	len   int
	bytes int // of data
	peak  int // the most that have waited since it was empty
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
	q.bytes += len(r.data)
}

// pop takes out the oldest; there must be one.
func (q *queue) pop() rumor {
	r := q.ring[q.head]
	q.ring[q.head] = rumor{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	if q.len--; q.len == 0 {
		q.peak = 0
	}
	q.bytes -= len(r.data)
	return r
}
