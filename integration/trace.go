package integration

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/gossip"
	"hearsay/node/transport"
)

// Frame is one message between nodes as one of the two saw it: when it was
// written, or when it was read and before it was acted upon.
type Frame struct {
	At      time.Duration // since the cluster began
	Node    int           // that saw it
	Dir     transport.Direction
	Peer    int            // the other one; -1 = a stranger
	Message gossip.Message // shared, not to be modified
}

// Kind is what sort of message it is, in lower case: push, receipt, sync …
func (f Frame) Kind() string {
	return strings.ToLower(reflect.TypeOf(f.Message).Elem().Name())
}

// Rumor is the rumor that the message carries, nil if it is no Push or Fill.
func (f Frame) Rumor() *gossip.Rumor {
	switch m := f.Message.(type) {
	case *gossip.Push:
		return m.Rumor
	case *gossip.Fill:
		return m.Rumor
	}
	return nil
}

// Names reports whether the message carries a rumor, or says its ID.
func (f Frame) Names(id gossip.RumorID) bool {
	if r := f.Rumor(); r != nil {
		return r.ID == id
	}
	switch m := f.Message.(type) {
	case *gossip.Have:
		return slices.Contains(m.IDs, id.Short())
	case *gossip.Graft:
		return slices.Contains(m.IDs, id.Short())
	case *gossip.Want:
		return slices.Contains(m.IDs, id)
	case *gossip.Sync:
		return slices.ContainsFunc(m.Ranges, func(r gossip.Range) bool { return slices.Contains(r.IDs, id) })
	}
	return false
}

// String is a line like "   0.021s  node 1 out to node 0: push 5f…".
func (f Frame) String() string {
	way := "out to"
	if f.Dir == transport.In {
		way = "in from"
	}
	line := fmt.Sprintf("%8.3fs  node %d %s node %d: %s", f.At.Seconds(), f.Node, way, f.Peer, f.Kind())
	switch m := f.Message.(type) {
	case *gossip.Push:
		line += fmt.Sprintf(" %v of kind %d, %d hops", m.Rumor.ID, m.Rumor.Kind, m.Hops)
	case *gossip.Fill:
		line += fmt.Sprintf(" %v of kind %d, %d hops", m.Rumor.ID, m.Rumor.Kind, m.Hops)
	case *gossip.Receipt:
		line += fmt.Sprintf(" %d", m.Verdicts)
	case *gossip.Sync:
		line += fmt.Sprintf(" of group %d, %d ranges", m.Group, len(m.Ranges))
	case *gossip.Have:
		line += fmt.Sprintf(" %v", m.IDs)
	case *gossip.Graft:
		line += fmt.Sprintf(" %v", m.IDs)
	case *gossip.Want:
		line += fmt.Sprintf(" %v", m.IDs)
	}
	return line
}

// frameLog is all messages so far, in the order in which they were seen.
type frameLog struct {
	began time.Time
	mu    sync.Mutex
	all   []Frame
}

func (n *Node) trace(dir transport.Direction, p gossip.PeerID, m gossip.Message) {
	l := &n.c.frames
	f := Frame{Node: n.index, Dir: dir, Peer: n.c.index(peer.ID(p)), Message: m}
	l.mu.Lock()
	defer l.mu.Unlock()
	f.At = time.Since(l.began)
	l.all = append(l.all, f)
}

// Age is how long ago the cluster was made, which is what Frame.At counts from.
func (c *Cluster) Age() time.Duration { return time.Since(c.frames.began) }

// Frames are the messages that a cluster made [WithTrace] has seen so far and
// which wants, or all if which is nil: those of each node in the order in which
// it saw them, all in the order of time. A message between two nodes of the
// cluster is there twice, out and in.
func (c *Cluster) Frames(which func(Frame) bool) []Frame {
	c.frames.mu.Lock()
	all := slices.Clip(c.frames.all) // which is only ever appended to
	c.frames.mu.Unlock()
	var some []Frame
	for _, f := range all {
		if which == nil || which(f) {
			some = append(some, f)
		}
	}
	return some
}
