package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"hearsay/node/gossip"
)

// What is watched while the simulation runs, and what must hold when it is over.

// published is a rumor and who has been told it.
type published struct {
	r     *gossip.Rumor
	index int // in Network.ordered
	from  *node
	run   uint32        // of that node
	at    time.Duration // when its number was taken
	// acked says that its node reported it as published, which it did at sent.
	// Before that it may be refused, or numbered anew.
	acked bool
	sent  time.Duration
	// twin is another rumor of the same number: a hostile node's.
	twin *published
	told map[module]tell
	has  nodeset // who has it, as far as messages tell
	// paths are the shortest ways to each node when it was published.
	paths *paths
}

// module is a session of a local module. It ends when its node goes down.
type module struct {
	node, run uint32
	id        gossip.ModuleID
}

// tell is a delivery.
type tell struct {
	at     time.Duration
	hops   uint8
	filled bool // by anti-entropy
}

// number is what an origin may use once.
type number struct {
	origin     gossip.PeerID
	epoch, seq uint64
}

// stateKey is what the versions of a state rumor have in common.
type stateKey struct {
	origin   gossip.PeerID
	dataType uint16
	key      string
}

// nodeset is a set of nodes.
type nodeset []uint64

func (s nodeset) has(i int) bool { return i/64 < len(s) && s[i/64]>>(i%64)&1 == 1 }
func (s nodeset) set(i int)      { s[i/64] |= 1 << (i % 64) }
func (s nodeset) clear(i int) {
	if i/64 < len(s) {
		s[i/64] &^= 1 << (i % 64)
	}
}

// seal gives a rumor its proof and signature, and notes it.
func (n *Network) seal(nd *node, r *gossip.Rumor) {
	r.Nonce, r.Signature = 1, sign(r)
	n.later(nd, n.cfg.SealTime, gossip.Sealed{Rumor: r})
	k := number{r.Origin, r.Epoch, r.Seq}
	old := n.numbers[k]
	if old != nil && old.r.ID != r.ID && !nd.hostile {
		n.violate("node %d uses epoch %d, seq %d twice", nd.index, r.Epoch, r.Seq)
	}
	p := &published{r: r, from: nd, run: nd.run, at: n.now, twin: old}
	n.numbers[k] = p
	if r.Kind != gossip.KindPresence && n.rumors[r.ID] == nil {
		p.index = len(n.ordered)
		p.told = make(map[module]tell)
		p.has = make(nodeset, (len(n.nodes)+63)/64)
		p.has.set(nd.index)
		n.rumors[r.ID] = p
		n.ordered = append(n.ordered, p)
	}
}

func (n *Network) acknowledged(a gossip.Published) {
	p := n.rumors[a.ID]
	p.acked, p.sent = true, n.now
	if r := p.r; r.Kind == gossip.KindState {
		k := stateKey{r.Origin, r.DataType, r.Key}
		if old := n.states[k]; old == nil || r.Epoch > old.r.Epoch || r.Epoch == old.r.Epoch && r.Seq > old.r.Seq {
			n.states[k] = p
		}
	}
	n.stats.Published++
	if n.cfg.Paths {
		p.paths = n.shortest(p.from, p.r.DataType)
	}
}

// told checks a delivery and has a voting module answer it.
func (n *Network) told(nd *node, d gossip.Deliver) {
	r := d.Rumor
	p := n.rumors[r.ID]
	m := module{uint32(nd.index), nd.run, d.Module}
	_, takes := nd.modules[d.Module][r.DataType]
	switch {
	case p == nil:
		n.violate("node %d was told rumor %v that nobody published", nd.index, r.ID)
		return
	case !(verifier{}).Signature(r) || !(verifier{}).Work(r.ID, r.Nonce):
		n.violate("node %d was told rumor %v without a valid signature and proof of work", nd.index, r.ID)
	case !takes:
		n.violate("node %d, module %d was told type %d, which it does not take", nd.index, d.Module, r.DataType)
	case r.Expires <= n.clock(nd).UnixMilli():
		n.violate("node %d was told rumor %v after its expiry", nd.index, r.ID)
	}
	if _, again := p.told[m]; again {
		n.violate("node %d, module %d was told rumor %v twice", nd.index, d.Module, r.ID)
	}
	for q := p.twin; q != nil; q = q.twin {
		if _, again := q.told[m]; again {
			n.violate("node %d, module %d was told two rumors with epoch %d, seq %d", nd.index, d.Module, r.Epoch, r.Seq)
		}
	}
	t := tell{at: n.now}
	if b := nd.brought; b != nil && b.ID == r.ID {
		t.hops, t.filled = nd.hops, nd.filled
	}
	p.told[m] = t
	n.stats.Deliveries++
	if nd.voting[d.Module] {
		n.later(nd, 0, gossip.Vote{Module: d.Module, ID: r.ID, Valid: true})
	}
}

// carry notes that a rumor goes down a link. One that no hop limits must not go
// back to where it came from.
func (n *Network) carry(w *wire, msg gossip.Message) {
	var r *gossip.Rumor
	switch m := msg.(type) {
	case *gossip.Push:
		r = m.Rumor
	case *gossip.Fill:
		r = m.Rumor
	default:
		return
	}
	p := n.rumors[r.ID]
	if p == nil {
		return
	}
	n.stats.PayloadBytes += uint64(len(r.Payload))
	if w.carried[p] {
		n.stats.Again++
	}
	if source, carried := w.back.carried[p]; carried {
		n.stats.Crossed++
		if source && r.TTL == 0 && !w.from.hostile && !w.to.hostile && !n.outlived(w.to, p) {
			n.violate("node %d sent rumor %v back to node %d, which it came from", w.from.index, r.ID, w.to.index)
		}
	}
	if w.carried == nil {
		w.carried = make(map[*published]bool)
	}
	w.carried[p] = false
}

// outlived reports whether a node may have forgotten a rumor that it had: one
// that has expired by its clock, or had before that jumped back.
func (n *Network) outlived(nd *node, p *published) bool {
	return p.r.Expires <= max(nd.latest, n.clock(nd).UnixMilli()) || n.superseded(p)
}

// superseded reports whether there is a newer version of a state rumor.
func (n *Network) superseded(p *published) bool {
	r := p.r
	return r.Kind == gossip.KindState && n.states[stateKey{r.Origin, r.DataType, r.Key}] != p
}

func (n *Network) violate(format string, args ...any) {
	const most = 1000 // one fault is enough, and a broken core makes many
	if len(n.violated) < most {
		n.violated = append(n.violated, fmt.Errorf("at %v: "+format, append([]any{n.Now()}, args...)...))
	}
}

// checker is a core that can look through its own books.
type checker interface{ Check() error }

// inspect looks through a core's books now and then.
func (n *Network) inspect(nd *node) {
	every := uint64(1000)
	if n.cfg.Check != 0 {
		every = uint64(n.cfg.Check)
	}
	if n.cfg.Check >= 0 && n.stats.Events%every == 0 {
		n.audit(nd)
	}
}

func (n *Network) audit(nd *node) {
	if nd.up && nd.books != nil {
		if err := nd.books.Check(); err != nil {
			n.violate("node %d: %w", nd.index, err)
		}
	}
}

// Audit looks through the books of all nodes that are up. What is wrong is
// among the Violations.
func (n *Network) Audit() {
	for _, nd := range n.nodes {
		n.audit(nd)
	}
}

// Violations are the broken promises seen so far, at most 1,000.
func (n *Network) Violations() []error { return n.violated }

// Status looks into node i's core; it fails if the node is down.
func (n *Network) Status(i int) (gossip.Status, error) {
	if !n.nodes[i].up {
		return gossip.Status{}, fmt.Errorf("node %d is down", i)
	}
	return n.nodes[i].core.Status(), nil
}

// Missing lists the deliveries that are outstanding: what a node that is up has
// been told, or published, in its present run, every module of every node that
// is up must have been told, if it took the type when the rumor was published
// or ever since its node started. Rumors that have expired or are superseded,
// those with a TTL, and hostile nodes are not counted.
func (n *Network) Missing() []string {
	var missing []string
	for _, p := range n.ordered {
		if !n.expected(p) {
			continue
		}
		for _, nd := range n.nodes {
			for _, id := range nd.order {
				m := module{uint32(nd.index), nd.run, id}
				if _, told := p.told[m]; !told && n.takes(nd, id, p) && !n.renumbered(p, m) {
					missing = append(missing, fmt.Sprintf("rumor %v of node %d at node %d, module %d", p.r.ID, p.from.index, nd.index, id))
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// renumbered reports whether a module of p's own node was told it by the number that it
// had before a later epoch was heard of: it is not told again.
func (n *Network) renumbered(p *published, m module) bool {
	return m.node == uint32(p.from.index) && slices.ContainsFunc(n.ordered, func(q *published) bool {
		_, told := q.told[m]
		return told && !q.acked && q.from == p.from && q.r.DataType == p.r.DataType && bytes.Equal(q.r.Payload, p.r.Payload)
	})
}

// expected reports whether everybody must have a rumor.
func (n *Network) expected(p *published) bool {
	return p.acked && p.r.TTL == 0 && !n.superseded(p) && !p.from.hostile && p.twin == nil &&
		p.r.Expires > reading(n.now, 0).Add(maxSkew).UnixMilli() && n.known(p)
}

// takes reports whether a module must be told a rumor.
func (n *Network) takes(nd *node, id gossip.ModuleID, p *published) bool {
	since, takes := nd.modules[id][p.r.DataType]
	return nd.up && !nd.hostile && takes && (since <= p.at || since == nd.started)
}

// known reports whether a node that is up must have a rumor.
func (n *Network) known(p *published) bool {
	if p.from.up && p.from.run == p.run {
		return true
	}
	for m := range p.told {
		if nd := n.nodes[m.node]; nd.up && nd.run == m.run && !nd.hostile {
			return true
		}
	}
	return false
}

// Components are the connected parts of the overlay of a data type's takers
// among the nodes that are up and not hostile, largest first: only takers
// relay, so two parts hear nothing of each other.
func (n *Network) Components(dataType uint16) [][]int {
	seen := make(map[*node]bool)
	var all [][]int
	for _, nd := range n.nodes {
		if !n.relays(nd, dataType) || seen[nd] {
			continue
		}
		seen[nd] = true
		part := []*node{nd}
		for i := 0; i < len(part); i++ {
			for _, w := range part[i].wires {
				if to := w.to; !seen[to] && n.relays(to, dataType) && to.wires[w.from.id] == w.back {
					seen[to] = true
					part = append(part, to)
				}
			}
		}
		indices := make([]int, len(part))
		for i, m := range part {
			indices[i] = m.index
		}
		slices.Sort(indices)
		all = append(all, indices)
	}
	slices.SortStableFunc(all, func(a, b []int) int { return len(b) - len(a) })
	return all
}

// relays reports whether a node hands on a data type.
func (n *Network) relays(nd *node, dataType uint16) bool {
	if !nd.up || nd.hostile {
		return false
	}
	for _, types := range nd.modules {
		if _, takes := types[dataType]; takes {
			return true
		}
	}
	return false
}

// Neighbours lists the nodes that node i has links with, ascending.
func (n *Network) Neighbours(i int) []int {
	var all []int
	for _, w := range n.nodes[i].links() {
		all = append(all, w.to.index)
	}
	return all
}

// links are a node's links in the order of its neighbours' indices.
func (nd *node) links() []*wire {
	return slices.SortedFunc(maps.Values(nd.wires), func(a, b *wire) int { return a.to.index - b.to.index })
}
