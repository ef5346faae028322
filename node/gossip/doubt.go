package gossip

import "time"

// Next hops that do not bring what they should.
//
// Nothing proves a distance, so a neighbour that hands nothing on can draw all ways to
// itself. But what a landmark says comes down its own tree only: if a rumor of it came
// from elsewhere, because it was asked for, it is pushed on to the next hop, too, and the
// verdict tells whether that had it all the time. Who asked for it need not be this node:
// of those behind one that keeps things to itself the first that does gives it to the others.
// If only what was asked for here counted, it would be found out far later
// (sim/TestSinkholesAmongFew).

const (
	// The next hop to a landmark is not believed when it says for the mayFail'th time that
	// it had not got either what it should have brought. What one Receipt says is once.
	mayFail = 3
	// distrust is for how long it is next hop to none after that, or if it had it, and
	// twice as long each further time, up to boastLimit doublings.
	distrust = time.Minute
)

// failedToBring notes that a rumor did not come by the tree that it travelled by,
// and had to be asked for. If it may have come from anywhere the next hop is not believed
// before the landmark's next number, and another is taken at once.
func (s *State) failedToBring(r *Rumor, landmark uint64) {
	v := s.groves[groupOf(r)]
	if v == nil {
		return
	}
	t := v.tree(landmark)
	switch {
	case t == nil || t.self || !t.known:
		return
	case t.parent < 0:
		s.wish(t)
		return
	case ownTree(r, landmark):
		return // it should have come from the next hop, which will say whether it had it: see doubt
	}
	o := &t.offers[t.parent]
	o.known, o.failed, o.barren = false, true, t.number
	t.parent, t.due = -1, s.now
	s.after(taskLandmarks, 0)
}

// owed reports whether a rumor that is pushed to a neighbour should have come from it:
// it is the next hop to the landmark that says it, and has been for long enough to know.
func (s *State) owed(l *link, m *Push) bool {
	t := s.branch(groupOf(m.Rumor), m.Landmark)
	return t != nil && t.parent == l.slot && s.now.Sub(t.chosen) > formerChild && ownTree(m.Rumor, m.Landmark)
}

// acquit is told that what a neighbour owed is here, only later than from another.
func (l *link) acquit(id RumorID) {
	for i := range l.unanswered {
		if l.unanswered[i].id == id {
			l.unanswered[i].up = false
		}
	}
}

// doubt is told what the next hop to a landmark said of a rumor of that landmark's, which
// should have come from it and did not. Who had it and kept it to itself is next hop to
// no landmark for a while. That it had none itself is believed less than mayFail times
// in a row, without its bringing anything.
func (s *State) doubt(l *link, v Verdict) {
	if l.excuses++; v == VerdictNew && l.excuses < mayFail {
		return
	}
	l.excuses, l.distrusted = 0, s.now.Add(distrust<<l.faults)
	l.faults = min(l.faults+1, boastLimit)
	for _, v := range s.groves {
		for _, t := range v.trees {
			if l.slot < len(t.offers) {
				t.offers[l.slot].bonus = 0
			}
			if t.parent == l.slot {
				t.parent, t.due = -1, s.now
				s.after(taskLandmarks, 0)
			}
		}
	}
}
