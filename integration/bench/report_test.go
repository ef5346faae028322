package main

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

// factors make up what systems cost, in units of what Hearsay does.
var factors = map[string]float64{"hearsay": 1, "gossipsub": 6, "floodsub": 14, "flood": 10, "tree": 0.8, "serf": 40, "memberlist": 5,
	"core": 0.25, "bare": 0.5, "relay": 1, "quiet": 1, "announcing": 2, "work": 1, "rumor": 1}

// madeUp are results of a whole plan that nobody measured: three repetitions of
// which the second was on a machine half as fast.
func madeUp() (rs results) {
	m := machine{CPU: "Made-up CPU", Cores: 2, Go: "go1.0", Versions: map[string]string{"hearsay": "0123456789", "serf": "v1", "memberlist": "v2", "go-libp2p": "v3", "go-libp2p-pubsub": "v4"}}
	for n := range 3 {
		speed := []float64{1, 2, 1.1}[n]
		for _, g := range plan() {
			for _, c := range g.Cells {
				c.Seed = uint64(n + 1)
				f := factors[c.System]
				r := result{Group: g.Name, Cell: c, Repeat: n, Machine: m, Figures: map[string]float64{
					"delivered": 1, "p50_ms": 2 * f * speed, "p95_ms": 3 * f * speed, "p99_ms": 4 * f * speed, "max_ms": 9 * f * speed, "last_p50_ms": 3 * f * speed, "last_p99_ms": 6 * f * speed,
					"wire_bytes_per_payload_byte": 1 + 0.3*f, "cpu_s_per_1000": 0.1 * f * speed, "resident_mb": 100 + 10*f, "goroutines_per_host": 10 * f,
					"join_ms": 100 * f * speed, "leave_ms": 50 * f * speed, "kill_ms": 1000 * f, "join_bytes_per_host": 1000 * f, "idle_bytes_per_s_and_host": 10 * f, "idle_cpu_ms_per_s_and_host": f * speed,
				}}
				if c.System != "serf" {
					r.Figures["duplicates_per_delivery"] = (f - 0.8) / 4
				}
				switch {
				case g.Name == "large" && c.System == "hearsay":
					r.Figures["carried_twice"] = 0
				case g.Name == "kill" && n == 2:
					r.Figures["delivered"] = 0.99998
				case g.Climb:
					rs = append(rs, climbed(r, 1800/f/speed)...)
					continue
				case c.Kind == "api":
					r.Figures = map[string]float64{"tcp_echo_us": 12 * speed, "one_node_us": 30 * speed, "one_node_p99_us": 90 * speed, "one_node_ratio": 2.5, "stream_echo_us": 20 * speed,
						"two_nodes_us": 128 * speed, "two_nodes_p99_us": 300 * speed, "two_nodes_ratio": 4, "announced_per_s_1": 9000 / speed, "announced_per_s_50": 12000 / speed, "one_node_work_us": 2600 * speed}
				case c.Kind == "micro" && c.System == "work":
					r.Figures = map[string]float64{"cores": 2, "sha256_mh_per_s_1": 13 / speed, "pow_mh_per_s_1": 18 / speed, "pow_per_sha256_1": 1.38, "sha256_mh_per_s_all": 26 / speed,
						"pow_mh_per_s_all": 35.5 / speed, "pow_per_sha256_all": 1.37, "pow_linearity": 0.986, "verify_work_us": 0.08 * speed, "verify_work_allocs": 0,
						"solve_8_mean_ms": 0.016, "solve_12_mean_ms": 0.25, "solve_16_mean_ms": 2.6, "solve_20_mean_ms": 29}
				case c.Kind == "micro" && c.System == "rumor":
					r.Figures = map[string]float64{"frame_bytes": float64(c.Payload + 170), "verify_us": 60 + float64(c.Payload)/1000, "verify_allocs": 5, "sign_us": 20, "encode_us": 0.1}
				case c.Kind == "micro":
					r.Figures = map[string]float64{"allocs_per_relayed": 32 * f * float64(c.Links) / 2, "cpu_us_per_relayed": 200 * f * speed}
				case c.Kind == "growth":
					r.Figures = map[string]float64{"links": 12, "bytes_per_delivery": 1500, "messages_per_delivery": 2.5, "delivered": 1, "p50_ms": 40 * math.Log10(float64(c.Hosts)), "p99_ms": 90,
						"idle_bytes_per_s_and_node": 100 * f * math.Log10(float64(c.Hosts)), "heap_kib_per_node": 50 * f * math.Sqrt(math.Log10(float64(c.Hosts)))}
				}
				rs = append(rs, r)
			}
		}
	}
	return rs
}

// climbed is a climb that tries each rate up to the first that is too high.
func climbed(r result, top float64) (rs results) {
	for _, rate := range ladder {
		next := r
		next.Cell.Rate = rate
		next.Figures = map[string]float64{"published_per_s": rate, "delivered_in_1s": 1, "p99_ms": rate / 100}
		if rate > top {
			next.Figures["delivered_in_1s"] = 0.4
		}
		if rs = append(rs, next); rate > top {
			break
		}
	}
	return rs
}

// TestReport compares the report and the plots of made-up results with what they
// were when somebody looked at them.
func TestReport(t *testing.T) {
	rs := madeUp()
	broken := rs[3]
	broken.Error, broken.Figures = "not done\nafter 2m0s", nil
	rs = append(rs[:3:3], append(results{broken}, rs[4:]...)...)
	again := rs[0]
	again.Error, again.Figures = "interrupted", nil
	rs = append(rs, again)
	reasons := parseReasons("# for writers\n\n## allocations\n\nMost are libp2p's.\n\n## cpu\n\nNot quoted: the goal holds.\n\n## remarks\n\nOn a busy machine.\n")
	compare(t, "report.md", report(rs, reasons))
	for name, svg := range drawings(rs) {
		if !bytes.Contains(report(rs, nil), []byte("(plots/"+name+")")) {
			t.Errorf("no report shows %s", name)
		}
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
			t.Errorf("%s has a place that is no number", name)
		}
		switch name {
		case "main.svg", "main-cost.svg", "growth.svg":
			compare(t, name, svg)
		}
	}
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; read the difference, then go test -run %s -update:\n%s", path, t.Name(), got)
	}
}

// TestReportOfLittle: there is a report of whatever is there.
func TestReportOfLittle(t *testing.T) {
	rs := madeUp()
	for i, r := range rs {
		text := string(report(results{r}, nil))
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || !strings.Contains(text, "1 repetition.") {
			t.Fatalf("of result %d alone, %s of %s:\n%s", i, r.Group, r.Cell.System, text)
		}
	}
	mixed := append(results(nil), rs[0], rs[1])
	mixed[1].Machine.CPU = "Another"
	if text := string(report(mixed, nil)); !strings.Contains(text, "not all of one machine") || !strings.Contains(text, "Another") {
		t.Errorf("it does not say that two machines were used:\n%s", text)
	}
}

// TestReasonsOfGoals: the committed reasons are of goals that there are.
func TestReasonsOfGoals(t *testing.T) {
	reasons, err := readReasons(reasonsFile)
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{remarks}
	for _, g := range goals() {
		if slices.Contains(keys, g.Key) {
			t.Errorf("two goals are called %s", g.Key)
		}
		keys = append(keys, g.Key)
	}
	for name := range reasons {
		if !slices.Contains(keys, name) {
			t.Errorf("%s has a section %q, and there is no such goal", reasonsFile, name)
		}
	}
	text, err := os.ReadFile(reasonsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !bytes.Contains(text, fmt.Appendf(nil, "`%s`", k)) {
			t.Errorf("%s does not name %s", reasonsFile, k)
		}
	}
	if reasons, err := readReasons(filepath.Join(t.TempDir(), "none")); err != nil || reasons != nil {
		t.Errorf("without a file: %v, %v", reasons, err)
	}
}

func TestPercent(t *testing.T) {
	for v, want := range map[float64]string{1: "100 %", 0.999999: "99.999 %", 0.99998: "99.998 %", 0.5: "50 %", 0.9954: "99.54 %", 0: "0 %"} {
		if got := percent(v); got != want {
			t.Errorf("%v is %q, not %q", v, got, want)
		}
	}
}

// TestLinked: there is a report, and the front page leads to it.
func TestLinked(t *testing.T) {
	if _, err := os.Stat("BENCHMARKS.md"); err != nil {
		t.Error(err)
	}
	front, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(front, []byte("(integration/bench/BENCHMARKS.md)")) {
		t.Error("../../README.md has no link to BENCHMARKS.md")
	}
}
