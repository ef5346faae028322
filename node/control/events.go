package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// feeds are what the combined stream is made of; a topic adds its own here.
var feeds = slices.Concat(peerFeeds, rumorFeeds, mailFeeds, stateFeeds, healthFeeds, figureFeeds)

var eventRoutes = []route{
	{method: "GET", path: "/v1/events", summary: "Everything live in one stream that can be taken up again.",
		query: []param{
			{"type", "A data type that the node takes while the stream is open, besides those of its modules; at most 256.", []uint16(nil), false},
			{"only", "The name of an event to be sent; all are if none is named.", []string(nil), false},
		},
		headers: []param{{"Last-Event-ID", "The ID of the last event that was read, after which to go on; 0 = as far back as is remembered.", "", false}},
		events:  append([]event{opening, {"gap", "Events were lost to this reader: what it knows may be wrong.", Gap{}}}, fedEvents()...),
		loop:    true,
		handle:  (*Server).getEvents},
}

func fedEvents() (all []event) {
	for _, f := range feeds {
		all = append(all, f.events...)
	}
	return all
}

// EventNames are the names of the events that [Client.Events] can be asked for; gaps are
// told in any case.
func EventNames() (all []string) {
	for _, e := range fedEvents() {
		all = append(all, e.name)
	}
	return all
}

// Gap is the data of an event "gap" of /v1/events: what came between the event
// before it and the one after it is not remembered, because the reader was slow
// or away for too long.
type Gap struct {
	Version int    `json:"version"`
	Missed  uint64 `json:"missed"` // events, 0 = it is not known how many
}

// fromTheStart is the Last-Event-ID of a reader that wants all that is remembered.
const fromTheStart = "0"

func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) error {
	types, only, err := parseEventsQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	leave, err := s.admit()
	if err != nil {
		return err
	}
	defer leave()
	if len(types) > 0 {
		l, err := s.node.Listen(types)
		if err != nil {
			return err
		}
		defer discard(l)()
	}
	away, err := s.hub.join()
	if errors.Is(err, errHubClosed) {
		return refuse(http.StatusServiceUnavailable, "start it again: hearsay run", "the node stops")
	} else if err != nil {
		return err
	}
	defer away()
	place, gap := s.hub.now(), false
	switch id := r.Header.Get("Last-Event-ID"); id {
	case "":
	case fromTheStart:
		place = s.hub.oldest()
	default:
		if n, known := s.hub.place(id); known {
			place = n
		} else {
			gap = true
		}
	}
	s.tell(newSSE(w), r.Context(), place, gap, only)
	return nil
}

// tell writes what comes after a place until the reader goes away.
func (s *Server) tell(out *sse, ctx context.Context, place uint64, gap bool, only map[string]bool) {
	defer out.end()
	ok := out.send(s.hub.id(place), "open", opened{Version})
	if ok && gap {
		ok = out.send(s.hub.id(place), "gap", Gap{Version: Version})
	}
	quiet := time.NewTicker(keepAlive)
	defer quiet.Stop()
	for ok {
		events, last, missed, changed := s.hub.after(place, 64<<10)
		if place = last; missed > 0 {
			ok = out.send(s.hub.id(place), "gap", Gap{Version, missed})
			continue
		}
		var text []byte
		for _, e := range events {
			if only == nil || only[e.name] {
				text = append(text, e.text...)
			}
		}
		if len(text) > 0 {
			ok = out.write(text)
			quiet.Reset(keepAlive)
			continue
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-quiet.C:
			ok = out.write([]byte(": quiet\n\n"))
		case <-ctx.Done():
			ok = false
		}
	}
}

// discard takes what comes to a listener that is there only to have the node
// take its data types, until the returned function is called.
func discard(l Listener) (end func()) {
	done := make(chan struct{})
	go func() {
		for {
			select {
			case _, ok := <-l.C():
				if !ok {
					return
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		l.Close()
	}
}

// parseEventsQuery reads type=1&only=peer. only is nil if all events are wanted.
func parseEventsQuery(query string) (types []uint16, only map[string]bool, err error) {
	const hint = "ask for /v1/events?type=1000&only=arrived, each as often as you like"
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, nil, refuse(http.StatusBadRequest, hint, "the query cannot be read: %v", err)
	}
	for name := range values {
		if name != "type" && name != "only" {
			return nil, nil, refuse(http.StatusBadRequest, hint, "there is no parameter %q", name)
		}
	}
	if types, err = typesOf(values["type"], hint); err != nil {
		return nil, nil, err
	}
	for _, name := range values["only"] {
		if !slices.Contains(EventNames(), name) {
			return nil, nil, refuse(http.StatusBadRequest, hint, "there is no event %.40q", name)
		}
		if only == nil {
			only = map[string]bool{}
		}
		only[name] = true
	}
	return types, only, nil
}

// Event is one of the combined stream.
type Event struct {
	ID   string          // to go on after it
	Name string          // as in the API's description; "open" and "gap" among them
	Data json.RawMessage // of the type that belongs to the name
}

// Events streams everything live: the events of these names, or all if none is
// named. last is the ID of the last event that was read, "" = from now on.
func (c *Client) Events(ctx context.Context, last string, only ...string) (*EventStream, error) {
	query := url.Values{"only": only}
	return c.openEvents(ctx, "/v1/events?"+query.Encode(), last)
}

// openEvents starts a stream of several kinds of events and waits until nothing
// more can be missed.
func (c *Client) openEvents(ctx context.Context, path, last string) (*EventStream, error) {
	s, err := c.stream(ctx, path, last)
	if err != nil {
		return nil, err
	}
	e := &EventStream{s}
	if first, err := e.Next(); err != nil || first.Name != "open" {
		e.Close()
		return nil, errors.Join(err, fmt.Errorf("the stream does not begin with open but with %q", first.Name))
	}
	return e, nil
}

// EventStream is a sequence of events of several kinds, for one goroutine; Close
// may come from another.
type EventStream struct{ lines *lines }

// Next waits for the next event. It fails with [ErrEnded] when the node ended
// the stream, and with the context's error when that ended.
func (s *EventStream) Next() (Event, error) {
	id, name, data, err := s.lines.event()
	return Event{id, name, data}, err
}

// Close ends the stream.
func (s *EventStream) Close() { s.lines.close() }
