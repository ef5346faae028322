package integration

import (
	"fmt"

	"hearsay/node"
)

// Listener hears what reaches a node, to see what a module under test has
// announced there or elsewhere. It takes no part in votes.
type Listener struct {
	c     *Cluster
	index int
	inner *node.Listener
}

// Listen begins to listen at node i and returns when its neighbours know that it
// takes these types.
func (c *Cluster) Listen(i int, dataTypes ...uint16) *Listener {
	c.tb.Helper()
	inner, err := c.Node(i).Running().Listen(dataTypes)
	if err != nil {
		c.fail("listening at node %d: %v", i, err)
	}
	c.tb.Cleanup(inner.Close)
	c.AwaitInterest(i, dataTypes...)
	return &Listener{c, i, inner}
}

// Next waits for the next rumor, within the cluster's patience.
func (l *Listener) Next() node.Rumor {
	l.c.tb.Helper()
	ctx := l.c.Context()
	select {
	case r := <-l.inner.C():
		if n := l.inner.Dropped(); n > 0 {
			l.c.fail("the listener at node %d was too slow and missed %d rumors", l.index, n)
		}
		return r
	case <-ctx.Done():
		l.c.fail("waited %v for a rumor at node %d", l.c.opts.patience, l.index)
		panic(fmt.Sprintf("unreachable: Fatalf of %T returned", l.c.tb))
	}
}
