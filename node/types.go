package node

import (
	"context"
	"time"

	"hearsay/discovery"
	"hearsay/discovery/aligned"
)

// typesInterval is how often discovery is told which data types this node takes
// and for which it lacks neighbours. Presences find most of them sooner.
const typesInterval = time.Second

// watchTypes tells discovery what to look for.
func (n *Node) watchTypes(ctx context.Context) {
	if !n.cfg.Kademlia {
		return
	}
	tick := time.NewTimer(aligned.Next(typesInterval))
	defer tick.Stop()
	for {
		n.finder.SetTypes(n.typeWishes())
		select {
		case <-tick.C:
			tick.Reset(aligned.Next(typesInterval))
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) typeWishes() (wishes []discovery.TypeWish) {
	n.call(func(time.Time) {
		for _, t := range n.core.TypeNeeds() {
			wishes = append(wishes, discovery.TypeWish{Type: t.Type, Taken: t.Taken, Missing: t.Missing > 0})
		}
	})
	return wishes
}
