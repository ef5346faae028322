package main

import "math/rand/v2"

// regular draws a connected random graph of n nodes with degree neighbours each,
// as lists of neighbours. A circle keeps it connected; the rest are random
// pairs (the configuration model), mended by swaps where a pair came twice.
func regular(n, degree int, rng *rand.Rand) [][]int {
	adjacent := make([]map[int]bool, n)
	for i := range adjacent {
		adjacent[i] = make(map[int]bool, degree)
	}
	link := func(i, j int) { adjacent[i][j], adjacent[j][i] = true, true }
	unlink := func(i, j int) { delete(adjacent[i], j); delete(adjacent[j], i) }
	circle := rng.Perm(n)
	next := make(map[[2]int]bool, n)
	for k, i := range circle {
		j := circle[(k+1)%n]
		link(i, j)
		next[[2]int{i, j}], next[[2]int{j, i}] = true, true
	}
	for {
		var open []int // each as often as it lacks a neighbour
		for i, a := range adjacent {
			for range degree - len(a) {
				open = append(open, i)
			}
		}
		if len(open) < 2 {
			break
		}
		rng.Shuffle(len(open), func(a, b int) { open[a], open[b] = open[b], open[a] })
		i, j := open[0], open[1]
		if i != j && !adjacent[i][j] {
			link(i, j)
			continue
		}
		// Take a link (a, b) of two others apart and give each end one.
		a := rng.IntN(n)
		for _, b := range rng.Perm(n) {
			if adjacent[a][b] && !next[[2]int{a, b}] && a != i && b != j && !adjacent[a][i] && !adjacent[b][j] {
				unlink(a, b)
				link(a, i)
				link(b, j)
				break
			}
		}
	}
	lists := make([][]int, n)
	for i, a := range adjacent {
		for j := range n {
			if a[j] {
				lists[i] = append(lists[i], j)
			}
		}
	}
	return lists
}

// spanning takes of a graph the tree of shortest ways to node 0.
func spanning(graph [][]int) [][]int {
	tree := make([][]int, len(graph))
	seen := make([]bool, len(graph))
	seen[0] = true
	for queue := []int{0}; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		for _, j := range graph[i] {
			if !seen[j] {
				seen[j] = true
				tree[i], tree[j] = append(tree[i], j), append(tree[j], i)
				queue = append(queue, j)
			}
		}
	}
	return tree
}
