package control

import (
	"context"
	"net/http"
	"time"

	"hearsay/node"
)

var nodeRoutes = []route{
	{method: "GET", path: "/v1/id", summary: "Who the node is and where it listens.", out: Identity{}, handle: (*Server).getID},
	{method: "GET", path: "/v1/status", summary: "The node's summary, warnings and counters.", out: Status{}, loop: true, handle: (*Server).getStatus},
}

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
	Size       float64           `json:"size"`
	Deviation  float64           `json:"size_deviation"`
	Rumors     int               `json:"rumors"`
	CacheSize  int               `json:"cache_size"`
	Held       int               `json:"held"`
	Interests  []uint16          `json:"interests"`
	Modules    int               `json:"modules"`
	Warnings   []string          `json:"warnings"`
	Counters   map[string]uint64 `json:"counters"`
}

func (s *Server) getID(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, identityOf(s.node.Self(), s.file.PID))
}

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, statusOf(s.node.Status()))
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
		Degree: s.Degree, Neighbours: s.Neighbours, Members: s.Members, Size: s.Size, Deviation: s.SizeDeviation,
		Rumors: s.Rumors, CacheSize: s.CacheSize, Held: s.Held,
		Interests: list(s.Interests), Modules: s.Modules,
		Warnings: list(s.Warnings), Counters: counters,
	}
}

// Identity asks who the node is and where it listens.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	return get[Identity](ctx, c, "/v1/id")
}

// Status asks for the node's summary.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "/v1/status")
}
