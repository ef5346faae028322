package gossip

import (
	"slices"
	"time"
)

// Who came to this node of late, whether there was room or not: a sample of all
// nodes that no presence and no peer list has a part in. The size of the network is
// estimated by it (estimate.go).

// maxCallers is how many are remembered.
const maxCallers = 128

// caller is a peer that came.
type caller struct {
	peer    PeerID
	net     NetGroup
	at      time.Time // last
	counted bool      // it announced its presence, since it came or before
}

// called notes that a peer came. Beyond maxCallers the oldest of the network group
// with the most of them makes room: who comes in numbers drives out his own.
func (s *State) called(ev LinkUp) {
	for i := range s.callers {
		k := &s.callers[i]
		k.counted = k.counted || s.members[k.peer] != nil // it may be gone before it is asked for
	}
	if i := slices.IndexFunc(s.callers, func(k caller) bool { return k.peer == ev.Peer }); i >= 0 {
		s.callers = slices.Delete(s.callers, i, i+1)
	} else if len(s.callers) == maxCallers {
		i := s.oldestOfMost()
		s.callers = slices.Delete(s.callers, i, i+1)
	}
	s.callers = append(s.callers, caller{peer: ev.Peer, net: ev.Net, at: s.now, counted: s.members[ev.Peer] != nil})
}

// oldestOfMost is the place of the oldest caller of the largest network group.
// Without a group each is one of its own.
func (s *State) oldestOfMost() int {
	size := make(map[NetGroup]int)
	for _, k := range s.callers {
		if k.net != "" {
			size[k.net]++
		}
	}
	place, most := 0, 1
	for i, k := range s.callers {
		if n := size[k.net]; n > most {
			place, most = i, n
		}
	}
	return place
}

// comers is how many came of late, and how many of them are or were members.
// Those of one network group count for one.
func (s *State) comers() (all, counted float64) {
	type comer struct {
		net     NetGroup
		counted bool
	}
	var came []comer
	lately := make(map[PeerID]bool)
	for _, k := range s.callers {
		if age := s.now.Sub(k.at); age >= joinsSettle && age < metLately {
			lately[k.peer] = true
			came = append(came, comer{k.net, k.counted || s.members[k.peer] != nil})
		}
	}
	for _, l := range s.linkOrder {
		if l != nil && !l.leaving && !l.dialled && s.now.Sub(l.since) >= joinsSettle && !lately[l.peer] {
			came = append(came, comer{l.net, s.members[l.peer] != nil})
		}
	}
	size := make(map[NetGroup]int)
	for _, c := range came {
		size[c.net]++
	}
	for _, c := range came {
		all += c.net.weight(size)
		if c.counted {
			counted += c.net.weight(size)
		}
	}
	return all, counted
}
