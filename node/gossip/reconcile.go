package gossip

import (
	"slices"
	"time"
)

// Anti-entropy: two nodes compare what they have of a group and give each other
// what is missing (range-based set reconciliation: Meyer 2022; the flow of
// messages follows the idea of Negentropy).
//
// The one that begins sends the fingerprint of its whole set. Who receives a
// fingerprint that differs from its own answers with smaller ranges, or with
// the IDs if they are few; who receives IDs sends the rumors that the other
// lacks (Fill) and asks for those that it lacks itself (Want). Equal sets cost
// one Sync each way; d differences cost O(d log n).
//
// A set holds everything alive that the node knows, also what waits for votes
// and what was refused: it is not offered, but it need not be fetched again. Only
// what has come to the end of its way is left out.
// What was evicted from a full store lies before the floor, and nobody talks
// about that.
//
// Every Sync is answered by a Sync, until one has nothing but skips: by then, as
// links keep order, everything that it announces by Fill has arrived.
//
// When and with whom is told in comparison.go.

const (
	fewIDs = 32 // rumors in a range up to which their IDs are listed
	fanout = 16 // parts that a range is divided into
	// What anti-entropy may send down one link: so many bytes at once, and so
	// many per second. The rest follows in later comparisons.
	fillBurst = 4 << 20
	fillRate  = 2 << 20
	// A rumor is given again to a neighbour that should have it maxResends times, up
	// to maxResent rumors in resendMemory: as many as may wait for votes there.
	maxResends   = 3
	maxResent    = maxHeld
	resendMemory = 10 * time.Minute
	// What was pushed here less than young ago is being pushed on, which a Fill
	// would overtake. It is given only to who just came.
	young = time.Second
)

// set is what this node has of a group from floor on, as far as it is compared.
func (s *State) set(g Group, floor int64) index {
	if g != GroupPresence {
		return s.store.compared(g, floor)
	}
	i, _ := s.presences.search(Point{Created: floor})
	return s.presences[i:]
}

func (s *State) floor(g Group) int64 { return s.store.floors[g] }

// until is the part of x before end; the zero Point is the end of the order.
func (x index) until(end Point) (before, rest index) {
	if end == (Point{}) {
		return x, nil
	}
	i, _ := x.search(end)
	return x[:i], x[i:]
}

func fingerprint(x index, end Point) Range {
	return Range{End: end, Mode: RangeFingerprint, Fingerprint: x.fingerprint()}
}

func listIDs(x index, end Point) Range {
	ids := make([]RumorID, len(x))
	for i := range x {
		ids[i] = x[i].ID
	}
	return Range{End: end, Mode: RangeIDs, IDs: ids}
}

// divide describes x, which ends at end, in parts.
func divide(x index, end Point) []Range {
	if len(x) <= fewIDs {
		return []Range{listIDs(x, end)}
	}
	ranges := make([]Range, 0, fanout)
	for i := range fanout {
		lo, hi := len(x)*i/fanout, len(x)*(i+1)/fanout
		stop := end
		if i < fanout-1 {
			stop = x[hi]
		}
		ranges = append(ranges, fingerprint(x[lo:hi], stop))
	}
	return ranges
}

func (s *State) onSync(l *link, m *Sync) {
	s.count.SyncSteps++
	if !s.takesPart(m.Group) {
		return
	}
	c := s.syncs.get(m.Group)
	if len(m.Ranges) == 0 {
		// All that was wanted and could be given has come; or the neighbour is
		// busy with another, and begins itself when it has time.
		if c.peer == l.peer {
			busy := !c.asked
			c.asked, c.wanted = false, 0
			if c.closing || busy {
				s.ended(m.Group, c)
			}
		}
		return
	}
	opening := len(m.Ranges) == 1 && m.Ranges[0].Mode == RangeFingerprint
	switch going := c.peer != "" && c.until.After(s.now); {
	case going && c.peer != l.peer:
		// Equal sets need no turn. Otherwise its turn comes after the one that is
		// going on. It is told, so that it can turn to others, or have time for
		// them.
		floor := max(m.Floor, s.floor(m.Group))
		if opening && fingerprint(s.set(m.Group, floor), Point{}).Fingerprint == m.Ranges[0].Fingerprint {
			s.do(Send{To: l.peer, Msg: &Sync{m.Group, floor, []Range{{}}}})
			return
		}
		if len(m.Ranges) == 1 && m.Ranges[0].Mode == RangeIDs && m.Ranges[0].End == (Point{}) {
			s.serve(c, l, m, floor)
			return
		}
		if !opening || !c.ours || c.answered || l.peer > s.cfg.Self || c.gaveWay != "" {
			c.wait(l.peer)
			s.do(Send{To: l.peer, Msg: &Sync{Group: m.Group}})
			return
		}
		// Where all have begun and wait for each other, somebody must give in: the
		// smallest peer ID gets on. Who opens again and again has only every other turn.
		c.wait(c.peer)
		s.begin(c, l, false)
		c.gaveWay = l.peer
	case going && c.ours && opening && s.cfg.Self < l.peer:
		// Both began at once, and it answers ours. Or it was busy when ours came
		// and now begins itself: then ours is not answered, and is repeated.
		c.wait(l.peer)
		return
	case !going || c.ours && opening:
		s.begin(c, l, false)
	case c.ours:
		c.queue = slices.DeleteFunc(c.queue, func(p PeerID) bool { return p == l.peer })
	}
	s.touch(c)
	c.answered = true

	floor := max(m.Floor, s.floor(m.Group))
	reply, want := s.answer(l, m, floor)
	if len(want) > 0 {
		c.asked = true
		c.wanted += len(want)
		s.do(Send{To: l.peer, Msg: &Want{m.Group, want}})
	}
	if allSkipped(m.Ranges) {
		c.closing = true
	} else {
		c.closing = allSkipped(reply)
		s.do(Send{To: l.peer, Msg: &Sync{m.Group, floor, reply}})
	}
	if c.closing && c.wanted == 0 {
		s.ended(m.Group, c)
	}
}

// serve gives a newcomer, which named all that it has, the rest. As nothing is
// fetched this takes no turn, so that those who come together need not wait for each
// other.
func (s *State) serve(c *comparison, l *link, m *Sync, floor int64) {
	if _, want := s.answer(l, m, floor); len(want) > 0 {
		c.wait(l.peer)
	}
	s.do(Send{To: l.peer, Msg: &Sync{m.Group, floor, []Range{{}}}})
}

// answer works out what to say to the ranges of a Sync and which rumors to ask
// for. What the other lacks is sent on the way.
func (s *State) answer(l *link, m *Sync, floor int64) (reply []Range, want []RumorID) {
	rest := s.set(m.Group, floor)
	listed := 0
	skip := func(end Point) {
		if n := len(reply); n > 0 && reply[n-1].Mode == RangeSkip {
			reply[n-1].End = end
		} else {
			reply = append(reply, Range{End: end})
		}
	}
	for _, r := range m.Ranges {
		var mine index
		mine, rest = rest.until(r.End)
		switch r.Mode {
		case RangeFingerprint:
			// One more range is needed to skip the rest.
			full := listed > MaxIDs-fewIDs || len(reply) >= MaxRanges-fanout
			if fingerprint(mine, r.End).Fingerprint == r.Fingerprint {
				skip(r.End)
				continue
			}
			if full {
				skip(r.End)
				s.compareLater(l)
				continue
			}
			parts := divide(mine, r.End)
			for i := range parts {
				listed += len(parts[i].IDs)
			}
			reply = append(reply, parts...)
		case RangeIDs:
			want = s.settle(l, m.Group, mine, r.IDs, want)
			skip(r.End)
		default:
			skip(r.End)
		}
	}
	if len(want) > MaxIDs {
		want = want[:MaxIDs]
		s.compareLater(l)
	}
	return reply, want
}

// compareLater sees to what did not fit into this comparison.
func (s *State) compareLater(l *link) {
	l.retry = true
	s.after(taskLinks, time.Second)
}

func allSkipped(ranges []Range) bool {
	return !slices.ContainsFunc(ranges, func(r Range) bool { return r.Mode != RangeSkip })
}

// settle compares a list of IDs with this node's rumors of the same range: it
// sends what the other lacks and adds to want what it lacks itself.
func (s *State) settle(l *link, g Group, mine index, theirs, want []RumorID) []RumorID {
	has := make(map[RumorID]bool, len(theirs))
	for _, id := range theirs {
		has[id] = true
	}
	for _, p := range mine {
		if has[p.ID] {
			delete(has, p.ID)
			s.holdersOf(g, p.ID).set(l.slot)
		} else {
			s.fill(l, g, p.ID)
		}
	}
	for _, id := range theirs {
		if has[id] && s.holdersOf(g, id) == nil {
			want = append(want, id)
		}
	}
	return want
}

func (s *State) onWant(l *link, m *Want) {
	if !s.takesPart(m.Group) {
		return
	}
	if len(m.IDs) == 0 {
		return
	}
	if c := s.syncs.get(m.Group); c.peer == l.peer {
		s.touch(c)
	}
	for _, id := range m.IDs[:min(len(m.IDs), MaxIDs)] {
		s.fill(l, m.Group, id)
	}
	// What waits for votes, or may not travel, was not among them.
	s.do(Send{To: l.peer, Msg: &Sync{Group: m.Group}})
}

// fill sends a rumor that a neighbour lacks, if it may have it and the budget
// allows.
func (s *State) fill(l *link, g Group, id RumorID) {
	var r *Rumor
	var hops uint8
	holders := s.holdersOf(g, id)
	if holders == nil {
		return
	}
	if g == GroupPresence {
		m := s.presenceByID[id]
		if holders.has(l.slot) && (l.compared[g].IsZero() || s.now.Sub(m.since) < young) {
			return // it was pushed down this link and is on its way
		}
		r, hops = m.r, m.hops
	} else {
		e := s.store.entries[id]
		// A limited rumor is offered once to each neighbour: whether it kept it
		// we cannot know, for it may have been its last hop. So is a version that
		// the neighbour may have replaced by one that is not valid here yet.
		if !e.spreadable() && !e.proof || groupOf(e.r) != g || (e.r.TTL != 0 || s.store.shadowed(e.r)) && holders.has(l.slot) {
			return
		}
		if !l.compared[g].IsZero() && !e.filled && s.now.Sub(e.learnt) < young {
			return
		}
		// It gave it to this node after it made its list, and the lists' lane was
		// slower.
		if e.from == l.peer && !e.learnt.Before(l.since) {
			return
		}
		r, hops = e.r, e.hops
	}
	elapsed := s.now.Sub(l.fillSince)
	l.fillBudget = int(min(float64(l.fillBudget)+elapsed.Seconds()*fillRate, fillBurst))
	l.fillSince = s.now
	if holders.has(l.slot) && !l.mayResend(id, s.now) {
		s.count.ResendsRefused++
		return
	}
	// A rumor of its own is one that the neighbour lost with its memory, and may
	// be all that tells it of a later epoch.
	if l.fillBudget < r.Size() {
		s.compareLater(l)
		return
	}
	l.fillBudget -= r.Size()
	holders.set(l.slot)
	s.do(Send{To: l.peer, Msg: &Fill{r, addHop(hops)}})
}

// mayResend reports whether a rumor that a neighbour was given or has said to have
// may be given to it once more: it may have had no room for it.
func (l *link) mayResend(id RumorID, now time.Time) bool {
	n, known := l.resent[id]
	switch {
	case n >= maxResends:
		return false
	case !known && len(l.resent) >= maxResent:
		if now.Sub(l.resentAt) < resendMemory {
			return false
		}
		clear(l.resent)
	}
	if len(l.resent) == 0 {
		l.resentAt = now
	}
	put(&l.resent, id, n+1)
	return true
}

// rememberSeen notes the ID of a rumor that its window says was seen, but that
// the store does not have: else it would be fetched again and again. It has a signature
// checked, so it counts among what the neighbour may tell.
func (s *State) rememberSeen(l *link, r *Rumor) {
	if !s.takesPart(groupOf(r)) || r.Expires <= s.millis() || r.Created < s.floor(groupOf(r)) || s.store.outdated(r) {
		return
	}
	admission := s.admit(l, r)
	if admission == putOff {
		s.count.TooFast++
		return
	}
	if _, ok := s.verify(l, r, s.millis()); !ok {
		return
	}
	s.pay(admission, r)
	s.remember(r)
}

// remember notes the ID of a rumor that is told to nobody.
func (s *State) remember(r *Rumor) *entry {
	// It may have been here before and be what its origin's ways are compared by.
	// And its first copy came by no tree, so a second one says nothing of ways.
	e := &entry{r: r, state: held, hops: 1, learnt: s.now, filled: true, probe: true}
	s.windows.mark(r) // it is seen, but must stay so for as long as this lives
	s.notMissing(r, &e.holders)
	s.store.add(e)
	s.store.refuse(e)
	s.scheduleExpiry(r)
	return e
}

func (s *State) onFill(l *link, m *Fill) {
	s.count.Filled++
	g := groupOf(m.Rumor)
	v := s.take(l, m.Rumor, m.Hops, 0, true)
	if v == VerdictDuplicate && g != GroupPresence && s.holdersOf(g, m.Rumor.ID) == nil {
		s.rememberSeen(l, m.Rumor)
	}
	switch v {
	case VerdictNew:
		s.noteOverdue(l, m.Rumor)
	case VerdictBusy:
		s.compareLater(l)
	}
	c := s.syncs.by[g]
	if c == nil || c.peer != l.peer {
		return
	}
	s.touch(c)
	if v == VerdictNew {
		c.learnt++
	}
	if c.wanted > 0 {
		c.wanted--
	}
	if c.closing && c.wanted == 0 {
		s.ended(g, c)
	}
}
