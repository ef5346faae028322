package sim

import (
	"slices"
	"time"

	"hearsay/node/gossip"
)

// LinkModel says what all links are like. The zero value is a network without
// limits and mishaps, whose links have delays round Config.Latency.
//
// A link is what package transport makes of a connection: three ordered lanes
// in each direction (gossip, anti-entropy, peer lists), whose messages overtake
// those of other lanes, never of their own; only urgent ones overtake within
// the gossip lane what has not been written yet.
type LinkModel struct {
	// Delay is drawn once for each direction of each link. nil = uniform
	// between half and one and a half times Config.Latency.
	Delay Delay
	// Jitter is drawn for each message and added to the delay. nil = none.
	Jitter Delay
	// Bandwidth is what one direction of a link carries, in bytes per second. 0 =
	// without limit.
	Bandwidth int
	// Uplink is what a node sends over all of its links together, in bytes per
	// second. 0 = without limit.
	Uplink int
	// Queue is how many bytes a lane holds that could not be written yet; what
	// does not fit is given back to the core (SendDropped). 0 = as in the real
	// adapter: 4 MiB, 8 MiB for anti-entropy, 1 MiB for peer lists. The
	// adapter's bounds on the number of messages hold in any case.
	Queue int
	// Loss is the probability that a packet of up to 1,400 bytes is lost and has
	// to be sent again, which delays its lane by Resend, and as much more for
	// each further loss of the same packet, doubled. Links are streams: nothing is
	// missing in the end.
	Loss float64
	// Resend is how long it takes to notice the loss of a packet. 0 = 200 ms,
	// the least that TCP waits, or two round trips if that is more.
	Resend time.Duration
	// OneStream says that the lanes share one stream (yamux over TCP): then a
	// lost packet holds up all three, and nothing overtakes on the way.
	OneStream bool
	// DialTimeout is how long it takes to give up on a node that does not answer
	// at all, since it vanished or is cut off. Who crashed refuses at once.
	DialTimeout time.Duration
	// Reset is the probability that a message breaks its link instead of
	// arriving. What was on its way is lost with it, and both ends notice.
	Reset float64
	// Twice is the probability that a message of the anti-entropy or peers lane
	// arrives twice. No stream does that; the core bears it, except where it counts
	// messages, on the gossip lane.
	Twice float64
}

// lane is one of the three streams of a link.
type lane uint8

const (
	gossipLane lane = iota
	syncLane
	peersLane
	lanes
)

// laneOf is the lane that a message travels on (transport, package comment).
func laneOf(m gossip.Message) lane {
	switch m.(type) {
	case *gossip.Sync, *gossip.Want, *gossip.Fill:
		return syncLane
	case *gossip.PeerList, *gossip.PeersRequest:
		return peersLane
	}
	return gossipLane
}

// laneLimits are the bounds of the real adapter's queues.
var laneLimits = [lanes]struct{ messages, bytes int }{
	gossipLane: {4096, 4 << 20},
	syncLane:   {8192, 8 << 20},
	peersLane:  {16, 1 << 20},
}

// packet is how many bytes are lost at once.
const packet = 1400

// wire is one direction of a link, as its sender sees it.
type wire struct {
	from, to *node
	back     *wire // the other direction
	delay    time.Duration
	last     [lanes]time.Duration // when the last message of a lane arrives
	lanes    [lanes]fifo
	urgent   fifo
	next     lane // whose turn it is to be written
	busy     bool // a frame is being written
	// closing ends the link once all is written.
	closing bool
	// gone says that the other end has no link any more and could not say so:
	// it crashed without a word, or while nothing got through.
	gone, reset bool
	// broken says that what is on its way is lost.
	broken bool
	// carried are the rumors that were sent down this wire; true if it was this
	// way that the node at its end got them first.
	carried map[*published]bool
}

// fifo is what waits to be written.
type fifo struct {
	messages []gossip.Message
	first    int
	bytes    int
}

func (f *fifo) len() int { return len(f.messages) - f.first }

func (f *fifo) push(m gossip.Message, size int) {
	f.messages = append(f.messages, m)
	f.bytes += size
}

func (f *fifo) pop() (gossip.Message, int) {
	m := f.messages[f.first]
	f.messages[f.first] = nil
	if f.first++; f.first == len(f.messages) {
		f.messages, f.first = f.messages[:0], 0
	}
	size := FrameSize(m)
	f.bytes -= size
	return m, size
}

// queued is how many messages wait to be written.
func (w *wire) queued() int {
	n := w.urgent.len()
	for i := range w.lanes {
		n += w.lanes[i].len()
	}
	return n
}

// send queues a message, and reports false if there was no room.
func (n *Network) send(w *wire, msg gossip.Message, urgent bool) bool {
	size := FrameSize(msg)
	if n.cfg.Drop != nil && n.cfg.Drop(w.from.index, w.to.index, msg) {
		n.count(msg, size)
		return true
	}
	l := laneOf(msg)
	f, most := &w.lanes[l], laneLimits[l]
	if n.cfg.Links.Queue > 0 {
		most.bytes = n.cfg.Links.Queue
	}
	switch {
	case w.gone:
		n.count(msg, size)
		n.knock(w)
		return true
	case urgent:
		f = &w.urgent
	case f.len() >= most.messages || f.len() > 0 && f.bytes+size > most.bytes:
		n.stats.SendsDropped++
		return false
	}
	n.count(msg, size)
	n.carry(w, msg)
	if n.cfg.Links.Bandwidth == 0 && n.cfg.Links.Uplink == 0 && w.queued() == 0 && !n.separated(w.from.index, w.to.index) {
		n.travel(w, l, msg, size) // the usual case in short
		return true
	}
	f.push(msg, size)
	n.pump(w)
	return true
}

// pump writes what is queued, until the link is busy or cut or all is written.
func (n *Network) pump(w *wire) {
	for !w.busy && !w.gone && !n.separated(w.from.index, w.to.index) {
		var msg gossip.Message
		var size int
		l := gossipLane
		if w.urgent.len() > 0 {
			msg, size = w.urgent.pop()
			l = laneOf(msg)
		} else {
			for range lanes {
				l = w.next
				w.next = (w.next + 1) % lanes
				if w.lanes[l].len() > 0 {
					msg, size = w.lanes[l].pop()
					break
				}
			}
		}
		if msg == nil {
			if w.closing {
				n.unlink(w)
			}
			return
		}
		if end := n.writeTime(w, size); end > n.now {
			w.busy = true
			n.queue.push(end, planned{kind: writing, w: w, msg: msg})
			return
		}
		n.travel(w, l, msg, size)
	}
}

// writeTime is when a frame of some size that is begun now has been written.
func (n *Network) writeTime(w *wire, size int) time.Duration {
	end := n.now
	if b := n.cfg.Links.Bandwidth; b > 0 {
		end += time.Duration(float64(size) / float64(b) * float64(time.Second))
	}
	if b := n.cfg.Links.Uplink; b > 0 {
		from := w.from
		from.uplink = max(from.uplink, n.now) + time.Duration(float64(size)/float64(b)*float64(time.Second))
		end = max(end, from.uplink)
	}
	return end
}

// written is called when a frame has left.
func (n *Network) written(w *wire, msg gossip.Message) {
	w.busy = false
	if w.from.wires[w.to.id] != w {
		return // the link has ended
	}
	n.travel(w, laneOf(msg), msg, FrameSize(msg))
	n.pump(w)
}

// travel plans the arrival of a message that has been written.
func (n *Network) travel(w *wire, l lane, msg gossip.Message, size int) {
	m := &n.cfg.Links
	at := n.now + w.delay
	if m.Jitter != nil {
		at += m.Jitter(n.rng, w.from.index, w.to.index)
	}
	if m.Loss > 0 {
		at += n.resend(w, size)
	}
	if m.Reset > 0 && n.rng.Float64() < m.Reset {
		n.stats.Resets++
		n.breakLink(w)
		return
	}
	if m.OneStream {
		for _, last := range w.last {
			at = max(at, last)
		}
	}
	at = max(at, w.last[l])
	w.last[l] = at
	n.queue.push(at, planned{kind: arriving, w: w, run: w.to.run, msg: msg})
	if m.Twice > 0 && l != gossipLane && n.rng.Float64() < m.Twice {
		n.queue.push(at, planned{kind: arriving, w: w, run: w.to.run, msg: msg})
	}
}

// resend is how much longer a message takes because packets of it are lost.
func (n *Network) resend(w *wire, size int) (extra time.Duration) {
	m := &n.cfg.Links
	for ; size > 0; size -= packet {
		pause := m.Resend
		if pause == 0 {
			pause = max(200*time.Millisecond, 2*(w.delay+w.back.delay))
		}
		for n.rng.Float64() < m.Loss {
			n.stats.Resent++
			extra += pause
			pause *= 2
		}
	}
	return extra
}

// knock is a message to an end that knows nothing of the link. If it gets
// there, and somebody is there, the link is reset a round trip later.
func (n *Network) knock(w *wire) {
	if w.reset || !w.to.up || n.separated(w.from.index, w.to.index) || n.separated(w.to.index, w.from.index) {
		return
	}
	w.reset = true
	run := w.from.run
	n.at(n.now+w.delay+w.back.delay, func() {
		if from := w.from; from.up && from.run == run && from.wires[w.to.id] == w {
			delete(from.wires, w.to.id)
			n.give(from, gossip.LinkDown{Peer: w.to.id})
		}
	})
}

// dial brings up a link after a while (one and a half round trips), unless the
// other node cannot be reached.
func (n *Network) dial(from *node, peer gossip.PeerID, run uint32, after time.Duration) {
	to := n.byID[peer]
	if to != nil && !to.up && to.vanished || to != nil && n.separated(from.index, to.index) {
		after = max(after, n.cfg.Links.DialTimeout)
	}
	n.at(n.now+after, func() {
		if !from.up || from.run != run {
			return
		}
		switch {
		case to == nil:
			// A peer that somebody made up.
			n.give(from, gossip.DialFailed{Peer: peer})
			return
		case from.wires[to.id] != nil && !from.wires[to.id].closing:
			// The other side was faster: its LinkUp has ended this dial.
			return
		case !to.up || n.separated(from.index, to.index) || n.separated(to.index, from.index):
			n.give(from, gossip.DialFailed{Peer: peer})
			return
		}
		old := to.wires[from.id]
		if old != nil && old.gone {
			// This end of it is told of the last link's end by the new one.
			delete(to.wires, from.id)
			n.give(to, gossip.LinkDown{Peer: from.id})
			old = nil
		}
		if old != nil || from.wires[to.id] != nil {
			// One end of their last link is still being written out.
			n.dial(from, peer, run, n.dialTime(from, to))
			return
		}
		n.replace(from, to.id)
		n.replace(to, from.id)
		n.link(from, to)
	})
}

// probe tells after a while whether another node can be reached.
func (n *Network) probe(from *node, peer gossip.PeerID, after time.Duration) {
	to := n.byID[peer]
	run := from.run
	n.at(n.now+after, func() {
		switch {
		case !from.up || from.run != run:
		case to == nil || !to.up || n.separated(from.index, to.index) || n.separated(to.index, from.index):
			n.give(from, gossip.DialFailed{Peer: peer})
		default:
			n.give(from, gossip.Reached{Peer: peer})
		}
	})
}

// dialTime is one and a half round trips.
func (n *Network) dialTime(from, to *node) time.Duration {
	if n.cfg.Links.Delay == nil || to == nil {
		return max(3*n.cfg.Latency, time.Millisecond)
	}
	return 3 * n.drawDelay(from, to)
}

func (n *Network) link(from, to *node) {
	there, back := &wire{from: from, to: to}, &wire{from: to, to: from}
	there.back, back.back = back, there
	there.delay, back.delay = n.drawDelay(from, to), n.drawDelay(to, from)
	from.wires[to.id], to.wires[from.id] = there, back
	n.give(to, gossip.LinkUp{Peer: from.id, Net: n.net(from)})
	n.give(from, gossip.LinkUp{Peer: to.id, Net: n.net(to), Dialled: true})
}

func (n *Network) drawDelay(from, to *node) time.Duration {
	if n.cfg.Links.Delay != nil {
		return max(n.cfg.Links.Delay(n.rng, from.index, to.index), time.Nanosecond)
	}
	half := n.cfg.Latency / 2
	return half + time.Duration(n.rng.Int64N(int64(2*half)+1))
}

// hangup ends a link from one side, after what is queued or at once.
func (n *Network) hangup(w *wire, now bool) {
	if !now && (w.busy || w.queued() > 0) && !w.gone {
		w.closing = true
		return
	}
	n.unlink(w)
}

// unlink ends a link from w's side. What is under way still arrives, then each
// side notices; the other one does not if nothing gets through to it.
func (n *Network) unlink(w *wire) {
	n.sideDown(w.back, n.now+w.back.delay)
	back := w.back
	switch {
	case back.from.wires[w.from.id] != back:
		return // that side has ended it before
	case n.separated(w.from.index, w.to.index):
		back.gone = true
	default:
		n.sideDown(w, n.now+w.delay)
	}
}

// breakLink ends a link at once; what is on its way is lost.
func (n *Network) breakLink(w *wire) {
	w.broken, w.back.broken = true, true
	for _, side := range []*wire{w, w.back} {
		if side.to.wires[side.from.id] == side.back {
			n.sideDown(side, n.now)
		}
	}
}

// sideDown ends a link at the end to which w leads, once everything that is on
// its way there has arrived, and not before some time.
func (n *Network) sideDown(w *wire, at time.Duration) {
	to, from := w.to, w.from
	delete(to.wires, from.id)
	w.back.closing = false
	if !w.broken {
		for _, last := range w.last {
			at = max(at, last)
		}
	}
	to.ending[from.id] = append(to.ending[from.id], w)
	run := to.run
	n.at(at, func() {
		if to.run == run && to.up && slices.Contains(to.ending[from.id], w) {
			n.ended(to, from.id, w)
		}
	})
}

// ended tells a node that a link has ended.
func (n *Network) ended(nd *node, peer gossip.PeerID, w *wire) {
	if left := slices.DeleteFunc(nd.ending[peer], func(v *wire) bool { return v == w }); len(left) > 0 {
		nd.ending[peer] = left
	} else {
		delete(nd.ending, peer)
	}
	n.give(nd, gossip.LinkDown{Peer: peer})
}

// replace tells a node of the end of all earlier links with a peer, now that there
// is a new one. What of them is still on its way is lost.
func (n *Network) replace(nd *node, peer gossip.PeerID) {
	for _, w := range slices.Clone(nd.ending[peer]) {
		w.broken = true
		n.ended(nd, peer, w)
	}
}
