package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node"
	"hearsay/node/health"
	"hearsay/node/mail"
)

// late is a node that begins to answer only after a while.
type late struct {
	*fake
	begins chan struct{}
}

func (l late) Status() node.Status {
	<-l.begins
	return l.fake.Status()
}

// still is a node whose loop stands still until it is released, and that says so.
type still struct {
	*fake
	released chan struct{}
}

func (s still) wait() { <-s.released }

func (s still) Status() node.Status  { s.wait(); return s.fake.Status() }
func (s still) Peers() []node.Peer   { s.wait(); return s.fake.Peers() }
func (s still) Routes() []node.Route { s.wait(); return s.fake.Routes() }
func (s still) Observe() Observer    { s.wait(); return s.fake.Observe() }
func (s still) Announce(ctx context.Context, a node.Announcement) (node.Announced, error) {
	s.wait()
	return s.fake.Announce(ctx, a)
}
func (s still) Listen(types []uint16) (Listener, error) { s.wait(); return s.fake.Listen(types) }
func (s still) Send(ctx context.Context, to []peer.ID, data []byte, o mail.Options) (mail.Sent, error) {
	s.wait()
	return s.fake.Send(ctx, to, data, o)
}
func (s still) SetState(ctx context.Context, key string, value []byte) error {
	s.wait()
	return s.fake.SetState(ctx, key, value)
}
func (s still) DeleteState(ctx context.Context, key string) error {
	s.wait()
	return s.fake.DeleteState(ctx, key)
}

// Nobody waits for a node that stands still, and it takes no connection and no stream
// from those who ask for its health; when it goes on so does everybody.
func TestStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := still{&fake{findings: []health.Finding{{Code: health.LoopStuck, Severity: health.Error, Text: "It stands.", Cure: "restart"}}}, make(chan struct{})}
		s, c, _, stop := inMemory(t, n)
		defer stop()
		release := sync.OnceFunc(func() { n.fake.ail(); close(n.released) })
		defer release()
		id := bob.String()
		needs := map[string]string{ // the body or the query, as it must be
			"POST /v1/announce": `{"type":1,"data":""}`, "POST /v1/send": `{"to":["` + id + `"],"data":""}`, "PUT /v1/state": `{"key":"k","value":""}`,
			"DELETE /v1/state": "?key=k", "GET /v1/listen": "?type=1", "GET /v1/events": "?type=1",
		}
		status := func(method, path, more string) int {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			body := ""
			if strings.HasPrefix(more, "?") {
				path += more
			} else {
				body = more
			}
			req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Addr()+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+s.file.Token)
			if body != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			resp, err := c.http.Do(req)
			if err != nil {
				t.Errorf("%s %s is not answered: %v", method, path, err)
				return 0
			}
			resp.Body.Close()
			synctest.Wait() // until a stream has ended
			return resp.StatusCode
		}
		for range 2 * MaxStreams {
			for _, r := range routes {
				what := r.method + " " + r.path
				got := status(r.method, strings.ReplaceAll(r.path, "{key}", strings.Repeat("00", 32)), needs[what])
				if _, waits := needs[what]; waits && got != 503 {
					t.Errorf("%s: %d", what, got)
				}
			}
		}
		if len(s.streams) != 0 || len(s.announces) != 0 {
			t.Errorf("%d streams and %d announcements are held", len(s.streams), len(s.announces))
		}
		for path, want := range map[string]int{"/healthz": 503, "/readyz": 503, "/v1/health": 200, "/v1/id": 200, "/v1/peers": 503, "/v1/status": 503, "/v1/routes": 503} {
			if got := status("GET", path, ""); got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
		}
		release()
		time.Sleep(figurePause)
		synctest.Wait()
		for what, more := range needs {
			method, path, _ := strings.Cut(what, " ")
			if got := status(method, path, more); got == 0 || got == 503 {
				t.Errorf("it goes on, and of %s comes %d", what, got)
			}
		}
	})
}

// The first answer of the probes tells how the node is, which they wait for, but not
// for longer than for other figures.
func TestFirstProbe(t *testing.T) {
	blocked := health.Finding{Code: health.EpochBlocked, Severity: health.Error, Text: "No.", Cure: "make room"}
	for _, row := range []struct {
		what             string
		begins, answered time.Duration
		findings         []health.Finding
		healthz, readyz  int
	}{
		{"all is well", time.Second, time.Second, nil, 200, 200},
		{"something is amiss", time.Second, time.Second, []health.Finding{blocked}, 200, 503},
		{"it hangs", time.Hour, figurePause, nil, 503, 503},
	} {
		for path, want := range map[string]int{"/healthz": row.healthz, "/readyz": row.readyz} {
			t.Run(row.what+path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := late{&fake{findings: row.findings}, make(chan struct{})}
					began := time.Now()
					time.AfterFunc(row.begins, func() { close(n.begins) })
					s, c, _, stop := inMemory(t, n)
					resp, err := c.http.Get(fmt.Sprint("http://", s.Addr(), path))
					if err != nil {
						t.Fatal(err)
					}
					text, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if took := time.Since(began); took != row.answered || resp.StatusCode != want || err != nil {
						t.Errorf("%d after %v, want %d after %v: %s (%v)", resp.StatusCode, took, want, row.answered, text, err)
					}
					if since := strings.Contains(string(text), "since its start"); since != (row.begins == time.Hour) {
						t.Errorf("of a node that begins after %v it says %s", row.begins, text)
					}
					if blocks := row.findings != nil && path == "/readyz"; strings.Contains(string(text), string(blocked.Code)) != blocks {
						t.Errorf("it says %s", text)
					}
					<-n.begins
					stop()
				})
			})
		}
	}
}
