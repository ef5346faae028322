package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/node/health"
)

// enter changes a code for a token, as a page does.
func enter(t *testing.T, s *Server, code string) (token string, status int) {
	t.Helper()
	r := request(s, "POST", "/v1/sessions", fmt.Sprintf(`{"code":%q}`, code))
	r.Header.Del("Authorization")
	r.Header.Set("Origin", "http://"+s.file.Address)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := reply(t, s, r)
	var got Session
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return got.Token, w.Code
}

// link asks for a link and returns its code.
func link(t *testing.T, s *Server) string {
	t.Helper()
	w := reply(t, s, request(s, "POST", "/v1/logins", ""))
	var got Login
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	code, ok := strings.CutPrefix(got.URL, "http://127.0.0.1:7/#")
	if !ok || len(code) != 26 || got.Expires.Sub(time.Now().Add(codeTime)).Abs() > time.Second {
		t.Fatalf("link %+v", got)
	}
	return code
}

func ask1(t *testing.T, s *Server, token string) int {
	t.Helper()
	r := request(s, "GET", "/v1/id", "")
	r.Header.Set("Authorization", "Bearer "+token)
	return reply(t, s, r).Code
}

func TestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, &fake{})
		code := link(t, s)
		token, status := enter(t, s, code)
		if status != 200 || ask1(t, s, token) != 200 {
			t.Fatalf("%d, token %q", status, token)
		}
		if token == s.file.Token || token == code {
			t.Error("a session is known by another secret")
		}
		for _, wrong := range []string{code, "", "x", s.file.Token, token, strings.Repeat("A", 26)} {
			if got, status := enter(t, s, wrong); status != http.StatusForbidden || got != "" {
				t.Errorf("code %q: %d", wrong, status)
			}
		}
		time.Sleep(sessionIdle)
		if ask1(t, s, token) != 200 {
			t.Error("a session ended before its time")
		}
		time.Sleep(sessionIdle)
		if ask1(t, s, token) != 200 {
			t.Error("a session that is used ended")
		}
		time.Sleep(sessionIdle + time.Second)
		if ask1(t, s, token) != 401 || len(s.sessions.tokens) != 0 {
			t.Error("a session that nobody used goes on")
		}
		late := link(t, s)
		time.Sleep(codeTime)
		if _, status := enter(t, s, late); status != http.StatusForbidden {
			t.Errorf("a link that is too old: %d", status)
		}
	})
}

// Links and sessions are bounded: the oldest go, and the newest work.
func TestSessionsAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, &fake{})
		var codes []string
		for range maxCodes + 1 {
			codes = append(codes, link(t, s))
			time.Sleep(time.Second)
		}
		if _, status := enter(t, s, codes[0]); status != http.StatusForbidden {
			t.Error("the oldest link still works")
		}
		if _, status := enter(t, s, codes[1]); status != 200 {
			t.Error("a link was lost")
		}
		first, _ := enter(t, s, codes[maxCodes])
		for range maxSessions {
			time.Sleep(time.Second)
			enter(t, s, link(t, s))
		}
		if len(s.sessions.codes) > maxCodes || len(s.sessions.tokens) > maxSessions {
			t.Errorf("%d codes, %d sessions", len(s.sessions.codes), len(s.sessions.tokens))
		}
		if ask1(t, s, first) != 401 {
			t.Error("the idlest session is still there")
		}
	})
}

// Without a token there is nothing but what is open, and that changes nothing.
func TestOpenRoutes(t *testing.T) {
	f := &fake{}
	s := testServer(t, f)
	s.metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hearsay_up 1\n")) })
	for _, r := range routes {
		req := request(s, r.method, strings.ReplaceAll(r.path, "{", "x{"), "")
		req.Header.Del("Authorization")
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, req)
		if got := w.Code != 401; got != r.open {
			t.Errorf("%s %s without a token: %d", r.method, r.path, w.Code)
		}
		if r.open && r.method != "GET" && r.path != "/v1/sessions" && r.path != "/gossip/" {
			t.Errorf("%s %s is open and changes something", r.method, r.path)
		}
	}
	if len(f.announced) != 0 {
		t.Error("something was announced")
	}
}

// A node that hangs says so, and a server whose node answers is well.
func TestHealthz(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, &fake{})
		get := func(path string) int {
			r := request(s, "GET", path, "")
			r.Header.Del("Authorization")
			w := httptest.NewRecorder()
			s.handler().ServeHTTP(w, r)
			return w.Code
		}
		if got := get("/healthz"); got != 503 {
			t.Errorf("before the first figures: %d", got)
		}
		s.figures.add(figuresOf(s.node.Status(), time.Now()), nil)
		time.Sleep(hung)
		if a, b := get("/healthz"), get("/readyz"); a != 200 || b != 200 {
			t.Errorf("healthz %d, readyz %d", a, b)
		}
		time.Sleep(time.Second)
		if a, b := get("/healthz"), get("/readyz"); a != 503 || b != 503 {
			t.Errorf("of a node that hangs: healthz %d, readyz %d", a, b)
		}
		for severity, want := range map[health.Severity]int{health.Info: 200, health.Warning: 200, health.Error: 503} {
			s.figures.add(figuresOf(s.node.Status(), time.Now()), []health.Finding{{Code: health.EpochBlocked, Severity: severity, Text: "No.", Cure: "make room"}})
			if a, b := get("/healthz"), get("/readyz"); a != 200 || b != want {
				t.Errorf("with a finding that is %s: healthz %d, readyz %d", severity, a, b)
			}
		}
	})
}
