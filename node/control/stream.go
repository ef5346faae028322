package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"hearsay/node"
)

func (s *Server) getListen(w http.ResponseWriter, r *http.Request) error {
	types, err := parseTypes(r.URL.RawQuery)
	if err != nil {
		return err
	}
	leave, err := s.admit()
	if err != nil {
		return err
	}
	defer leave()
	l, err := s.node.Listen(types)
	if err != nil {
		return err
	}
	defer l.Close()
	stream(w, r, "rumor", l.C(), func(m node.Rumor) any { return rumorOf(m, l.Dropped()) })
	return nil
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

// admit takes one of the MaxStreams places; leave gives it back.
func (s *Server) admit() (leave func(), err error) {
	select {
	case s.streams <- struct{}{}:
		return func() { <-s.streams }, nil
	default:
		return nil, refuse(http.StatusServiceUnavailable, "end one of them", "%d streams are open already", MaxStreams)
	}
}

// parseTypes reads type=1&type=2, each a data type, in any order and repeated
// or not.
func parseTypes(query string) ([]uint16, error) {
	const hint = "ask for /v1/listen?type=1&type=2 with data types from 0 to 65535"
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, hint, "the query cannot be read: %v", err)
	}
	for name := range values {
		if name != "type" {
			return nil, refuse(http.StatusBadRequest, hint, "there is no parameter %q", name)
		}
	}
	var types []uint16
	for _, v := range values["type"] {
		t, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, hint, "%q is no data type", v)
		}
		types = append(types, uint16(t))
	}
	slices.Sort(types)
	types = slices.Compact(types)
	if len(types) == 0 {
		return nil, refuse(http.StatusBadRequest, hint, "no data type is given")
	}
	if len(types) > MaxTypes {
		return nil, refuse(http.StatusBadRequest, fmt.Sprintf("use several streams of at most %d", MaxTypes), "%d data types are too many", len(types))
	}
	return types, nil
}

// stream writes what comes from c as server-sent events called name until c is
// closed, the request ends or its client takes nothing for writeTimeout.
func stream[T any](w http.ResponseWriter, r *http.Request, name string, c <-chan T, encode func(T) any) {
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	write := func(text []byte) bool {
		rc.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := w.Write(text)
		return err == nil && rc.Flush() == nil
	}
	send := func(name string, v any) bool {
		text, err := json.Marshal(v) // on one line, as an event's data must be
		return err == nil && write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, text))
	}
	quiet := time.NewTicker(keepAlive)
	defer quiet.Stop()
	ok := send("open", opened{Version})
	for ok {
		select {
		case v, more := <-c:
			ok = more && send(name, encode(v))
			quiet.Reset(keepAlive)
		case <-quiet.C:
			ok = write([]byte(": quiet\n\n"))
		case <-r.Context().Done():
			ok = false
		}
	}
	rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // for the proper end of the body
}
