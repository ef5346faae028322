package gossip

import "time"

// Intake: how many new rumors a node looks at. To check one costs a signature, and
// what is accepted goes to modules and to everybody; so whoever pays for proof of
// work can keep a network busy. Three limits stand against that, in the order in
// which they are looked at, none of which honest nodes at full speed feel, since what
// one announces keeps to AnnouncePause however fast its machine is:
//
//   - What one neighbour tells, and what all tell together. Beyond either, origins
//     are served in turn: each may say a little, at originPause, and nobody more.
//     So an honest origin that speaks less than that is heard however loud others
//     are, also where its rumors come by the same link as theirs.
//   - Of each neighbour, origins that were never heard of: else who makes many keys
//     has a turn with each, and fills the windows, which forget nothing. One key has
//     maxRuns of them at most.
//   - Of each member, presences (presence.go): everybody keeps those of everybody.
//
// What is pushed in excess is put off (VerdictBusy) and what comes by a comparison is
// dropped: a later comparison brings it when there is time. Both are counted
// (Counters.TooFast, OriginsRefused, PresencesPutOff).

const (
	// intakeBurst and intakePause are what all neighbours together may tell, in
	// units of one rumor and one more for each intakeUnit of its bytes: 50,000 small
	// rumors a second. Checked in batches these keep a core busy. Less would cost honest
	// rumors, for of what is put off the sender keeps no more than its store holds.
	intakeBurst = 32 << 10
	intakePause = 20 * time.Microsecond
	intakeUnit  = 16 << 10
	// neighbourBurst and neighbourPause are the same for one neighbour: 40,000. The
	// burst is what a newcomer fetches from its first one: fillBurst of small rumors.
	neighbourBurst = 16 << 10
	neighbourPause = 25 * time.Microsecond
	// originBurst and originPause are what each origin may say in any case, and
	// maxTurns how many origins are counted for that, while there is excess.
	originBurst = 100
	originPause = 50 * time.Millisecond
	maxTurns    = 4096
	// strangersBurst and strangersPause are for origins that nobody had heard of:
	// a newcomer to a network of 4,096 nodes learns of all of them from one
	// neighbour, and of more from several.
	strangersBurst = 4096
	strangersPause = 100 * time.Millisecond
)

// AnnouncePause and AnnounceBurst bound what a node announces to neighbours in the
// long run and at once: 36,000 a second, so that a neighbour has a tenth left for what
// comes by the same link from others. The core does not enforce it on itself; whoever
// runs it does, where there is somebody to wait.
const (
	AnnouncePause = neighbourPause * 10 / 9
	AnnounceBurst = neighbourBurst / 16
)

// intake is what may still be looked at.
type intake struct {
	all   allowance
	turns map[PeerID]*allowance // of origins that said something while there was excess
}

// admission is whether a rumor is looked at, and on whose account.
type admission uint8

const (
	putOff   admission = iota
	atLarge            // within what all may tell
	byOrigin           // only because its origin has its turn
)

// intakeCost is what a rumor is charged.
func intakeCost(r *Rumor) int { return 1 + r.Size()/intakeUnit }

// admit decides whether a neighbour's rumor is looked at. Nobody has proved yet
// whose it is, so its origin pays only after that (pay).
func (s *State) admit(l *link, r *Rumor) admission {
	cost := intakeCost(r)
	if s.intake.all.has(cost, s.now, intakeBurst, intakePause) && l.meter.rumors.takeN(cost, s.now, neighbourBurst, neighbourPause) {
		s.intake.all.left -= cost
		return atLarge
	}
	turn := s.intake.turns[r.Origin]
	switch {
	case turn == nil && len(s.intake.turns) >= maxTurns && !s.forgetTurns():
	case turn == nil || turn.has(cost, s.now, originBurst, originPause):
		return byOrigin
	}
	return putOff
}

// pay charges an origin for what was admitted only in its name.
func (s *State) pay(a admission, r *Rumor) {
	if a != byOrigin {
		return
	}
	turn := s.intake.turns[r.Origin]
	if turn == nil {
		turn = new(allowance)
		s.intake.turns[r.Origin] = turn
	}
	turn.takeN(intakeCost(r), s.now, originBurst, originPause)
}

// forgetTurns makes room for those of other origins, and reports whether there is.
func (s *State) forgetTurns() bool {
	for o, turn := range s.intake.turns {
		if turn.has(originBurst, s.now, originBurst, originPause) {
			delete(s.intake.turns, o)
		}
	}
	return len(s.intake.turns) < maxTurns
}

// knowsOrigin reports whether a rumor's origin was heard of before.
func (s *State) knowsOrigin(r *Rumor) bool {
	return s.members[r.Origin] != nil || s.windows.find(r) != nil
}

// admitsOrigin reports whether a neighbour may tell of an origin that was not heard
// of before, if it is one.
func (s *State) admitsOrigin(l *link, r *Rumor) bool {
	if s.knowsOrigin(r) {
		return true
	}
	if l.meter.origins.take(s.now, strangersBurst, strangersPause) {
		return true
	}
	s.count.OriginsRefused++
	return false
}
