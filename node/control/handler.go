package control

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hearsay/node"
	"hearsay/node/gossip"
)

// versionHeader is in every answer, so that a client whose control file is
// stale can tell a node from whatever else took over its port.
const versionHeader = "Hearsay-Control"

// handler is the whole API behind its guards.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	route := func(method, path string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				s.fail(w, err)
			}
		})
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", method)
			s.fail(w, refuse(http.StatusMethodNotAllowed, "use "+method, "%s takes no %q", path, r.Method))
		})
	}
	route("GET", "/v1/id", s.getID)
	route("GET", "/v1/status", s.getStatus)
	route("GET", "/v1/peers", s.getPeers)
	route("GET", "/v1/routes", s.getRoutes)
	route("POST", "/v1/announce", s.postAnnounce)
	route("GET", "/v1/listen", s.getListen)
	route("GET", "/v1/events", s.getEvents)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, refuse(http.StatusNotFound, "see the documentation of the control API", "nothing is at %q", r.URL.Path))
	})
	return s.guard(mux)
}

// guard lets through only requests of this server's owner, cheapest check first.
func (s *Server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	want := []byte("Bearer " + s.file.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 { // for whoever reads or discards the body; readJSON lifts it
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		h := w.Header()
		h.Set(versionHeader, strconv.Itoa(Version))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		var refused *Error
		switch {
		case !slices.Contains(s.hosts, strings.ToLower(r.Host)):
			refused = refuse(http.StatusMisdirectedRequest, "use http://"+s.file.Address, "this is not %q", r.Host)
		case origin.Check(r) != nil:
			refused = refuse(http.StatusForbidden, "use the command line or another program of yours", "web pages of other sites may not ask")
		case subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1:
			h.Set("WWW-Authenticate", "Bearer")
			refused = refuse(http.StatusUnauthorized, "send the header Authorization: Bearer with the token of "+FileName+" in the node's state folder", "the token is missing or wrong")
		default:
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Connection", "close") // strangers hold no connections
		s.fail(w, refused)
	})
}

func (s *Server) getID(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, identityOf(s.node.Status(), s.file.PID))
}

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, statusOf(s.node.Status()))
}

func (s *Server) getPeers(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, peersOf(s.node.Peers()))
}

func (s *Server) getRoutes(w http.ResponseWriter, r *http.Request) error {
	return s.query(w, r, routesOf(s.node.Routes()))
}

// query answers a request that takes no parameters.
func (s *Server) query(w http.ResponseWriter, r *http.Request, v any) error {
	if r.URL.RawQuery != "" {
		return refuse(http.StatusBadRequest, "ask without ?", "%s takes no parameters", r.URL.Path)
	}
	s.answer(w, http.StatusOK, v)
	return nil
}

func (s *Server) postAnnounce(w http.ResponseWriter, r *http.Request) error {
	var req AnnounceRequest
	if err := readJSON(w, r, &req); err != nil {
		return err
	}
	if len(req.Data) > gossip.MaxPayload {
		return refuse(http.StatusRequestEntityTooLarge, "split it: one announcement carries at most 65,527 bytes",
			"the data has %d bytes", len(req.Data))
	}
	select {
	case s.announces <- struct{}{}:
		defer func() { <-s.announces }()
	default:
		return refuse(http.StatusServiceUnavailable, "try again when some are done", "%d announcements are being worked on", maxPending)
	}
	ttl := s.ttl
	if req.TTL != nil {
		ttl = *req.TTL
	}
	told, err := s.node.Announce(r.Context(), node.Announcement{DataType: req.Type, TTL: ttl, Data: req.Data})
	if err != nil {
		return err
	}
	s.answer(w, http.StatusOK, announcedOf(told))
	return nil
}

// readJSON reads one JSON value of known fields and nothing after it.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
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
		return refuse(http.StatusRequestEntityTooLarge, "one announcement carries at most 65,527 bytes of data", "the body is over %d bytes", maxBody)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, `send {"type": number, "ttl": number, "data": base64}`, "the body cannot be read: %v", err)
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
	}
	s.answer(w, refused.Status, struct {
		Version int `json:"version"`
		*Error
	}{Version, refused})
}
