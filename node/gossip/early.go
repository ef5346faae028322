package gossip

// What is gathered leaves early, if that is in company. A message by itself has to wake
// this node and the neighbour that it goes to, and the processors below them, which costs
// several times what a message costs among others. A rumor that travels has woken them
// all: so with it goes what would leave in the last part of its time (timer coalescing).

// earlyPart is the part of its time by which something may leave early: with 4 the last
// quarter. Earlier would mean more of them.
const earlyPart = 4

// bringForward makes due what may leave early. Whoever is to have the rumor from here has
// been sent it by then. Presences wait for longer than other rumors; where only they do, a
// shorter part of their time counts.
func (s *State) bringForward() {
	if at, early := s.due[taskReceipts], s.receiptDelay()/earlyPart; !at.IsZero() && at.Sub(s.now) <= early {
		s.due[taskReceipts] = s.sendReceipts(s.now.Add(early))
	}
	if at, early := s.due[taskHaves], s.haveDelay(GroupOf(0))/earlyPart; !at.IsZero() && at.Sub(s.now) <= early {
		s.after(taskHaves, 0)
	}
}
