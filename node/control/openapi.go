package control

import (
	_ "embed"
	"net/http"
	"time"
)

// openapi is the API's description, OpenAPI 3.1 in JSON. It is made from the
// routes, the types of their messages and the comments on both, by this
// package's test with -rewrite; without, the test fails when it is out of date.
//
//go:embed openapi.json
var openapi []byte

var openapiRoutes = []route{
	{method: "GET", path: "/v1/openapi.json", summary: "This description.", content: "application/json", open: true, handle: (*Server).getOpenAPI},
}

func (s *Server) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return noParameters(r)
	}
	s.write(w, "application/json", openapi)
	return nil
}

// write answers with a body that is no message of ours.
func (s *Server) write(w http.ResponseWriter, content string, body []byte) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", content)
	w.Write(body) // a client that went away needs no answer
}
