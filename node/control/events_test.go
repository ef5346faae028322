package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/node"
	"hearsay/node/health"
)

// next waits for an event, checks it against openapi.json, and reads it.
func next[T any](t *testing.T, s *EventStream, name string) (v T, id string) {
	t.Helper()
	e, err := s.Next()
	if err != nil || e.Name != name {
		t.Fatalf("got %q, %v; want %q", e.Name, err, name)
	}
	if err := json.Unmarshal(e.Data, &v); err != nil {
		t.Fatal(err)
	}
	check(t, e.Data, "components", "schemas", strings.TrimPrefix(fmt.Sprintf("%T", v), "control."))
	return v, e.ID
}

func events(t *testing.T, c *Client, last string, only ...string) *EventStream {
	t.Helper()
	s, err := c.Events(t.Context(), last, only...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func linked(n int) node.PeerEvent {
	return node.PeerEvent{Time: time.Now(), Peer: bob, What: "linked", Addr: fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", n)}
}

func addr(n int) string { return linked(n).Addr }

// One stream tells of everything, each event as the description says.
func TestEventsOfAllKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{started: time.Now()}
		_, c, _, stop := inMemory(t, f)
		defer stop()
		s := events(t, c, "", "peer", "peers", "arrived", "verdict", "health")
		defer s.Close()
		periodic := events(t, c, "", "figures")
		defer periodic.Close()

		f.tell(linked(1))
		if e, _ := next[PeerEvent](t, s, "peer"); e.Addr != addr(1) {
			t.Errorf("peer: %+v", e)
		}
		f.rename("/ip4/127.0.0.1/tcp/9")
		began := time.Now()
		if e, _ := next[PeersChanged](t, s, "peers"); len(e.Changed) != 1 || e.Changed[0].Addrs[0] != "/ip4/127.0.0.1/tcp/9" || time.Since(began) > settlePause {
			t.Errorf("peers after %v: %+v", time.Since(began), e)
		}
		id := [32]byte{1}
		f.show(node.Observed{Time: time.Now(), ID: id, Via: bob, Hops: 2, Rumor: node.Rumor{Origin: alice, DataType: 7,
			Data: make([]byte, 2000), Created: time.Now().Add(-time.Second)}})
		f.show(node.Observed{Time: time.Now(), ID: id, Verdict: "invalid"})
		if e, _ := next[Arrived](t, s, "arrived"); e.Via != bob.String() || e.Origin != alice.String() || e.Hops != 2 || e.Size != 2000 ||
			len(e.Data) != ShownData || e.Delay != 1000 || e.ID[:4] != "0100" {
			t.Errorf("arrived: %+v", e)
		}
		if e, _ := next[VerdictEvent](t, s, "verdict"); e.Verdict != "invalid" || e.ID[:4] != "0100" {
			t.Errorf("verdict: %+v", e)
		}
		f.ail(health.Finding{Code: health.DiskFull, Title: "t", Severity: health.Warning, Text: "x", Cure: "y", Since: time.Now()})
		if e, _ := next[HealthChanged](t, s, "health"); e.Healthy || len(e.Findings) != 1 || e.Findings[0].Code != health.DiskFull {
			t.Errorf("health: %+v", e)
		}
		if e, _ := next[Figures](t, periodic, "figures"); e.Neighbours != 1 {
			t.Errorf("figures: %+v", e)
		}
		if h, err := c.Figures(t.Context()); err != nil || len(h.Figures) < 2 {
			t.Errorf("history: %+v, %v", h, err)
		}
	})
}

// Of a private rumor nobody who looks over a shoulder sees anything.
func TestPrivateDataIsNotShown(t *testing.T) {
	if e := arrivedOf(node.Observed{Rumor: node.Rumor{Private: true, Data: []byte("sealed")}}); len(e.Data) != 0 || e.Size != 6 || !e.Private {
		t.Errorf("%+v", e)
	}
}

// A reader that comes back goes on where it was, and is told if it cannot.
func TestEventsResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s, c, _, stop := inMemory(t, f)
		defer stop()
		first := events(t, c, "", "peer")
		f.tell(linked(1))
		_, id := next[PeerEvent](t, first, "peer")
		first.Close()
		synctest.Wait()
		f.tell(linked(2))
		f.tell(linked(3))
		synctest.Wait()
		again := events(t, c, id, "peer")
		for i := 2; i <= 3; i++ {
			if e, _ := next[PeerEvent](t, again, "peer"); e.Addr != addr(i) {
				t.Errorf("after %s: got %+v, want %d", id, e, i)
			}
		}
		again.Close()
		all := events(t, c, fromTheStart, "peer")
		for i := 1; i <= 3; i++ {
			if e, _ := next[PeerEvent](t, all, "peer"); e.Addr != addr(i) {
				t.Errorf("from the start: got %+v, want %d", e, i)
			}
		}
		all.Close()
		for _, last := range []string{"stranger-1", s.hub.run + "-999999", s.hub.run + "-x", s.hub.run, "1", "x"} {
			lost := events(t, c, last, "peer")
			if g, _ := next[Gap](t, lost, "gap"); g.Missed != 0 {
				t.Errorf("after %q: %+v", last, g)
			}
			lost.Close()
		}

		// When nobody has read for long the feeds end, and what happens then is lost.
		synctest.Wait()
		if f.open() != 2 {
			t.Errorf("%d feeds are open", f.open())
		}
		time.Sleep(linger + time.Second)
		synctest.Wait()
		if f.open() != 0 {
			t.Error("the feeds go on though nobody reads")
		}
		late := events(t, c, id, "peer")
		defer late.Close()
		if g, _ := next[Gap](t, late, "gap"); g.Missed == 0 {
			t.Errorf("%+v", g)
		}
		f.tell(linked(4))
		if e, _ := next[PeerEvent](t, late, "peer"); e.Addr != addr(4) {
			t.Errorf("after the gap: %+v", e)
		}
	})
}

// A reader that is slower than what happens costs nothing, misses the middle,
// and is told so.
func TestSlowReaderHasAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, _, stop := inMemory(t, &fake{})
		defer stop()
		slow := events(t, c, "", "peer")
		defer slow.Close()
		for i := range 3 * ringEvents {
			s.hub.emit("peer", PeerEvent{Version: 1, What: "linked", Addr: fmt.Sprint(i)})
		}
		if s.hub.bytes > ringBytes || len(s.hub.ring) > ringEvents {
			t.Errorf("the ring holds %d events of %d bytes", len(s.hub.ring), s.hub.bytes)
		}
		synctest.Wait()
		s.hub.emit("peer", PeerEvent{Version: 1, What: "linked", Addr: "last"})
		var missed, got uint64
		for last := false; !last; {
			e, err := slow.Next()
			if err != nil {
				t.Fatal(err)
			}
			var v struct {
				Missed uint64
				Addr   string
			}
			if err := json.Unmarshal(e.Data, &v); err != nil {
				t.Fatal(err)
			}
			missed += v.Missed
			if e.Name == "peer" {
				got++
			}
			if last = v.Addr == "last"; e.Name == "gap" && !last {
				// What came meanwhile may be in the gap, with the last one.
				synctest.Wait()
				s.hub.emit("peer", PeerEvent{Version: 1, What: "linked", Addr: "last"})
			}
		}
		if missed == 0 || missed+got < 3*ringEvents {
			t.Errorf("%d read, %d said to be missed, of %d", got, missed, 3*ringEvents)
		}
	})
}

// Large events leave sooner.
func TestRingIsBoundedInBytes(t *testing.T) {
	s := testServer(t, &fake{})
	for range 100 {
		s.hub.emit("arrived", Arrived{Data: make([]byte, 100_000)})
	}
	if s.hub.bytes > ringBytes || len(s.hub.ring) < 10 {
		t.Errorf("%d events of %d bytes", len(s.hub.ring), s.hub.bytes)
	}
}

// While a stream names a data type the node takes it.
func TestEventsTakeTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s, c, _, stop := inMemory(t, f)
		defer stop()
		stream, err := c.stream(t.Context(), "/v1/events?type=8&type=7", "")
		if err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		for l := range f.listeners {
			if fmt.Sprint(l.types) != "[7 8]" {
				t.Errorf("listens to %v", l.types)
			}
		}
		n := len(f.listeners)
		f.mu.Unlock()
		if n != 1 {
			t.Errorf("%d listeners", n)
		}
		for i := range 100 { // the queue of 8 does not fill up
			if _, err := c.Announce(t.Context(), AnnounceRequest{Type: 7, Data: []byte{byte(i)}}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for l := range f.listeners {
			if l.Dropped() != 0 {
				t.Error("nobody takes what the listener is told")
			}
		}
		stream.close()
		synctest.Wait()
		if len(f.listeners) != 0 || len(s.streams) != 0 {
			t.Error("a closed stream leaves its listener")
		}
	})
}

// What nobody could read is left out and counted; verdicts are told of what was
// told.
func TestArrivalsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		_, c, _, stop := inMemory(t, f)
		defer stop()
		s := events(t, c, "", "arrived", "verdict")
		defer s.Close()
		show := func(i int) {
			id := [32]byte{byte(i >> 8), byte(i)}
			f.show(node.Observed{Time: time.Now(), ID: id, Rumor: node.Rumor{Origin: alice}})
			f.show(node.Observed{Time: time.Now(), ID: id, Verdict: "valid"})
			synctest.Wait()
		}
		for i := range arrivalBurst + 50 {
			show(i)
		}
		time.Sleep(time.Second)
		show(9999)
		for range arrivalBurst {
			if e, _ := next[Arrived](t, s, "arrived"); e.Skipped != 0 {
				t.Errorf("%+v", e)
			}
			next[VerdictEvent](t, s, "verdict")
		}
		if e, _ := next[Arrived](t, s, "arrived"); e.Skipped != 50 {
			t.Errorf("skipped %d", e.Skipped)
		}
	})
}

func TestEventsRefused(t *testing.T) {
	s := testServer(t, &fake{})
	for _, query := range []string{"x=1", "only=", "only=nothing", "only=peer&only=open", "type=x", "type=70000", "only=%zz"} {
		if w := reply(t, s, request(s, "GET", "/v1/events?"+query, "")); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
	if len(s.streams) != 0 {
		t.Error("refused streams hold a place")
	}
}
