package control

import (
	"context"
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

// streamNext writes what next gives as events until next fails or the client goes
// away. event is an event's ID, "" = none, its name and its data.
func streamNext[T any](w http.ResponseWriter, r *http.Request, next func(context.Context) (T, error), event func(T) (string, string, any)) {
	c := make(chan T)
	done := make(chan struct{})
	defer pull(next, func(v T) {
		select {
		case c <- v:
		case <-done:
		}
	})()
	defer close(done)
	out := newSSE(w)
	defer out.end()
	quiet := time.NewTicker(keepAlive)
	defer quiet.Stop()
	ok := out.send("", "open", opened{Version})
	for ok {
		select {
		case v := <-c:
			ok = out.send(event(v))
			quiet.Reset(keepAlive)
		case <-quiet.C:
			ok = out.write([]byte(": quiet\n\n"))
		case <-r.Context().Done():
			ok = false
		}
	}
}

// pull gives what next gives to take, until stop, which returns when it does no more.
func pull[T any](next func(context.Context) (T, error), take func(T)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			v, err := next(ctx)
			if err != nil {
				return
			}
			take(v)
		}
	}()
	return func() { cancel(); <-ended }
}
