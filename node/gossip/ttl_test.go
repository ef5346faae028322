package gossip

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// chain links nodes in a row, each with a module that takes type 7.
func chain(t rapid.TB, ids ...PeerID) *world {
	w := newWorld(t)
	for i, id := range ids {
		w.add(id).module(1, 7)
		if i > 0 {
			w.link(ids[i-1], id)
		}
	}
	w.wait(time.Second)
	return w
}

func TestTTL(t *testing.T) {
	for ttl, reach := range map[uint8]int{0: 5, 1: 1, 2: 2, 4: 4, 5: 5, 255: 5} {
		w := chain(t, "A", "B", "C", "D", "E", "F")
		w.nodes[0].publish(7, "x", func(p *Publish) { p.TTL = ttl })
		w.wait(30 * time.Second)
		for i, n := range w.nodes[1:] {
			var want []string
			if i < reach {
				want = []string{"x"}
			}
			mustEqual(t, fmt.Sprintf("TTL %d, %d hops away", ttl, i+1), n.told(1), want)
		}
	}
}

// Hops count the same when a rumor travels by comparison.
func TestTTLByComparison(t *testing.T) {
	w := newWorld(t)
	ids := []PeerID{"A", "B", "C", "D"}
	for _, id := range ids {
		w.add(id, func(c *Config) { c.AntiEntropy, c.ContinueMongering = time.Second, 1 }).module(1, 7)
	}
	w.nodes[0].publish(7, "x", func(p *Publish) { p.TTL = 2 })
	w.nodes[0].publish(7, "y")
	for i := range ids[1:] {
		w.link(ids[i], ids[i+1])
	}
	w.wait(30 * time.Second)
	for i, want := range []string{"x y", "x y", "x y", "y"} {
		have := ""
		for _, p := range w.nodes[i].s.store.group(7) {
			have += " " + string(w.nodes[i].s.store.entries[p.ID].r.Payload)
		}
		if len(have) != len(want)+1 {
			t.Errorf("%s has%s, want %s", ids[i], have, want)
		}
	}
}

// Whoever lies about its hops gains one at most.
func TestTTLHopsZero(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.up("D", 7)
	n.pushHops("B", rumorOf(t, "Z", 1, "x", func(h *Header) { h.TTL = 1 }), 0)
	mustEqual(t, "pushed", pushedTo(n, "D"), nil)
	mustEqual(t, "told", n.told(1), []string{"x"})
}

func TestHopsEndAt255(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.up("D", 7)
	n.pushHops("B", rumorOf(t, "Z", 1, "x"), 255)
	if got := sent[*Push](n, "D"); len(got) != 1 || got[0].Hops != 255 {
		t.Errorf("pushed %v: an unlimited rumor travels on, and its hops do not start again", got)
	}
}

// A rumor that came a long way first and a short way later goes as far as the
// short way allows.
func TestTTLShorterWay(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	for _, p := range []PeerID{"B", "C", "D"} {
		n.up(p, 7)
	}
	r := rumorOf(t, "Z", 1, "a", func(h *Header) { h.TTL = 4 })
	n.pushHops("B", r, 4)
	if got := sent[*Push](n, "D"); len(got) != 0 {
		t.Fatalf("passed on %v at the end of its way", got)
	}
	n.pushHops("C", r, 3)
	if got := sent[*Push](n, "D"); len(got) != 1 || got[0].Hops != 4 {
		t.Fatalf("to D: %v", got)
	}
	// D was told that its way ends there; now it does not.
	n.forget()
	n.pushHops("C", r, 1)
	if got := sent[*Push](n, "D"); len(got) != 1 || got[0].Hops != 2 {
		t.Errorf("D is not told that it has hops left: %v", got)
	}
	mustEqual(t, "told", n.told(1), nil)
}

// Who says again and again that a limited rumor came a shorter way has it flooded only a
// few times, and in the end it goes as far as it may.
func TestTTLShorterAndShorter(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	n.up("D", 7)
	r := rumorOf(t, "Z", 1, "a", func(h *Header) { h.TTL = 255 })
	for hops := 254; hops > 0; hops-- {
		n.pushHops("B", r, uint8(hops))
	}
	got := sent[*Push](n, "D")
	// The first time, maxAgain times, and after that for 123, 61, 30, 15, 7, 3 and 1.
	if want := 1 + maxAgain + 7; len(got) != want || got[len(got)-1].Hops != 2 {
		t.Errorf("pushed %d times, the last time with %d hops, want %d times and 2", len(got), got[len(got)-1].Hops, want)
	}
	mustEqual(t, "told", n.told(1), []string{"a"})
}

// In any network with any latencies a limited rumor is told to exactly those
// who are near enough.
func TestTTLReach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		const size = 7
		for i := range size {
			n := w.add(PeerID(rune('A' + i)))
			n.subscribe(1, false, 7)
		}
		linked := make(map[[2]int]bool)
		for i := range size {
			for j := range i {
				if rapid.IntRange(0, 2).Draw(t, "link") == 0 {
					linked[[2]int{i, j}], linked[[2]int{j, i}] = true, true
					w.link(w.nodes[i].id, w.nodes[j].id)
				}
			}
		}
		w.wait(time.Second)
		delays := make(map[string]time.Duration)
		w.delay = func(from, to PeerID) time.Duration {
			k := string(from + to)
			if delays[k] == 0 {
				// Far apart, so that long ways are often faster than short ones.
				delays[k] = rapid.SampledFrom([]time.Duration{1, 5, 80}).Draw(t, "latency") * time.Millisecond
			}
			return delays[k]
		}
		distance := map[int]int{0: 0}
		for queue := []int{0}; len(queue) > 0; queue = queue[1:] {
			for j := range size {
				if _, known := distance[j]; !known && linked[[2]int{queue[0], j}] {
					distance[j] = distance[queue[0]] + 1
					queue = append(queue, j)
				}
			}
		}
		ttl := rapid.IntRange(1, 4).Draw(t, "TTL")
		w.nodes[0].publish(7, "x", func(p *Publish) { p.TTL = uint8(ttl) })
		w.wait(2 * time.Second)
		for j, n := range w.nodes[1:] {
			d, reachable := distance[j+1]
			if want := reachable && d <= ttl; (len(n.told(1)) == 1) != want {
				t.Fatalf("TTL %d, distance %d: told %v", ttl, d, n.told(1))
			}
		}
	})
}

// Who got a limited rumor by its last hop says nothing of it to those who lack it:
// they would ask in vain, in every comparison until it expires.
func TestLastHopIsNotCompared(t *testing.T) {
	w := newWorld(t)
	for i, id := range []PeerID{"A", "B", "C", "D"} {
		w.add(id, func(c *Config) { c.AntiEntropy, c.ContinueMongering = time.Second, 1 }).module(1, 7)
		if i > 0 {
			w.link(w.nodes[i-1].id, id)
		}
	}
	w.wait(5 * time.Second)
	w.nodes[0].publish(7, "x", func(p *Publish) { p.TTL = 2 })
	w.wait(time.Second)
	mustEqual(t, "told at the last hop", w.nodes[2].told(1), []string{"x"})
	for _, n := range w.nodes {
		n.forget()
	}
	w.wait(time.Minute)
	for _, n := range w.nodes {
		for _, s := range actions[Send](n) {
			switch s.Msg.(type) {
			case *Want, *Fill, *Push:
				t.Errorf("%s sent %T to %s, and nothing is new", n.id, s.Msg, s.To)
			}
		}
	}
	// Now D is a neighbour of A's.
	w.link("A", "D")
	w.wait(5 * time.Second)
	mustEqual(t, "told at D", w.nodes[3].told(1), []string{"x"})
}
