package control

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// request is a proper one of the owner, to be spoilt by a test.
func request(s *Server, method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = s.file.Address
	r.Header.Set("Authorization", "Bearer "+s.file.Token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// reply has the server answer r, and checks what every answer must have.
func reply(t *testing.T, s *Server, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	h := w.Result().Header
	if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get(versionHeader) != "1" {
		t.Errorf("headers %v", h)
	}
	if w.Code >= 300 && w.Code < 400 { // a cleaned path
		return w
	}
	conforms(t, r, w)
	if r.URL.Path == "/v1/openapi.json" && w.Code == 200 {
		return w
	}
	var common struct {
		Version     int
		Error, Hint string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &common); err != nil || common.Version != 1 {
		t.Errorf("%d %q: not versioned JSON: %v", w.Code, w.Body, err)
	}
	if w.Code >= 400 && (common.Error == "" || common.Hint == "") {
		t.Errorf("%d %s: says not what is wrong and what to do", w.Code, w.Body)
	}
	if bytes.Contains(w.Body.Bytes(), []byte(s.file.Token)) {
		t.Errorf("%s: tells the token", w.Body)
	}
	return w
}

func testServer(t *testing.T, n Node) *Server {
	return newServer(Config{StateDir: t.TempDir()}, n, newPipes())
}

func TestToken(t *testing.T) {
	s := testServer(t, &fake{})
	for header, want := range map[string]int{
		"Bearer " + s.file.Token:              200,
		"":                                    401,
		s.file.Token:                          401,
		"Bearer":                              401,
		"Bearer ":                             401,
		"bearer " + s.file.Token:              401,
		"Bearer " + s.file.Token + "x":        401,
		"Bearer " + s.file.Token[1:]:          401,
		"Basic " + s.file.Token:               401,
		"Bearer " + strings.Repeat("A", 26):   401,
		"Bearer " + s.file.Token + "\x00":     401,
		" Bearer " + s.file.Token:             401,
		"Bearer " + s.file.Token + ", Bearer": 401,
	} {
		r := request(s, "GET", "/v1/id", "")
		r.Header.Set("Authorization", header)
		w := reply(t, s, r)
		if w.Code != want {
			t.Errorf("Authorization %q: %d, want %d", header, w.Code, want)
		}
		if w.Code != 200 && w.Header().Get("Connection") != "close" {
			t.Errorf("Authorization %q: a stranger's connection stays open", header)
		}
	}
	if other := testServer(t, &fake{}); other.file.Token == s.file.Token {
		t.Error("two servers have the same token")
	}
}

func TestHost(t *testing.T) {
	s := testServer(t, &fake{}) // on port 7
	hosts := map[string]int{
		"127.0.0.1:7": 200, "[::1]:7": 200, "localhost:7": 200, "LOCALHOST:7": 200,
	}
	for _, h := range []string{
		"", "127.0.0.1", "localhost", "[::1]", "::1", "127.0.0.1:", "localhost:", "127.0.0.1:8", "localhost:80", "[::1]:70",
		"evil.example", "evil.example:7", "localhost.evil.example:7", "evil.example:7@localhost:7", "localhost:7.evil.example",
		"127.0.0.1.nip.io:7", "127.0.0.2:7", "127.1:7", "0.0.0.0:7", "0:7", "[::]:7", "[::ffff:127.0.0.1]:7", "2130706433:7",
		"0x7f.1:7", "localhost.:7", "localhost:07", " localhost:7", "localhost:7 ", "localhost:7,evil.example", "ｌocalhost:7",
	} {
		hosts[h] = 421
	}
	if len(hosts) < 30 {
		t.Fatalf("only %d hosts", len(hosts))
	}
	for host, want := range hosts {
		r := request(s, "GET", "/v1/id", "")
		r.Host = host
		if w := reply(t, s, r); w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}

// A page of another site can do nothing even if it knew the token; the owner's
// programs, which send neither header, can.
func TestCrossOrigin(t *testing.T) {
	for _, c := range []struct {
		method, site, origin string
		want                 int
	}{
		{"POST", "", "", 200},
		{"POST", "same-origin", "", 200},
		{"POST", "none", "", 200},
		{"POST", "", "http://127.0.0.1:7", 200},
		{"POST", "cross-site", "", 403},
		{"POST", "same-site", "", 403},
		{"POST", "", "http://evil.example", 403},
		{"POST", "", "http://127.0.0.1:8", 403},
		{"POST", "", "null", 403},
		{"POST", "cross-site", "http://127.0.0.1:7", 403},
		{"GET", "cross-site", "http://evil.example", 405},
		{"OPTIONS", "cross-site", "http://evil.example", 405},
		{"PUT", "cross-site", "", 403},
		{"DELETE", "", "http://evil.example", 403},
	} {
		f := &fake{}
		s := testServer(t, f)
		r := request(s, c.method, "/v1/announce", `{"type":1,"data":""}`)
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := reply(t, s, r)
		if w.Code != c.want {
			t.Errorf("%s site %q origin %q: %d, want %d", c.method, c.site, c.origin, w.Code, c.want)
		}
		if done := len(f.announced) == 1; done != (c.want == 200) {
			t.Errorf("%s site %q origin %q: announced %v", c.method, c.site, c.origin, done)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s invites %q", c.method, got)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	f := &fake{}
	s := testServer(t, f)
	own := map[string][]string{}
	for _, r := range routes {
		own[r.path] = append(own[r.path], r.method)
	}
	for path, own := range own {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"} {
			if slices.Contains(own, method) {
				continue
			}
			w := reply(t, s, request(s, method, path, ""))
			if w.Code != 405 || w.Header().Get("Allow") != strings.Join(own, ", ") {
				t.Errorf("%s %s: %d, Allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
	for _, path := range []string{"/", "/v1", "/v1/", "/v2/id", "/v1/id/", "/v1/ID", "/debug/pprof/", "/control.json", "/v1/%69d%00"} {
		if w := reply(t, s, request(s, "GET", path, "")); w.Code != 404 {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
	if len(f.announced) != 0 {
		t.Error("something was announced")
	}
}
