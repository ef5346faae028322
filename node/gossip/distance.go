package gossip

import (
	"cmp"
	"slices"
	"time"
)

// How far landmarks are, and by whom.
//
// Neighbours tell each other how far landmarks are (Have.Near), by distance vectors
// with numbers that only the landmark raises (DSDV: Perkins, Bhagwat, "Highly
// Dynamic Destination-Sequenced Distance-Vector Routing", 1994): of the ways by
// which its latest number came a node takes the shortest, and if it loses that, only
// one by a neighbour that told a lesser distance than this node ever did (the
// feasibility condition of Babel, RFC 8966, section 3.5.1). So there are no circles.
// A distance is the sum of half the round trips, and landmarkHop for each hop.
//
// Who has lost its way and finds no other wishes for a later number (a request for a
// sequence number there, section 3.8.2.1): it tells that it is far by the number after
// the present one, and neighbours pass that on along their own ways, to the landmark.

const (
	// MaxNear is how many distances one message holds.
	MaxNear = maxHeeded
	// A later number is heeded numberPause after the one before: who makes them up
	// cannot keep the network busy.
	numberPause = 5 * time.Second
	// A number that is more than maxAhead later than the present one is made up: at one in
	// numberPause an honest landmark needs two months for so many. If it went above one
	// that is half of all numbers ahead, all others would take its next for a past one.
	maxAhead = 1 << 20
	// Distances are gathered for waveDelay, and half as much again at random, so that
	// the shortest way is known before it is told, and one message tells of many.
	waveDelay = 100 * time.Millisecond
	// landmarkHop is what a hop adds to a distance, in milliseconds. It keeps
	// trees shallow.
	landmarkHop = 10
	// unknownRTT stands for the round trip of a link on which none was measured.
	unknownRTT = 100 * time.Millisecond
	// A tree by which a rumor came within the last inUse is missed at once where there
	// is no way to its landmark, any other by the first rumor that comes late.
	inUse = 5 * time.Second
	// maxYoung is how many of the latest rumors are looked at for who becomes a child.
	maxYoung = 256
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
	failed   bool   // something did not come that way
	barren   uint32 // the number of this node's tree then, up to which it is not believed
	bonus    int32  // by how much it was found to be nearer than the distances say
}

// linkDistance is what a link adds to a distance.
func (l *link) linkDistance() uint16 {
	rtt := cmp.Or(l.rtt, unknownRTT)
	return uint16(min((rtt/2).Milliseconds(), far/8)) + landmarkHop
}

// distanceBy is how far a landmark is by a neighbour.
func (l *link) distanceBy(o wayOffer) uint16 {
	return uint16(min(int(o.distance)+int(l.linkDistance()), far-1))
}

// linksTake is how long a rumor travels on the links of the way to a landmark, which are
// so many.
func (t *landmarkTree) linksTake(hops uint8) time.Duration {
	return time.Duration(int(t.distance)-landmarkHop*int(hops)) * time.Millisecond
}

// prefer takes a neighbour for next hop by which a landmark's rumors come sooner, though
// the distances do not say so: the two directions of a link may differ. The condition
// that keeps ways from making circles holds for it as for any other; where that does not
// let it be chosen now, a later number will, if it is sure to be worth it.
func (s *State) prefer(t *landmarkTree, l *link, sure bool) {
	if t.parent < 0 || l.slot >= len(t.offers) {
		return
	}
	o := &t.offers[l.slot]
	if !o.known || o.number != t.number || o.distance >= t.least && !sure {
		return
	}
	least := int32(t.distance) - t.offers[t.parent].bonus
	o.bonus = int32(l.distanceBy(*o)) - least + landmarkHop
	t.due = s.now
	s.after(taskLandmarks, 0)
}

// onNear takes in how far a neighbour is from landmarks.
func (s *State) onNear(l *link, m *Have) {
	if !l.wants(m.Group) {
		return // nor would it use up maxGroves
	}
	v := s.grove(m.Group)
	if v == nil {
		return
	}
	v.aware.set(l.slot)
	adopted := false
	for _, d := range m.Near[:min(len(m.Near), MaxNear)] {
		t := s.plant(v, d.Landmark)
		if t == nil {
			continue
		}
		switch {
		case d.Parent:
			adopted = adopted || !t.children.has(l.slot)
			t.children.set(l.slot)
		case t.children.has(l.slot):
			if !t.until.After(s.now) {
				t.former = bitset{}
			}
			t.children.clear(l.slot)
			t.former.set(l.slot)
			t.until = s.now.Add(formerChild)
		}
		leaps := (t.known || t.self) && int32(d.Number-t.number) > maxAhead
		later := raisedAbove(d.Number, t.number) && !leaps
		if t.self {
			if later && s.leads(v) && (!t.wish || raisedAbove(d.Number, t.above)) {
				t.above, t.wish = d.Number, true // of an earlier run, a wish, or a lie: the next will be above
				s.schedule(taskLandmarks, t.raised.Add(numberPause))
			}
			continue
		}
		for len(t.offers) <= l.slot {
			t.offers = append(t.offers, wayOffer{})
		}
		before := t.offers[l.slot]
		if t.parent == l.slot && before.known && before.number == d.Number {
			t.again = true // it may have lost the tree, and with it that this node is a child
		}
		if d.Distance == far && later && t.known {
			t.offers[l.slot].known = false
			s.wish(t)
			if t.parent != l.slot {
				continue
			}
			d.Number = t.number
		}
		failed := before.failed && before.barren == t.number && !later
		t.offers[l.slot] = wayOffer{d.Number, d.Distance, d.Distance != far && !failed, failed, before.barren, before.bonus}
		if t.due.IsZero() {
			t.due = s.now.Add(waveDelay + time.Duration(s.cfg.Rand.Int64N(int64(waveDelay/2))))
			s.schedule(taskLandmarks, t.due)
		}
	}
	if adopted {
		s.tellYoung(l, m.Group)
	}
}

// tellYoung tells a neighbour the IDs of what it may have lost while it changed to
// another next hop. What came by a comparison is not pushed down trees: others bring it.
func (s *State) tellYoung(l *link, g Group) {
	list := s.store.group(g)
	for _, p := range list[max(len(list)-maxYoung, 0):] {
		e := s.store.entries[p.ID]
		h := have{g, p.ID}
		if s.now.Sub(e.learnt) < formerChild && !e.filled && e.spreadable() && !e.holders.has(l.slot) && l.peer != e.r.Origin && l.fits(e.r) && !slices.Contains(l.haves, h) {
			l.haves = append(l.haves, h)
		}
	}
	s.sendHave(l)
}

// wish passes on that somebody has no way to a landmark, which will raise its number.
func (s *State) wish(t *landmarkTree) {
	if s.now.Sub(t.wished) >= numberPause || t.raised.After(t.wished) {
		t.wish = true
		s.after(taskLandmarks, waveDelay/2)
	}
}

// believes reports whether a neighbour may be next hop by what it said of a landmark.
func (s *State) believes(slot int, o wayOffer) bool {
	l := s.linkOrder[slot]
	return o.known && l != nil && !l.distrusted.After(s.now)
}

// forsaken reports whether all who are believed tell numbers from which nobody can have
// come to the present one, nor from that to theirs: it is made up, and was heard first.
func (s *State) forsaken(t *landmarkTree) bool {
	others := false
	for slot, o := range t.offers {
		if !s.believes(slot, o) {
			continue
		}
		if d := int32(o.number - t.number); -maxAhead <= d && d <= maxAhead {
			return false
		}
		others = true
	}
	return others
}

// newest is the latest number of a landmark, of this node and those whom it believes.
// A forsaken one gives way to any other: there are no circles for that, since nobody can
// have followed both.
func (s *State) newest(t *landmarkTree) (number uint32, any bool) {
	known := t.known && !s.forsaken(t)
	number, any = t.number, known
	for slot, o := range t.offers {
		leaps := known && int32(o.number-t.number) > maxAhead
		if s.believes(slot, o) && !leaps && (!any || raisedAbove(o.number, number)) {
			number, any = o.number, true
		}
	}
	return number, any
}

// chooseWay takes the shortest way to a landmark.
func (s *State) chooseWay(t *landmarkTree) {
	newest, any := s.newest(t)
	if !any {
		return
	}
	if t.known && newest != t.number && t.parent >= 0 && s.now.Sub(t.raised) < numberPause {
		t.due = t.raised.Add(numberPause)
		return
	}
	fresh := !t.known || newest != t.number
	best, distance, least := -1, uint16(far), int32(far)
	for slot, o := range t.offers {
		if !s.believes(slot, o) || o.number != newest || !fresh && o.distance >= t.least {
			continue
		}
		d := s.linkOrder[slot].distanceBy(o)
		by := int32(d) - o.bonus
		if slot == t.parent {
			by -= landmarkHop / 2 // little is not worth a change
		}
		if by < least {
			best, distance, least = slot, d, by
		}
	}
	if fresh {
		t.known, t.number, t.raised, t.least = true, newest, s.now, far
	}
	if best != t.parent {
		t.chosen = s.now
	}
	t.parent, t.distance = best, distance
	t.least = min(t.least, distance)
	if best < 0 && s.now.Sub(t.used) < inUse {
		s.wish(t)
	}
	// What became farther is told with the next number, as is what is little nearer: there
	// are no circles for all that, for the least distance told with a number descends along
	// every way.
	t.news = t.news || fresh || best < 0 && t.said < far || int(t.said)-int(distance) >= landmarkHop
	t.turned, t.again = t.parent != t.told || t.again, false
}

// tendLandmarks takes the ways that are due and tells neighbours what changed. It
// returns when to do so again.
func (s *State) tendLandmarks() (next time.Time) {
	for _, g := range s.grovesInOrder() {
		v := s.groves[g]
		told := false
		for _, t := range v.trees {
			if t.self && t.wish && s.now.Sub(t.raised) >= numberPause {
				v.waved = s.now
				s.raise(t)
			}
			if !t.due.IsZero() && !t.due.After(s.now.Add(waveDelay/2)) {
				t.due = time.Time{}
				s.chooseWay(t)
			}
			told = told || t.news || t.turned || t.wish
		}
		if told {
			for _, l := range s.linkOrder {
				if l != nil && l.wants(g) {
					s.tellNear(l, v, false)
				}
			}
		}
		for _, t := range v.trees {
			if t.news || t.wish && t.parent < 0 {
				t.said = t.distance
			}
			if t.wish && !t.self {
				t.wish, t.wished = false, s.now
			}
			t.news, t.turned, t.told = false, false, t.parent
			at := t.due
			if t.wish {
				at = t.raised.Add(numberPause)
			}
			next = sooner(next, at)
		}
	}
	return next
}

// tellNear tells a neighbour how far landmarks are: all that are known, or those of
// which there is news.
func (s *State) tellNear(l *link, v *grove, all bool) {
	msg := &Have{Group: v.group}
	for _, t := range v.trees {
		if !t.known {
			continue
		}
		if len(msg.Near) == MaxNear { // the last list has other landmarks
			s.do(Send{To: l.peer, Msg: msg})
			msg = &Have{Group: v.group}
		}
		next := t.parent == l.slot
		switch {
		case t.wish && !t.self && (next || t.parent < 0):
			msg.Near = append(msg.Near, Near{t.landmark, t.number + 1, far, next})
		case all || t.news || t.turned && (next || l.slot == t.told):
			msg.Near = append(msg.Near, Near{t.landmark, t.number, t.distance, next})
		}
	}
	if len(msg.Near) > 0 {
		s.do(Send{To: l.peer, Msg: msg})
		s.rideReceipt(l)
	}
}
