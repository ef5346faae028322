package apibridge

import (
	"hash/maphash"
	"time"
)

// maxEchoes is how many different contents one generation of an echoGuard
// remembers; at worst, when a connection is told more than that within the
// window, the guard's memory is shorter than the window. About 200 KB each.
const maxEchoes = 8192

// echoGuard keeps modules that re-announce what they are told from feeding
// each other for ever. Such an echo is a new rumor to the network, so with two
// of these modules anywhere one rumor would become an endless stream, and with
// more of them an exploding one.
//
// Per content, every telling makes the next ANNOUNCE of the same bytes by the
// same connection an echo. Of echoes one per window is let through, and
// beyond that as many as there were ANNOUNCEs of these bytes that were none.
// So who repeats its own data is never held back, although others echo them.
//
// A loop so dies when it takes less than the window to come round, and turns
// at most once per window and connection otherwise. Not safe for concurrent use.
type echoGuard struct {
	window time.Duration
	seed   maphash.Seed
	began  time.Time // of the newer generation
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
	due    uint32    // tellings that no announcement has followed yet
	own    uint32    // announcements that no telling preceded, less those used up
	passed time.Time // when an echo was let through last
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
	e := g.recall(now, c)
	e.due++
	g.newer[c] = e
}

// pass says whether an announcement of this by the connection goes through.
func (g *echoGuard) pass(now time.Time, c content) bool {
	if g == nil {
		return true
	}
	e := g.recall(now, c)
	if e == (echo{}) { // it was never told this
		return true
	}
	ok := true
	switch {
	case e.due == 0:
		e.own++
	case e.passed.IsZero() || now.Sub(e.passed) >= g.window:
		e.due--
		e.passed = now
	case e.own > 0:
		e.due--
		e.own--
	default:
		e.due--
		ok = false
	}
	g.newer[c] = e
	return ok
}

// recall looks a content up, after it made sure that the newer generation is
// no older than the window and has room.
func (g *echoGuard) recall(now time.Time, c content) echo {
	if age := now.Sub(g.began); age >= g.window || len(g.newer) >= maxEchoes {
		clear(g.older)
		if age < 2*g.window {
			g.newer, g.older = g.older, g.newer
		} else {
			clear(g.newer)
		}
		g.began = now
	}
	e, known := g.newer[c]
	if !known {
		e = g.older[c]
	}
	return e
}
