package control

import (
	"encoding/hex"
	"time"

	"golang.org/x/time/rate"

	"hearsay/node"
)

// What people see of rumors is for their eyes: more than arrivalRate a second
// nobody can read, and they would push everything else out of the ring. What is
// left out is counted. Whoever wants all of them listens to their type.
const (
	arrivalRate  = 200 // a second
	arrivalBurst = 400
	maxUndecided = 4096 // rumors told whose verdict is not; the verdicts of others are not told
)

// ShownData is how many bytes of a rumor's data an event "arrived" shows.
const ShownData = 1024

var rumorFeeds = []feed{{
	events: []event{
		{"arrived", "A rumor became known to the node, at most 200 a second.", Arrived{}},
		{"verdict", "The modules' verdict on a rumor fell.", VerdictEvent{}},
	},
	start: (*Server).feedArrivals,
}}

// Arrived is the data of an event "arrived" of /v1/events: a rumor that became
// known to the node, by a neighbour or because it is the node's own.
type Arrived struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	ID      string    `json:"id"` // 64 hexadecimal digits
	Type    uint16    `json:"type"`
	Origin  string    `json:"origin"`
	Via     string    `json:"via,omitempty"`     // the neighbour that brought it first; left out = the node's own
	Hops    int       `json:"hops"`              // links it came over, 255 = that or more
	Filled  bool      `json:"filled,omitempty"`  // it came by anti-entropy, not by a push
	Private bool      `json:"private,omitempty"` // it is sealed to its recipients
	Delay   float64   `json:"delay_ms"`          // milliseconds since it was made, by two clocks
	Size    int       `json:"size"`              // bytes of its data
	Data    []byte    `json:"data"`              // base64; up to 1,024 bytes from the start, none of a private rumor
	Skipped uint64    `json:"skipped,omitempty"` // rumors left out before this one, because there were too many
}

// VerdictEvent is the data of an event "verdict" of /v1/events.
type VerdictEvent struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`      // of a rumor that has arrived
	Verdict string    `json:"verdict"` // valid, invalid, or silent: no module vouched for it in time
}

// Observer is a bounded queue of what happens to rumors that never makes the
// node wait.
type Observer interface {
	C() <-chan node.Observed
	Dropped() uint64
	Close()
}

func (s *Server) feedArrivals(emit emitter) (stop func(), err error) {
	o := s.node.Observe()
	end := inBackground(func(done <-chan struct{}) {
		a := arrivals{emit: emit, limit: rate.NewLimiter(arrivalRate, arrivalBurst), undecided: map[node.RumorID]bool{}}
		for {
			select {
			case got := <-o.C():
				a.lost = o.Dropped()
				a.take(got)
			case <-done:
				return
			}
		}
	})
	return func() { o.Close(); end() }, nil
}

// arrivals tells of rumors, of not too many.
type arrivals struct {
	emit      emitter
	limit     *rate.Limiter
	skipped   uint64
	lost      uint64 // by the observer, whose queue was full
	told      uint64 // of lost
	undecided map[node.RumorID]bool
}

func (a *arrivals) take(o node.Observed) {
	if o.Verdict != "" {
		if a.undecided[o.ID] {
			delete(a.undecided, o.ID)
			a.emit("verdict", VerdictEvent{Version, o.Time, hex.EncodeToString(o.ID[:]), o.Verdict})
		}
		return
	}
	if !a.limit.AllowN(o.Time, 1) {
		a.skipped++
		return
	}
	if len(a.undecided) >= maxUndecided {
		for id := range a.undecided { // any of them: its line will stay open
			delete(a.undecided, id)
			break
		}
	}
	a.undecided[o.ID] = true
	e := arrivedOf(o)
	e.Skipped = a.skipped + a.lost - a.told
	a.skipped, a.told = 0, a.lost
	a.emit("arrived", e)
}

func arrivedOf(o node.Observed) Arrived {
	r := o.Rumor
	e := Arrived{
		Version: Version, Time: o.Time, ID: hex.EncodeToString(o.ID[:]), Type: r.DataType, Origin: r.Origin.String(),
		Hops: o.Hops, Filled: o.Filled, Private: r.Private, Delay: milliseconds(o.Time.Sub(r.Created)),
		Size: len(r.Data), Data: list(r.Data[:min(len(r.Data), ShownData)]),
	}
	if o.Via != "" {
		e.Via = o.Via.String()
	}
	if r.Private {
		e.Data = []byte{}
	}
	return e
}

// inBackground runs f until end is called, which waits for it.
func inBackground(f func(done <-chan struct{})) (end func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		f(done)
	}()
	return func() {
		close(done)
		<-ended
	}
}
