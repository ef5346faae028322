package control

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/node"
	"hearsay/node/health"
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
