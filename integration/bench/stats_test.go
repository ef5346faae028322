package main

import (
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

func TestSummary(t *testing.T) {
	if s := summarize([]float64{3, 1, 2, 10}); s != (summary{2.5, 1, 10, 4}) {
		t.Errorf("%+v", s)
	}
	if s := summarize(nil); !math.IsNaN(s.Median) || s.String() != "–" {
		t.Errorf("%+v", s)
	}
	if q := quantile([]float64{1, 2, 3, 4}, 0.5); q != 2 {
		t.Errorf("the median of four is %v", q)
	}
	for v, want := range map[float64]string{0: "0", 0.0123: "0.012", 1.234: "1.23", 45.6: "45.6", 1234: "1234"} {
		if got := number(v); got != want {
			t.Errorf("%v is %q, not %q", v, got, want)
		}
	}
}

// TestRatio: what made both slow in one repetition changes nothing.
func TestRatio(t *testing.T) {
	var rs results
	for i, slow := range []float64{1, 10, 2} {
		for s, v := range map[string]float64{"hearsay": 3, "gossipsub": 6} {
			rs = append(rs, result{Group: "main", Cell: cell{System: s}, Repeat: i, Figures: map[string]float64{"p50_ms": v * slow}})
		}
	}
	if r := rs.ratio("main", "p50_ms", "hearsay", "gossipsub"); r != 0.5 {
		t.Errorf("the ratio is %v", r)
	}
	if text := string(report(rs, nil)); !strings.Contains(text, "| hearsay | – | 6 (3–30) |") {
		t.Errorf("the report says\n%s", text)
	}
}

// TestSlowConn: bytes come in order, not before their time, and the end comes
// after them.
func TestSlowConn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const delay = 30 * time.Millisecond
	count := new(traffic)
	d := &dialer{count: count, delay: delay}
	near, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 1<<20)
	for i := range sent {
		sent[i] = byte(rand.Int())
	}
	for _, way := range []struct{ from, to net.Conn }{{near, far}, {far, near}} {
		began := time.Now()
		go way.from.Write(sent)
		got := make([]byte, len(sent))
		for n := 0; n < len(got); {
			k, err := way.to.Read(got[n:])
			if err != nil {
				t.Fatal(err)
			}
			if since := time.Since(began); n == 0 && since < delay {
				t.Errorf("the first byte came after %v", since)
			}
			n += k
		}
		if string(got) != string(sent) {
			t.Error("other bytes came than were sent")
		}
	}
	if n := count.bytes.Load(); n != 2<<20 {
		t.Errorf("%d bytes were counted", n)
	}
	near.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := near.Read(make([]byte, 1)); err == nil || !err.(net.Error).Timeout() {
		t.Errorf("past the deadline: %v", err)
	}
	near.SetReadDeadline(time.Time{})
	far.Close()
	if _, err := near.Read(make([]byte, 1)); err == nil {
		t.Error("no end came")
	}
}

// TestCells: a small cell of each system delivers everything once.
func TestCells(t *testing.T) {
	for name := range spreaders {
		if name == "serf" {
			continue // its user events are best effort
		}
		t.Run(name, func(t *testing.T) {
			figures, err := runCell(cell{Kind: "spread", System: name, Hosts: 6, Links: 4, Payload: 200, Rate: 50, Warm: time.Second / 2, For: time.Second / 2, Drain: 10 * time.Second, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			if figures["delivered"] != 1 || figures["twice"] != 0 || figures["deliveries"] != 25*5 {
				t.Errorf("%v", figures)
			}
			if figures["wire_bytes_per_payload_byte"] < 1 || figures["p50_ms"] <= 0 {
				t.Errorf("%v", figures)
			}
		})
	}
}
