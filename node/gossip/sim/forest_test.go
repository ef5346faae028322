package sim

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// TestHowManyLandmarks is where the number of landmarks and the measure of distance
// come from (gossip/landmark.go): over the links of a grown network trees of the
// shortest ways to some nodes are laid, and the way of a rumor from anybody, along the
// tree of the nearest, is compared with the shortest. The table is in README.md
// of package gossip. It takes minutes, and shows nothing that TestLandmarks does not.
func TestHowManyLandmarks(t *testing.T) {
	if os.Getenv("HEARSAY_LONG") == "" {
		t.Skip("a comparison for the README: only with HEARSAY_LONG")
	}
	nodes := large(100, 1000)
	type measure struct {
		name string
		of   func(w *wire) time.Duration
	}
	half := func(w *wire) time.Duration { return (w.delay + w.back.delay) / 2 }
	measures := []measure{
		{"one way", func(w *wire) time.Duration { return w.delay }},
		{"half the round trip", half},
		{"half the round trip + 10 ms", func(w *wire) time.Duration { return half(w) + 10*time.Millisecond }},
		{"hops", func(w *wire) time.Duration { return time.Second + half(w) }},
	}
	const origins = 50
	for _, degree := range []int{6, 10, 30} {
		n := grown(1, nodes, degree)
		roots := rand.New(rand.NewPCG(5, 5)).Perm(len(n.nodes))
		for _, m := range measures {
			trees := make([]*tree, 64)
			for k := range trees {
				trees[k] = n.treeOf(n.nodes[roots[k]], m.of)
			}
			for _, landmarks := range []int{1, 8, 16, 32, 64} {
				rng := rand.New(rand.NewPCG(6, 6))
				var hops, bestHops int
				var last, bestLast time.Duration
				for range origins {
					from := n.nodes[rng.IntN(len(n.nodes))]
					nearest := trees[0]
					for _, tr := range trees[:landmarks] {
						if tr.distance[from.index] < nearest.distance[from.index] {
							nearest = tr
						}
					}
					h, l := nearest.spread(from)
					best := n.shortest(from, 7)
					hops, last = hops+h, last+l
					bestHops, bestLast = bestHops+best.hops, bestLast+best.last
				}
				t.Logf("degree %d, distance by %s, %d landmarks: last hop %.2f, last delivery %.2f times the best",
					degree, m.name, landmarks, float64(hops)/float64(bestHops), float64(last)/float64(bestLast))
			}
		}
	}
}

// tree is the shortest ways from one node to all others.
type tree struct {
	distance []time.Duration
	links    [][]*wire // of each node to those next to it in the tree
}

func (n *Network) treeOf(root *node, measure func(*wire) time.Duration) *tree {
	tr := &tree{make([]time.Duration, len(n.nodes)), make([][]*wire, len(n.nodes))}
	by := make([]*wire, len(n.nodes))
	done := make([]bool, len(n.nodes))
	var q queue
	q.push(0, planned{nd: root})
	for len(q.keys) > 0 {
		at, p := q.pop()
		if done[p.nd.index] {
			continue
		}
		done[p.nd.index] = true
		if w := by[p.nd.index]; w != nil {
			tr.links[w.from.index] = append(tr.links[w.from.index], w)
			tr.links[w.to.index] = append(tr.links[w.to.index], w.back)
		}
		for _, w := range p.nd.links() {
			to := w.to.index
			if d := at + measure(w); !done[to] && (by[to] == nil || d < tr.distance[to]) {
				by[to], tr.distance[to] = w, d
				q.push(d, planned{nd: w.to})
			}
		}
	}
	return tr
}

// spread is how many hops, and how long, a rumor takes from a node to the last of
// all others along the tree.
func (tr *tree) spread(from *node) (hops int, last time.Duration) {
	type visit struct {
		at   *node
		by   *wire
		hops int
		took time.Duration
	}
	for stack := []visit{{at: from}}; len(stack) > 0; {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		hops, last = max(hops, v.hops), max(last, v.took)
		for _, w := range tr.links[v.at.index] {
			if v.by == nil || w != v.by.back {
				stack = append(stack, visit{w.to, w, v.hops + 1, v.took + w.delay})
			}
		}
	}
	return hops, last
}
