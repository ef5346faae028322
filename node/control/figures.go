package control

import (
	"context"
	"net/http"
	"sync"
	"time"

	"hearsay/node"
	"hearsay/node/health"
)

// The figures of the last minutes are kept whether or not somebody looks, so
// that who opens a page sees what led here.
const (
	figurePause = 5 * time.Second
	maxFigures  = 120 // ten minutes
)

var figureRoutes = []route{
	{method: "GET", path: "/v1/figures", summary: "Figures of the last ten minutes, one every five seconds.", out: History{}, handle: (*Server).getFigures},
}

var figureFeeds = []feed{{
	events: []event{{"figures", "The figures of now.", Figures{}}},
	start:  func(s *Server, emit emitter) (func(), error) { return s.figures.follow(emit), nil },
}}

// History answers GET /v1/figures.
type History struct {
	Version int       `json:"version"`
	Figures []Figures `json:"figures"` // oldest first
}

// Figures is one of [History], and the data of an event "figures" of /v1/events.
// What counts up does so from the node's start.
type Figures struct {
	Version    int       `json:"version"`
	Time       time.Time `json:"time"`
	Neighbours int       `json:"neighbours"`
	Members    int       `json:"members"`
	Rumors     int       `json:"rumors"`         // kept
	Held       int       `json:"held"`           // waiting for modules' votes
	Published  uint64    `json:"published"`      // own rumors, counts up
	Accepted   uint64    `json:"accepted"`       // others' rumors, new and verified, counts up
	Duplicates uint64    `json:"duplicates"`     // counts up
	Refused    uint64    `json:"refused"`        // rumors that were forged, had too little work, or that modules refused; counts up
	Sent       uint64    `json:"sent_bytes"`     // counts up
	Received   uint64    `json:"received_bytes"` // counts up
}

// figures remembers the last minutes.
type figures struct {
	mu       sync.Mutex
	past     []Figures
	found    []health.Finding // at the last look
	follower emitter          // nil = none
}

func (f *figures) add(now Figures, found []health.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = found
	if len(f.past) == maxFigures {
		f.past = f.past[1:]
	}
	f.past = append(f.past, now)
	if f.follower != nil {
		f.follower("figures", now)
	}
}

// hang notes findings of a node that gives no figures.
func (f *figures) hang(found []health.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = found
}

// findings are those of when the newest figures were, or should have been, taken.
func (f *figures) findings() []health.Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found
}

// age is how long ago the newest were taken, false if there are none.
func (f *figures) age() (age time.Duration, taken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.past) == 0 {
		return 0, false
	}
	return time.Since(f.past[len(f.past)-1].Time), true
}

func (f *figures) follow(emit emitter) (end func()) {
	set := func(e emitter) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.follower = e
	}
	set(emit)
	return func() { set(nil) }
}

// keepFigures takes figures until ctx ends. taken is closed after the first look.
func (s *Server) keepFigures(ctx context.Context, taken chan<- struct{}) {
	tick := time.NewTicker(figurePause)
	defer tick.Stop()
	for first := true; ; first = false {
		if found := s.node.Findings(); stands(found) { // which Status would wait for
			s.figures.hang(found)
		} else {
			s.figures.add(figuresOf(s.node.Status(), time.Now()), found)
		}
		if first {
			close(taken)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) getFigures(w http.ResponseWriter, r *http.Request) error {
	s.figures.mu.Lock()
	past := append([]Figures{}, s.figures.past...)
	s.figures.mu.Unlock()
	return s.query(w, r, History{Version, past})
}

func figuresOf(st node.Status, now time.Time) Figures {
	c := st.Counters
	return Figures{
		Version: Version, Time: now, Neighbours: st.Neighbours, Members: st.Members, Rumors: st.Rumors, Held: st.Held,
		Published: c["published"], Accepted: c["accepted"], Duplicates: c["duplicates"],
		Refused: c["bad_signature"] + c["bad_work"] + c["voted_down"] + c["votes_timed_out"],
		Sent:    c["sent_bytes"], Received: c["received_bytes"],
	}
}

// Figures asks for the figures of the last minutes.
func (c *Client) Figures(ctx context.Context) (History, error) {
	return get[History](ctx, c, "/v1/figures")
}
