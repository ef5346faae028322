package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"hearsay/node"
)

func TestParseLab(t *testing.T) {
	m, err := parseLab([]byte(`{"UUID":"u-1","originating_port":7001,"Version-Number":3,"ttl":4,"payload":{"movie":"M"},"name":"x"}`))
	if err != nil || m.UUID != "u-1" || m.Port != 7001 || m.Number != 3 || m.TTL != 4 || string(m.Payload) != `{"movie":"M"}` {
		t.Errorf("%+v, %v", m, err)
	}
	if got := string(m.withTTL(3)); got != `{"UUID":"u-1","Version-Number":3,"name":"x","originating_port":7001,"payload":{"movie":"M"},"ttl":3}` {
		t.Errorf("passed on as %s", got)
	}
	for _, bad := range []string{
		``, `[]`, `1`, `{}`, `{"uuid":"u","port":1,"version":1,"ttl":1}`, `{"uuid":"","port":1,"version":1,"ttl":1,"payload":1}`,
		`{"uuid":"u","port":0,"version":1,"ttl":1,"payload":1}`, `{"uuid":"u","port":65536,"version":1,"ttl":1,"payload":1}`,
		`{"uuid":"u","port":1,"version":-1,"ttl":1,"payload":1}`, `{"uuid":"u","port":1,"version":1,"ttl":256,"payload":1}`,
		`{"uuid":"u","port":1,"originating_port":2,"version":1,"ttl":1,"payload":1}`, `{"uuid":7,"port":1,"version":1,"ttl":1,"payload":1}`,
		`{"uuid":"` + strings.Repeat("u", 129) + `","port":1,"version":1,"ttl":1,"payload":1}`,
	} {
		if m, err := parseLab([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, m)
		}
	}
}

// labNode is a plain web server of the lab.
type labNode struct {
	port uint16
	got  chan string
}

func plainLabNode(t *testing.T) *labNode {
	t.Helper()
	n := &labNode{got: make(chan string, 64)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /gossip/", func(w http.ResponseWriter, r *http.Request) {
		var m map[string]any
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Errorf("a lab node was sent what is no JSON: %v", err)
		}
		n.got <- fmt.Sprint(m["uuid"], " ", m["port"], " ", m["ttl"], " ", m["payload"])
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	n.port = uint16(server.Listener.Addr().(*net.TCPAddr).Port)
	return n
}

func (n *labNode) next(t *testing.T) string {
	t.Helper()
	select {
	case m := <-n.got:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is posted to the lab node")
		return ""
	}
}

// say posts a message as a plain lab node does, without a token.
func (n *labNode) say(t *testing.T, s *Server, uuid string, version, ttl int) (isNew bool) {
	t.Helper()
	body := fmt.Sprintf(`{"uuid":%q,"port":%d,"version":%d,"ttl":%d,"payload":"Casablanca"}`, uuid, n.port, version, ttl)
	resp, err := http.Post("http://"+s.Addr()+"/gossip/", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var taken LabTaken
	if err := json.NewDecoder(resp.Body).Decode(&taken); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return taken.New
}

// Plain lab nodes take part: what one posts goes to the others here and to the
// network, and what the network says is posted to them.
func TestLabNodesTakePart(t *testing.T) {
	announced := make(chan node.Announcement, 16)
	f := &fake{announce: func(_ context.Context, a node.Announcement) (node.Announced, error) {
		announced <- a
		return node.Announced{}, nil
	}}
	s := serving(t, Config{StateDir: t.TempDir(), Lab: true}, f)
	a, b := plainLabNode(t), plainLabNode(t)
	if !a.say(t, s, "a1", 1, 0) || !b.say(t, s, "b1", 1, 0) { // a TTL of 0 goes nowhere
		t.Error("not taken")
	}
	resp, err := http.Get("http://" + s.Addr() + "/peers/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var ports []uint16
	if err := json.NewDecoder(resp.Body).Decode(&ports); err != nil || ports[0] != s.lab.port ||
		!slices.Contains(ports, a.port) || !slices.Contains(ports, b.port) || len(ports) != 3 {
		t.Errorf("peers %v, %v", ports, err)
	}

	a.say(t, s, "a2", 2, 3)
	if got, want := b.next(t), fmt.Sprintf("a2 %d 2 Casablanca", a.port); got != want {
		t.Errorf("the other lab node got %s, want %s", got, want)
	}
	if r := <-announced; r.DataType != LabType || r.TTL != 3 || !strings.Contains(string(r.Data), `"ttl":2`) {
		t.Errorf("announced %+v %s", r, r.Data)
	}
	for uuid, version := range map[string]int{"a2": 3, "a0": 2, "a-": 1} { // known, not newer, older
		if a.say(t, s, uuid, version, 3) {
			t.Errorf("%s of version %d is new", uuid, version)
		}
	}

	// From the network, to both; the same again, what is no message, and one whose
	// TTL is used up go nowhere.
	hear := func(text string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for l := range f.listeners {
			l.put(node.Rumor{Origin: bob, DataType: LabType, Data: []byte(text)})
		}
	}
	far := `{"uuid":"c1","port":9,"version":1,"ttl":2,"payload":"Metropolis"}`
	hear(`{"uuid":"c0","port":8,"version":1,"ttl":0,"payload":"used up"}`)
	hear("no JSON")
	hear(far)
	hear(far)
	for _, n := range []*labNode{a, b} {
		if got := n.next(t); got != "c1 9 2 Metropolis" {
			t.Errorf("from the network: %s", got)
		}
	}
	hear(`{"uuid":"c2","port":9,"version":2,"ttl":1,"payload":"Nosferatu"}`)
	for _, n := range []*labNode{a, b} {
		if got := n.next(t); got != "c2 9 1 Nosferatu" {
			t.Errorf("something came twice: %s", got)
		}
	}
	if slices.Contains(s.lab.ports(), 9) {
		t.Error("the network has this node post to a port")
	}
	if len(announced) != 0 {
		t.Error("something was announced that should not be")
	}
}

// The lab's interface is off unless it is asked for, and bounded when it is on.
func TestLabBounds(t *testing.T) {
	f := &fake{}
	off := testServer(t, f)
	for _, r := range []*http.Request{request(off, "GET", "/peers/", ""), request(off, "POST", "/gossip/", `{"uuid":"u","port":7001,"version":1,"ttl":3,"payload":1}`)} {
		if w := reply(t, off, r); w.Code != 404 || !strings.Contains(w.Body.String(), "lab_api = true") {
			t.Errorf("%s: %d %s", r.URL, w.Code, w.Body)
		}
	}
	s := testServer(t, f)
	s.lab = newLab(s, 7)
	for i := range 3 * maxLabSeen {
		s.lab.meet(uint16(i + 1))
		s.lab.news(labMessage{LabMessage: LabMessage{UUID: fmt.Sprint(i), Port: uint16(i%5000 + 1), Number: uint64(i)}})
	}
	if len(s.lab.failures) > maxLabPeers || len(s.lab.seen) > maxLabSeen || len(s.lab.order) > maxLabSeen || len(s.lab.versions) > maxLabVersions {
		t.Errorf("%d peers, %d messages, %d origins", len(s.lab.failures), len(s.lab.seen), len(s.lab.versions))
	}
	if _, own := s.lab.failures[7]; own {
		t.Error("it posts to itself")
	}
	first := s.lab.ports()[1]
	for range labFailures {
		s.lab.posted(first, context.DeadlineExceeded)
	}
	if slices.Contains(s.lab.ports(), first) {
		t.Error("a lab node that is gone is not forgotten")
	}
	s.lab.posted(first, nil) // a post that was on its way, and one that comes to nothing
	s.lab.posted(first, context.DeadlineExceeded)
	if slices.Contains(s.lab.ports(), first) {
		t.Error("a lab node that was forgotten is back because of an old post")
	}
	refused := 0
	for i := range 2 * labBurst {
		w := reply(t, s, request(s, "POST", "/gossip/", fmt.Sprintf(`{"uuid":"r%d","port":7001,"version":%d,"ttl":0,"payload":1}`, i, i+1)))
		if w.Code == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("any number of messages is taken")
	}
	s = testServer(t, f)
	s.lab = newLab(s, 7)
	if w := reply(t, s, request(s, "POST", "/gossip/", `{"uuid":"big","port":7001,"version":1,"ttl":0,"payload":"`+strings.Repeat("x", maxLabBody)+`"}`)); w.Code != 413 {
		t.Errorf("too large: %d", w.Code)
	}
}

// What there was no room for is as new as before when it is sent again.
func TestLabIsFull(t *testing.T) {
	s := testServer(t, &fake{})
	s.lab = newLab(s, 7)
	s.lab.limit = rate.NewLimiter(rate.Inf, 0)
	say := func(i int) (code int, isNew bool) { // nobody announces: what is taken waits
		w := reply(t, s, request(s, "POST", "/gossip/", fmt.Sprintf(`{"uuid":"w%d","port":7001,"version":%d,"ttl":1,"payload":1}`, i, i)))
		return w.Code, strings.Contains(w.Body.String(), `"new":true`)
	}
	for i := range maxLabQueue {
		if code, isNew := say(i + 1); code != 200 || !isNew {
			t.Fatalf("message %d: %d, new %v", i, code, isNew)
		}
	}
	if code, _ := say(maxLabQueue + 1); code != 503 {
		t.Errorf("one too many: %d", code)
	}
	<-s.lab.says
	for _, want := range []bool{true, false} {
		if code, isNew := say(maxLabQueue + 1); code != 200 || isNew != want {
			t.Errorf("sent again: %d, new %v, want %v", code, isNew, want)
		}
	}
}
