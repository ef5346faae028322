//go:build race

package sim

// scale says by how much tests are made smaller: the race detector makes the
// simulator ten times slower and has nothing to find in its one goroutine.
const scale = 8
