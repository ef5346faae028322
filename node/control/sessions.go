package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// A browser is let in by a link that works once: whoever has the token asks for
// one and opens it, and the page changes its code for a session, which is a token
// that only this run of the node knows. The code stands in the link's fragment,
// which no browser sends anywhere; the page keeps the session in sessionStorage
// and sends it as all others do, in the header Authorization.
//
// Not in a cookie: cookies do not know ports, so every other server on this
// machine that the browser visits would be sent it.
const (
	codeTime    = 2 * time.Minute // from asking for the link to opening it
	maxCodes    = 16              // links that are not opened yet; the oldest go
	sessionIdle = 12 * time.Hour  // after the last request
	maxSessions = 64              // open pages and their forgotten ones; the idlest go
)

var sessionRoutes = []route{
	{method: "POST", path: "/v1/logins", summary: "Makes a link that opens the dashboard, once, within two minutes.", out: Login{}, handle: (*Server).postLogin},
	{method: "POST", path: "/v1/sessions", summary: "Changes the code of such a link for a token.",
		in: SessionRequest{}, out: Session{}, open: true, handle: (*Server).postSession},
}

// Login answers POST /v1/logins.
type Login struct {
	Version int       `json:"version"`
	URL     string    `json:"url"` // with the code in its fragment
	Expires time.Time `json:"expires"`
}

// SessionRequest is the body of POST /v1/sessions.
type SessionRequest struct {
	Code string `json:"code"` // of a link
}

// Session answers POST /v1/sessions.
type Session struct {
	Version int    `json:"version"`
	Token   string `json:"token"` // good until the node ends or it is not used for 12 hours
}

// sessions are the codes and tokens that are good now. They are looked up by
// their hash, so that how long it takes says nothing about them.
type sessions struct {
	mu     sync.Mutex
	codes  map[[32]byte]time.Time // until when
	tokens map[[32]byte]time.Time // when last used
}

func newSessions() *sessions {
	return &sessions{codes: map[[32]byte]time.Time{}, tokens: map[[32]byte]time.Time{}}
}

// code makes a code.
func (s *sessions) code() (code string, until time.Time) {
	code, until = rand.Text(), time.Now().Add(codeTime)
	s.mu.Lock()
	defer s.mu.Unlock()
	put(s.codes, code, until, maxCodes)
	return code, until
}

// open changes a code for a token. A code is good once.
func (s *sessions) open(code string) (token string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sha256.Sum256([]byte(code))
	until := s.codes[k]
	delete(s.codes, k)
	if !until.After(time.Now()) {
		return "", false
	}
	token = rand.Text()
	put(s.tokens, token, time.Now(), maxSessions)
	return token, true
}

// good reports whether a token is one, and notes that it is used.
func (s *sessions) good(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sha256.Sum256([]byte(token))
	used, ok := s.tokens[k]
	if !ok {
		return false
	}
	if time.Since(used) > sessionIdle {
		delete(s.tokens, k)
		return false
	}
	s.tokens[k] = time.Now()
	return true
}

// put adds a secret; if there are too many then, the one with the earliest time
// goes.
func put(into map[[32]byte]time.Time, secret string, at time.Time, most int) {
	into[sha256.Sum256([]byte(secret))] = at
	if len(into) <= most {
		return
	}
	var first [32]byte
	var when time.Time
	for k, t := range into {
		if when.IsZero() || t.Before(when) {
			first, when = k, t
		}
	}
	delete(into, first)
}

func (s *Server) postLogin(w http.ResponseWriter, r *http.Request) error {
	code, until := s.sessions.code()
	return s.query(w, r, Login{Version, "http://" + s.file.Address + "/#" + code, until})
}

func (s *Server) postSession(w http.ResponseWriter, r *http.Request) error {
	var req SessionRequest
	if err := readJSON(w, r, &req, `{"code": text}`); err != nil {
		return err
	}
	token, ok := s.sessions.open(req.Code)
	if !ok {
		return refuse(http.StatusForbidden, "ask for another one: hearsay dashboard", "the link is used up or too old")
	}
	s.answer(w, http.StatusOK, Session{Version, token})
	return nil
}

// Login asks for a link that opens the dashboard.
func (c *Client) Login(ctx context.Context) (Login, error) {
	return ask[Login](ctx, c, http.MethodPost, "/v1/logins", []byte{})
}
