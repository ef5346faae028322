package gossip

import (
	"slices"
	"time"
)

// Trees of single origins.
//
// The tree of a group is shared by all who speak in it, so most rumors make
// detours: over real distances they take about twice as long as by flooding,
// which finds the fastest way to everybody. For origins that speak often and are no
// landmarks (landmark.go), every node looks for its own fastest way to them:
//
//   - With an ID, Have tells how long the sender has had the rumor. The receiver,
//     which has it too, knows by that when it would have come that way.
//   - If another link would have been much faster once, or faster several times, it is
//     grafted for this origin (Graft.Origins): from then on the neighbour pushes what
//     this origin says. The next rumor comes twice, and the slower of the two links is
//     told so (VerdictElsewhere) and leaves the origin's tree, at both ends.
//
// So the trees bend towards the ways that flooding would have found, for one
// duplicate each time that a node changes to another parent. Ways to an origin
// strictly ascend in the time at which nodes had one rumor, so there are no
// circles in them but passing ones, which Have and Graft mend as in the shared
// tree. Links that no such tree speaks of go by the shared one; a neighbour that got
// something first by a link stays a child there, also when the shared tree changes.
//
// For a landmark the same comparison decides between the next hops that distances allow.

const (
	// maxSources bounds the origins whose ways are watched; beyond it those that
	// were silent longest are forgotten and go by the shared tree again.
	maxSources = 256
	// An origin speaks often if it spoke sourceOften times with no pause longer
	// than sourceIdle.
	sourceOften = 3
	sourceIdle  = time.Minute
	// judgeAfter is how long other neighbours may take to tell of a rumor before
	// the ways by which it came are compared, at least.
	judgeAfter = 300 * time.Millisecond
	// wayMargin is by how much another way must be faster with one rumor after the
	// other until together they would have gained wayGain: less is chance, and not
	// worth a duplicate. By waySure once is enough.
	wayMargin = 2 * time.Millisecond
	wayGain   = 10 * time.Millisecond
	waySure   = 20 * time.Millisecond
	// wayNext is enough once for another next hop to a landmark, which costs few
	// duplicates, unless it is more than all links on the way take: then somebody was busy.
	wayNext = 5 * time.Millisecond
	// Who turned out slower than it said is not believed for boastPause, and twice
	// as long each further time, up to boastLimit doublings.
	boastPause = 10 * time.Second
	boastLimit = 6
)

// sourceKey names the rumors that one origin tells in one group.
type sourceKey struct {
	group  Group
	origin PeerID
}

// source is what is known of the ways by which an origin's rumors come.
type source struct {
	sourceKey
	tree   *landmarkTree // of which the ways are, if the origin is a landmark
	heard  int           // rumors since the last long pause, up to sourceOften
	last   time.Time
	rooted bool // it has a tree of its own here

	// One rumor at a time is watched.
	probe   RumorID
	at      time.Time     // when it came
	hops    uint8         // and over how many links
	parent  PeerID        // who brought it
	best    PeerID        // by whom it would have come first, if not by parent
	bestAt  time.Time     // and when
	rival   PeerID        // who was faster, and has to be again
	rivalAt time.Time     // when it would have brought this one, zero = it did not say
	gained  time.Duration // what rumors in a row would have gained by it
	asked   PeerID        // who was asked to push and did not yet, as it said that it is faster
	asks    []PeerID      // who was asked since the last rumor came, for whatever reason
}

// isRooted reports whether an origin has a tree of its own here: it speaks often,
// or a neighbour wants it so. Its duplicates then prune no other's tree. That keeps
// the shared one whole when many speak at once, whose rumors would each cut another
// link out of the same circle.
func (src *source) isRooted() bool {
	return src != nil && (src.rooted || src.heard >= sourceOften)
}

// source returns what is known of an origin, from now on the last one to be
// forgotten.
func (s *State) source(key sourceKey) *source {
	src := s.sources[key]
	if src != nil {
		i := slices.Index(s.sourceOrder, src)
		s.sourceOrder = append(slices.Delete(s.sourceOrder, i, i+1), src)
		return src
	}
	if len(s.sourceOrder) >= maxSources {
		s.forgetSource(s.sourceOrder[0])
	}
	src = &source{sourceKey: key}
	s.sources[key] = src
	s.sourceOrder = append(s.sourceOrder, src)
	return src
}

func (s *State) forgetSource(src *source) {
	i := slices.Index(s.sourceOrder, src)
	s.sourceOrder = slices.Delete(s.sourceOrder, i, i+1)
	delete(s.sources, src.sourceKey)
	if src.rooted {
		for _, l := range s.linkOrder {
			if l != nil {
				delete(l.rooted, src)
			}
		}
	}
}

// steer takes a link into the tree of an origin, or out of it.
func (s *State) steer(l *link, key sourceKey, in bool) {
	if !s.takesPart(key.group) {
		return
	}
	src := s.source(key)
	src.rooted, src.last = true, s.now
	put(&l.rooted, src, in)
}

// speaks counts a rumor of the origin.
func (src *source) speaks(now time.Time) {
	if !src.last.IsZero() && now.Sub(src.last) > sourceIdle {
		src.heard, src.probe, src.rival = 0, RumorID{}, ""
	}
	src.last = now
	src.heard = min(src.heard+1, sourceOften)
}

// keepChild notes that a neighbour got a rumor first from here. It stays a child in
// the tree of that origin whatever becomes of the link in the shared tree, whose
// changes would else cut all other trees, too.
func (s *State) keepChild(l *link, key sourceKey) {
	if src := s.sources[key]; src.isRooted() && !l.rooted[src] {
		src.rooted = true
		put(&l.rooted, src, true)
	}
}

// heardFrom is called with every rumor that a push brought first. It compares the
// ways by which the rumor watched could have come, and watches the next. Large ones
// are not watched: how long they took tells more of their size than of the way, and
// another way would have each come twice once. They go by the tree that there is.
func (s *State) heardFrom(l *link, r *Rumor) {
	if s.cfg.Push != PushRooted || r.Size() > largeRumor {
		return
	}
	s.watchWay(s.source(sourceKey{groupOf(r), r.Origin}), l, r)
}

// watchWay does so for an origin, or a landmark, of which the ways are known.
func (s *State) watchWay(src *source, l *link, r *Rumor) {
	src.speaks(s.now)
	src.asks = src.asks[:0]
	if src.asked == l.peer {
		src.asked = ""
	}
	if src.probe != (RumorID{}) {
		if s.now.Sub(src.at) < judgeAfter+calmFan*calmFactor*s.cfg.HaveDelay {
			return
		}
		s.judge(src, l)
	}
	src.probe, src.at, src.parent, src.best, src.rivalAt = r.ID, s.now, l.peer, "", time.Time{}
	if e := s.store.entries[r.ID]; e != nil {
		e.probe, src.hops = true, e.hops
	}
}

// compareWay takes in that a neighbour has had for a while what this node knows.
func (s *State) compareWay(l *link, e *entry, held time.Duration) {
	if !e.probe {
		return // most are not: no need to look whose it is
	}
	src := s.sources[sourceKey{groupOf(e.r), e.r.Origin}]
	if t := s.branch(groupOf(e.r), e.landmark); t != nil {
		src = t.ways
	}
	if src == nil || src.probe != e.r.ID || l.peer == src.parent || l.boasted.After(s.now) {
		return
	}
	at := s.now.Add(-held)
	if l.peer == src.rival {
		src.rivalAt = at
	}
	if at.Before(src.at) && (src.best == "" || at.Before(src.bestAt)) {
		src.best, src.bestAt = l.peer, at
	}
}

// tellsAnyway reports whether a neighbour should be told that this node has a
// rumor, though it just said that it has it, too: it would have got it earlier from
// here, and learns that by our Have.
func (s *State) tellsAnyway(l *link, e *entry, held time.Duration) bool {
	return e.state == kept && s.now.Add(-held).Sub(e.ready) > l.rtt+wayMargin
}

// judge asks a neighbour to push an origin's rumors if those watched, one after the
// other, would have come enough faster that way; unless it just did.
func (s *State) judge(src *source, now *link) {
	if src.heard < sourceOften {
		return
	}
	var chosen PeerID
	sure := waySure
	best, rival := src.at.Sub(src.bestAt), src.at.Sub(src.rivalAt)
	if src.tree != nil && best <= src.tree.linksTake(src.hops) {
		sure = wayNext
	}
	switch {
	case src.best != "" && best >= sure:
		chosen = src.best
	case s.links[src.rival] != nil && src.rivalAt.IsZero():
		return // it has not told of this one
	case !src.rivalAt.IsZero() && rival >= wayMargin:
		if src.gained += rival; src.gained < wayGain {
			return
		}
		chosen = src.rival
	case src.best != "" && best >= wayMargin:
		src.rival, src.gained = src.best, best
		return
	}
	src.rival = ""
	switch l := s.links[chosen]; {
	case l == nil || l == now || !l.wants(src.group):
	case src.tree != nil:
		s.prefer(src.tree, l, best >= waySure)
	default:
		s.reroot(src, l)
	}
}

// reroot asks a neighbour to push what an origin says. This node tells it and the
// present parent nothing of that itself any more: they have it earlier.
func (s *State) reroot(src *source, l *link) {
	s.count.Reroots++
	s.steer(l, src.sourceKey, false)
	if p := s.links[src.parent]; p != nil {
		s.steer(p, src.sourceKey, false)
	}
	src.asked, src.asks = l.peer, append(src.asks[:0], l.peer)
	s.do(Send{To: l.peer, Msg: &Graft{Group: src.group, Origins: []ShortID{src.probe.Short()}}})
}

// crossed reports whether a neighbour asks for an origin's rumors while it is asked for
// them itself: of the two one has to find another, or both wait for each other, or
// push to each other at the same time.
func (src *source) crossed(self, neighbour PeerID) bool {
	return src != nil && self < neighbour && slices.Contains(src.asks, neighbour)
}

// tooSlow notes that a neighbour which was asked to push an origin's rumors was
// slower with them than others, though it had said it would not be.
func (s *State) tooSlow(l *link, key sourceKey) {
	if src := s.sources[key]; src != nil && src.asked == l.peer {
		src.asked = ""
		if src.best == l.peer {
			src.best = ""
		}
		l.boasted = s.now.Add(boastPause << l.boasts)
		l.boasts = min(l.boasts+1, boastLimit)
	}
}

// groups are those that this node takes part in, in a fixed order.
func (s *State) groups() []Group {
	groups := []Group{GroupPresence}
	for _, t := range s.interests() {
		groups = append(groups, GroupOf(t))
	}
	if s.cfg.Carry {
		groups = append(groups, carriedGroups[:]...)
	}
	return groups
}
