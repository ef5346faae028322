package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// admit takes one of the MaxStreams places; leave gives it back.
func (s *Server) admit() (leave func(), err error) {
	select {
	case s.streams <- struct{}{}:
		return func() { <-s.streams }, nil
	default:
		return nil, refuse(http.StatusServiceUnavailable, "end one of them", "%d streams are open already", MaxStreams)
	}
}

// sse writes server-sent events to a client that is cut off if it takes nothing
// for writeTimeout.
type sse struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func newSSE(w http.ResponseWriter) *sse {
	w.Header().Set("Content-Type", "text/event-stream")
	return &sse{w, http.NewResponseController(w)}
}

// write reports whether the client took it.
func (o *sse) write(text []byte) bool {
	o.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := o.w.Write(text)
	return err == nil && o.rc.Flush() == nil
}

// send writes one event; id "" = it has none.
func (o *sse) send(id, name string, v any) bool {
	text, err := json.Marshal(v) // on one line, as an event's data must be
	if err != nil {
		return false
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return o.write(fmt.Appendf(nil, "%sevent: %s\ndata: %s\n\n", id, name, text))
}

// end leaves time for the proper end of the body.
func (o *sse) end() { o.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// stream writes what comes from c as events called name until c is closed or the
// client goes away.
func stream[T any](w http.ResponseWriter, r *http.Request, name string, c <-chan T, encode func(T) any) {
	out := newSSE(w)
	defer out.end()
	quiet := time.NewTicker(keepAlive)
	defer quiet.Stop()
	ok := out.send("", "open", opened{Version})
	for ok {
		select {
		case v, more := <-c:
			ok = more && out.send("", name, encode(v))
			quiet.Reset(keepAlive)
		case <-quiet.C:
			ok = out.write([]byte(": quiet\n\n"))
		case <-r.Context().Done():
			ok = false
		}
	}
}
