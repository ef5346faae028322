package node

import (
	"time"

	"golang.org/x/time/rate"

	"hearsay/node/gossip"
)

// pace lets announcements go as fast as neighbours look at them
// (gossip.AnnouncePause). Without proof of work a fast machine makes them faster, and
// what is put off then is lost to whoever has no room to keep it until it is asked for.
// An announcement that goes too fast gives its place back later, so that whoever
// announces waits for one. What nobody but modules of this node is told needs no pace.
type pace struct {
	limit  *rate.Limiter
	places chan struct{} // one is taken by each announcement under way
}

func newPace() pace {
	return pace{
		limit:  rate.NewLimiter(rate.Every(gossip.AnnouncePause), gossip.AnnounceBurst),
		places: make(chan struct{}, maxAnnouncing),
	}
}

// release gives back the place of an announcement. It does not wait.
func (p pace) release(sent bool) {
	if sent {
		if d := p.limit.Reserve().Delay(); d > 0 {
			time.AfterFunc(d, func() { <-p.places })
			return
		}
	}
	<-p.places
}
