package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRegular(t *testing.T) {
	for _, c := range []struct{ n, degree int }{{3, 2}, {5, 4}, {20, 8}, {20, 19}, {50, 16}, {100, 16}} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprint(c.n, c.degree, seed), func(t *testing.T) {
				graph := regular(c.n, c.degree, rand.New(rand.NewPCG(seed, 0)))
				for i, a := range graph {
					if len(a) != c.degree || slices.Contains(a, i) {
						t.Errorf("node %d has neighbours %v", i, a)
					}
					for _, j := range a {
						if !slices.Contains(graph[j], i) {
							t.Errorf("%d has %d, but not the other way round", i, j)
						}
					}
				}
				links, reached := 0, map[int]bool{0: true}
				tree := spanning(graph)
				for queue := []int{0}; len(queue) > 0; queue = queue[1:] {
					for _, j := range tree[queue[0]] {
						links++
						if !reached[j] {
							reached[j] = true
							queue = append(queue, j)
						}
					}
				}
				if len(reached) != c.n || links != 2*(c.n-1) {
					t.Errorf("the tree reaches %d of %d nodes by %d links", len(reached), c.n, links/2)
				}
			})
		}
	}
}
