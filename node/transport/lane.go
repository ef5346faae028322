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

// lane is an outbound stream of a link with its queue and its writer. Most lanes
// are silent most of the time: a writer runs only while there is something to
// write.
type lane struct {
	link   *link
	id     laneID
	stream network.Stream // set before the writer looks at it, or by the writer
	fuse   *time.Timer    // the writer's
	// finished is closed when the peer has closed the stream, which it does
	// after reading all of it, or the stream is lost.
	finished chan struct{}

	mu      sync.Mutex
	urgent  fifo
	queue   fifo
	bytes   int  // of queue
	used    bool // the stream is there, or a writer opens it
	running bool // a writer is at work, or came to the lane's end
	hurried bool // something urgent was queued, which may not have been read yet
	closing bool // nothing more is taken
}

// push queues a message and starts the writer if none is at work. It returns
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
	n.used, n.running = true, true
	n.mu.Unlock()
	if start {
		n.start()
	}
	return true
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

// rest ends the writer's work unless something came meanwhile.
func (n *lane) rest() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running = n.urgent.len() > 0 || n.queue.len() > 0 || n.closing
	return !n.running
}

// close lets the writer end after what is queued, or after what is urgent, or
// after what it has in hand, and starts one for that if need be. It reports
// whether something was urgent.
func (n *lane) close(how manner) (hurried bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closing = true
	if n.used && !n.running {
		n.running = true
		n.start()
	}
	if how != drain {
		n.queue, n.bytes = fifo{}, 0
	}
	if how == follow {
		n.urgent = fifo{}
	}
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
	if n.fuse == nil {
		n.fuse = time.AfterFunc(time.Hour, func() { l.fail(endSlow, errSlow) })
		n.fuse.Stop()
	}
	f := flushes.Get().(*flush)
	defer f.free()
	for {
		var last bool
		if f.batch, last = n.take(f.batch[:0]); last {
			break
		}
		if len(f.batch) == 0 {
			if n.rest() {
				return
			}
			continue
		}
		if err := n.flush(f); err != nil {
			if err == errRationed {
				l.fail(endRelay, err)
			} else {
				l.fail(endReset, explain(err))
			}
			if n.id != gossipLane {
				close(n.finished)
			}
			return
		}
		clear(f.batch)
	}
	// The gossip lane is closed last: once it is, the peer takes no more lanes.
	if n.id == gossipLane && !l.finished(syncLane, peersLane) {
		return
	}
	// A close can hang for seconds on a dead connection; nobody waits for it.
	go n.stream.CloseWrite()
	if n.id != gossipLane {
		defer close(n.finished)
		l.watch(n.stream)
	}
}

// finished waits for the end of those lanes that have been used. It returns
// false if the streams are closed before.
func (l *link) finished(ids ...laneID) bool {
	for _, id := range ids {
		n := l.out[id]
		n.mu.Lock()
		used := n.used
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
func (n *lane) flush(f *flush) error {
	t := n.link.t
	b := f.bytes[:0]
	for _, m := range f.batch {
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
	f.bytes = b
	n.fuse.Reset(t.timing.flush)
	defer n.fuse.Stop()
	if l := n.link; l.quota > 0 && l.carried[Out].Load()+int64(len(b)) > l.quota*7/8 {
		return errRationed // or the relay would cut it in the middle
	}
	n.link.carried[Out].Add(int64(len(b)))
	_, err := n.stream.Write(b)
	return err
}

// flush is what a writer has in hand, and its memory, which writers share.
type flush struct {
	batch []gossip.Message
	bytes []byte
}

var flushes = sync.Pool{New: func() any { return new(flush) }}

// free gives the memory back, but not that of what is rare: the largest messages
// on top of a full flush.
func (f *flush) free() {
	clear(f.batch)
	if cap(f.bytes) > 2*flushSize || cap(f.batch) > 1024 {
		return
	}
	flushes.Put(f)
}

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
