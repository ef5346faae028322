package transport

// idleWriters bounds the writers of a transport that have nothing to write. Most
// rumors go on to one or two neighbours or none.
const idleWriters = 2

// start has a writer see to the lane, which n.running says already: one that has
// nothing to do, or a new one. The link is up, or the lane is being closed.
//
// A goroutine's stack is small at first and is copied as it grows, which was two fifths of
// what writers of small messages did in a profile.
func (n *lane) start() {
	t := n.link.t
	n.link.others.Add(1)
	select {
	case t.idle <- n:
	default:
		t.wg.Add(1)
		go t.runWriter(n)
	}
}

// runWriter writes what lanes have, n's first, until there are enough others that wait
// for work, or to the transport's end.
func (t *Transport) runWriter(n *lane) {
	defer t.wg.Done()
	for {
		n.write()
		if t.resting.Add(1) > idleWriters {
			t.resting.Add(-1)
			return
		}
		select {
		case n = <-t.idle:
			t.resting.Add(-1)
		case <-t.ctx.Done():
			return
		}
	}
}
