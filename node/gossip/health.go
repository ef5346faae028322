package gossip

import "time"

// Local health (Lifeguard, 2017): a node that gets too little processor time, or
// slept, sees its timers run out before it has read what others sent meanwhile.
// So it doubts itself first. While it does, it accuses nobody, takes nobody for
// lost, and gives a silent neighbour one more ping.

const (
	// lagTolerance is how late the driver may be with a deadline.
	lagTolerance = time.Second
	// Doubt lasts twice as long as the lag, within these bounds.
	doubtMin = 5 * time.Second
	doubtMax = 30 * time.Second
)

// health is what this node thinks of itself.
type health struct {
	doubt time.Time // until when it doubts itself
}

// noticeLag looks how late the driver is.
func (s *State) noticeLag() {
	d := s.Deadline()
	if d.IsZero() {
		return
	}
	lag := s.now.Sub(d)
	if lag < lagTolerance {
		return
	}
	s.count.Lags++
	s.health.doubt = later(s.health.doubt, s.now.Add(max(doubtMin, min(2*lag, doubtMax))))
}

func (s *State) doubtsItself() bool { return s.health.doubt.After(s.now) }
