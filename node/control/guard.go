package control

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// versionHeader is in every answer, so that a client whose control file is
// stale can tell a node from whatever else took over its port.
const versionHeader = "Hearsay-Control"

// guard lets through only requests of this server's owner, cheapest check first,
// and of anybody on this machine those for the patterns in open.
func (s *Server) guard(next *http.ServeMux, open map[string]bool) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 { // for whoever reads or discards the body; readJSON lifts it
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		h := w.Header()
		h.Set(versionHeader, strconv.Itoa(Version))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		// What is no page must not become one; the dashboard sets its own.
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		var refused *Error
		switch {
		case !slices.Contains(s.hosts, strings.ToLower(r.Host)):
			refused = refuse(http.StatusMisdirectedRequest, "use http://"+s.file.Address, "this is not %q", r.Host)
		case origin.Check(r) != nil:
			refused = refuse(http.StatusForbidden, "use the command line or another program of yours", "web pages of other sites may not ask")
		case !s.isOwner(r) && !isOpen(next, open, r):
			h.Set("WWW-Authenticate", "Bearer")
			refused = refuse(http.StatusUnauthorized, "send the header Authorization: Bearer with the token of "+FileName+" in the node's state folder; "+
				"a browser gets in by the link of: hearsay dashboard", "the token is missing or wrong")
		default:
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Connection", "close") // strangers hold no connections
		s.fail(w, refused)
	})
}

// isOwner reports whether a request has the token, or that of a session.
func (s *Server) isOwner(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && (subtle.ConstantTimeCompare([]byte(token), []byte(s.file.Token)) == 1 || s.sessions.good(token))
}

// isOpen reports whether a request goes to a pattern that needs no token.
func isOpen(mux *http.ServeMux, open map[string]bool, r *http.Request) bool {
	_, pattern := mux.Handler(r)
	return open[pattern]
}
