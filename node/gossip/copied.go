package gossip

import "time"

// The same peer twice. A verified rumor of this node's own key that this run did
// not make is mostly one of an earlier run: its state folder was lost, or its
// clock went back. Then the epoch is raised once, and that was it. But if such
// rumors go on coming, newly made each time, another node that runs now has the
// same hostkey, and only people can help.

const (
	// raisePause keeps two nodes with one hostkey from raising each other's epoch
	// at full speed: the pause doubles from raiseFirst to raiseUnsure, so that a copy
	// is soon proved, and to raisePause when it is. It begins anew after copyMemory
	// without one.
	raiseFirst  = time.Second
	raiseUnsure = 4 * time.Second
	raisePause  = time.Minute
	// So many new rumors, each copyPause after the one before, prove a copy. Raises
	// are at least twice as long apart, so that each of the other node's counts.
	copyProofs = 3
	copyPause  = raiseFirst / 2
	// copyMemory is how long a copy is believed to be there without a sign of it,
	// or three of this node's heartbeats if those are longer.
	copyMemory = 10 * time.Minute
	// copyDialPause is the pause between two dials while there is a copy. Who links
	// with a neighbour of the other's ends that one's link there, and the other would
	// take it back at once, everywhere, for ever.
	copyDialPause = 10 * time.Second
)

// copied is what speaks for another node with this node's hostkey.
type copied struct {
	newest version   // of all foreign rumors of this key
	since  time.Time // the first proof
	last   time.Time // the last one
	proofs int
	via    PeerID // the neighbour that brought the last one

	dialled time.Time // the last dial
}

// KeyCopied tells that another node that runs now uses this node's hostkey. It
// is told once while there are signs of it.
type KeyCopied struct {
	Via PeerID // the neighbour that brought the proof
}

func (KeyCopied) action() {}

// foreignEpoch is called with a verified rumor of this node's own key that this
// run did not make, or may not have. If its epoch is later than ours, ours was
// lost with the state folder or the clock went back, or another node uses the
// key: others would take what we publish for old, so a later epoch is fetched.
func (s *State) foreignEpoch(r *Rumor, via PeerID) {
	if r.Epoch == s.epoch && r.Seq <= s.seq {
		return // our own, come back
	}
	s.heedCopy(r, via)
	if r.Epoch < s.epoch {
		return
	}
	s.laterEpoch = max(s.laterEpoch, r.Epoch)
	if s.raising {
		return
	}
	s.count.EpochsRaised++
	s.raiseEpoch()
}

// raiseEpoch asks for an epoch above the latest that was heard of, if the last
// time is long enough ago, and returns when to try again.
func (s *State) raiseEpoch() time.Time {
	if s.raising || s.laterEpoch < s.epoch {
		return time.Time{}
	}
	if !s.raisedAt.IsZero() && s.now.Sub(s.raisedAt) >= copyMemory {
		s.raiseWait = 0
	}
	if at := s.raisedAt.Add(s.raiseWait); !s.raisedAt.IsZero() && at.After(s.now) {
		s.schedule(taskEpoch, at)
		return at
	}
	limit := raiseUnsure
	if s.isCopied() {
		limit = raisePause
	}
	s.raiseWait = min(max(2*s.raiseWait, raiseFirst), limit)
	s.raising, s.raisedAt = true, s.now
	s.do(RaiseEpoch{s.laterEpoch})
	return time.Time{}
}

// heedCopy looks whether a foreign rumor of this key was made just now: since
// this run began, and after all others like it.
func (s *State) heedCopy(r *Rumor, via PeerID) {
	c := &s.copied
	v := r.version()
	// What this run said in an earlier epoch is older than what made it raise it.
	if !v.newer(c.newest) {
		return
	}
	c.newest = v
	if r.Created < s.first.UnixMilli() {
		return
	}
	if !c.last.IsZero() && s.now.Sub(c.last) >= s.copyMemory() {
		c.proofs = 0
	}
	if c.proofs > 0 && s.now.Sub(c.last) < copyPause {
		return // what an earlier run left behind comes all at once
	}
	if c.proofs++; c.proofs == 1 {
		c.since = s.now
	}
	c.last, c.via = s.now, via
	s.count.CopyProofs++
	if c.proofs == copyProofs {
		s.do(KeyCopied{via})
	}
}

func (s *State) copyMemory() time.Duration { return max(copyMemory, 3*s.heartbeat()) }

// isCopied reports whether another node uses this node's hostkey.
func (s *State) isCopied() bool {
	return s.copied.proofs >= copyProofs && s.now.Sub(s.copied.last) < s.copyMemory()
}

// noDialBefore is when a node that has a copy may dial next.
func (s *State) noDialBefore() time.Time {
	if !s.isCopied() {
		return time.Time{}
	}
	return s.copied.dialled.Add(copyDialPause)
}

// tellTwin gives a neighbour the presence of another run of it that came by
// another link: mostly nobody sends a node what it said itself, but this it did
// not say while it was linked.
func (s *State) tellTwin(from *link, before *member, r *Rumor, hops uint8) {
	l := s.links[r.Origin]
	if l != nil && l != from && before != nil && before.r.Epoch != r.Epoch {
		s.do(Send{To: l.peer, Msg: &Fill{r, addHop(max(hops, 1))}})
	}
}
