package wire

import (
	"testing"

	"pgregory.net/rapid"

	"hearsay/node/gossip/sim"
)

// TestSimulatedSize: the simulator counts for every message the bytes of the
// frame that this package makes of it, so that its figures are those of the
// real network.
func TestSimulatedSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := messages().Draw(t, "message")
		b, err := AppendFrame(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if got := sim.FrameSize(m); got != len(b) {
			t.Fatalf("the simulator counts %d bytes for a %T, whose frame has %d", got, m, len(b))
		}
	})
	for _, m := range largest(t) {
		b, err := AppendFrame(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if got := sim.FrameSize(m); got != len(b) {
			t.Errorf("the simulator counts %d bytes for the largest %T, whose frame has %d", got, m, len(b))
		}
	}
}
