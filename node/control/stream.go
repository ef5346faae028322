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
