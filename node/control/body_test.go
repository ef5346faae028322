package control

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hearsay/node"
	"hearsay/node/gossip"
)

// The JSON is an interface: these goldens change only together with Version,
// unless a field is added.
func TestAnswers(t *testing.T) {
	s := testServer(t, &fake{started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	s.file.PID = 42
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/v1/id", "", `{"version":1,"id":"13gQNg33a","addrs":["/ip4/127.0.0.1/tcp/6001/p2p/13gQNg33a"],"network":"test","agent":"hearsay/1","pid":42}`},
		{"GET", "/v1/status", "", `{"version":1,"id":"13gQNg33a","network":"test","agent":"hearsay/1","started":"2026-01-02T03:04:05Z",` +
			`"addrs":["/ip4/127.0.0.1/tcp/6001/p2p/13gQNg33a"],"difficulty_bits":16,"degree":8,"neighbours":1,"members":0,"size":0,"size_deviation":0,"rumors":0,"cache_size":0,` +
			`"held":0,"interests":[],"modules":0,"warnings":[],"counters":{"received":7}}`},
		{"GET", "/v1/peers", "", `{"version":1,"peers":[{"id":"1622Wu","state":"neighbour","since":"2026-01-02T03:04:05Z","addrs":["/ip4/127.0.0.1/tcp/6002"],` +
			`"direction":"out","transport":"tcp","rtt_ms":1.5,"source":"lan","interests":[1]}]}`},
		{"GET", "/v1/routes", "", `{"version":1,"routes":[{"origin":"13gQNg33a","via":"1622Wu","since":"2026-01-02T03:04:05Z"}]}`},
		{"POST", "/v1/announce", `{"type":1000,"ttl":3,"data":"aGVsbG8="}`, `{"version":1,` +
			`"id":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","neighbours":3,"work_ms":2.5}`},
	} {
		w := reply(t, s, request(s, c.method, c.path, c.body))
		if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != c.want {
			t.Errorf("%s %s: %d\n got %s\nwant %s", c.method, c.path, w.Code, got, c.want)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s is %s", c.path, got)
		}
	}
}

func TestAnnounceBody(t *testing.T) {
	data := func(n int) string {
		return fmt.Sprintf(`{"type":1,"data":%q}`, base64.StdEncoding.EncodeToString(make([]byte, n)))
	}
	for _, c := range []struct {
		name, body, content string
		want                int
	}{
		{"no data", `{"type":1}`, "", 200},
		{"largest type and TTL", `{"type":65535,"ttl":255,"data":"AA=="}`, "", 200},
		{"charset", `{"type":1}`, "application/json; charset=utf-8", 200},
		{"most data", data(gossip.MaxPayload), "", 200},
		{"one byte more", data(gossip.MaxPayload + 1), "", 413},
		{"over the body's cap", data(100_000), "", 413},
		{"blanks over the cap", `{"type":1}` + strings.Repeat(" ", maxBody), "", 413},
		{"form", `{"type":1}`, "application/x-www-form-urlencoded", 415},
		{"text", `{"type":1}`, "text/plain", 415},
		{"no content type", `{"type":1}`, "none", 415},
		{"type too large", `{"type":65536}`, "", 400},
		{"type negative", `{"type":-1}`, "", 400},
		{"type not whole", `{"type":1.5}`, "", 400},
		{"type quoted", `{"type":"1"}`, "", 400},
		{"TTL too large", `{"type":1,"ttl":256}`, "", 400},
		{"not base64", `{"type":1,"data":"*"}`, "", 400},
		{"unknown field", `{"type":1,"tll":1}`, "", 400},
		{"two values", `{"type":1}{"type":2}`, "", 400},
		{"junk after", `{"type":1}]`, "", 400},
		{"cut off", `{"type":1`, "", 400},
		{"a list", `[1]`, "", 400},
		{"not JSON", `type=1`, "", 400},
		{"blank", ` `, "", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{}
			s := testServer(t, f)
			r := request(s, "POST", "/v1/announce", c.body)
			switch c.content {
			case "":
			case "none":
				r.Header.Del("Content-Type")
			default:
				r.Header.Set("Content-Type", c.content)
			}
			w := reply(t, s, r)
			if w.Code != c.want {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.want)
			}
			if done := len(f.announced) == 1; done != (c.want == 200) {
				t.Errorf("announced: %v", done)
			}
		})
	}
}

func TestAnnounceArrives(t *testing.T) {
	f := &fake{}
	s := testServer(t, f)
	s.ttl = 5
	for _, c := range []struct {
		ttl  string
		want uint8
	}{{`"ttl":200,`, 200}, {`"ttl":0,`, 0}, {"", 5}, {`"ttl":null,`, 5}} {
		f.announced = nil
		reply(t, s, request(s, "POST", "/v1/announce", `{"type":40000,`+c.ttl+`"data":"AP8="}`))
		if len(f.announced) != 1 {
			t.Fatal("nothing announced")
		}
		if a := f.announced[0]; a.DataType != 40000 || a.TTL != c.want || string(a.Data) != "\x00\xff" {
			t.Errorf("%s announced %+v", c.ttl, a)
		}
	}
}

func TestAnnounceFails(t *testing.T) {
	for err, want := range map[error]int{
		errors.New("disk full"):                                                     500,
		refuse(429, "wait a second", "too fast"):                                    429,
		fmt.Errorf("announce: %w", refuse(503, "start it again", "the node stops")): 503,
	} {
		s := testServer(t, &fake{announce: func(context.Context, node.Announcement) (node.Announced, error) {
			return node.Announced{}, err
		}})
		w := reply(t, s, request(s, "POST", "/v1/announce", `{"type":1}`))
		if w.Code != want {
			t.Errorf("%v: %d %s, want %d", err, w.Code, w.Body, want)
		}
	}
}

func TestQueriesRefused(t *testing.T) {
	f := &fake{}
	s := testServer(t, f)
	many := "/v1/listen?type=0"
	for i := range MaxTypes {
		many += fmt.Sprintf("&type=%d", i+1)
	}
	for _, target := range []string{
		"/v1/id?x", "/v1/status?verbose=1", "/v1/peers?id=1", "/v1/events?types=1",
		"/v1/listen", "/v1/listen?", "/v1/listen?type=", "/v1/listen?type=-1", "/v1/listen?type=65536", "/v1/listen?type=1,2",
		"/v1/listen?type=0x10", "/v1/listen?type=+1", "/v1/listen?types=1", "/v1/listen?type=1&x=2", "/v1/listen?type=%zz", "/v1/listen?type=1;type=2",
		many,
	} {
		if w := reply(t, s, request(s, "GET", target, "")); w.Code != 400 {
			t.Errorf("GET %.60s: %d", target, w.Code)
		}
	}
	f.listenErr = refuse(503, "close one", "too many modules")
	if w := reply(t, s, request(s, "GET", "/v1/listen?type=1", "")); w.Code != 503 {
		t.Errorf("refused by the node: %d", w.Code)
	}
	if len(s.streams) != 0 || f.open() != 0 {
		t.Error("refused streams hold a place")
	}
}
