package sim

import "time"

// paths are the shortest ways from one node to all others that take a data
// type, over links between takers, at one moment.
type paths struct {
	last, mean time.Duration // Dijkstra over the links' delays
	hops       int           // breadth first
}

// shortest works out the ways from a node, which need not take the type itself.
func (n *Network) shortest(from *node, dataType uint16) *paths {
	relays := make([]bool, len(n.nodes))
	for i, nd := range n.nodes {
		relays[i] = n.relays(nd, dataType)
	}
	best := new(paths)
	const far = time.Duration(1<<63 - 1)

	hops := make([]int32, len(n.nodes))
	ring := []*node{from}
	hops[from.index] = 1
	for i := 0; i < len(ring); i++ {
		nd := ring[i]
		best.hops = int(hops[nd.index]) - 1
		for _, w := range nd.wires {
			if to := w.to; relays[to.index] && hops[to.index] == 0 {
				hops[to.index] = hops[nd.index] + 1
				ring = append(ring, to)
			}
		}
	}

	delay := make([]time.Duration, len(n.nodes))
	for i := range delay {
		delay[i] = far
	}
	delay[from.index] = 0
	var q queue
	q.push(0, planned{nd: from})
	reached := 0
	for len(q.keys) > 0 {
		at, p := q.pop()
		if at > delay[p.nd.index] {
			continue
		}
		if p.nd != from {
			reached++
			best.last = at
			best.mean += at
		}
		for _, w := range p.nd.wires {
			if d := at + w.delay; relays[w.to.index] && d < delay[w.to.index] {
				delay[w.to.index] = d
				q.push(d, planned{nd: w.to})
			}
		}
	}
	best.mean /= time.Duration(max(reached, 1))
	return best
}
