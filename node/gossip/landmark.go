package gossip

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"
)

// Trees of landmarks.
//
// An origin that speaks seldom has no tree of its own, and the one that all share
// makes detours: in a large network its last hop is two to three times as far as by
// the shortest ways. So in a large network some members that take a type, those
// whose hashes are smallest, are its landmarks, and each has a tree of the shortest
// ways to it. Who speaks seldom pushes along the tree of the landmark that is
// nearest to it (Push.Landmark), both towards the root and away from it: the way
// to anybody is then no longer than that to the landmark, and from there the
// shortest.
//
// Neighbours tell each other how far landmarks are (Have.Near), by distance vectors
// with numbers that only the landmark raises (DSDV: Perkins, Bhagwat, "Highly
// Dynamic Destination-Sequenced Distance-Vector Routing", 1994): of the ways by
// which its latest number came a node takes the shortest, and if it loses that, only
// one by a neighbour that is nearer to the landmark than it ever was itself (the
// feasibility condition of Babel, RFC 8966, section 3.5.1). So there are no circles.
// A distance is the sum of half the round trips, and landmarkHop for each hop.
//
// Where little is said, nothing is told: a landmark raises its number once in
// waveRumors rumors of those who speak seldom, and at most once in wavePause.

const (
	// maxLandmarks is how many trees each type has. There have to be
	// landmarkMembers members that take it, or the shared tree will do.
	maxLandmarks    = 32
	landmarkMembers = 2 * maxLandmarks
	// Nodes do not quite agree who the landmarks are: as many more are heeded.
	maxHeeded = 2 * maxLandmarks
	// maxGroves bounds the types that have landmarks.
	maxGroves = 16
	// MaxNear is how many distances one message holds.
	MaxNear = maxHeeded

	// A wave costs every node about 10 KB, so it should be for as many rumors.
	waveRumors = 50
	wavePause  = time.Minute
	// A later number is heeded numberPause after the one before: who makes them up
	// cannot keep the network busy.
	numberPause = 10 * time.Second
	// A tree whose number was not raised for treeLife is not used any more.
	treeLife = 10 * time.Minute
	// Distances are gathered for waveDelay, and half as much again at random, so that
	// the shortest way is known before it is told, and one message tells of many.
	waveDelay = 100 * time.Millisecond
	// Nobody begins to use a tree before it is treeReady old, for by then those whom
	// it leads to have said so, and who changes to another next hop stays a child of
	// the one before for formerChild.
	treeReady   = 3 * time.Second
	formerChild = time.Second
	// landmarkHop is what a hop adds to a distance, in milliseconds. It keeps
	// trees shallow.
	landmarkHop = 10
	// unknownRTT stands for the round trip of a link on which none was measured.
	unknownRTT = 100 * time.Millisecond
	// rosterPause is for how long the list of landmarks is used before it is made
	// anew.
	rosterPause = 10 * time.Second
	// far is no distance.
	far = 1<<16 - 1
)

// Near tells how far the sender is from a landmark.
type Near struct {
	Landmark uint64 // its hash, see landmarkOf
	Number   uint32 // raised by the landmark
	Distance uint16 // milliseconds and landmarkHop for each hop; 65535 = it has no way
	Parent   bool   // the receiver is the sender's next hop to it
}

// wayOffer is what a neighbour said of a landmark last.
type wayOffer struct {
	number   uint32
	distance uint16
	known    bool
	failed   bool // something did not come that way
}

// landmarkTree is the tree of one landmark, as far as this node is in it.
type landmarkTree struct {
	landmark uint64
	self     bool
	known    bool
	number   uint32
	distance uint16
	least    uint16     // the least distance that was told with this number
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
	told     int        // slot of the one that knows that it is, -1 = none
}

// grove is the trees of one group's landmarks.
type grove struct {
	group  Group
	trees  []*landmarkTree // by landmark
	roster []uint64        // who is or may be a landmark, ascending; nil = there are none
	made   time.Time       // when it was made
	heard  int             // rumors of those who speak seldom, since the last wave
	waved  time.Time       // when this node raised its number last
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
	if len(s.members) < landmarkMembers {
		s.fell(v)
		return
	}
	for p, m := range s.members {
		if m.here() && slices.Contains(m.p.Interests, uint16(v.group)) {
			v.roster = append(v.roster, landmarkOf(v.group, p))
		}
	}
	if len(v.roster) < landmarkMembers {
		v.roster = v.roster[:0]
	}
	slices.Sort(v.roster)
	v.roster = v.roster[:min(len(v.roster), maxHeeded)]
	s.fell(v)
}

// fell drops the trees of those that are no landmarks any more.
func (s *State) fell(v *grove) {
	v.trees = slices.DeleteFunc(v.trees, func(t *landmarkTree) bool {
		_, listed := slices.BinarySearch(v.roster, t.landmark)
		return !listed || t.known && s.now.Sub(t.raised) > treeLife
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
	t := &landmarkTree{landmark: landmark, self: landmark == landmarkOf(v.group, s.cfg.Self), parent: -1, told: -1, distance: far, since: s.now}
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
	if s.sources[sourceKey{g, r.Origin}].heard >= sourceOften {
		return 0 // it has a tree of its own, or will have
	}
	s.heardSeldom(v)
	var best *landmarkTree
	for _, t := range v.trees {
		if t.usable(s.now) && s.now.Sub(t.since) >= treeReady && (best == nil || t.distance < best.distance) {
			best = t
		}
	}
	if best == nil {
		return 0
	}
	return best.landmark
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

// has reports whether a link is in the tree.
func (t *landmarkTree) has(slot int, now time.Time) bool {
	return slot == t.parent || t.children.has(slot) || t.former.has(slot) && t.until.After(now)
}

// heardSeldom counts a rumor of an origin that speaks seldom. A landmark that heard
// enough of them sees to its tree.
func (s *State) heardSeldom(v *grove) {
	v.heard++
	if v.heard < waveRumors || !v.waved.IsZero() && s.now.Sub(v.waved) < wavePause {
		return
	}
	v.heard = 0
	own := landmarkOf(v.group, s.cfg.Self)
	if i, listed := slices.BinarySearch(v.roster, own); listed && i < maxLandmarks && !s.cfg.Quiet {
		v.waved = s.now
		s.raise(s.plant(v, own))
	}
}

// raise begins a new wave of this node's own tree.
func (s *State) raise(t *landmarkTree) {
	t.known, t.distance, t.least, t.parent, t.raised, t.news = true, 0, 0, -1, s.now, true
	t.number++
	s.after(taskLandmarks, 0)
}

// linkDistance is what a link adds to a distance.
func (l *link) linkDistance() uint16 {
	rtt := cmp.Or(l.rtt, unknownRTT)
	return uint16(min((rtt/2).Milliseconds(), far/8)) + landmarkHop
}

// onNear takes in how far a neighbour is from landmarks.
func (s *State) onNear(l *link, m *Have) {
	v := s.grove(m.Group)
	if v == nil || !l.wants(m.Group) {
		return
	}
	for _, d := range m.Near[:min(len(m.Near), MaxNear)] {
		t := s.plant(v, d.Landmark)
		if t == nil {
			continue
		}
		switch {
		case d.Parent:
			t.children.set(l.slot)
		case t.children.has(l.slot):
			if !t.until.After(s.now) {
				t.former = bitset{}
			}
			t.children.clear(l.slot)
			t.former.set(l.slot)
			t.until = s.now.Add(formerChild)
		}
		if t.self {
			if raisedAbove(d.Number, t.number) {
				t.number = d.Number // of an earlier run, or a lie: the next will be above
			}
			continue
		}
		for len(t.offers) <= l.slot {
			t.offers = append(t.offers, wayOffer{})
		}
		before := t.offers[l.slot]
		failed := before.failed && !raisedAbove(d.Number, before.number)
		t.offers[l.slot] = wayOffer{d.Number, d.Distance, d.Distance != far && !failed, failed}
		if t.due.IsZero() {
			t.due = s.now.Add(waveDelay + time.Duration(s.cfg.Rand.Int64N(int64(waveDelay/2))))
			s.schedule(taskLandmarks, t.due)
		}
	}
}

// chooseWay takes the shortest way to a landmark.
func (s *State) chooseWay(t *landmarkTree) {
	newest, any := t.number, t.known
	for slot, o := range t.offers {
		if o.known && s.linkOrder[slot] != nil && (!any || raisedAbove(o.number, newest)) {
			newest, any = o.number, true
		}
	}
	if !any {
		return
	}
	if t.known && newest != t.number && t.parent >= 0 && s.now.Sub(t.raised) < numberPause {
		t.due = t.raised.Add(numberPause)
		return
	}
	fresh := !t.known || newest != t.number
	best, distance := -1, uint16(far)
	for slot, o := range t.offers {
		if !o.known || o.number != newest || s.linkOrder[slot] == nil || !fresh && o.distance >= t.least {
			continue
		}
		d := uint16(min(int(o.distance)+int(s.linkOrder[slot].linkDistance()), far-1))
		if slot == t.parent {
			d -= min(d, landmarkHop/2) // little is not worth a change
		}
		if d < distance {
			best, distance = slot, d
		}
	}
	if best >= 0 && best == t.parent {
		distance += landmarkHop / 2
	}
	if fresh {
		t.known, t.number, t.raised, t.least = true, newest, s.now, far
	}
	before := int(t.distance)
	t.parent, t.distance = best, distance
	t.least = min(t.least, distance)
	// A distance that changed a little is told with the next number.
	change := int(distance) - before
	t.news = t.news || fresh || max(change, -change) >= landmarkHop
	t.turned = t.parent != t.told
}

// tendLandmarks takes the ways that are due and tells neighbours what changed. It
// returns when to do so again.
func (s *State) tendLandmarks() (next time.Time) {
	for _, g := range s.grovesInOrder() {
		v := s.groves[g]
		told := false
		for _, t := range v.trees {
			if !t.due.IsZero() && !t.due.After(s.now.Add(waveDelay/2)) {
				t.due = time.Time{}
				s.chooseWay(t)
			}
			told = told || t.news || t.turned
			if !t.due.IsZero() && (next.IsZero() || t.due.Before(next)) {
				next = t.due
			}
		}
		if !told {
			continue
		}
		for _, l := range s.linkOrder {
			if l != nil && l.wants(g) {
				s.tellNear(l, v, false)
			}
		}
		for _, t := range v.trees {
			t.news, t.turned, t.told = false, false, t.parent
		}
	}
	return next
}

// tellNear tells a neighbour how far landmarks are: all that are known, or those of
// which there is news.
func (s *State) tellNear(l *link, v *grove, all bool) {
	msg := &Have{Group: v.group}
	for _, t := range v.trees {
		about := all || t.news || t.turned && (l.slot == t.parent || l.slot == t.told)
		if t.known && about && len(msg.Near) < MaxNear {
			msg.Near = append(msg.Near, Near{t.landmark, t.number, t.distance, t.parent == l.slot})
		}
	}
	if len(msg.Near) > 0 {
		s.do(Send{To: l.peer, Msg: msg})
	}
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
				t.parent, t.due = -1, s.now
				s.after(taskLandmarks, 0)
			}
		}
	}
}

// treesGain tells a neighbour that begins to take a type where its landmarks are.
func (s *State) treesGain(l *link, g Group) {
	if v := s.groves[g]; v != nil && len(v.trees) > 0 {
		s.tellNear(l, v, true)
	}
}

// failedToBring notes that a rumor did not come by the tree that it travelled by,
// and had to be asked for: the next hop is not believed before the landmark's next
// number, and another is taken at once.
func (s *State) failedToBring(g Group, landmark uint64) {
	t := s.branch(g, landmark)
	if t == nil || t.parent < 0 {
		return
	}
	o := &t.offers[t.parent]
	o.known, o.failed = false, true
	t.parent, t.due = -1, s.now
	s.after(taskLandmarks, 0)
}
