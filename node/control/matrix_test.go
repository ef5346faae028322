package control

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// changing are proper requests for all that changes something; a test below
// fails if one is missing.
var changing = map[string]struct{ target, body string }{
	"POST /v1/announce": {"/v1/announce", `{"type":1,"data":"aGk="}`},
	"POST /v1/send":     {"/v1/send", `{"to":["` + carol.String() + `"],"data":"aGk="}`},
	"PUT /v1/state":     {"/v1/state", `{"key":"k","value":"dg=="}`},
	"DELETE /v1/state":  {"/v1/state?key=k", ""},
	"PUT /v1/dht/{key}": {"/v1/dht/" + strings.Repeat("0a", 32), `{"value":"dg=="}`},
	"POST /v1/logins":   {"/v1/logins", ""},
	"POST /v1/sessions": {"/v1/sessions", `{"code":"%s"}`},
	"POST /gossip/":     {"/gossip/", `{"uuid":"u","port":7001,"version":1,"ttl":3,"payload":"p"}`},
}

// fingerprint is all that a request could have changed.
func fingerprint(s *Server, f *fake) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	return fmt.Sprint(len(f.announced), len(f.values), len(f.fakeMail.sent), f.fakeMail.State(alice, ""), len(s.sessions.codes), len(s.sessions.tokens), len(s.lab.seen))
}

// TestNothingChanges sends all that changes something as a stranger would: with a
// foreign Host, from a foreign page, as a form, without a token or with a wrong
// one. Nothing is done, and each is refused.
func TestNothingChanges(t *testing.T) {
	spoil := map[string]func(r *http.Request){
		"host evil.example":             func(r *http.Request) { r.Host = "evil.example" },
		"host evil.example:7":           func(r *http.Request) { r.Host = "evil.example:7" },
		"host 127.0.0.1 without a port": func(r *http.Request) { r.Host = "127.0.0.1" },
		"host localhost:8":              func(r *http.Request) { r.Host = "localhost:8" },
		"host 127.0.0.1.nip.io:7":       func(r *http.Request) { r.Host = "127.0.0.1.nip.io:7" },
		"no host":                       func(r *http.Request) { r.Host = "" },
		"origin of another site":        func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"origin of another port":        func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:8") },
		"origin null":                   func(r *http.Request) { r.Header.Set("Origin", "null") },
		"origin https":                  func(r *http.Request) { r.Header.Set("Origin", "https://127.0.0.1.evil.example:7") },
		"fetched cross-site":            func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"fetched same-site":             func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"all of them": func(r *http.Request) {
			r.Host = "evil.example"
			r.Header.Set("Origin", "http://evil.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Del("Authorization")
		},
	}
	tokens := map[string]func(r *http.Request){
		"no token":      func(r *http.Request) { r.Header.Del("Authorization") },
		"a wrong token": func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("A", 26)) },
		"half a token":  func(r *http.Request) { r.Header.Set("Authorization", r.Header.Get("Authorization")[:20]) },
		"token as Basic": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Bearer", "Basic", 1))
		},
		"token in a cookie": func(r *http.Request) {
			r.Header.Set("Cookie", "hearsay-session="+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			r.Header.Del("Authorization")
		},
		"token in the query": func(r *http.Request) {
			r.URL.RawQuery = "token=" + strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			r.Header.Del("Authorization")
		},
	}
	forms := map[string]func(r *http.Request){
		"as a form": func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
		"as text":   func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
	}
	cases := 0
	for _, route := range routes {
		if route.method == "GET" {
			continue
		}
		name := route.method + " " + route.path
		c, ok := changing[name]
		if !ok {
			t.Errorf("%s is not in the matrix", name)
			continue
		}
		try := func(how string, spoil func(*http.Request), allowed bool) {
			t.Helper()
			f := &fake{}
			s := testServer(t, f)
			s.lab = newLab(s, 0)
			if err := f.fakeMail.SetState(t.Context(), "k", []byte("old")); err != nil {
				t.Fatal(err)
			}
			code, _ := s.sessions.code()
			body := c.body
			if strings.Contains(body, "%s") {
				body = fmt.Sprintf(body, code)
			}
			r := request(s, route.method, c.target, body)
			if spoil != nil {
				spoil(r)
			}
			before := fingerprint(s, f)
			w := reply(t, s, r)
			if done := fingerprint(s, f) != before; done != allowed || (w.Code == 200) != allowed {
				t.Errorf("%s, %s: %d, changed something: %v", name, how, w.Code, done)
			}
			cases++
		}
		try("as it should be", nil, true)
		for how, spoil := range spoil {
			try(how, spoil, false)
		}
		for how, spoil := range tokens {
			if !route.open {
				try(how, spoil, false)
			}
		}
		for how, spoil := range forms {
			if route.in != nil {
				try(how, spoil, false)
			}
		}
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} { // which browsers send to anybody without asking
			if method != "OPTIONS" && (route.path == "/v1/state" || strings.HasPrefix(route.path, "/v1/dht")) {
				continue // that reads
			}
			try("by "+method, func(r *http.Request) { r.Method = method; r.Body = http.NoBody; r.ContentLength = 0 }, false)
		}
	}
	t.Logf("%d cases", cases)
	if cases < 30 {
		t.Errorf("only %d cases", cases)
	}
}
