package gossip

import "slices"

// Observing: people like to watch what arrives, by whom, and what becomes of it.
// It costs an action or two a rumor, so it is off unless somebody watches.

// Observe switches the actions Learnt and Settled on or off.
type Observe struct{ On bool }

// Learnt tells of a rumor that the node got to know: another's, that passed all
// checks but the modules', or its own, on its way.
type Learnt struct {
	Rumor  *Rumor
	From   PeerID // who brought it, "" = it is this node's own
	Hops   uint8  // links it came over, 255 = that or more
	Filled bool   // it came by anti-entropy, not by a push
}

// Settled tells what became of a rumor that was Learnt.
type Settled struct {
	ID      RumorID
	Outcome Outcome
}

// Outcome is the modules' verdict on a rumor.
type Outcome uint8

const (
	// OutcomeValid: all who were asked vouch for it, or nobody is asked; it travels on.
	OutcomeValid Outcome = iota + 1
	// OutcomeInvalid: a module said so; it goes no further.
	OutcomeInvalid
	// OutcomeSilent: nobody vouched for it in time; it goes no further.
	OutcomeSilent
)

// String is the word that users see.
func (o Outcome) String() string {
	switch o {
	case OutcomeValid:
		return "valid"
	case OutcomeInvalid:
		return "invalid"
	case OutcomeSilent:
		return "silent"
	}
	return "unknown"
}

func (Observe) event()  {}
func (Learnt) action()  {}
func (Settled) action() {}

func (s *State) observeLearnt(e *entry) {
	if s.observed {
		s.do(Learnt{Rumor: e.r, From: e.from, Hops: e.hops, Filled: e.filled})
	}
}

func (s *State) observeSettled(e *entry, o Outcome) {
	if s.observed {
		s.do(Settled{ID: e.r.ID, Outcome: o})
	}
}

// tree lists the data types that are pushed down a link in full, as far as both
// ends take them, ascending.
func (s *State) tree(l *link) (types []uint16) {
	for _, t := range l.interests {
		if s.takers[t] > 0 && !l.lazy[GroupOf(t)] {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return types
}
