package gossip

import (
	"slices"
	"time"
)

// When stores are compared, and with whom; reconcile.go has how.
//
// A node runs one comparison per group at a time, and says so (a Sync without
// ranges) to who begins another, so that a newcomer with thirty neighbours fetches
// everything once. The others wait in a queue, and by their turn there is mostly
// nothing left to fetch. Where all have begun and wait for each other the smallest
// peer ID gets on, though not twice in a row in the place of others.
//
// A newcomer takes no turn: it names the few presences that it has, and is given the
// rest while other comparisons go on.
//
// For the same reason what came by Fill is not pushed on: whoever learnt something
// compares with its other neighbours, which costs a fingerprint where they know it
// already.

const (
	syncPatience = time.Second
	// However busily a neighbour keeps a comparison going, others get their turn
	// after syncLimit.
	syncLimit = 5 * time.Second
	// maxTrip is how much of a round trip gives a comparison more time. The neighbour decides
	// how late it answers a ping, and a satellite is not as far.
	maxTrip   = time.Second
	newsDelay = 100 * time.Millisecond // to gather what came by Fill
	// Who knows of no more than newcomers nodes begins on a new link with the IDs of
	// their presences, so that the answer is all the others, and not with a fingerprint,
	// which would be sure to differ.
	newcomers = 4
)

// comparison is what goes on about one group.
type comparison struct {
	queue    []PeerID  // neighbours still to be compared with
	peer     PeerID    // the one that is being compared with, "" = none
	ours     bool      // we began it
	until    time.Time // when silence ends it
	limit    time.Time // when it ends in any case
	answered bool      // the neighbour has time for it
	closing  bool      // one side had nothing but skips
	asked    bool      // a Want is out whose answer has not ended
	wanted   int       // rumors asked for that have not come
	learnt   int       // rumors that it brought
	gaveWay  PeerID    // to whom another gave way, "" = since then another had its turn

	// news is when the other neighbours are compared with because something
	// came by Fill, zero = nothing did.
	news       time.Time
	newsSource PeerID
}

// syncs are the comparisons of all groups that this node has a part in, in a
// fixed order.
type syncs struct {
	groups []Group
	by     map[Group]*comparison
}

func (sy *syncs) get(g Group) *comparison {
	c := sy.by[g]
	if c == nil {
		c = new(comparison)
		if sy.by == nil {
			sy.by = make(map[Group]*comparison)
		}
		sy.by[g] = c
		i, _ := slices.BinarySearch(sy.groups, g)
		sy.groups = slices.Insert(sy.groups, i, g)
	}
	return c
}

// takesPart reports whether this node keeps a group at all.
func (s *State) takesPart(g Group) bool {
	switch {
	case g == GroupPresence:
		return true
	case g.Carried():
		return s.cfg.Carry
	}
	return s.takers[uint16(g)] > 0
}

// shared is called when a neighbour and this node begin to share a group. One
// of the two begins to compare: the smaller peer ID.
func (s *State) shared(l *link, g Group) {
	delete(l.compared, g)
	if s.cfg.Self < l.peer {
		s.enqueueSync(l, g)
	}
}

// sharePresences begins to compare presences on a new link. Who dialled begins, for
// it is the one that may know little.
func (s *State) sharePresences(l *link) {
	if l.dialled {
		s.enqueueSync(l, GroupPresence)
	}
}

// syncType compares a data type that is new here with all who take it.
func (s *State) syncType(dataType uint16) {
	for _, l := range s.linkOrder {
		if l != nil && l.interests.has(dataType) {
			s.shared(l, GroupOf(dataType))
		}
	}
}

// syncWith compares everything shared with one neighbour.
func (s *State) syncWith(l *link) {
	s.enqueueSync(l, GroupPresence)
	for _, t := range l.interests {
		if s.takers[t] > 0 {
			s.enqueueSync(l, GroupOf(t))
		} else {
			s.offer(l, t)
		}
	}
	for _, g := range carriedGroups {
		s.compareCarried(l, g)
	}
}

// syncRound is the periodic round: everything shared, with one neighbour, and
// each type that this one does not take with another that does. It is the one with
// which something has gone uncompared the longest: by mere chance two nodes that
// lack the same would choose each other twice in a row now and then.
func (s *State) syncRound() time.Time {
	if s.cfg.AntiEntropy == 0 {
		return time.Time{}
	}
	if l := s.longestUncompared((*link).uncomparedSince); l != nil {
		s.syncWith(l)
		for _, t := range s.interests() {
			if l.interests.has(t) {
				continue
			}
			if taker := s.longestUncompared(takerOf(t)); taker != nil {
				s.enqueueSync(taker, GroupOf(t))
			}
		}
	}
	return s.now.Add(s.jitter(s.cfg.AntiEntropy))
}

// longestUncompared chooses the neighbour for which since, where it says that the
// neighbour is fit, is earliest, or one of several by chance; nil if none is fit.
func (s *State) longestUncompared(since func(*link, *State) (time.Time, bool)) *link {
	var all []*link
	var first time.Time
	for _, l := range s.linkOrder {
		if l == nil || l.leaving || l.relayed {
			continue
		}
		t, fit := since(l, s)
		switch {
		case !fit || len(all) > 0 && t.After(first):
			continue
		case len(all) > 0 && t.Before(first):
			all = all[:0]
		}
		all, first = append(all, l), t
	}
	if len(all) == 0 {
		return nil
	}
	return all[s.cfg.Rand.IntN(len(all))]
}

// uncomparedSince is when the stalest of all that is shared with a neighbour was
// compared.
func (l *link) uncomparedSince(s *State) (time.Time, bool) {
	since := l.compared[GroupPresence]
	for _, t := range l.interests {
		if s.takers[t] > 0 {
			since = earlier(since, l.compared[GroupOf(t)])
		}
	}
	return since, true
}

// takerOf is when a data type was compared with a neighbour that takes it.
func takerOf(t uint16) func(*link, *State) (time.Time, bool) {
	return func(l *link, _ *State) (time.Time, bool) { return l.compared[GroupOf(t)], l.interests.has(t) }
}

func (s *State) enqueueSync(l *link, g Group) {
	if l.relayed {
		return
	}
	c := s.syncs.get(g)
	c.wait(l.peer)
	s.advance(g, c)
}

// wait puts a neighbour at the end of the queue if it is not in it.
func (c *comparison) wait(p PeerID) {
	if !slices.Contains(c.queue, p) {
		c.queue = append(c.queue, p)
	}
}

// advance begins the next comparison of a group unless one is going on.
func (s *State) advance(g Group, c *comparison) {
	if c.peer != "" && c.until.After(s.now) {
		s.schedule(taskCompare, c.until)
		return
	}
	c.peer = ""
	for len(c.queue) > 0 {
		l := s.links[c.queue[0]]
		c.queue = c.queue[1:]
		if l == nil || l.leaving || !s.takesPart(g) || !l.wants(g) {
			continue
		}
		s.begin(c, l, true)
		s.count.Syncs++
		floor := s.floor(g)
		set := s.set(g, floor)
		whole := fingerprint(set, Point{})
		if g == GroupPresence && len(set) <= newcomers && l.compared[g].IsZero() {
			whole = listIDs(set, Point{})
		}
		s.do(Send{To: l.peer, Msg: &Sync{Group: g, Floor: floor, Ranges: []Range{whole}}})
		return
	}
}

func (s *State) begin(c *comparison, l *link, ours bool) {
	c.peer, c.ours, c.answered, c.closing, c.asked, c.wanted, c.learnt = l.peer, ours, false, false, false, 0, 0
	c.limit = s.now.Add(syncLimit + 10*min(l.rtt, maxTrip))
	s.touch(c)
}

// touch keeps a comparison going a little longer. Chance is in it because nodes
// that wait for each other in a circle would otherwise do so in step, for ever.
func (s *State) touch(c *comparison) {
	patience := s.jitter(syncPatience)
	if l := s.links[c.peer]; l != nil {
		patience += 2 * min(l.rtt, maxTrip)
	}
	c.until = earlier(s.now.Add(patience), c.limit)
	s.schedule(taskCompare, c.until)
}

// ended closes a comparison. What it began with this node may not have been all
// that the neighbour has, so it is compared with again until it brings nothing; but
// after those who wait, or who always has something new would have every turn.
func (s *State) ended(g Group, c *comparison) {
	if c.ours && c.learnt > 0 {
		c.wait(c.peer)
	}
	if c.peer != c.gaveWay {
		c.gaveWay = ""
	}
	if l := s.links[c.peer]; l != nil {
		put(&l.compared, g, s.now)
	}
	c.peer = ""
	s.advance(g, c)
}

// news notes that something came by Fill, so that others may lack it too.
func (s *State) news(g Group, from PeerID) {
	c := s.syncs.get(g)
	switch {
	case c.news.IsZero():
		c.news, c.newsSource = s.now.Add(newsDelay), from
		s.schedule(taskCompare, c.news)
	case c.newsSource != from:
		c.newsSource = "" // each source lacks what the other brought
	}
}

// compare goes on with the groups that have news, or whose comparison fell
// silent. It returns when it has to look again.
func (s *State) compare() time.Time {
	var next time.Time
	for _, g := range s.syncs.groups {
		c := s.syncs.by[g]
		if !c.news.IsZero() && !c.news.After(s.now) {
			c.news = time.Time{}
			for _, l := range s.linkOrder {
				if l != nil && l.peer != c.newsSource && s.cfg.Rand.Float64() < s.cfg.ContinueMongering {
					s.enqueueSync(l, g)
				}
			}
		}
		switch {
		case c.peer == "":
			s.advance(g, c) // the link of the last one is gone
		case !c.until.After(s.now):
			s.ended(g, c)
		}
		for _, t := range []time.Time{c.news, c.until} {
			if t.After(s.now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

// syncGone forgets a neighbour that is no longer one.
func (s *State) syncGone(p PeerID) {
	for _, g := range s.syncs.groups {
		c := s.syncs.by[g]
		c.queue = slices.DeleteFunc(c.queue, func(q PeerID) bool { return q == p })
		if c.peer == p {
			c.peer = ""
			s.after(taskCompare, 0)
		}
	}
}
