package maelstrom

import (
	"fmt"
	"math"
)

// neighbours returns the undirected edges of a topology that Maelstrom offers,
// as the neighbours of each of n nodes by index: grid (its default), total, line,
// or tree2, tree3, tree4 (with so many branches).
func neighbours(topology string, n int) ([][]int, error) {
	all := make([][]int, n)
	edge := func(a, b int) {
		all[a], all[b] = append(all[a], b), append(all[b], a)
	}
	branches := map[string]int{"line": 1, "tree2": 2, "tree3": 3, "tree4": 4}
	switch {
	case topology == "grid":
		side := int(math.Ceil(math.Sqrt(float64(n))))
		for i := range n {
			if i%side > 0 {
				edge(i, i-1)
			}
			if i >= side {
				edge(i, i-side)
			}
		}
	case topology == "total":
		for i := range n {
			for j := range i {
				edge(i, j)
			}
		}
	case branches[topology] > 0:
		for i := 1; i < n; i++ {
			edge(i, (i-1)/branches[topology])
		}
	default:
		return nil, fmt.Errorf("maelstrom: topology %q is unknown: grid, line, total, tree2, tree3 or tree4", topology)
	}
	return all, nil
}
