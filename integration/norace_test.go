//go:build !race

package integration_test

// raceEnabled says that the race detector is off.
const raceEnabled = false
