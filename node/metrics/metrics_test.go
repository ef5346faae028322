package metrics

import (
	"encoding/json"
	"flag"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// full is a node that has counted something of everything.
type full struct{}

func (full) Snapshot() Snapshot {
	s := Snapshot{
		Version: "1.0", Network: "test", Started: time.UnixMilli(1_750_000_000_250), Neighbours: 3, Members: 9, Candidates: 4, Rumors: 5, Held: 1,
		Modules: 2, DataTypes: 6, RoundTrips: []time.Duration{3 * time.Millisecond, time.Millisecond, 8 * time.Millisecond},
		Counters: map[string]uint64{"sent_push": 11, "received_push": 12, "sent_bytes": 13, "received_bytes": 14, "ended_reset": 15, "grafts": 16},
		Kinds:    []Finding{{"no-neighbour", "warning"}, {"disk-full", "warning"}},
		Findings: map[Finding]int{{"disk-full", "warning"}: 1, {"disk-full", "error"}: 1},
	}
	n := uint64(100)
	for name := range counted {
		s.Counters[name] = n
		n++
	}
	for _, name := range dropReasons {
		s.Counters[name] = n
		n++
	}
	for name := range gauged {
		s.Counters[name] = n
		n++
	}
	return s
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func watched() *Metrics {
	m := New(full{})
	m.Arrived(2, 30*time.Millisecond)
	m.Arrived(1, -time.Second) // by a clock that is ahead
	m.Decided(time.Millisecond)
	return m
}

func TestValues(t *testing.T) {
	text := scrape(t, watched())
	for _, line := range []string{
		`hearsay_build_info{network="test",version="1.0"} 1`,
		`hearsay_start_time_seconds 1.75000000025e+09`,
		`hearsay_neighbours 3`, `hearsay_members 9`, `hearsay_candidates 4`, `hearsay_rumors 5`, `hearsay_rumors_held 1`,
		`hearsay_modules 2`, `hearsay_data_types 6`,
		`hearsay_neighbour_rtt_seconds{of="least"} 0.001`, `hearsay_neighbour_rtt_seconds{of="median"} 0.003`, `hearsay_neighbour_rtt_seconds{of="most"} 0.008`,
		`hearsay_messages_total{direction="sent",kind="push"} 11`, `hearsay_messages_total{direction="received",kind="push"} 12`,
		`hearsay_traffic_bytes_total{direction="sent"} 13`, `hearsay_traffic_bytes_total{direction="received"} 14`,
		`hearsay_links_ended_total{reason="reset"} 15`, `hearsay_events_total{event="grafts"} 16`,
		`hearsay_health_findings{code="no-neighbour",severity="warning"} 0`, `hearsay_health_findings{code="disk-full",severity="warning"} 1`,
		`hearsay_health_findings{code="disk-full",severity="error"} 1`,
		`hearsay_rumor_delay_seconds_count 2`, `hearsay_rumor_delay_seconds_sum 0.03`, `hearsay_rumor_hops_bucket{le="1"} 1`,
		`hearsay_validation_seconds_bucket{le="0.001"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	for _, reason := range dropReasons {
		if !strings.Contains(text, `hearsay_rumors_dropped_total{reason="`+reason+`"} `) {
			t.Errorf("nothing is dropped as %s", reason)
		}
	}
	s := full{}.Snapshot()
	for name := range counted {
		if strings.Contains(text, `event="`+name+`"`) {
			t.Errorf("%s is counted twice", name)
		}
	}
	if got, want := strings.Count(text, "hearsay_events_total{"), 1; got != want {
		t.Errorf("%d counters of %d have no metric of their own, want %d", got, len(s.Counters), want)
	}
}

// standing is a node that stands still.
type standing struct{}

func (standing) Snapshot() Snapshot {
	return Snapshot{Version: "1.0", Network: "test", Started: time.Unix(1_750_000_000, 0), Stands: true,
		Kinds: []Finding{{"loop-stuck", "error"}, {"disk-full", "warning"}}, Findings: map[Finding]int{{"loop-stuck", "error"}: 1}}
}

// Of a node that stands still nothing is said that is not known.
func TestStandsStill(t *testing.T) {
	text := scrape(t, New(standing{}))
	for _, line := range []string{`hearsay_build_info{network="test",version="1.0"} 1`, `hearsay_health_findings{code="loop-stuck",severity="error"} 1`,
		`hearsay_health_findings{code="disk-full",severity="warning"} 0`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	for _, name := range []string{"hearsay_neighbours", "hearsay_members", "hearsay_candidates", "hearsay_rumors", "hearsay_modules", "hearsay_data_types"} {
		if strings.Contains(text, "\n"+name+" ") {
			t.Errorf("it tells %s", name)
		}
	}
}

// What promtool would say of names, types and help texts.
func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrape(t, watched()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Nothing tells of single peers, whose number nobody knows.
func TestLabels(t *testing.T) {
	allowed := []string{"version", "network", "of", "code", "severity", "reason", "direction", "kind", "event", "le", "quantile"}
	for _, labels := range regexp.MustCompile(`(?m)^(?:hearsay_\w+)\{(.*)\}`).FindAllStringSubmatch(scrape(t, watched()), -1) {
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(labels[1], -1) {
			if !slices.Contains(allowed, l[1]) {
				t.Errorf("the label %s", l[1])
			}
		}
	}
}

var rewrite = flag.Bool("rewrite", false, "write the table in README.md again")

// The README names every metric with its help text.
func TestReadme(t *testing.T) {
	help := regexp.MustCompile(`(?m)^# HELP (hearsay_\w+) (.*)\n# TYPE \S+ (\w+)`)
	var table strings.Builder
	table.WriteString("| metric | kind | what |\n|---|---|---|\n")
	for _, m := range help.FindAllStringSubmatch(scrape(t, watched()), -1) {
		table.WriteString("| `" + m[1] + "` | " + m[3] + " | " + m[2] + " |\n")
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- metrics -->\n", "<!-- /metrics -->"
	before, rest, ok := strings.Cut(string(text), begin)
	now, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("README.md has no place for the table")
	}
	if *rewrite {
		if err := os.WriteFile("README.md", []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if now != table.String() {
		t.Error("the table is not what there is; renew it: go test ./node/metrics -run TestReadme -rewrite")
	}
}

// Every metric that the Grafana dashboard asks for is there, with the labels that
// it asks for.
func TestGrafana(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID string
		Panels     []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	scraped := scrape(t, watched())
	name := regexp.MustCompile(`\b(hearsay|go|process)_\w+`)
	label := regexp.MustCompile(`(\w+)\s*(=|!=|=~|!~)\s*"|by \(([\w, ]+)\)`)
	asked := 0
	for _, p := range board.Panels {
		if p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			for _, n := range name.FindAllString(target.Expr, -1) {
				asked++
				if !regexp.MustCompile(`(?m)^` + n + `[{ ]`).MatchString(scraped) {
					t.Errorf("%s: there is no %s", p.Title, n)
				}
			}
			for _, m := range label.FindAllStringSubmatch(target.Expr, -1) {
				for _, l := range strings.Split(m[1]+","+m[3], ",") {
					if l = strings.TrimSpace(l); l != "" && l != "instance" && l != "job" && !strings.Contains(scraped, l+`="`) {
						t.Errorf("%s: there is no label %s", p.Title, l)
					}
				}
			}
		}
	}
	if asked < 15 || board.Title == "" || board.UID == "" {
		t.Errorf("%q asks for %d metrics", board.Title, asked)
	}
}

func BenchmarkScrape(b *testing.B) {
	m := watched()
	h := m.Handler()
	r := httptest.NewRequest("GET", "/metrics", nil)
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func BenchmarkArrived(b *testing.B) {
	m := New(full{})
	for b.Loop() {
		m.Arrived(3, 40*time.Millisecond)
	}
}
