package gossip

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Suspicion and refutation, in the manner of SWIM (Das, Gupta, Motivala, "SWIM:
// Scalable Weakly-consistent Infection-style Process Group Membership Protocol",
// 2002) with what Lifeguard added to it (Dadgar, Phillips, Currey, "Lifeguard:
// Local Health Awareness for More Accurate Failure Detection", 2017).
//
// A node whose link broke without a goodbye is dialled again. If that
// fails, the neighbour accuses it: it names it as lost in its own presence, which
// goes to everybody and is signed, so that nobody accuses in another's name. The
// accused, if alive, refutes by a newer presence, for an accusation is about one
// presence and a newer one ends it. A member that enough others accuse, and that
// does not refute within a time-out, is taken for lost. The more accuse it the
// shorter is the time-out.
//
// Lost is not forgotten: the presence stays in the compared set until it expires,
// so that no comparison brings it back, and any newer one makes it a member again.
//
// A member that is linked here is alive, whatever others say.

const (
	// accusersNeeded is how many have to accuse a member before it can be taken
	// for lost: nobody does that alone, except where the accused has no more
	// than two witnesses.
	accusersNeeded = 2
	// suspicionMin is the time-out once accusersEnough accuse, or all that can,
	// suspicionMax the one with a single accuser.
	accusersEnough = 3
	suspicionMin   = 3 * time.Second
	suspicionMax   = 6 * time.Second
	// An accusation waits up to accusePause for those of others. If enough of
	// them come it is left to the next renewal: a node of high degree dies and
	// not all its neighbours need to tell everybody.
	accusePause = 800 * time.Millisecond
	// It waits up to accuseTogether for the outcome of other redials, so that one
	// presence names all: when many die at once presences are what survivors send.
	accuseTogether = time.Second
	// refutePause is the shortest time between two refutations, however many
	// accuse. Who has refuted is not suspected for refuteGrace, which is so much
	// longer that the next refutation gets everywhere in time.
	refutePause = 5 * time.Second
	refuteGrace = 10 * time.Second
	// Redials are spread over redialSpread: many may have lost one neighbour at the same
	// moment, or one many, and what is on its way comes first. The larger peer ID waits
	// for redialPause longer, for the same reason as courtesy.
	redialSpread = 125 * time.Millisecond
	redialPause  = 250 * time.Millisecond
	redialAgain  = 100 * time.Millisecond // while too many dials are under way
	rescan       = 100 * time.Millisecond // to gather new members that may have been accused before

	maxAccusers = 8             // remembered per member
	maxRedials  = maxCandidates // lost neighbours to be dialled again
)

// suspicion is what speaks against a member.
type suspicion struct {
	accusers  []accuser
	suspected time.Time // since when it is a suspect, zero = it is none
	confirmed time.Time // since when enough accuse it, zero = not enough do
	lost      time.Time // since when it is taken for lost, zero = it is not
	told      bool      // this node's own accusation went out, or need not
}

// accuser is who named a member as lost, and by which presence of it.
type accuser struct {
	peer PeerID
	of   version
}

// redial is a neighbour whose link broke, until it is linked again or the dial
// fails.
type redial struct {
	peer    PeerID
	at      time.Time
	dialled bool
}

// suspects is this node's part in the matter.
type suspects struct {
	order    []PeerID // members that were accused, in the order of it
	redials  []redial
	accuse   time.Time // when own accusations go out, zero = none waits
	rescan   time.Time // when accusations of new members are looked for, zero = never
	accusing int       // members whose presence accuses somebody
	refuted  time.Time // when this node refuted last
}

// lostWithoutWord is called when a link broke without a goodbye.
func (s *State) lostWithoutWord(p PeerID) {
	m := s.members[p]
	if m == nil || m.p.Left || s.leaving {
		return
	}
	s.weigh(m) // the link does not speak for it any more
	if len(s.suspects.redials) >= maxRedials {
		return
	}
	at := s.now.Add(time.Duration(s.cfg.Rand.Int64N(int64(redialSpread))))
	if s.cfg.Self > p {
		at = at.Add(redialPause)
	}
	s.endRedial(p)
	s.suspects.redials = append(s.suspects.redials, redial{peer: p, at: at})
	s.schedule(taskSuspect, at)
}

// endRedial reports whether a peer was to be dialled again, and ends that.
func (s *State) endRedial(p PeerID) bool {
	before := len(s.suspects.redials)
	s.suspects.redials = slices.DeleteFunc(s.suspects.redials, func(r redial) bool { return r.peer == p })
	return len(s.suspects.redials) < before
}

// runRedials dials lost neighbours, ahead of others but with no more than half of
// the dials, and returns when the next one is dialled.
func (s *State) runRedials() (next time.Time) {
	left := s.suspects.redials[:0]
	for _, r := range s.suspects.redials {
		c := s.candidates[r.peer]
		switch {
		case r.dialled:
		case r.at.After(s.now):
			next = sooner(next, r.at)
		case c == nil || c.gone || s.banned[r.peer].After(s.now) || s.leaving:
			continue
		case c.dialling:
			r.dialled = true
		case s.dials >= maxDials/2:
			r.at = s.now.Add(redialAgain)
			next = sooner(next, r.at)
		case later(c.flapsUntil(), s.noDialBefore()).After(s.now):
			r.at = later(c.flapsUntil(), s.noDialBefore())
			next = sooner(next, r.at)
		default:
			r.dialled = true
			s.dial(c)
		}
		left = append(left, r)
	}
	clear(s.suspects.redials[len(left):])
	s.suspects.redials = left
	return next
}

// unreachable is called when a dial failed: if it was to a lost neighbour, that
// one is accused.
func (s *State) unreachable(p PeerID) {
	if !s.endRedial(p) {
		return
	}
	m := s.members[p]
	switch {
	case m == nil || m.p.Left || s.leaving || s.links[p] != nil:
	case s.doubtsItself():
		// It may be this node that did not answer.
		s.suspects.redials = append(s.suspects.redials, redial{peer: p, at: s.health.doubt})
		s.schedule(taskSuspect, s.health.doubt)
	default:
		s.count.Accused++
		s.addAccuser(m, accuser{s.cfg.Self, m.r.version()})
		if s.suspects.accuse.IsZero() {
			s.suspects.accuse = s.now.Add(time.Duration(s.cfg.Rand.Int64N(int64(accusePause))))
			s.schedule(taskSuspect, s.suspects.accuse)
		}
	}
}

// reached is called when there is a link to a peer, or a dial proved it up.
func (s *State) reached(p PeerID) {
	s.endRedial(p)
	if m := s.members[p]; m != nil && m.doubt != nil {
		m.doubt.drop(func(a accuser) bool { return a.peer == s.cfg.Self })
		s.weigh(m)
	}
}

// heedAccusations takes in whom a presence names as lost.
func (s *State) heedAccusations(r *Rumor, p *Presence) {
	if r.Origin == s.cfg.Self {
		return // noted when it accused
	}
	for _, l := range p.Lost {
		if m := s.members[l.Peer]; m != nil && l.Peer != r.Origin {
			s.addAccuser(m, accuser{r.Origin, l.version()})
		}
	}
}

// addAccuser notes an accusation that is not older than the member's presence.
// It may be newer, if it was faster than the presence that it is about.
func (s *State) addAccuser(m *member, a accuser) {
	if m.p.Left || m.r.version().newer(a.of) {
		return
	}
	if m.doubt == nil {
		m.doubt = new(suspicion)
		if !slices.Contains(s.suspects.order, m.r.Origin) {
			s.suspects.order = append(s.suspects.order, m.r.Origin)
		}
	}
	d := m.doubt
	d.drop(func(b accuser) bool { return b.peer == a.peer })
	if len(d.accusers) >= maxAccusers {
		// What is about this presence counts; the later the presence the likelier
		// it is made up.
		i := 0
		for j := range d.accusers {
			if d.accusers[j].of.newer(d.accusers[i].of) {
				i = j
			}
		}
		if a.peer != s.cfg.Self && !d.accusers[i].of.newer(a.of) {
			return
		}
		d.accusers = slices.Delete(d.accusers, i, i+1)
	}
	d.accusers = append(d.accusers, a)
	s.weigh(m)
}

func (d *suspicion) drop(which func(accuser) bool) {
	d.accusers = slices.DeleteFunc(d.accusers, which)
}

// count is how many accuse a member by a presence, and whether this node does.
func (d *suspicion) count(v version, self PeerID) (n int, own bool) {
	for _, a := range d.accusers {
		if a.of == v {
			n++
			own = own || a.peer == self
		}
	}
	return n, own
}

// witnesses is how many nodes could accuse a member, this one included, but no
// more than accusersEnough.
func (s *State) witnesses(accused PeerID) int {
	if len(s.members) > 16 {
		return accusersEnough // mostly; leaves may be among them
	}
	n := 1
	for _, m := range s.members {
		if p := m.r.Origin; p != accused && p != s.cfg.Self && m.here() {
			n++
		}
	}
	return min(n, accusersEnough)
}

// suspicionTime is how long a member that so many of its witnesses accuse has to
// refute: it falls with the logarithm of their number, as in Lifeguard.
func suspicionTime(accusers, witnesses int) time.Duration {
	if accusers >= witnesses {
		return suspicionMin
	}
	part := math.Log(float64(accusers)) / math.Log(float64(witnesses))
	return suspicionMax - time.Duration(part*float64(suspicionMax-suspicionMin))
}

// weigh decides what a member's accusers are worth, and returns when to look at
// it again.
func (s *State) weigh(m *member) (next time.Time) {
	d := m.doubt
	if d == nil {
		return time.Time{}
	}
	p := m.r.Origin
	n, own := d.count(m.r.version(), s.cfg.Self)
	if p == s.cfg.Self {
		return s.refute(n)
	}
	witnesses := s.witnesses(p)
	enough := n >= accusersNeeded || n > 0 && witnesses <= accusersNeeded
	l := s.links[p]
	switch {
	case l != nil && !l.leaving || n == 0:
		s.acquit(m)
		return time.Time{}
	case m.safe.After(s.now):
		next = m.safe
		s.schedule(taskSuspect, next)
		return next
	}
	if d.suspected.IsZero() && (enough || own) {
		d.suspected = s.now
		s.count.Suspected++
		s.do(PeerEvent{p, PeerSuspected})
	}
	if !enough || m.isLost() {
		return time.Time{}
	}
	if d.confirmed.IsZero() {
		d.confirmed = s.now
	}
	next = later(d.confirmed.Add(suspicionTime(n, witnesses)), s.health.doubt)
	if next.After(s.now) {
		s.schedule(taskSuspect, next)
		return next
	}
	d.lost = s.now
	s.count.Lost++
	s.provedDead(p)
	s.do(PeerEvent{p, PeerLost})
	return time.Time{}
}

// acquit ends a suspicion.
func (s *State) acquit(m *member) {
	d := m.doubt
	if !d.suspected.IsZero() && !m.p.Left {
		s.do(PeerEvent{m.r.Origin, PeerBack})
	}
	d.suspected, d.confirmed, d.lost, d.told = time.Time{}, time.Time{}, time.Time{}, false
	if len(d.accusers) == 0 {
		m.doubt = nil // suspects.order is tidied up by the next runSuspects
		s.after(taskSuspect, 0)
	}
}

// renewed carries what speaks against a member over to its newer presence, which
// ends what was about the one before.
func (s *State) renewed(m, old *member) {
	m.safe = old.safe
	if m.doubt = old.doubt; m.doubt == nil {
		return
	}
	v := m.r.version()
	m.doubt.drop(func(a accuser) bool { return v.newer(a.of) })
	if m.p.Left {
		m.doubt.accusers = nil
	}
	if s.acquit(m); m.doubt != nil {
		s.weigh(m)
	}
}

// here reports whether a member is in the network, as far as this node knows.
func (m *member) here() bool { return !m.p.Left && !m.isLost() }

// isLost reports whether a member is taken for lost.
func (m *member) isLost() bool { return m.doubt != nil && !m.doubt.lost.IsZero() }

// refute answers n accusations of this node, and returns when that may be done.
func (s *State) refute(n int) (next time.Time) {
	if n == 0 || s.leaving {
		return time.Time{}
	}
	if next = s.suspects.refuted.Add(refutePause); !s.suspects.refuted.IsZero() && next.After(s.now) {
		s.schedule(taskSuspect, next)
		return next
	}
	s.suspects.refuted = s.now
	s.count.Refuted++
	s.announcePresence()
	return time.Time{}
}

// refuting reports whether a presence of now is a refutation. One that follows
// it soon says so too, for it may overtake it.
func (s *State) refuting() bool {
	return !s.suspects.refuted.IsZero() && s.now.Sub(s.suspects.refuted) < refutePause
}

// accusations are what this node's presence says of others: the latest first to
// be named, ascending by peer.
func (s *State) accusations() []Lost {
	var list []Lost
	for _, p := range slices.Backward(s.suspects.order) {
		m := s.members[p]
		if m == nil || m.doubt == nil || p == s.cfg.Self {
			continue
		}
		if _, own := m.doubt.count(m.r.version(), s.cfg.Self); !own {
			continue
		}
		m.doubt.told = true
		if list = append(list, Lost{p, m.r.Epoch, m.r.Seq}); len(list) == MaxLost {
			break
		}
	}
	slices.SortFunc(list, func(a, b Lost) int { return cmp.Compare(a.Peer, b.Peer) })
	return list
}

// announceAccusations sees to a presence with what was not told yet, unless
// enough others have told it.
func (s *State) announceAccusations() {
	for _, p := range s.suspects.order {
		m := s.members[p]
		if m == nil || m.doubt == nil || m.doubt.told {
			continue
		}
		switch n, own := m.doubt.count(m.r.version(), s.cfg.Self); {
		case !own:
		case n > accusersEnough:
			m.doubt.told = true
		default:
			s.announcePresence()
			return
		}
	}
}

// newMember notes that there is a member of which others may have spoken before.
func (s *State) newMember() {
	if s.suspects.accusing > 0 && s.suspects.rescan.IsZero() {
		s.suspects.rescan = s.now.Add(rescan)
		s.schedule(taskSuspect, s.suspects.rescan)
	}
}

// rescanAccusations heeds what all presences say once more.
func (s *State) rescanAccusations() {
	for i := range s.presences {
		if m := s.presenceByID[s.presences[i].ID]; len(m.p.Lost) > 0 {
			s.heedAccusations(m.r, m.p)
		}
	}
}

// runSuspects does what has become due here, and returns when more does.
func (s *State) runSuspects() time.Time {
	next := s.runRedials()
	q := &s.suspects
	if !q.rescan.IsZero() && !q.rescan.After(s.now) {
		q.rescan = time.Time{}
		s.rescanAccusations()
	}
	left := q.order[:0]
	for _, p := range q.order {
		m := s.members[p]
		if m == nil || m.doubt == nil {
			continue
		}
		at := s.weigh(m)
		if m.doubt != nil {
			left = append(left, p)
			next = sooner(next, at)
		}
	}
	clear(q.order[len(left):])
	q.order = left
	switch at := q.accuse; {
	case at.IsZero():
	case at.After(s.now):
		next = sooner(next, at)
	case len(q.redials) > 0 && s.now.Sub(at) < accuseTogether:
		next = sooner(next, s.now.Add(redialAgain))
	default:
		q.accuse = time.Time{}
		s.announceAccusations()
	}
	return sooner(next, q.rescan)
}

// sooner is the earlier of two times of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
