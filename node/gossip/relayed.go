package gossip

// Relayed links go through a third peer, which ends them after 128 KiB in one
// direction or two minutes (libp2p's circuit relay, version 2). They are better
// than nothing and worse than anything else: a node takes some only while it has
// next to no direct ones, they fill no place in its view, so that it goes on
// looking, and they carry what is small. Stores are not compared over them: one
// late joiner would use up in a second what should last for minutes.

const (
	// fewDirect is the number of direct links from which on no relayed one is
	// taken: with two, the loss of one does not cut a node off.
	fewDirect = 2
	// maxRelayed is how many relayed links a node has at once.
	maxRelayed = 2
	// relayedRumor is the size in bytes up to which a rumor goes down a relayed
	// link: a presence, a message, not a file. Thirty of them fit into the limit.
	relayedRumor = 4 << 10
)

// fits reports whether a link may carry a rumor of that size.
func (l *link) fits(r *Rumor) bool { return !l.relayed || r.Size() <= relayedRumor }

// directLinks counts the links that lead to their peers directly.
func (s *State) directLinks() int {
	n := len(s.links)
	for _, l := range s.linkOrder {
		if l != nil && l.relayed {
			n--
		}
	}
	return n
}

// needsRelayed reports whether a relayed link would be better than none.
func (s *State) needsRelayed() bool {
	direct := s.directLinks()
	return direct < fewDirect && len(s.links)-direct < maxRelayed
}

// enoughDirect ends the relayed links of a node that has direct ones enough.
func (s *State) enoughDirect() {
	if s.directLinks() < fewDirect {
		return
	}
	for _, l := range s.linkOrder {
		if l != nil && l.relayed && !l.leaving {
			s.refuseLink(l.peer, ByeFull, "direct neighbours enough")
			s.dropLink(l)
		}
	}
}
