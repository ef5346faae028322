package control

import (
	"reflect"
	"time"

	"hearsay/node"
)

const (
	// peersPause is how often the peers are looked at for what no event tells:
	// round trips, trees, planned dials.
	peersPause = 2 * time.Second
	// settlePause is how long after an event they are looked at; by then what
	// happened together is seen together.
	settlePause = 200 * time.Millisecond
)

// PeerEvent is the data of an event "peer" of /v1/events.
type PeerEvent struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Peer    string    `json:"peer"`
	What    string    `json:"what"`           // linked, unlinked, joined, left, expired, suspected, lost, back
	Addr    string    `json:"addr,omitempty"` // remote address for linked
}

// PeersChanged is the data of an event "peers" of /v1/events. Whoever has asked
// for all peers after the stream was opened keeps them current with it.
type PeersChanged struct {
	Version int      `json:"version"`
	Changed []Peer   `json:"changed"` // as they are now
	Gone    []string `json:"gone"`    // IDs of those that the node knows no more
}

func (s *Server) feedPeers(emit emitter) (stop func(), err error) {
	watcher := s.node.Watch()
	known := map[string]Peer{}
	for _, p := range peersOf(s.node.Peers()).Peers {
		known[p.ID] = p
	}
	end := inBackground(func(done <-chan struct{}) {
		look := time.NewTimer(peersPause)
		defer look.Stop()
		hurried := false
		for {
			select {
			case e, ok := <-watcher.C():
				if !ok {
					return
				}
				emit("peer", peerEventOf(e))
				if !hurried {
					look.Reset(settlePause)
					hurried = true
				}
			case <-look.C:
				if c := changes(known, peersOf(s.node.Peers()).Peers); len(c.Changed)+len(c.Gone) > 0 {
					emit("peers", c)
				}
				look.Reset(peersPause)
				hurried = false
			case <-done:
				return
			}
		}
	})
	return func() { watcher.Close(); end() }, nil
}

// changes brings known up to now, and tells the difference.
func changes(known map[string]Peer, now []Peer) PeersChanged {
	c := PeersChanged{Version: Version, Changed: []Peer{}, Gone: []string{}}
	still := make(map[string]bool, len(now))
	for _, p := range now {
		still[p.ID] = true
		if before, ok := known[p.ID]; !ok || !reflect.DeepEqual(before, p) {
			c.Changed = append(c.Changed, p)
			known[p.ID] = p
		}
	}
	for id := range known {
		if !still[id] {
			c.Gone = append(c.Gone, id)
			delete(known, id)
		}
	}
	return c
}

func peerEventOf(e node.PeerEvent) PeerEvent {
	return PeerEvent{Version: Version, Time: e.Time, Peer: e.Peer.String(), What: e.What, Addr: e.Addr}
}
