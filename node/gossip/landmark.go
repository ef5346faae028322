package gossip

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"
)

// Trees of landmarks.
//
// The tree that all share makes detours, and what is known of the ways to a single
// origin (rooted.go) is known only after it has spoken for a while. So some of the
// members that take a type are its landmarks, each with a tree of the shortest ways to
// it (distance.go): all of them if there are at most maxHeeded, else the maxLandmarks
// whose hashes are smallest.
//
// A landmark pushes what it says itself along its own tree (Push.Landmark), from its
// first rumors on and without duplicates. Others, if they speak seldom, use the tree of
// the landmark that is nearest to them, both towards the root and away from it: the
// way to anybody is then no longer than that to the landmark, and from there the
// shortest. In a large network the last hop by the shared tree is two to three times as
// far.
//
// Where little is said, nothing is told: a landmark raises its number once in
// waveRumors rumors, and at most once in wavePause, or if a way was lost that is in use.

const (
	// maxLandmarks is how many trees a type has that more than maxHeeded members take:
	// nodes do not quite agree who the landmarks are, so as many more are heeded.
	maxLandmarks = 32
	maxHeeded    = 2 * maxLandmarks
	// maxGroves bounds the types that have landmarks here, of those that are taken.
	maxGroves = 16
	// A wave costs every node about 10 KB, so it should be for as many rumors.
	waveRumors = 50
	wavePause  = time.Minute
	// A tree whose number was not raised for treeLife is not used any more.
	treeLife = 10 * time.Minute
	// Nobody begins to use a tree before it is treeReady old, for by then those whom
	// it leads to have said so, and who changes to another next hop stays a child of
	// the one before for formerChild.
	treeReady   = 3 * time.Second
	formerChild = time.Second
	// rosterPause is for how long the list of landmarks is used before it is made
	// anew.
	rosterPause = 10 * time.Second
)

// landmarkTree is the tree of one landmark, as far as this node is in it.
type landmarkTree struct {
	grove    *grove
	landmark uint64
	self     bool
	known    bool
	number   uint32
	distance uint16
	least    uint16     // the least that it ever was with this number
	said     uint16     // what all neighbours were told of it last
	parent   int        // slot of the next hop, -1 = none
	children bitset     // slots
	former   bitset     // slots of those that left of late: what is on its way
	until    time.Time  // by another's branch may not get there, so they count till then
	since    time.Time  // when it was heard of first
	offers   []wayOffer // by slot
	raised   time.Time  // when the number was heard of
	due      time.Time  // when the shortest way is taken, zero = nothing changed
	news     bool       // all neighbours are to be told
	turned   bool       // the next hop and the one before are
	again    bool       // the next hop is when ways are taken, also if it is the one before
	told     int        // slot of the one that knows that it is, -1 = none
	wish     bool       // somebody that has no way wants a later number: the next hop is to be told
	wished   time.Time  // when it was told last
	above    uint32     // the number that was wished of this node, whose tree it is
	used     time.Time  // when a rumor travelled by it last
	chosen   time.Time  // when the next hop became that
	ways     *source    // how soon the landmark's own rumors come by whom
	missed   bool       // it was not in the last list
}

// grove is the trees of one group's landmarks.
type grove struct {
	group  Group
	trees  []*landmarkTree // by landmark
	roster []uint64        // who is or may be a landmark, ascending
	takers int             // of whom they were chosen
	made   time.Time       // when it was made
	heard  int             // rumors since the last wave, in a large network of those who speak seldom
	waved  time.Time       // when this node raised its number last
	aware  bitset          // slots of those that told how far landmarks are
}

// landmarkOf is the hash by which landmarks are chosen and named; it is never 0.
func landmarkOf(g Group, p PeerID) uint64 {
	h := fnv.New64a()
	h.Write([]byte(p))
	h.Write([]byte{byte(g >> 16), byte(g >> 8), byte(g)})
	// FNV leaves IDs that end alike close together.
	x := h.Sum64()
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	return max(x, 1)
}

// raisedAbove reports whether number a is later than b (serial numbers, RFC 1982).
func raisedAbove(a, b uint32) bool { return int32(a-b) > 0 }

// grove returns the trees of a group, nil if it has none here.
func (s *State) grove(g Group) *grove {
	if s.cfg.Push != PushRooted || g == GroupPresence || g.Carried() || !s.takesPart(g) {
		return nil
	}
	v := s.groves[g]
	if v == nil {
		if len(s.groves) >= maxGroves {
			return nil
		}
		v = &grove{group: g}
		s.groves[g] = v
	}
	if v.made.IsZero() || s.now.Sub(v.made) >= rosterPause {
		s.makeRoster(v)
	}
	return v
}

// makeRoster works out who the landmarks are.
func (s *State) makeRoster(v *grove) {
	v.made = s.now
	v.roster = v.roster[:0]
	for p, m := range s.members {
		if m.here() && slices.Contains(m.p.Interests, uint16(v.group)) {
			v.roster = append(v.roster, landmarkOf(v.group, p))
		}
	}
	v.takers = len(v.roster)
	slices.Sort(v.roster)
	v.roster = v.roster[:min(len(v.roster), maxHeeded)]
	s.fell(v)
}

// fell drops the trees of those that are no landmarks any more, for two lists in a row:
// who is missed for seconds is dropped by some and not by others, whose children would not
// be known here.
func (s *State) fell(v *grove) {
	v.trees = slices.DeleteFunc(v.trees, func(t *landmarkTree) bool {
		_, listed := slices.BinarySearch(v.roster, t.landmark)
		gone := t.missed && !listed
		t.missed = !listed
		return gone || t.known && s.now.Sub(t.raised) > treeLife
	})
}

// tree returns the tree of a landmark, nil if there is none.
func (v *grove) tree(landmark uint64) *landmarkTree {
	i, ok := slices.BinarySearchFunc(v.trees, landmark, func(t *landmarkTree, x uint64) int { return cmp.Compare(t.landmark, x) })
	if !ok {
		return nil
	}
	return v.trees[i]
}

// plant returns the tree of a landmark, a new one if need be, nil if it is none.
func (s *State) plant(v *grove, landmark uint64) *landmarkTree {
	if t := v.tree(landmark); t != nil {
		return t
	}
	if _, listed := slices.BinarySearch(v.roster, landmark); !listed {
		return nil
	}
	t := &landmarkTree{grove: v, landmark: landmark, self: landmark == landmarkOf(v.group, s.cfg.Self), parent: -1, told: -1, distance: far, said: far, since: s.now}
	t.ways = &source{sourceKey: sourceKey{group: v.group}, tree: t}
	i, _ := slices.BinarySearchFunc(v.trees, landmark, func(t *landmarkTree, x uint64) int { return cmp.Compare(t.landmark, x) })
	v.trees = slices.Insert(v.trees, i, t)
	return t
}

// landmark chooses the tree by which an own rumor travels: that of the nearest
// landmark, 0 = none.
func (s *State) landmark(r *Rumor) uint64 {
	g := groupOf(r)
	v := s.grove(g)
	if v == nil || r.TTL != 0 || r.Size() > largeRumor {
		return 0
	}
	s.moreHeard(v)
	if t := v.tree(landmarkOf(g, s.cfg.Self)); t != nil && t.inviting(s.now) {
		return t.landmark
	}
	if s.sources[sourceKey{g, r.Origin}].heard >= sourceOften {
		return 0 // it has a tree of its own, or will have
	}
	var best *landmarkTree
	for _, t := range v.trees {
		if t.inviting(s.now) && (best == nil || t.distance < best.distance) {
			best = t
		}
	}
	if best == nil {
		return 0
	}
	return best.landmark
}

// inviting reports whether own rumors may begin to travel by a tree: it is old enough, and
// its landmark is not gone, as far as is known here.
func (t *landmarkTree) inviting(now time.Time) bool {
	return t.usable(now) && now.Sub(t.since) >= treeReady && !t.missed
}

func (t *landmarkTree) usable(now time.Time) bool {
	return t.known && (t.self || t.parent >= 0) && now.Sub(t.raised) <= treeLife
}

// branch returns the part of a landmark's tree that is here, nil if a rumor is to
// go by the shared one.
func (s *State) branch(g Group, landmark uint64) *landmarkTree {
	if landmark == 0 {
		return nil
	}
	v := s.groves[g]
	if v == nil {
		return nil
	}
	if t := v.tree(landmark); t != nil && t.usable(s.now) {
		return t
	}
	return nil
}

// travels notes that a rumor came by a landmark's tree, and reports whether it can go
// on by it.
func (s *State) travels(r *Rumor, landmark uint64) bool {
	t := s.branch(groupOf(r), landmark)
	if t == nil {
		return false
	}
	t.used = s.now
	return true
}

// ownTree reports whether a rumor travels by the tree of its origin, which is a
// landmark itself.
func ownTree(r *Rumor, landmark uint64) bool {
	return landmark != 0 && landmark == landmarkOf(groupOf(r), r.Origin)
}

// isAware reports whether a neighbour told how far a group's landmarks are.
func (s *State) isAware(l *link, g Group) bool {
	v := s.groves[g]
	return v != nil && v.aware.has(l.slot)
}

// inTree reports whether a rumor goes down a link in full: by a landmark's tree, unless
// that is nil, or the neighbour says nothing of landmarks and knows the shared one only.
func (s *State) inTree(l *link, g Group, src *source, t *landmarkTree) bool {
	if t == nil || !t.grove.aware.has(l.slot) {
		return l.eager(g, src)
	}
	return t.has(l.slot, s.now)
}

// has reports whether a link is in the tree.
func (t *landmarkTree) has(slot int, now time.Time) bool {
	return slot == t.parent || t.children.has(slot) || t.former.has(slot) && t.until.After(now)
}

// small reports whether all who take the type are landmarks, and have trees of their own.
func (v *grove) small() bool { return v.takers <= maxHeeded }

// moreHeard counts a rumor that may travel by landmarks' trees. A landmark that heard
// enough of them sees to its own.
func (s *State) moreHeard(v *grove) {
	v.heard++
	if v.heard < waveRumors || !v.waved.IsZero() && s.now.Sub(v.waved) < wavePause {
		return
	}
	v.heard = 0
	if s.leads(v) {
		v.waved = s.now
		s.raise(s.plant(v, landmarkOf(v.group, s.cfg.Self)))
	}
}

// leads reports whether this node is a landmark.
func (s *State) leads(v *grove) bool {
	i, listed := slices.BinarySearch(v.roster, landmarkOf(v.group, s.cfg.Self))
	return listed && (i < maxLandmarks || v.small()) && !s.cfg.Quiet
}

// raise begins a new wave of this node's own tree. One that is to go beyond what somebody
// said goes no further than those heed who never heard of that, and the next one beyond it.
func (s *State) raise(t *landmarkTree) {
	step := uint32(1)
	if t.wish && raisedAbove(t.above, t.number) {
		step = min(t.above-t.number+1, maxAhead)
	}
	t.number += step
	t.wish = t.wish && !raisedAbove(t.number, t.above)
	t.known, t.distance, t.least, t.parent, t.raised, t.news = true, 0, 0, -1, s.now, true
	s.after(taskLandmarks, 0)
}

func (s *State) grovesInOrder() []Group {
	groups := make([]Group, 0, len(s.groves))
	for g := range s.groves {
		groups = append(groups, g)
	}
	slices.Sort(groups)
	return groups
}

// treesLose forgets a link in all trees; where it was the way to a landmark another
// is taken at once.
func (s *State) treesLose(l *link) {
	for _, v := range s.groves {
		s.groveLoses(v, l)
	}
}

// groveLoses forgets a link in the trees of one group.
func (s *State) groveLoses(v *grove, l *link) {
	v.aware.clear(l.slot)
	for _, t := range v.trees {
		t.children.clear(l.slot)
		t.former.clear(l.slot)
		if l.slot < len(t.offers) {
			t.offers[l.slot] = wayOffer{}
		}
		if t.told == l.slot {
			t.told = -1
		}
		if t.parent == l.slot {
			s.bereft = s.now
			t.parent, t.due = -1, s.now
			s.after(taskLandmarks, 0)
		}
	}
}

// tellWays tells a neighbour again where the landmarks of all types are that it takes.
func (s *State) tellWays(l *link) {
	for _, g := range s.grovesInOrder() {
		if l.wants(g) {
			s.treesGain(l, g)
		}
	}
}

// treesGain tells a neighbour that begins to take a type where its landmarks are.
func (s *State) treesGain(l *link, g Group) {
	if v := s.groves[g]; v != nil && len(v.trees) > 0 {
		s.tellNear(l, v, true)
	}
}
