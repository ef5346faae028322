package gossip

import "time"

// allowance is how often something may still be done: a token bucket. The zero
// allowance is full.
type allowance struct {
	left int
	at   time.Time // when it was last topped up
}

// top fills up what came back since, one every pause, up to burst.
func (a *allowance) top(now time.Time, burst int, pause time.Duration) {
	if a.at.IsZero() {
		a.left, a.at = burst, now
	}
	if more := int(now.Sub(a.at) / pause); more > 0 {
		a.left = min(a.left+more, burst)
		a.at = a.at.Add(time.Duration(more) * pause)
	}
}

// has reports whether take would succeed.
func (a *allowance) has(n int, now time.Time, burst int, pause time.Duration) bool {
	a.top(now, burst, pause)
	return a.left >= n
}

// would reports the same and changes nothing.
func (a allowance) would(n int, now time.Time, burst int, pause time.Duration) bool {
	return a.has(n, now, burst, pause)
}

// take uses up one, of at most burst, and one more every pause.
func (a *allowance) take(now time.Time, burst int, pause time.Duration) bool {
	return a.takeN(1, now, burst, pause)
}

// takeN uses up n at once, or none.
func (a *allowance) takeN(n int, now time.Time, burst int, pause time.Duration) bool {
	if !a.has(n, now, burst, pause) {
		return false
	}
	a.left -= n
	return true
}

// meter is what a neighbour may still do. It outlives links, so that a peer that
// comes again and again may do no more.
type meter struct {
	told    allowance // peers named (shuffle.go)
	rumors  allowance // rumors told (intake.go)
	origins allowance // of origins that nobody had heard of (intake.go)
	invalid allowance // rumors that no honest node sends (push.go)
	used    time.Time
}

const (
	// maxMeters bounds the peers whose meters are remembered.
	maxMeters = 1024
	// meterMemory is after which silence a meter may be forgotten: by then each
	// allowance is full again.
	meterMemory = 10 * time.Minute
)

// meterOf returns a peer's meter. When there are too many it is one that is not
// remembered: it may name no peers at first, and its first invalid rumor is too many.
func (s *State) meterOf(p PeerID) *meter {
	m := s.meters[p]
	if m == nil {
		m = new(meter)
		if len(s.meters) >= maxMeters {
			for q, old := range s.meters {
				if s.links[q] == nil && s.now.Sub(old.used) >= meterMemory {
					delete(s.meters, q)
				}
			}
		}
		if len(s.meters) >= maxMeters {
			m.told.at, m.invalid.at = s.now, s.now
		} else {
			s.meters[p] = m
		}
	}
	m.used = s.now
	return m
}
