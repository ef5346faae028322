package transport

import (
	"testing"
	"time"
)

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
