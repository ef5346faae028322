package gossip

import (
	"cmp"
	"slices"
	"time"
)

// Routes: for each origin the neighbour that first brought its latest verified
// rumor. Rumors come first by the fastest way, so this is the way to send
// something back, and for people the answer to "how does news of it get here?".
// Only a verified rumor that is new changes a route, and the neighbour is who
// the link authenticated, so a route cannot be claimed.

// maxRoutes bounds the origins whose routes are known; it is the presences'
// bound, for every member has one.
const maxRoutes = maxMembers

// Route is the way to an origin.
type Route struct {
	Origin PeerID
	Via    PeerID    // the neighbour
	Since  time.Time // when the rumor came that made this route
	Epoch  uint64    // of that rumor
	Seq    uint64
}

// learnRoute notes who brought a rumor that was just accepted.
func (s *State) learnRoute(r *Rumor, via PeerID) {
	if s.members[r.Origin] == nil {
		return // its presence, which bounds the route's life, is not here yet
	}
	old, known := s.routes[r.Origin]
	if r.Origin == s.cfg.Self || !known && len(s.routes) >= maxRoutes ||
		known && !r.version().newer(version{old.Epoch, old.Seq}) {
		return
	}
	s.routes[r.Origin] = Route{r.Origin, via, s.now, r.Epoch, r.Seq}
}

// Routes lists the routes by origin. A route whose neighbour is gone stays
// until a newer rumor comes another way.
func (s *State) Routes() []Route {
	all := make([]Route, 0, len(s.routes))
	for _, r := range s.routes {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Route) int { return cmp.Compare(a.Origin, b.Origin) })
	return all
}
