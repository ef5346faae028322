package integration

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node"
)

// A condition is looked at after every event and, since nodes tell of links and
// members by events but of interests, for instance, only when asked, also after
// pauses: the first one, and then twice as long each time up to the last.
const (
	firstGlance = 100 * time.Microsecond
	lastGlance  = 5 * time.Millisecond
)

// Await waits until cond holds and fails the test if that takes longer than the
// cluster's patience. what completes the sentence "waited 20s for …".
func (c *Cluster) Await(what string, cond func() bool) {
	c.tb.Helper()
	if !c.poll(c.opts.patience, cond) {
		c.fail("waited %v for %s", c.opts.patience, what)
	}
}

// poll looks at a condition after every event, and now and then.
func (c *Cluster) poll(patience time.Duration, cond func() bool) bool {
	pause := firstGlance
	timer := time.NewTimer(pause)
	defer timer.Stop()
	deadline := time.Now().Add(patience)
	for {
		event := c.journal.next()
		if cond() {
			return true
		}
		select {
		case <-event:
		case <-timer.C:
			pause = min(2*pause, lastGlance)
			timer.Reset(pause)
		}
		if time.Now().After(deadline) {
			return cond()
		}
	}
}

// AwaitLinked waits until nodes i and j are neighbours, each in its own view.
func (c *Cluster) AwaitLinked(i, j int) {
	c.tb.Helper()
	a, b := c.Node(i), c.Node(j)
	c.Await(fmt.Sprintf("nodes %d and %d to be neighbours", i, j), func() bool {
		return a.state(b.ID()) == node.PeerNeighbour && b.state(a.ID()) == node.PeerNeighbour
	})
}

// AwaitUnlinked waits until neither of two nodes has the other for a neighbour.
// A node that does not run has none.
func (c *Cluster) AwaitUnlinked(i, j int) {
	c.tb.Helper()
	a, b := c.Node(i), c.Node(j)
	c.Await(fmt.Sprintf("nodes %d and %d to be neighbours no more", i, j), func() bool {
		return a.state(b.ID()) != node.PeerNeighbour && b.state(a.ID()) != node.PeerNeighbour
	})
}

// AwaitState waits until node i takes node j for a neighbour, a member, one that
// has left, and so on.
func (c *Cluster) AwaitState(i, j int, want node.PeerState) {
	c.tb.Helper()
	a, b := c.Node(i), c.Node(j)
	c.Await(fmt.Sprintf("node %d to see node %d as %q", i, j, want), func() bool { return a.state(b.ID()) == want })
}

// AwaitMembers waits until node i knows of n nodes in the network, itself among
// them.
func (c *Cluster) AwaitMembers(i, n int) {
	c.tb.Helper()
	nd := c.Node(i)
	c.Await(fmt.Sprintf("node %d to know %d members", i, n), func() bool {
		return nd.Running().Status().Members == n
	})
}

// AwaitInterest waits until node i takes data of these types, because a module
// has subscribed to them, and all its neighbours know: what they announce from
// then on is sent to it at once.
func (c *Cluster) AwaitInterest(i int, dataTypes ...uint16) {
	c.tb.Helper()
	nd := c.Node(i)
	c.Await(fmt.Sprintf("node %d to take types %d, and its neighbours to know", i, dataTypes), func() bool {
		if !hasAll(nd.Running().Status().Interests, dataTypes) {
			return false
		}
		for _, other := range c.nodes {
			if other.run == nil || other == nd {
				continue
			}
			p, ok := other.peer(nd.ID())
			if ok && p.State == node.PeerNeighbour && !hasAll(p.Interests, dataTypes) {
				return false
			}
		}
		return true
	})
}

// AwaitModules waits until node i has n modules that have subscribed to
// something, listeners counted.
func (c *Cluster) AwaitModules(i, n int) {
	c.tb.Helper()
	nd := c.Node(i)
	c.Await(fmt.Sprintf("node %d to have %d subscribed modules", i, n), func() bool {
		return nd.Running().Status().Modules == n
	})
}

func hasAll(have, want []uint16) bool {
	return !slices.ContainsFunc(want, func(t uint16) bool { return !slices.Contains(have, t) })
}

// peer is what a node knows of another one.
func (n *Node) peer(id peer.ID) (node.Peer, bool) {
	if n.run == nil {
		return node.Peer{}, false
	}
	peers := n.run.node.Peers()
	if i := slices.IndexFunc(peers, func(p node.Peer) bool { return p.ID == id }); i >= 0 {
		return peers[i], true
	}
	return node.Peer{}, false
}

func (n *Node) state(id peer.ID) node.PeerState {
	p, _ := n.peer(id)
	return p.State
}

// fail ends the test with the state of every node.
func (c *Cluster) fail(format string, args ...any) {
	c.tb.Helper()
	c.tb.Fatalf("integration: %s\n%s", fmt.Sprintf(format, args...), c.report())
}

// report says how every node is, and what has happened to peers lately.
func (c *Cluster) report() string {
	var b strings.Builder
	for _, n := range c.nodes {
		n.describe(&b)
	}
	b.WriteString("what happened last:\n")
	c.journal.write(&b)
	return b.String()
}

func (n *Node) describe(b *strings.Builder) {
	id := n.ID().String()
	fmt.Fprintf(b, "node %d  …%s  API %s", n.index, id[len(id)-6:], n.api)
	if n.run == nil {
		b.WriteString("  does not run\n")
		return
	}
	st := n.run.node.Status()
	fmt.Fprintf(b, "  neighbours %d  members %d  rumors %d  held %d  modules %d  takes %d\n",
		st.Neighbours, st.Members, st.Rumors, st.Held, st.Modules, st.Interests)
	for _, w := range st.Warnings {
		fmt.Fprintf(b, "    warning: %s\n", w)
	}
	for _, p := range n.run.node.Peers() {
		fmt.Fprintf(b, "    sees node %d as %-9s takes %d", n.c.index(p.ID), p.State, p.Interests)
		if p.LastError != "" {
			fmt.Fprintf(b, "  last error: %s", p.LastError)
		}
		if !p.NextDial.IsZero() {
			fmt.Fprintf(b, "  next dial in %v", time.Until(p.NextDial).Round(time.Millisecond))
		}
		b.WriteByte('\n')
	}
}

// eventLog remembers what last happened to peers, and wakes who waits.
type eventLog struct {
	began   time.Time
	mu      sync.Mutex
	changed chan struct{} // closed at the next event
	lines   []string
}

// logged is how many events a report shows.
const logged = 40

// next is closed when something more has happened.
func (l *eventLog) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// follow notes what a watcher tells, until done.
func (l *eventLog) follow(i int, w *node.Watcher, done <-chan struct{}, index func(peer.ID) int) {
	for {
		select {
		case ev := <-w.C():
			l.note(i, ev.What, index(ev.Peer))
		case <-done:
			return
		}
	}
}

// note adds an event: of node i, about node j unless that is negative.
func (l *eventLog) note(i int, what string, j int) {
	line := fmt.Sprintf("%8.3fs  node %d: %s", time.Since(l.began).Seconds(), i, what)
	if j >= 0 {
		line += fmt.Sprintf(" node %d", j)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	l.lines = l.lines[max(0, len(l.lines)-logged):]
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *eventLog) write(b *strings.Builder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		b.WriteString(line)
		b.WriteByte('\n')
	}
}
