package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"hearsay/node/gossip"
)

// Faults that a scenario can inject.

// maxSkew is the most that Skew takes: two clocks that are this far off in
// opposite directions still agree within gossip.MaxSkew.
const maxSkew = gossip.MaxSkew/2 - time.Second

// Partition stops all traffic from node a to node b where cut says so, until it
// is called again; nil heals. If cut(a, b) holds and cut(b, a) does not, the
// partition is asymmetric: b still hears a, and no new links come about.
func (n *Network) Partition(cut func(a, b int) bool) {
	n.cut = cut
	n.healed()
}

// Isolate cuts node i off from everybody, in both directions, or no longer. It
// adds to Partition.
func (n *Network) Isolate(i int, cut bool) {
	if cut {
		n.isolated[i] = true
		return
	}
	delete(n.isolated, i)
	n.healed()
}

// Swizzle isolates the given nodes one after the other and heals them one after
// the other in another order, so that no two moments have the same partition.
// It takes twice their number of steps, from now on.
func (n *Network) Swizzle(nodes []int, step time.Duration) {
	healing := slices.Clone(nodes)
	n.rng.Shuffle(len(healing), func(i, j int) { healing[i], healing[j] = healing[j], healing[i] })
	for k, i := range nodes {
		n.At(time.Duration(k)*step, func() { n.Isolate(i, true) })
	}
	for k, i := range healing {
		n.At(time.Duration(len(nodes)+k)*step, func() { n.Isolate(i, false) })
	}
}

// Ring is a partition in which each node reaches only the next nodes on either
// side of it, as many as reach, on a ring of that many nodes.
func Ring(nodes, reach int) func(a, b int) bool {
	return func(a, b int) bool {
		d := (a - b + nodes) % nodes
		return min(d, nodes-d) > reach
	}
}

func (n *Network) separated(a, b int) bool {
	return len(n.isolated) > 0 && (n.isolated[a] || n.isolated[b]) || n.cut != nil && n.cut(a, b)
}

// healed lets what links hold go on where nothing stops it now.
func (n *Network) healed() {
	for _, nd := range n.nodes {
		if !nd.up {
			continue
		}
		for _, w := range nd.links() {
			if w.gone && w.queued() > 0 {
				n.knock(w)
			}
			n.pump(w)
		}
	}
}

// Crash stops node i without a word. Its neighbours' kernels notice, if they can
// be reached.
func (n *Network) Crash(i int) { n.down(n.nodes[i]) }

// Vanish stops node i, and its computer with it: nobody is told, and its
// neighbours are left with half-open links until their pings fail.
func (n *Network) Vanish(i int) {
	nd := n.nodes[i]
	if !nd.up {
		return
	}
	for _, w := range nd.links() {
		w.back.gone = true
	}
	n.down(nd)
	nd.vanished = true
}

// down ends a node's run and its links.
func (n *Network) down(nd *node) {
	if !nd.up {
		return
	}
	links := nd.links()
	if known := memory(nd.core.Status()); len(known) > 0 {
		nd.remembered = known
	}
	nd.up, nd.core, nd.books = false, nil, nil
	for _, w := range links {
		if back := w.back; back.from.wires[nd.id] == back && !back.gone {
			n.unlink(w)
		}
	}
	nd.wires = nil
}

// Leave has node i say goodbye; it is down once it has.
func (n *Network) Leave(i int) {
	if nd := n.nodes[i]; nd.up {
		n.give(nd, gossip.Leave{})
	}
}

// Break ends the link between two nodes, if there is one. Both notice, unless
// the network is cut between them; what is on its way is lost.
func (n *Network) Break(i, j int) {
	if nd := n.nodes[i]; nd.up {
		if w := nd.wires[n.nodes[j].id]; w != nil {
			n.breakLink(w)
		}
	}
}

// Restart starts node i, which is down, after a pause. Its modules are there at
// once. If forget, it has lost its disk, and with it the epochs that it used.
func (n *Network) Restart(i int, after time.Duration, forget bool) {
	n.nodes[i].forgot = forget
	n.Start(i, after)
}

// Up reports whether node i is running.
func (n *Network) Up(i int) bool { return n.nodes[i].up }

// Skew sets node i's wall clock off by d, at most a little less than half of
// gossip.MaxSkew either way: as far as promises reach. A running clock jumps.
func (n *Network) Skew(i int, d time.Duration) { n.Jump(i, max(-maxSkew, min(d, maxSkew))) }

// Jump sets node i's wall clock off by d, however far. Its steady clock goes on.
func (n *Network) Jump(i int, d time.Duration) {
	nd := n.nodes[i]
	nd.latest = max(nd.latest, n.clock(nd).UnixMilli())
	nd.skew = d
}

// clock is what node nd's clocks say now.
func (n *Network) clock(nd *node) time.Time { return reading(n.now, nd.skew) }

// Slow has node i take some time for each event, so that its queue grows when
// more comes. 0 = none.
func (n *Network) Slow(i int, pause time.Duration) { n.nodes[i].pause = pause }

// SetLinks changes what links are like. Delays of links that are up stay.
func (n *Network) SetLinks(m LinkModel) {
	n.cfg.Links = m
	n.healed()
}

// Churn has nodes go and come at random for some time: each of the given nodes
// that is up goes after an exponentially distributed time with mean up, and
// comes back after one with mean down. Of those that go, a third crash, a third
// vanish and a third leave; of those that come back, one in four has lost its
// disk.
func (n *Network) Churn(nodes []int, up, down, d time.Duration) {
	rng := rand.New(rand.NewPCG(n.cfg.Seed, 0x636875726e))
	end := n.now + d
	draw := func(mean time.Duration) time.Duration {
		return time.Duration(rng.ExpFloat64() * float64(mean))
	}
	for _, i := range nodes {
		var live func()
		live = func() {
			switch {
			case n.now >= end:
				return
			case n.Up(i):
				switch rng.IntN(3) {
				case 0:
					n.Crash(i)
				case 1:
					n.Vanish(i)
				default:
					n.Leave(i)
				}
				n.At(draw(down), live)
			default:
				n.Restart(i, 0, rng.IntN(4) == 0)
				n.At(draw(up), live)
			}
		}
		n.At(draw(up), live)
	}
}
