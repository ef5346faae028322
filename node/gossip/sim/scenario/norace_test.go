//go:build !race

package scenario

// short leaves out what the race detector makes ten times slower and has nothing
// to find in: one goroutine runs everything.
const short = false
