package gossip

import (
	"slices"
	"time"
)

// What goes down lazy links: IDs (Have), gathered, to a few of them. lazy.go has
// which links are lazy, and what is done with an ID that comes.

const (
	// haveFan is how many lazy links are told of a rumor. Everybody hears of it
	// from about as many; telling all costs more than the repairs it saves.
	haveFan = 4
	// calmFan is how many are told in calm times if that takes messages that would
	// not be sent otherwise.
	calmFan = 2
	// IDs are gathered calmFactor times as long when for calmAfter no rumor had to be
	// asked for, of this node or by it, no tree lost a link, and none came or ended.
	calmFactor = 3
	calmAfter  = 5 * time.Second
	// haveTogether is of how many rumors the same links are told. Who hears of none of
	// them lacks all that the tree does not bring, so it is not many.
	haveTogether = 8
)

// have is an ID that waits to be told on a lazy link.
type have struct {
	group Group
	id    RumorID
}

// announce chooses which of the lazy links are told of a rumor: any of them, but in
// calm times those that are told of others anyway come first. The choice lasts until
// the IDs leave, so a message tells of all that came meanwhile.
func (s *State) announce(lazy []*link, h have) {
	rank := func(l *link) int {
		switch n := len(l.haves); {
		case !s.calm():
			return 0
		case n == 0:
			return 1
		case n < haveTogether:
			return 0
		}
		return 2
	}
	told := 0
	for r, fan := range [...]int{haveFan, calmFan, calmFan} {
		n := 0 // lazy[:n] are of this rank
		for i, l := range lazy {
			if rank(l) == r {
				lazy[n], lazy[i] = l, lazy[n]
				n++
			}
		}
		for i := range min(n, max(fan-told, 0)) {
			j := i + s.cfg.Rand.IntN(n-i)
			lazy[i], lazy[j] = lazy[j], lazy[i]
			lazy[i].haves = append(lazy[i].haves, h)
			told++
		}
		lazy = lazy[n:]
	}
	if told > 0 {
		s.after(taskHaves, s.haveDelay())
	}
}

// sendHaves tells lazy links what they could ask for.
func (s *State) sendHaves() time.Time {
	for _, l := range s.linkOrder {
		if l != nil {
			s.sendHave(l)
		}
	}
	return time.Time{}
}

func (s *State) sendHave(l *link) {
	if len(l.haves) == 0 {
		return
	}
	slices.SortStableFunc(l.haves, func(a, b have) int { return int(a.group) - int(b.group) })
	for len(l.haves) > 0 {
		msg := &Have{Group: l.haves[0].group}
		for len(l.haves) > 0 && l.haves[0].group == msg.Group && len(msg.IDs) < MaxIDs {
			id := l.haves[0].id
			l.haves = l.haves[1:]
			if holders := s.holdersOf(msg.Group, id); holders == nil || holders.has(l.slot) {
				continue
			}
			msg.IDs = append(msg.IDs, id.Short())
			if e := s.store.entries[id]; e != nil {
				msg.Held = append(msg.Held, uint16(min(s.now.Sub(e.ready).Milliseconds(), MaxHeld)))
			}
		}
		if len(msg.IDs) > 0 {
			s.do(Send{To: l.peer, Msg: msg})
			s.rideReceipt(l)
		}
	}
	l.haves = nil
}

// haveDelay is how long IDs are gathered: longer while nobody had to ask for
// anything, for then the tree brings what there is, and not long after a way was lost.
func (s *State) haveDelay() time.Duration {
	switch {
	case s.orphaned():
		return s.cfg.HaveDelay / orphanHaste
	case s.calm():
		return calmFactor * s.cfg.HaveDelay
	}
	return s.cfg.HaveDelay
}

func (s *State) calm() bool { return s.now.Sub(s.unrest) >= calmAfter }

// stir ends the calm: what is gathered leaves as soon as without it.
func (s *State) stir() {
	s.unrest = s.now
	if !s.due[taskHaves].IsZero() {
		s.after(taskHaves, s.cfg.HaveDelay)
	}
}
