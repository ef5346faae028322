package transport

import (
	"testing"
	"time"
	"unsafe"
)

// A pause is as long as it should be, whatever becomes of the clock that shows the time.
func TestSeldom(t *testing.T) {
	const pause = 10 * time.Second
	now := time.Now()
	for name, set := range map[string]func(time.Time) time.Time{
		"right":         func(at time.Time) time.Time { return at },
		"set back":      func(at time.Time) time.Time { return setClock(at, -time.Hour) },
		"put far ahead": func(at time.Time) time.Time { return setClock(at, time.Hour) },
	} {
		var s seldom
		for _, step := range []struct {
			at   time.Time
			want bool
		}{
			{now, true},
			{now, false},
			{set(now.Add(pause - 1)), false},
			{set(now.Add(pause)), true},
			{set(now.Add(2*pause - 1)), false},
			{set(now.Add(2 * pause)), true},
		} {
			if got := s.may(step.at, pause); got != step.want {
				t.Errorf("the clock is %s: may at %v: %v", name, step.at.Sub(now), got)
			}
		}
	}
}

// setClock is a reading of the clocks at t if the one on the wall was set by d, of which
// package time makes none (gossip/sim/clock.go).
func setClock(t time.Time, d time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t)) // of its 64 bits 33 are seconds, 30 nanoseconds
	*wall += uint64(int64(d/time.Second) << 30)
	return t
}

// TestSetClock: setClock makes what package time would.
func TestSetClock(t *testing.T) {
	now := time.Now()
	for _, d := range []time.Duration{-time.Hour, 0, time.Hour} {
		at := setClock(now.Add(time.Minute), d)
		if wall, steady := at.Round(0).Sub(now.Round(0)), at.Sub(now); wall != d+time.Minute || steady != time.Minute {
			t.Errorf("set by %v a minute later, it is %v later on the wall and %v by the steady clock", d, wall, steady)
		}
	}
}

// What is told of a peer's clock holds for this node's clock as it is now.
func TestClockThatIsSet(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct{ ahead, set, want time.Duration }{
		"both are right":                {0, 0, 0},
		"nobody does anything":          {hour, 0, hour},
		"was behind, is right":          {hour, hour, 0},
		"was ahead, is right":           {-hour, -hour, 0},
		"is better":                     {-2 * hour, -hour, -hour},
		"is set forward too far":        {hour, hour + time.Minute, -time.Minute},
		"is set back and wrong":         {0, -hour, hour},
		"is set back instead":           {hour, -hour, 2 * hour},
		"slept beside the peer":         {0, 8 * hour, 0},
		"slept, and differed before":    {10 * time.Second, 8 * hour, 10 * time.Second},
		"of a peer that makes it up":    {1<<63 - 1, 0, 1<<63 - 1},
		"of another, and it is set":     {1<<63 - 1, -hour, 1<<63 - 1},
		"of one that makes up the past": {-1 << 63, hour, -1 << 63},
	} {
		now := time.Now()
		at := now.Add(-10 * time.Minute)
		wall := at.Round(0).Add(-c.set) // the clock has made a step by so much since
		if got := (clock{told: wall.Add(c.ahead), at: at, wall: wall}).ahead(now); got != c.want {
			t.Errorf("%s: ahead by %v, want %v", name, got, c.want)
		}
	}
	now := time.Now()
	for millis, want := range map[uint64]time.Duration{
		0: 0, 1 << 53: 0, 1<<64 - 1: 0, // it tells nothing, or nothing that is a time
		uint64(now.Add(hour).UnixMilli()): hour,
	} {
		if got := readClock(millis, now).ahead(now.Add(time.Minute)); (got - want).Abs() > time.Millisecond {
			t.Errorf("%d: ahead by %v, want %v", millis, got, want)
		}
	}
}

// A link that began before this node's clock was put right tells that it is.
func TestLinksFollowTheClock(t *testing.T) {
	n := newNode(t, newHost(t))
	s := newStranger(t)
	s.open(n, gossipLane, helloOf(t, time.Now(), 17))
	n.awaitUp(s.id())
	n.Transport.mu.Lock()
	c := &n.remotes[s.host.ID()].link.clock
	c.wall = c.wall.Add(-time.Hour) // this node's was an hour behind
	n.Transport.mu.Unlock()
	if l := n.Links()[0]; l.Ahead.Abs() > 10*time.Second {
		t.Errorf("the peer's clock is ahead by %v", l.Ahead)
	}
}
