//go:build race

package integration_test

// raceEnabled says that the race detector is on: the simulator is ten times
// slower then, and has nothing to find in its one goroutine.
const raceEnabled = true
