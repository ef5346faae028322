package control

import (
	"context"
	"net/http"
	"time"

	"hearsay/node"
)

var eventRoutes = []route{
	{method: "GET", path: "/v1/events", summary: "Neighbours that come and go.",
		events: []event{opening, {"peer", "Something happened to a peer.", PeerEvent{}}}, handle: (*Server).getEvents},
}

// PeerEvent is the data of an event "peer" of /v1/events.
type PeerEvent struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Peer    string    `json:"peer"`
	What    string    `json:"what"`           // linked, unlinked, joined, left, expired, suspected, lost, back
	Addr    string    `json:"addr,omitempty"` // remote address for linked
}

func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return refuse(http.StatusBadRequest, "ask without ?", "%s takes no parameters", r.URL.Path)
	}
	leave, err := s.admit()
	if err != nil {
		return err
	}
	defer leave()
	watcher := s.node.Watch()
	defer watcher.Close()
	stream(w, r, "peer", watcher.C(), func(e node.PeerEvent) any { return peerEventOf(e) })
	return nil
}

func peerEventOf(e node.PeerEvent) PeerEvent {
	return PeerEvent{Version: Version, Time: e.Time, Peer: e.Peer.String(), What: e.What, Addr: e.Addr}
}

// Events streams the neighbours that come and go from now on.
func (c *Client) Events(ctx context.Context) (*Stream[PeerEvent], error) {
	return open[PeerEvent](ctx, c, "/v1/events", "peer")
}
