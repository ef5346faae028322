package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
)

// query answers a request that takes no parameters.
func (s *Server) query(w http.ResponseWriter, r *http.Request, v any) error {
	if r.URL.RawQuery != "" {
		return noParameters(r)
	}
	s.answer(w, http.StatusOK, v)
	return nil
}

func noParameters(r *http.Request) *Error {
	return refuse(http.StatusBadRequest, "ask without ?", "%s takes no parameters", r.URL.Path)
}

// readJSON reads one JSON value of known fields and nothing after it. like shows
// whoever sends something else what to send.
func readJSON(w http.ResponseWriter, r *http.Request, v any, like string) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "send Content-Type: application/json", "the body is not declared as JSON")
	}
	body := http.MaxBytesReader(w, r.Body, maxBody)
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows the JSON value")
			if tooBig := new(http.MaxBytesError); errors.As(more, &tooBig) {
				err = more
			}
		}
	}
	if tooBig := new(http.MaxBytesError); errors.As(err, &tooBig) {
		return refuse(http.StatusRequestEntityTooLarge, "split what it carries", "the body is over %d bytes", maxBody)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "send "+like, "the body cannot be read: %v", err)
	}
	// From here on the connection's reads only watch for the client going away.
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	return nil
}

// answer writes v as JSON.
func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil { // none of our types can do that
		s.log.Error("control: answer lost", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(text, '\n')) // a client that went away needs no answer
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, err error) {
	var refused *Error
	if !errors.As(err, &refused) {
		refused = refuse(http.StatusInternalServerError, "look at the node's log", "%v", err)
		if !errors.Is(err, context.Canceled) { // by whoever asked, or the node's end
			s.log.Error("control: a request failed", "error", err)
		}
	}
	s.answer(w, refused.Status, struct {
		Version int `json:"version"`
		*Error
	}{Version, refused})
}
