package sim

import (
	"time"

	"hearsay/node/gossip"
)

// Faults that a scenario can inject.

// maxSkew is the most that Skew takes: two clocks that are this far off in
// opposite directions still agree within gossip.MaxSkew.
const maxSkew = gossip.MaxSkew/2 - time.Second

// Partition stops all traffic between nodes for which cut says so, until it is
// called again; nil heals.
func (n *Network) Partition(cut func(a, b int) bool) {
	n.cut = cut
	if cut != nil {
		return
	}
	for _, a := range n.nodes {
		for b := range n.nodes {
			if a.linked[b] {
				n.flush(a.index, b)
			}
		}
	}
}

// Crash stops node i without a word. Its neighbours' kernels notice.
func (n *Network) Crash(i int) {
	n.down(n.nodes[i])
}

// down ends a node's run and its links.
func (n *Network) down(nd *node) {
	nd.up, nd.core = false, nil
	var linked []int
	for j := range n.nodes {
		if nd.linked[j] {
			linked = append(linked, j)
			n.unlink(nd.index, j)
		}
	}
	if len(linked) > 0 {
		nd.remembered = linked
	}
}

// Leave has node i say goodbye; it is down once it has.
func (n *Network) Leave(i int) { n.handle(n.nodes[i], gossip.Leave{}) }

// Break ends the link between two nodes, if there is one. Both notice.
func (n *Network) Break(i, j int) {
	if n.nodes[i].linked[j] {
		n.unlink(i, j)
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

// Skew sets node i's clock off by d, at most maxSkew either way. Set it before
// the node starts: a running clock that jumps is another fault.
func (n *Network) Skew(i int, d time.Duration) { n.nodes[i].skew = max(-maxSkew, min(d, maxSkew)) }

// clock is what node nd's clock says now.
func (n *Network) clock(nd *node) time.Time { return n.now.Add(nd.skew) }
