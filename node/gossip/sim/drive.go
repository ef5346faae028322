package sim

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"time"

	"hearsay/node/gossip"
)

// item is something that happens at a time; equal times keep the order in
// which they were planned.
type item struct {
	at    time.Time
	order uint64
	do    func()
}

type queue []item

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if c := q[i].at.Compare(q[j].at); c != 0 {
		return c < 0
	}
	return q[i].order < q[j].order
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(item)) }
func (q *queue) Pop() any {
	old := *q
	it := old[len(old)-1]
	old[len(old)-1] = item{}
	*q = old[:len(old)-1]
	return it
}

func (n *Network) at(t time.Time, do func()) {
	n.order++
	heap.Push(&n.queue, item{t, n.order, do})
}

// later plans something for a node, to be dropped if it restarts before.
func (n *Network) later(nd *node, d time.Duration, ev gossip.Event) {
	run := nd.run
	n.at(n.now.Add(d), func() {
		if nd.up && nd.run == run {
			n.handle(nd, ev)
		}
	})
}

// handle gives an event to a core and carries out what it wants done.
func (n *Network) handle(nd *node, ev gossip.Event) {
	if !nd.up {
		return
	}
	n.record(nd, ev)
	actions := nd.actions[:0]
	nd.core.Handle(n.clock(nd), ev, &actions)
	nd.actions = nil // carrying out may come back here
	for _, a := range actions {
		n.carryOut(nd, a)
	}
	nd.actions = actions[:0]
	if !nd.up {
		return
	}
	d := nd.core.Deadline()
	if d.IsZero() {
		return
	}
	if d = d.Add(-nd.skew); nd.wake.IsZero() || d.Before(nd.wake) {
		if d.Before(n.now) {
			d = n.now
		}
		nd.wake = d
		run := nd.run
		n.at(d, func() {
			if nd.up && nd.run == run && nd.wake.Equal(d) {
				nd.wake = time.Time{}
				n.handle(nd, gossip.Tick{})
			}
		})
	}
}

func (n *Network) carryOut(nd *node, a gossip.Action) {
	switch a := a.(type) {
	case gossip.Send:
		n.send(nd, n.byID[a.To], a.Msg)
	case gossip.Deliver:
		n.told(nd, a)
	case gossip.Seal:
		r := a.Rumor
		r.Signature = sign(r)
		n.later(nd, n.cfg.SealTime, gossip.Sealed{Rumor: r})
		k := number{r.Origin, r.Epoch, r.Seq}
		if old, used := n.numbers[k]; used && old != r.ID {
			n.violate("node %d uses epoch %d, seq %d twice", nd.index, r.Epoch, r.Seq)
		}
		n.numbers[k] = r.ID
		if r.Kind != gossip.KindPresence {
			n.rumors[r.ID] = &published{r: r, from: nd.index, run: nd.run, at: n.now, told: make(map[module]time.Time)}
		}
	case gossip.Published:
		n.rumors[a.ID].acked = true
	case gossip.RaiseEpoch:
		nd.epoch = max(a.Above+1, uint64(n.clock(nd).UnixMilli()))
		n.later(nd, 0, gossip.EpochRaised{Epoch: nd.epoch})
	case gossip.Dial:
		n.dial(nd, a.Peer, nd.run, 3*n.cfg.Latency)
	case gossip.Hangup:
		if other := n.byID[a.Peer]; nd.linked[other.index] {
			n.unlink(nd.index, other.index)
		}
	case gossip.Farewell:
		n.down(nd)
	case gossip.PeerEvent, gossip.Refused:
	}
}

func (n *Network) separated(a, b int) bool { return n.cut != nil && n.cut(a, b) }

// dial brings up a link after a while (one and a half round trips), unless the
// other node cannot be reached.
func (n *Network) dial(from *node, peer gossip.PeerID, run uint64, after time.Duration) {
	to := n.byID[peer]
	n.at(n.now.Add(after), func() {
		if !from.up || from.run != run {
			return
		}
		switch {
		case to == nil:
			// A peer that somebody made up.
			n.handle(from, gossip.DialFailed{Peer: peer})
		case from.linked[to.index]:
			// The other side was faster: its LinkUp has ended this dial.
		case from.ending[to.index] || to.ending[from.index]:
			// The end of their last link has not been noticed at both ends.
			n.dial(from, peer, run, n.cfg.Latency)
		case !to.up || n.separated(from.index, to.index):
			n.handle(from, gossip.DialFailed{Peer: peer})
		default:
			for _, p := range []pair{{from.index, to.index}, {to.index, from.index}} {
				half := n.cfg.Latency / 2
				n.links[p] = &wire{latency: half + time.Duration(n.rng.Int64N(int64(2*half)+1))}
			}
			from.linked[to.index], to.linked[from.index] = true, true
			n.handle(to, gossip.LinkUp{Peer: from.id})
			n.handle(from, gossip.LinkUp{Peer: to.id, Dialled: true})
		}
	})
}

// unlink ends a link. What is under way still arrives, then each side notices.
func (n *Network) unlink(a, b int) {
	for _, p := range []pair{{a, b}, {b, a}} {
		w := n.links[p]
		to, from := n.nodes[p.to], n.nodes[p.from]
		delete(to.linked, p.from)
		delete(n.links, p)
		if w == nil {
			continue
		}
		at := n.now.Add(w.latency)
		if at.Before(w.free) {
			at = w.free
		}
		to.ending[p.from] = true
		run := to.run
		n.at(at, func() {
			if to.run == run {
				delete(to.ending, p.from)
				n.handle(to, gossip.LinkDown{Peer: from.id})
			}
		})
	}
}

func (n *Network) send(from, to *node, msg gossip.Message) {
	p := pair{from.index, to.index}
	w := n.links[p]
	if w == nil {
		return
	}
	n.messages++
	if n.cfg.Drop != nil && n.cfg.Drop(p.from, p.to, msg) {
		return
	}
	w.held = append(w.held, msg)
	if !n.separated(p.from, p.to) {
		n.flush(p.from, p.to)
	}
}

// flush puts on its way what a link holds.
func (n *Network) flush(from, to int) {
	w := n.links[pair{from, to}]
	if w == nil {
		return
	}
	for _, msg := range w.held {
		at := n.now.Add(w.latency)
		if at.Before(w.free) {
			at = w.free
		}
		w.free = at
		n.later(n.nodes[to], at.Sub(n.now), gossip.Received{From: n.nodes[from].id, Msg: msg})
	}
	w.held = nil
}

// told checks a delivery and has a voting module answer it.
func (n *Network) told(nd *node, d gossip.Deliver) {
	p := n.rumors[d.Rumor.ID]
	m := module{nd.index, nd.run, d.Module}
	types := nd.modules[d.Module]
	switch _, takes := types[d.Rumor.DataType]; {
	case p == nil:
		n.violate("node %d was told rumor %v that nobody published", nd.index, d.Rumor.ID)
		return
	case !takes:
		n.violate("node %d, module %d was told type %d, which it does not take", nd.index, d.Module, d.Rumor.DataType)
	case d.Rumor.Expires <= n.clock(nd).UnixMilli():
		n.violate("node %d was told rumor %v after its expiry", nd.index, d.Rumor.ID)
	}
	if _, again := p.told[m]; again {
		n.violate("node %d, module %d was told rumor %v twice", nd.index, d.Module, d.Rumor.ID)
	}
	p.told[m] = n.now
	if nd.voting[d.Module] {
		n.later(nd, 0, gossip.Vote{Module: d.Module, ID: d.Rumor.ID, Valid: true})
	}
}

func (n *Network) violate(format string, args ...any) {
	n.violated = append(n.violated, fmt.Errorf("at %v: "+format, append([]any{n.Now()}, args...)...))
}

// record adds an event to the trace.
func (n *Network) record(nd *node, ev gossip.Event) {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], uint64(n.now.UnixNano()))
	binary.BigEndian.PutUint32(b[8:], uint32(nd.index))
	var detail uint64
	switch ev := ev.(type) {
	case gossip.Received:
		detail = 1 << 32
		switch m := ev.Msg.(type) {
		case *gossip.Push:
			detail = binary.BigEndian.Uint64(m.Rumor.ID[:])
		case *gossip.Fill:
			detail = ^binary.BigEndian.Uint64(m.Rumor.ID[:])
		case *gossip.Receipt:
			detail += uint64(len(m.Verdicts))
		case *gossip.Sync:
			detail += 1<<16 + uint64(len(m.Ranges))
		}
	case gossip.Vote:
		detail = 2
	case gossip.LinkUp:
		detail = 3
	case gossip.LinkDown:
		detail = 4
	}
	binary.BigEndian.PutUint64(b[12:], detail)
	n.trace.Write(b[:])
}

// verifier stands in for cryptography: a signature is a copy of the ID.
type verifier struct{}

func sign(r *gossip.Rumor) []byte { return append([]byte(nil), r.ID[:8]...) }

func (verifier) Work(gossip.RumorID, uint64) bool { return true }

func (verifier) Signature(r *gossip.Rumor) bool { return string(r.Signature) == string(r.ID[:8]) }
