package control

import (
	"net/http"
	"slices"
	"time"

	"hearsay/node/health"
)

// Probes are for supervisors and for Prometheus, which know no token that is new
// at each start. They tell anybody on this machine how the node is, not who it
// talks to, and change nothing.
var probeRoutes = []route{
	{method: "GET", path: "/healthz", summary: "200 while the node works on what it is asked; 503 means that it hangs.",
		content: "text/plain; charset=utf-8", open: true, handle: (*Server).getHealthz},
	{method: "GET", path: "/readyz", summary: "200 while the node does what it is there for; 503 names what keeps it from it.",
		content: "text/plain; charset=utf-8", open: true, handle: (*Server).getReadyz},
	{method: "GET", path: "/metrics", summary: "Counters and gauges in the text format of Prometheus.",
		content: "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", open: true, handle: (*Server).getMetrics},
}

// hung is how old the newest figures are when the node that should give them
// every figurePause does not answer any more.
const hung = 3 * figurePause

// stands reports whether the node's loop stands still, by its findings.
func stands(found []health.Finding) bool {
	return slices.ContainsFunc(found, func(f health.Finding) bool { return f.Code == health.LoopStuck })
}

// turns refuses what would wait for a loop that stands still, and hold up with it what
// does not need the loop: there are so many connections and streams.
func (s *Server) turns() error {
	if stands(s.figures.findings()) {
		return refuse(http.StatusServiceUnavailable, "see: hearsay health; then start the node again", "the node stands still")
	}
	return nil
}

func (s *Server) getHealthz(w http.ResponseWriter, r *http.Request) error {
	// The figures are asked for in any case. To ask here would let whoever probes
	// a node that hangs pile up questions.
	const hint = "look at the node's log, then start it again"
	if age, taken := s.figures.age(); !taken {
		return refuse(http.StatusServiceUnavailable, hint, "the node has not answered since its start")
	} else if age > hung {
		return refuse(http.StatusServiceUnavailable, hint, "the node has not answered for %v", age.Round(time.Second))
	}
	return s.ok(w, r)
}

func (s *Server) getReadyz(w http.ResponseWriter, r *http.Request) error {
	for _, f := range s.figures.findings() {
		if f.Severity == health.Error {
			return refuse(http.StatusServiceUnavailable, f.Cure, "%s: %s", f.Code, f.Text)
		}
	}
	return s.getHealthz(w, r)
}

func (s *Server) ok(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return noParameters(r)
	}
	s.write(w, "text/plain; charset=utf-8", []byte("ok\n"))
	return nil
}

func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request) error {
	if s.metrics == nil {
		return refuse(http.StatusNotFound, "run the node with its usual program", "this server has no metrics")
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	s.metrics.ServeHTTP(w, r)
	return nil
}
