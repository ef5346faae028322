package apibridge

import (
	"hash/maphash"
	"time"
)

// maxEchoes is how many different contents one generation of an echoGuard
// remembers; at worst, when a connection is told or announces more than that within
// the window, the guard's memory is shorter than the window. Below 1 MB each.
const maxEchoes = 8192

// maxTrust is how many echoes in a row are let through, besides the one per window,
// of a connection that has shown that it repeats these bytes by itself.
const maxTrust = 16

// echoGuard keeps modules that re-announce what they are told from feeding
// each other for ever. Such an echo is a new rumor to the network, so with two
// of these modules anywhere one rumor would become an endless stream, and with
// more of them an exploding one.
//
// Per content, every telling makes the next ANNOUNCE of the same bytes by the
// same connection an echo. Of echoes one per window is let through, but of a
// connection that repeats these bytes by itself maxTrust more, so that others may
// echo them. It shows that by an ANNOUNCE when no telling is left to echo, and,
// once it has done so, by one that comes too late for an echo.
//
// A loop turns at most once per window and connection, or not at all when it takes
// less than the window to come round. Where several connections have begun it with
// the same bytes it turns until their trust is used up; it is renewed only for
// those whose echoes take longer than half the window. Not safe for concurrent use.
type echoGuard struct {
	window time.Duration
	seed   maphash.Seed
	start  time.Time     // of the first call; all other times count from here
	began  time.Duration // when the newer generation did
	newer  map[content]echo
	older  map[content]echo
}

// content is a hash of an announcement or rumor, keyed so that no module can
// make two meet.
type content struct {
	sum      uint64
	dataType uint16
}

type echo struct {
	due   uint32        // tellings that no announcement has followed yet
	own   bool          // an announcement came when none was due
	trust uint8         // echoes that may pass although others have
	again time.Duration // when an echo may pass without that
	last  time.Duration // telling, or announcement that came too late to echo it
}

// newEchoGuard returns nil, a guard that lets everything pass, if the window
// is negative.
func newEchoGuard(window time.Duration) *echoGuard {
	if window < 0 {
		return nil
	}
	return &echoGuard{window: window, seed: maphash.MakeSeed(), newer: make(map[content]echo), older: make(map[content]echo)}
}

// content hashes what told and pass are called with.
func (g *echoGuard) content(dataType uint16, data []byte) content {
	if g == nil {
		return content{}
	}
	return content{maphash.Bytes(g.seed, data), dataType}
}

// told notes that the connection is told this.
func (g *echoGuard) told(now time.Time, c content) {
	if g == nil {
		return
	}
	at, e := g.recall(now, c)
	e.due++
	e.last = at
	g.newer[c] = e
}

// pass says whether an announcement of this by the connection goes through.
func (g *echoGuard) pass(now time.Time, c content) bool {
	if g == nil {
		return true
	}
	at, e := g.recall(now, c)
	ok := true
	switch {
	case e.due == 0:
		e.own, e.trust = true, maxTrust
	case e.own && at-e.last >= g.window/2:
		e.last, e.trust = at, maxTrust
	case at >= e.again:
		e.again = at + g.window
	case e.trust > 0:
		e.trust--
	default:
		ok = false
	}
	e.due -= min(e.due, 1)
	g.newer[c] = e
	return ok
}

// recall looks a content up, after it made sure that the newer generation is
// no older than the window and has room.
func (g *echoGuard) recall(now time.Time, c content) (at time.Duration, e echo) {
	if g.start.IsZero() {
		g.start = now
	}
	at = now.Sub(g.start)
	if age := at - g.began; age >= g.window || len(g.newer) >= maxEchoes {
		clear(g.older)
		if age < 2*g.window {
			g.newer, g.older = g.older, g.newer
		} else {
			clear(g.newer)
		}
		g.began = at
	}
	e, known := g.newer[c]
	if !known {
		e = g.older[c]
	}
	return at, e
}
