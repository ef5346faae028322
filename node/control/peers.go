package control

import (
	"context"
	"net/http"
	"time"

	"hearsay/node"
)

var peerRoutes = []route{
	{method: "GET", path: "/v1/peers", summary: "Everybody whom the node knows.", out: Peers{}, loop: true, handle: (*Server).getPeers},
	{method: "GET", path: "/v1/routes", summary: "By whom the others' rumors come.", out: Routes{}, loop: true, handle: (*Server).getRoutes},
}

var peerFeeds = []feed{{
	events: []event{
		{"peer", "Something happened to a peer.", PeerEvent{}},
		{"peers", "What the node knows of some peers has changed.", PeersChanged{}},
	},
	start: (*Server).feedPeers,
}}

// Peers answers GET /v1/peers.
type Peers struct {
	Version int    `json:"version"`
	Peers   []Peer `json:"peers"`
}

// Peer is one of [Peers]; the fields are those of [node.Peer].
type Peer struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Since     time.Time `json:"since,omitzero"`
	Addrs     []string  `json:"addrs"`
	Direction string    `json:"direction,omitempty"`
	Transport string    `json:"transport,omitempty"`
	Relayed   bool      `json:"relayed,omitempty"`
	RTT       float64   `json:"rtt_ms,omitempty"`     // milliseconds
	Tree      bool      `json:"tree,omitempty"`       // presences are pushed to this neighbour in full, not only named
	TreeTypes []uint16  `json:"tree_types,omitempty"` // data types of which rumors are, as far as both take them
	Source    string    `json:"source,omitempty"`
	Agent     string    `json:"agent,omitempty"`
	Interests []uint16  `json:"interests,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	NextDial  time.Time `json:"next_dial,omitzero"`
}

// Routes answers GET /v1/routes.
type Routes struct {
	Version int     `json:"version"`
	Routes  []Route `json:"routes"`
}

// Route is one of [Routes]; the fields are those of [node.Route].
type Route struct {
	Origin string    `json:"origin"`
	Via    string    `json:"via"`
	Since  time.Time `json:"since"`
}

func (s *Server) getPeers(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, peersOf(s.node.Peers()))
}

func (s *Server) getRoutes(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, routesOf(s.node.Routes()))
}

func peersOf(all []node.Peer) Peers {
	out := Peers{Version: Version, Peers: make([]Peer, 0, len(all))}
	for _, p := range all {
		out.Peers = append(out.Peers, Peer{
			ID: p.ID.String(), State: string(p.State), Since: p.Since, Addrs: list(p.Addrs),
			Direction: p.Direction, Transport: p.Transport, Relayed: p.Relayed,
			RTT: milliseconds(p.RTT), Source: p.Source, Agent: p.Agent,
			Tree: p.Tree, TreeTypes: p.TreeTypes,
			Interests: p.Interests, LastError: p.LastError, NextDial: p.NextDial,
		})
	}
	return out
}

func routesOf(all []node.Route) Routes {
	out := Routes{Version: Version, Routes: make([]Route, 0, len(all))}
	for _, r := range all {
		out.Routes = append(out.Routes, Route{r.Origin.String(), r.Via.String(), r.Since})
	}
	return out
}

// Peers asks for everybody whom the node knows.
func (c *Client) Peers(ctx context.Context) (Peers, error) {
	return get[Peers](ctx, c, "/v1/peers")
}

// Routes asks on which ways the others' rumors come.
func (c *Client) Routes(ctx context.Context) (Routes, error) {
	return get[Routes](ctx, c, "/v1/routes")
}
