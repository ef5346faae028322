package main

import (
	"encoding/binary"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"hearsay/node"
	"hearsay/node/health"
	"hearsay/node/metrics"
)

// Rumors whose verdict never comes do not keep others from being timed.
func TestUndecided(t *testing.T) {
	u := newUndecided()
	begin := time.Unix(1000, 0)
	id := func(i int) (id node.RumorID) {
		binary.BigEndian.PutUint32(id[:], uint32(i))
		return id
	}
	for i := range 2 * maxUndecided {
		u.Add(id(i), begin.Add(time.Duration(i)))
	}
	last := id(2*maxUndecided - 1)
	if at, ok := u.Peek(last); !ok || !at.(time.Time).Equal(begin.Add(2*maxUndecided-1)) {
		t.Errorf("the last is from %v, known %v", at, ok)
	}
	if u.Len() != maxUndecided || u.Contains(id(maxUndecided-1)) {
		t.Errorf("%d are remembered, want the last %d", u.Len(), maxUndecided)
	}
}

// stuck is a node that stands still: whoever asks it for more than this waits for ever.
type stuck struct{ t *testing.T }

func (stuck) Self() node.Status {
	return node.Status{Agent: "hearsay/1", Network: "test", Started: time.Unix(1000, 0)}
}

func (stuck) Findings() []health.Finding {
	return []health.Finding{health.FindingOf(health.Condition{Code: health.LoopStuck}, time.Unix(2000, 0))}
}

func (s stuck) Status() node.Status { s.t.Error("Status is asked for"); return node.Status{} }
func (s stuck) Peers() []node.Peer  { s.t.Error("Peers are asked for"); return nil }

// That a node stands still is among its metrics, for which nobody waits then.
func TestMeasuredStandsStill(t *testing.T) {
	s := measured{stuck{t}}.Snapshot()
	if !s.Stands || s.Version != "hearsay/1" || s.Network != "test" || s.Started.IsZero() || len(s.Kinds) == 0 ||
		s.Findings[metrics.Finding{Code: string(health.LoopStuck), Severity: string(health.Error)}] != 1 {
		t.Errorf("got %+v", s)
	}
}

// TestProbes asks a running node what supervisors and Prometheus ask, without a
// token. What it counts is all there, and as promtool would have it.
func TestProbes(t *testing.T) {
	as := begin(t, "[gossip]\np2p_address = 127.0.0.1:0\napi_address = 127.0.0.1:0\ndifficulty = 1\n")
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + as.control.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	for _, path := range []string{"/healthz", "/readyz"} { // which are right from the first answer on
		if code, text := get(path); code != 200 || text != "ok\n" {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if _, err := as.node.Announce(t.Context(), node.Announcement{DataType: 7}); err != nil {
		t.Fatal(err)
	}
	code, text := get("/metrics")
	if code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	for _, line := range []string{"hearsay_rumors_published_total 1", "hearsay_members 1", "hearsay_neighbours 0",
		`hearsay_health_findings{code="no-neighbour",severity="warning"} 0`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	// Everything that the node counts is some metric: the sums are those of Status.
	series := regexp.MustCompile(`(?m)^hearsay_\w+(\{.*\})? `)
	if got, want := len(series.FindAllString(text, -1)), len(as.node.Status().Counters); got < want {
		t.Errorf("%d series for %d counters", got, want)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, secret := range []string{as.node.ID().String(), "/ip4/"} {
		if strings.Contains(text, secret) {
			t.Errorf("the metrics tell %s", secret)
		}
	}
	if code, _ := get("/v1/status"); code != http.StatusUnauthorized {
		t.Errorf("/v1/status without a token: %d", code)
	}
}
