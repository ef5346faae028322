//go:build race

package gossip

// raceEnabled leaves out the long tests of one core: the race detector makes them
// ten times slower, and has nothing to find where there are no goroutines.
const raceEnabled = true
