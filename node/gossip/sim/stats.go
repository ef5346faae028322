package sim

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"hearsay/node/gossip"
)

// Count is how many messages there were, and their bytes as frames.
type Count struct{ Messages, Bytes uint64 }

// Stats count what happened so far. Take them twice and subtract to know what
// happened in between. Rumors are those of modules, without presences, unless
// the name says otherwise.
type Stats struct {
	// Time is when they were taken: virtual time since the beginning.
	Time time.Duration
	// Events is how many the cores handled.
	Events uint64
	// Total counts all messages sent, and Kinds each kind by its name (KindOf).
	// What a full queue refused is not among them.
	Total Count
	Kinds map[string]Count
	// Published counts rumors, Deliveries what modules were told, those of the
	// origin's own node included.
	Published, Deliveries uint64
	// Duplicates are pushes of a rumor to a node that has it, and FillDuplicates
	// the same by anti-entropy.
	Duplicates, FillDuplicates uint64
	// Unwanted are pushes to nodes that do not take the data type.
	Unwanted uint64
	// Again are rumors sent down a link that had carried them in the same
	// direction before, and Crossed in the other one.
	Again, Crossed uint64
	// PayloadBytes are those of all rumors sent, however often.
	PayloadBytes uint64
	// SendsDropped are messages that full queues did not take, Resent lost packets
	// and Resets links broken by LinkModel.
	SendsDropped, Resent, Resets uint64

	kinds [kinds]Count
}

// Kinds of messages that are counted apart.
const (
	kindInterests = iota
	kindPush
	kindReceipt
	kindHave
	kindGraft
	kindPing
	kindPong
	kindPeersRequest
	kindPeerList
	kindBye
	kindSync
	kindWant
	kindFill
	plainKinds

	// Of the group of presences.
	presenceOf = plainKinds
	kinds      = 2 * plainKinds
)

var kindNames = [plainKinds]string{"interests", "push", "receipt", "have", "graft", "ping", "pong",
	"peers request", "peer list", "bye", "sync", "want", "fill"}

func kindIndex(m gossip.Message) int {
	group := func(kind int, g gossip.Group) int {
		if g == gossip.GroupPresence {
			kind += presenceOf
		}
		return kind
	}
	rumor := func(kind int, r *gossip.Rumor) int {
		if r.Kind == gossip.KindPresence {
			kind += presenceOf
		}
		return kind
	}
	switch m := m.(type) {
	case *gossip.Interests:
		return kindInterests
	case *gossip.Push:
		return rumor(kindPush, m.Rumor)
	case *gossip.Receipt:
		return kindReceipt
	case *gossip.Have:
		return group(kindHave, m.Group)
	case *gossip.Graft:
		return group(kindGraft, m.Group)
	case *gossip.Ping:
		return kindPing
	case *gossip.Pong:
		return kindPong
	case *gossip.PeersRequest:
		return kindPeersRequest
	case *gossip.PeerList:
		return kindPeerList
	case *gossip.Bye:
		return kindBye
	case *gossip.Sync:
		return group(kindSync, m.Group)
	case *gossip.Want:
		return group(kindWant, m.Group)
	case *gossip.Fill:
		return rumor(kindFill, m.Rumor)
	}
	panic(fmt.Sprintf("sim: no kind for a %T", m))
}

func kindName(i int) string {
	if i >= presenceOf {
		return kindNames[i-presenceOf] + " of presences"
	}
	return kindNames[i]
}

// KindOf is the name under which Stats count a message: "push", "push of
// presences", "sync" and so on.
func KindOf(m gossip.Message) string { return kindName(kindIndex(m)) }

func (n *Network) count(msg gossip.Message, size int) {
	c := &n.stats.kinds[kindIndex(msg)]
	c.Messages++
	c.Bytes += uint64(size)
}

// Stats counts what happened so far.
func (n *Network) Stats() Stats {
	s := n.stats
	s.Time = n.now
	return s.tally()
}

func (s Stats) tally() Stats {
	s.Total, s.Kinds = Count{}, make(map[string]Count)
	for i, c := range s.kinds {
		s.Total.Messages += c.Messages
		s.Total.Bytes += c.Bytes
		if c.Messages > 0 {
			s.Kinds[kindName(i)] = c
		}
	}
	return s
}

// Sub is what happened since before was taken.
func (s Stats) Sub(before Stats) Stats {
	s.Time -= before.Time
	for _, v := range [][2]*uint64{
		{&s.Events, &before.Events}, {&s.Published, &before.Published}, {&s.Deliveries, &before.Deliveries},
		{&s.Duplicates, &before.Duplicates}, {&s.FillDuplicates, &before.FillDuplicates}, {&s.Unwanted, &before.Unwanted},
		{&s.Again, &before.Again}, {&s.Crossed, &before.Crossed}, {&s.PayloadBytes, &before.PayloadBytes},
		{&s.SendsDropped, &before.SendsDropped}, {&s.Resent, &before.Resent}, {&s.Resets, &before.Resets},
	} {
		*v[0] -= *v[1]
	}
	for i := range s.kinds {
		s.kinds[i].Messages -= before.kinds[i].Messages
		s.kinds[i].Bytes -= before.kinds[i].Bytes
	}
	return s.tally()
}

// Redundancy is how many duplicates were pushed for each delivery.
func (s Stats) Redundancy() float64 {
	return float64(s.Duplicates) / float64(max(s.Deliveries, 1))
}

// String is a table of the messages by kind, most bytes first.
func (s Stats) String() string {
	var b strings.Builder
	names := make([]string, 0, len(s.Kinds))
	for name := range s.Kinds {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(s.Kinds[y].Bytes, s.Kinds[x].Bytes), strings.Compare(x, y))
	})
	for _, name := range append(names, "all") {
		c, ok := s.Kinds[name]
		if !ok {
			c = s.Total
		}
		fmt.Fprintf(&b, "%-26s %10d messages %13d bytes\n", name, c.Messages, c.Bytes)
	}
	return b.String()
}

// arrived notes what a message that a core is about to handle brings, and
// returns what tells it from others, for the trace.
func (n *Network) arrived(nd *node, ev gossip.Received) uint64 {
	if n.cfg.Record != nil {
		n.cfg.Record(n.byID[ev.From].index, nd.index, ev.Msg)
	}
	switch m := ev.Msg.(type) {
	case *gossip.Push:
		n.brought(nd, ev.From, m.Rumor, m.Hops, false)
		return binary.BigEndian.Uint64(m.Rumor.ID[:])
	case *gossip.Fill:
		n.brought(nd, ev.From, m.Rumor, m.Hops, true)
		return ^binary.BigEndian.Uint64(m.Rumor.ID[:])
	}
	return uint64(kindIndex(ev.Msg))<<32 | uint64(FrameSize(ev.Msg))
}

// brought notes that a rumor arrived at a node.
func (n *Network) brought(nd *node, from gossip.PeerID, r *gossip.Rumor, hops uint8, filled bool) {
	nd.brought, nd.hops, nd.filled = r, hops, filled
	p := n.rumors[r.ID]
	if p == nil {
		return
	}
	if !n.relays(nd, r.DataType) && nd != p.from {
		if !filled {
			n.stats.Unwanted++
		}
		return
	}
	if r.Expires <= n.clock(nd).UnixMilli() {
		return // it is not taken in
	}
	switch {
	case !p.has.has(nd.index):
		p.has.set(nd.index)
		if w := nd.wires[from]; w != nil {
			if _, carried := w.back.carried[p]; carried {
				w.back.carried[p] = true
			}
		}
	case filled:
		n.stats.FillDuplicates++
	default:
		n.stats.Duplicates++
	}
}

// Distribution sums up durations.
type Distribution struct {
	Count                    int
	Mean, P50, P95, P99, Max time.Duration
}

func (d Distribution) String() string {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return fmt.Sprintf("%d: mean %.1f ms, p50 %.1f, p95 %.1f, p99 %.1f, max %.1f",
		d.Count, ms(d.Mean), ms(d.P50), ms(d.P95), ms(d.P99), ms(d.Max))
}

// Distribute sums up durations, which it sorts.
func Distribute(all []time.Duration) Distribution {
	d := Distribution{Count: len(all)}
	if len(all) == 0 {
		return d
	}
	slices.Sort(all)
	var sum time.Duration
	for _, t := range all {
		sum += t
	}
	at := func(q float64) time.Duration { return all[min(int(q*float64(len(all))), len(all)-1)] }
	d.Mean, d.P50, d.P95, d.P99, d.Max = sum/time.Duration(len(all)), at(0.5), at(0.95), at(0.99), all[len(all)-1]
	return d
}

// Latency is how long deliveries took, from when the rumor was sealed and sent,
// without those at its own node and at hostile ones, of all rumors published from since
// on.
func (n *Network) Latency(since time.Duration) Distribution {
	var all []time.Duration
	for _, p := range n.ordered {
		if !p.acked || p.sent < since {
			continue
		}
		for m, t := range p.told {
			if int(m.node) != p.from.index && !n.nodes[m.node].hostile {
				all = append(all, t.at-p.sent)
			}
		}
	}
	return Distribute(all)
}

// LastDelivery is the longest time that any rumor took to any module, its seal
// included.
func (n *Network) LastDelivery() time.Duration {
	var last time.Duration
	for _, p := range n.ordered {
		for _, t := range p.told {
			last = max(last, t.at-p.at)
		}
	}
	return last
}

// Messages is how many messages were sent so far.
func (n *Network) Messages() uint64 { return n.Stats().Total.Messages }

// Spread is what became of one rumor.
type Spread struct {
	ID       gossip.RumorID
	From     int // its node
	DataType uint16
	Sent     time.Duration // when it was sealed and sent, since the beginning
	Payload  int           // bytes
	// Told is how many modules of other nodes were told, Filled how many of those
	// by anti-entropy.
	Told, Filled int
	// Last is how long the last delivery took, Mean the average, and Hops the most
	// links that any delivery by push had come over.
	Last, Mean time.Duration
	Hops       int
	// If Config.Paths: what flooding would have needed over the links that there
	// were, had they carried nothing else. A node that no way led to is left out.
	BestLast, BestMean time.Duration
	BestHops           int
}

// Rumors tells what became of the rumors published so far, in their order.
func (n *Network) Rumors() []Spread {
	all := make([]Spread, 0, len(n.ordered))
	for _, p := range n.ordered {
		if !p.acked {
			continue
		}
		s := Spread{ID: p.r.ID, From: p.from.index, DataType: p.r.DataType, Sent: p.sent, Payload: len(p.r.Payload)}
		var sum time.Duration
		for m, t := range p.told {
			if int(m.node) == p.from.index {
				continue
			}
			s.Told++
			sum += t.at - p.sent
			s.Last = max(s.Last, t.at-p.sent)
			if t.filled {
				s.Filled++
			} else {
				s.Hops = max(s.Hops, int(t.hops))
			}
		}
		s.Mean = sum / time.Duration(max(s.Told, 1))
		if p.paths != nil {
			s.BestLast, s.BestMean, s.BestHops = p.paths.last, p.paths.mean, p.paths.hops
		}
		all = append(all, s)
	}
	return all
}

// MemoryPerNode is the heap in use by this process divided by the nodes that
// are up, after a garbage collection: the simulator's own books are in it.
func (n *Network) MemoryPerNode() uint64 {
	up := uint64(0)
	for _, nd := range n.nodes {
		if nd.up {
			up++
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc / max(up, 1)
}
