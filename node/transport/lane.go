package transport

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

// laneID is one of the three protocols.
type laneID uint8

const (
	gossipLane laneID = iota
	syncLane
	peersLane
	lanes
)

var protocols = [lanes]protocol.ID{GossipProtocol, SyncProtocol, PeersProtocol}

// Bounds of a lane's queue. A burst of 4,096 rumors of 1 KiB fits the gossip
// lane, or 63 of the largest; anti-entropy sends up to 4 MiB at once, and its
// lane has twice that. Rumors are shared between the queues of all links.
var queueLimits = [lanes]struct{ messages, bytes int }{
	gossipLane: {4096, 4 << 20},
	syncLane:   {8192, 8 << 20},
	peersLane:  {16, 1 << 20},
}

// Urgent messages are few and small: a goodbye must fit when all else does not.
const maxUrgent = 64

// flushSize is about what is encoded and written at once, in bytes.
const flushSize = 64 << 10

// lane is an outbound stream of a link with its queue and its writer.
type lane struct {
	link   *link
	id     laneID
	stream network.Stream // set before the writer looks at it, or by the writer
	wake   chan struct{}  // capacity 1
	// finished is closed when the peer has closed the stream, which it does
	// after reading all of it, or the stream is lost.
	finished chan struct{}

	mu      sync.Mutex
	urgent  fifo
	queue   fifo
	bytes   int  // of queue
	running bool // the writer was started
	hurried bool // something urgent was queued, which may not have been read yet
	closing bool // nothing more is taken
}

// push queues a message and starts the writer if this is the first. It returns
// false if there is no room. The link is up, and t.mu held.
func (n *lane) push(m gossip.Message, urgent bool) bool {
	size := sizeOf(m)
	n.mu.Lock()
	if urgent {
		if n.urgent.len() >= maxUrgent {
			n.mu.Unlock()
			return false
		}
		n.urgent.push(m)
		n.hurried = true
	} else {
		limit := &queueLimits[n.id]
		if n.queue.len() >= limit.messages || n.bytes+size > limit.bytes {
			n.mu.Unlock()
			return false
		}
		n.queue.push(m)
		n.bytes += size
	}
	start := !n.running
	n.running = true
	n.mu.Unlock()
	if start {
		n.start()
	}
	n.poke()
	return true
}

// start runs the writer. t.mu is held, and the link's run is alive.
func (n *lane) start() {
	n.link.others.Add(1)
	n.link.t.wg.Add(1)
	go n.write()
}

func (n *lane) poke() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// take moves about flushSize of messages to batch, urgent ones first. The
// second result is true if there are none, and there will be none.
func (n *lane) take(batch []gossip.Message) ([]gossip.Message, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	size := 0
	for n.urgent.len() > 0 && size < flushSize {
		m := n.urgent.pop()
		size += sizeOf(m)
		batch = append(batch, m)
	}
	for n.queue.len() > 0 && size < flushSize {
		m := n.queue.pop()
		n.bytes -= sizeOf(m)
		size += sizeOf(m)
		batch = append(batch, m)
	}
	return batch, len(batch) == 0 && n.closing
}

// close lets the writer end after what is queued, or after what is urgent, or
// after what it has in hand. It reports whether something was urgent.
func (n *lane) close(how manner) (hurried bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closing = true
	if how != drain {
		n.queue, n.bytes = fifo{}, 0
	}
	if how == follow {
		n.urgent = fifo{}
	}
	n.poke()
	return n.hurried
}

func (n *lane) queued() (messages, bytes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.urgent.len() + n.queue.len(), n.bytes
}

// write is the writer: it opens the stream if it is not there yet, writes what
// is queued, and closes the writing side when the lane is closed.
func (n *lane) write() {
	l := n.link
	defer l.t.wg.Done()
	defer l.others.Done()
	defer l.rescue()
	if n.stream == nil {
		s, err := l.open(l.ctx, n.id, 0)
		if err != nil {
			l.fail(endOpen, err)
			close(n.finished)
			return
		}
		l.adoptOut(n, s)
	}
	fuse := time.AfterFunc(time.Hour, func() { l.fail(endSlow, errSlow) })
	fuse.Stop()
	defer fuse.Stop()

	var batch []gossip.Message
	for {
		var last bool
		if batch, last = n.take(batch[:0]); last {
			break
		}
		if len(batch) == 0 {
			select {
			case <-n.wake:
			case <-l.ctx.Done():
				return
			}
			continue
		}
		if err := n.flush(batch, fuse); err != nil {
			if err == errRationed {
				l.fail(endRelay, err)
			} else {
				l.fail(endReset, explain(err))
			}
			return
		}
		clear(batch)
	}
	// The gossip lane is closed last: once it is, the peer takes no more lanes.
	if n.id == gossipLane && !l.finished(syncLane, peersLane) {
		return
	}
	// A close can hang for seconds on a dead connection; nobody waits for it.
	go n.stream.CloseWrite()
}

// finished waits for the end of those lanes that have been used. It returns
// false if the streams are closed before.
func (l *link) finished(ids ...laneID) bool {
	for _, id := range ids {
		n := l.out[id]
		n.mu.Lock()
		used := n.running
		n.mu.Unlock()
		if !used {
			continue
		}
		select {
		case <-n.finished:
		case <-l.ctx.Done():
			return false
		}
	}
	return true
}

// flush encodes a batch and writes it in one go. The fuse blows if the peer
// does not take it in time. What was written by then may be half a frame, so
// the stream is of no use any more.
func (n *lane) flush(batch []gossip.Message, fuse *time.Timer) error {
	t := n.link.t
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	b := (*buf)[:0]
	for _, m := range batch {
		start := len(b)
		var err error
		if b, err = wire.AppendFrame(b, m); err != nil {
			t.stats.unsendable.Add(1)
			if t.mayWarn() {
				log.Errorf("the core made a message that cannot be sent: %v", err)
			}
			continue
		}
		kind, _ := classify(m)
		t.stats.count(Out, kind, len(b)-start)
		if t.cfg.Trace != nil {
			t.cfg.Trace(Out, gossip.PeerID(n.link.peer), m)
		}
	}
	*buf = b
	fuse.Reset(t.timing.flush)
	defer fuse.Stop()
	if l := n.link; l.quota > 0 && l.carried[Out].Load()+int64(len(b)) > l.quota*7/8 {
		return errRationed // or the relay would cut it in the middle
	}
	n.link.carried[Out].Add(int64(len(b)))
	_, err := n.stream.Write(b)
	return err
}

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, flushSize+flushSize/2)
	return &b
}}

// sizeOf is about the size of a message's frame.
func sizeOf(m gossip.Message) int {
	const frame = 24
	switch m := m.(type) {
	case *gossip.Push:
		return frame + m.Rumor.Size()
	case *gossip.Fill:
		return frame + m.Rumor.Size()
	case *gossip.Interests:
		return frame + 3*len(m.Types)
	case *gossip.Receipt:
		return frame + len(m.Verdicts)
	case *gossip.PeersRequest:
		return frame + sizeOfRecords(m.Records)
	case *gossip.PeerList:
		return frame + sizeOfRecords(m.Records)
	case *gossip.Sync:
		n := frame
		for i := range m.Ranges {
			n += 64 + 32*len(m.Ranges[i].IDs)
		}
		return n
	case *gossip.Want:
		return frame + 32*len(m.IDs)
	case *gossip.Have:
		return frame + 10*len(m.IDs)
	case *gossip.Graft:
		return frame + 8*(len(m.IDs)+len(m.Origins))
	}
	return frame
}

func sizeOfRecords(records []gossip.PeerRecord) (n int) {
	for i := range records {
		n += 3 + len(records[i].Bytes)
	}
	return n
}

// fifo is a queue of messages that keeps its memory while it is in use.
type fifo struct {
	items []gossip.Message
	head  int
}

func (q *fifo) len() int              { return len(q.items) - q.head }
func (q *fifo) push(m gossip.Message) { q.items = append(q.items, m) }

func (q *fifo) pop() gossip.Message {
	m := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	switch {
	case q.head == len(q.items):
		q.head = 0
		if cap(q.items) > 256 {
			q.items = nil // a burst is over
		} else {
			q.items = q.items[:0]
		}
	case q.head >= 1024:
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return m
}
