package control

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"hearsay/node/health"
)

var healthRoutes = []route{
	{method: "GET", path: "/v1/health", summary: "What a user should know of the node's health, the worst first, and whether it can be reached from outside.",
		out: Health{}, handle: (*Server).getHealth},
}

var healthFeeds = []feed{{
	events: []event{{"health", "What a user should know of the node's health has changed.", HealthChanged{}}},
	start:  (*Server).feedHealth,
}}

// HealthChanged is the data of an event "health" of /v1/events.
type HealthChanged struct {
	Version  int       `json:"version"`
	Healthy  bool      `json:"healthy"`  // nothing worse than info is among the findings
	Findings []Finding `json:"findings"` // all that there are now, the worst first
}

// healthPause is how often the findings are looked at.
const healthPause = 2500 * time.Millisecond

// Health answers GET /v1/health.
type Health struct {
	Version  int       `json:"version"`
	Healthy  bool      `json:"healthy"` // nothing worse than info is among the findings
	Findings []Finding `json:"findings"`
	Reach    Reach     `json:"reach"`
}

// Finding is one of [Health].
type Finding = health.Finding

// Reach is what is known of the node's being reachable.
type Reach = health.Reach

func (s *Server) getHealth(w http.ResponseWriter, r *http.Request) error {
	found, reach := s.node.Findings(), s.node.Reach()
	reach.Reachable, reach.Unreachable, reach.Untried, reach.Relays = list(reach.Reachable), list(reach.Unreachable), list(reach.Untried), list(reach.Relays)
	return s.query(w, r, Health{Version: Version, Healthy: health.Healthy(found), Findings: list(found), Reach: reach})
}

// Health asks for what a user should know of the node's health.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return get[Health](ctx, c, "/v1/health")
}

func (s *Server) feedHealth(emit emitter) (stop func(), err error) {
	known := s.node.Findings()
	return inBackground(func(done <-chan struct{}) {
		look := time.NewTicker(healthPause)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				now := s.node.Findings()
				if !reflect.DeepEqual(now, known) {
					emit("health", HealthChanged{Version, health.Healthy(now), list(now)})
				}
				known = now
			case <-done:
				return
			}
		}
	}), nil
}
