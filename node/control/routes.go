package control

import (
	"net/http"
	"slices"
	"strings"
)

// routes is the whole API. A topic is a file: its messages, its routes, what
// they do, and the client's methods.
var routes = slices.Concat(
	nodeRoutes,
	healthRoutes,
	peerRoutes,
	rumorRoutes,
	dhtRoutes,
	mailRoutes,
	stateRoutes,
	eventRoutes,
	figureRoutes,
	sessionRoutes,
	probeRoutes,
	labRoutes,
	openapiRoutes,
)

// route is one method of one path. What it says of itself is what the API's
// description is made of; a test holds it against the handler.
type route struct {
	method, path string // a pattern of [http.ServeMux]
	summary      string // one sentence
	query        []param
	headers      []param // that mean something to it alone
	in           any     // zero value of the request's JSON body, nil = none
	out          any     // zero value of the answer's JSON body, nil = none or a stream
	events       []event // of a stream of server-sent events
	content      string  // media type of an answer that is none of the above
	open         bool    // needs no token
	loop         bool    // waits for the node's loop, without end while that stands still
	handle       func(*Server, http.ResponseWriter, *http.Request) error
}

// param is a parameter of a query, or a header.
type param struct {
	name, about string
	zero        any // zero value of its type: an integer, a string, or a slice of one for what may be repeated
	required    bool
}

// event is a kind of server-sent event.
type event struct {
	name  string
	about string // one sentence
	data  any    // zero value of its JSON data
}

// opening is the first event of each stream.
var opening = event{"open", "Nothing that happens from now on is missed.", opened{}}

// handler is the whole API behind its guards.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	open := map[string]bool{}
	for _, r := range routes {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
			var err error
			if r.loop {
				err = s.turns()
			}
			if err == nil {
				err = r.handle(s, w, req)
			}
			if err != nil {
				s.fail(w, err)
			}
		})
		open[r.method+" "+r.path] = r.open
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			allow := strings.Join(allowed, ", ")
			w.Header().Set("Allow", allow)
			s.fail(w, refuse(http.StatusMethodNotAllowed, "use "+allow, "%s takes no %q", path, r.Method))
		})
	}
	if s.dashboard != nil { // anybody may have it: it is the same in every copy of the program
		for _, pattern := range []string{"GET /{$}", "GET /dashboard/"} {
			mux.Handle(pattern, s.dashboard)
			open[pattern] = true
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, refuse(http.StatusNotFound, "see the documentation of the control API", "nothing is at %q", r.URL.Path))
	})
	return s.guard(mux, open)
}
