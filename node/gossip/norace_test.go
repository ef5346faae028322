//go:build !race

package gossip

// raceEnabled leaves out the long tests of one core.
const raceEnabled = false
