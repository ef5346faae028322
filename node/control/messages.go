package control

import (
	"encoding/hex"
	"time"

	"hearsay/node"
)

// Version is the version of all JSON of this package. Fields may be added to
// it; a change that breaks readers takes a new version and a new path.
const Version = 1

// Identity answers GET /v1/id.
type Identity struct {
	Version int      `json:"version"`
	ID      string   `json:"id"`    // peer ID
	Addrs   []string `json:"addrs"` // multiaddrs with the peer ID, ready to be given to others
	Network string   `json:"network"`
	Agent   string   `json:"agent"` // name and version of the program
	PID     int      `json:"pid"`   // of the node's process
}

// Status answers GET /v1/status; the fields are those of [node.Status].
type Status struct {
	Version    int               `json:"version"`
	ID         string            `json:"id"`
	Network    string            `json:"network"`
	Agent      string            `json:"agent"`
	Started    time.Time         `json:"started"`
	Addrs      []string          `json:"addrs"`
	Difficulty int               `json:"difficulty_bits"`
	Degree     int               `json:"degree"`
	Neighbours int               `json:"neighbours"`
	Members    int               `json:"members"`
	Rumors     int               `json:"rumors"`
	CacheSize  int               `json:"cache_size"`
	Held       int               `json:"held"`
	Interests  []uint16          `json:"interests"`
	Modules    int               `json:"modules"`
	Warnings   []string          `json:"warnings"`
	Counters   map[string]uint64 `json:"counters"`
}

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
	RTT       float64   `json:"rtt_ms,omitempty"` // milliseconds
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

// AnnounceRequest is the body of POST /v1/announce. Unknown fields are refused.
type AnnounceRequest struct {
	Type uint16 `json:"type"`          // data type
	TTL  *uint8 `json:"ttl,omitempty"` // hops, 0 = unlimited; left out = what the node is configured to
	Data []byte `json:"data"`          // base64 in JSON; up to 65,527 bytes
}

// Announced answers POST /v1/announce.
type Announced struct {
	Version    int     `json:"version"`
	ID         string  `json:"id"`         // of the rumor, 64 hexadecimal digits
	Neighbours int     `json:"neighbours"` // that it was pushed to at once
	Work       float64 `json:"work_ms"`    // milliseconds of queueing, proof of work and signature
}

// Rumor is the data of an event "rumor" of /v1/listen.
type Rumor struct {
	Version  int       `json:"version"`
	ID       string    `json:"id"` // 64 hexadecimal digits
	Origin   string    `json:"origin"`
	Type     uint16    `json:"type"`
	Data     []byte    `json:"data"` // base64 in JSON
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	Received time.Time `json:"received"`
	Dropped  uint64    `json:"dropped,omitempty"` // rumors lost to this reader so far because it was slow
}

// PeerEvent is the data of an event "peer" of /v1/events.
type PeerEvent struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Peer    string    `json:"peer"`
	What    string    `json:"what"`           // linked, unlinked, joined, left, expired, suspected, lost, back
	Addr    string    `json:"addr,omitempty"` // remote address for linked
}

// opened is the data of the event "open", the first of each stream.
type opened struct {
	Version int `json:"version"`
}

func identityOf(s node.Status, pid int) Identity {
	return Identity{Version: Version, ID: s.ID.String(), Addrs: list(s.Addrs), Network: s.Network, Agent: s.Agent, PID: pid}
}

func statusOf(s node.Status) Status {
	counters := s.Counters
	if counters == nil {
		counters = map[string]uint64{}
	}
	return Status{
		Version: Version, ID: s.ID.String(), Network: s.Network, Agent: s.Agent,
		Started: s.Started, Addrs: list(s.Addrs), Difficulty: s.Difficulty,
		Degree: s.Degree, Neighbours: s.Neighbours, Members: s.Members,
		Rumors: s.Rumors, CacheSize: s.CacheSize, Held: s.Held,
		Interests: list(s.Interests), Modules: s.Modules,
		Warnings: list(s.Warnings), Counters: counters,
	}
}

func peersOf(all []node.Peer) Peers {
	out := Peers{Version: Version, Peers: make([]Peer, 0, len(all))}
	for _, p := range all {
		out.Peers = append(out.Peers, Peer{
			ID: p.ID.String(), State: string(p.State), Since: p.Since, Addrs: list(p.Addrs),
			Direction: p.Direction, Transport: p.Transport, Relayed: p.Relayed,
			RTT: milliseconds(p.RTT), Source: p.Source, Agent: p.Agent,
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

func announcedOf(a node.Announced) Announced {
	return Announced{Version: Version, ID: hex.EncodeToString(a.ID[:]), Neighbours: a.Neighbours, Work: milliseconds(a.Work)}
}

func rumorOf(r node.Rumor, dropped uint64) Rumor {
	return Rumor{
		Version: Version, ID: hex.EncodeToString(r.ID[:]), Origin: r.Origin.String(),
		Type: r.DataType, Data: list(r.Data),
		Created: r.Created, Expires: r.Expires, Received: r.Received, Dropped: dropped,
	}
}

func peerEventOf(e node.PeerEvent) PeerEvent {
	return PeerEvent{Version: Version, Time: e.Time, Peer: e.Peer.String(), What: e.What, Addr: e.Addr}
}

// list makes nothing an empty list: JSON readers should not meet null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
