package gossip

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// rootedAt is a node D with a slow neighbour A and a fast one C, which is not in
// the tree of type 7, and a function that has both bring one more rumor of Z: A in
// full, and C before said to have it, by so many milliseconds.
func rootedAt(t *testing.T) (n *tnode, bring func(earlier int) *Rumor) {
	n = alone(t)
	n.module(1, 7)
	n.up("A", 7)
	n.up("C", 7)
	n.s.links["C"].lazy[7] = true
	seq := uint64(0)
	return n, func(earlier int) *Rumor {
		seq++
		r := rumorOf(t, "Z", seq, fmt.Sprint(seq))
		n.recv("A", &Push{Rumor: r, Hops: 2})
		n.wait(200 * time.Millisecond)
		n.recv("C", &Have{Group: 7, IDs: []ShortID{r.ID.Short()}, Held: []uint16{uint16(200 + earlier)}})
		n.wait(judgeAfter + calmFan*calmFactor*n.s.cfg.HaveDelay - 200*time.Millisecond)
		return r
	}
}

func origins(n *tnode, p PeerID) int {
	count := 0
	for _, g := range sent[*Graft](n, p) {
		count += len(g.Origins)
	}
	return count
}

// A faster way is taken if it is much faster once, or faster several times in a row and
// as much in all, and only to origins that speak often. The transcript rooted.txt has the rest.
func TestFasterWay(t *testing.T) {
	for _, c := range []struct {
		earlier []int // by how many ms C had each rumor before A brought it
		want    int   // asked for after so many, 0 = never
	}{
		{[]int{-3, 0, 1, 1, 1, 1}, 0},
		{[]int{100, 100, 100, 100}, 3}, // not before it has spoken often
		{[]int{6, 6, 0, 6, 0, 6, 0}, 0},
		{[]int{0, 0, 0, 4, 4, 0, 4, 4, 0}, 0}, // twice 8 ms, and then not again
		{[]int{0, 0, 0, 4, 4, 4, 0}, 7},
		{[]int{0, 0, 0, 12, 12, 0}, 6},
		{[]int{0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}, 0},
		{[]int{0, 0, 0, 25, 0}, 5},
	} {
		n, bring := rootedAt(t)
		asked := 0
		for i, ms := range c.earlier {
			bring(ms)
			if origins(n, "C") > 0 && asked == 0 {
				asked = i + 1
			}
		}
		if asked != c.want {
			t.Errorf("%v ms earlier: asked for after %d rumors, want %d", c.earlier, asked, c.want)
		}
	}
	// Nor after a long silence, as if nothing had been.
	n, bring := rootedAt(t)
	bring(100)
	bring(100)
	n.wait(sourceIdle)
	bring(100)
	bring(0)
	if origins(n, "C") != 0 {
		t.Error("an origin that speaks seldom gets a tree")
	}
}

// Who was slower than it said is not believed for a while, and then for longer.
func TestBoasting(t *testing.T) {
	n, bring := rootedAt(t)
	lie := func() {
		before := origins(n, "C")
		for range 5 {
			r := bring(500)
			if origins(n, "C") > before {
				n.recv("C", &Push{Rumor: r, Hops: 2, Rooted: true}) // late
				return
			}
		}
	}
	lie()
	if v := verdictsTo(n, "C"); origins(n, "C") != 1 || len(v) != 0 {
		n.wait(time.Second)
		if v = verdictsTo(n, "C"); len(v) != 1 || v[0] != VerdictElsewhere {
			t.Errorf("asked %d times, verdicts %v", origins(n, "C"), v)
		}
	}
	lie()
	if origins(n, "C") != 1 {
		t.Error("it is believed again at once")
	}
	n.wait(boastPause)
	lie()
	if origins(n, "C") != 2 {
		t.Error("it is never believed again")
	}
	n.wait(boastPause)
	lie()
	if origins(n, "C") != 2 {
		t.Error("a second time is forgiven as soon as the first")
	}
}

// A duplicate of an origin that has its own tree leaves the shared tree alone,
// at both ends.
func TestElsewhere(t *testing.T) {
	n, bring := rootedAt(t)
	r := bring(0)
	if v := n.pushRooted("C", r); v != VerdictElsewhere {
		t.Errorf("verdict %d on a duplicate by an origin's tree", v)
	}
	n.s.links["C"].lazy[7] = false
	key := sourceKey{7, "Z"}
	if in, ok := n.s.links["C"].rooted[n.s.sources[key]]; !ok || in {
		t.Error("the link stays in the origin's tree")
	}
	n.mute["C"] = true
	x := n.publish(7, "own")
	mustEqual(t, "pushed", pushedTo(n, "C"), []string{"own"})
	n.recv("C", &Receipt{[]Verdict{VerdictElsewhere}})
	if n.s.links["C"].lazy[7] || n.s.links["C"].rooted[n.s.sources[sourceKey{7, x.Origin}]] {
		t.Error("the receipt means the tree of the origin, and no other")
	}
	n.publish(7, "own again")
	mustEqual(t, "pushed", pushedTo(n, "C"), []string{"own"})
}

// Who got something of an origin that speaks often first from here stays its child
// when the shared tree loses the link. So it is for this node's own rumors.
func TestChildKept(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("A", 7)
	n.up("C", 7)
	prune := func(seq uint64) {
		r := rumorOf(t, "Y", seq, "a")
		n.recv("A", &Push{Rumor: r, Hops: 2})
		n.recv("C", &Push{Rumor: r, Hops: 2})
		if !n.s.links["C"].lazy[7] {
			t.Fatal("the shared tree keeps the link")
		}
	}
	for seq := range uint64(sourceOften) {
		n.recv("A", &Push{Rumor: rumorOf(t, "Z", seq+1, fmt.Sprint("z", seq)), Hops: 2})
		n.publish(7, fmt.Sprint("own", seq))
	}
	n.wait(5 * bustleTime) // among others' rumors few prune
	prune(1)
	n.forget()
	n.recv("A", &Push{Rumor: rumorOf(t, "Z", sourceOften+1, "next"), Hops: 2})
	n.publish(7, "own next")
	mustEqual(t, "pushed", pushedTo(n, "C"), []string{"next", "own next"})
	n.recv("A", &Push{Rumor: rumorOf(t, "X", 1, "other"), Hops: 2})
	mustEqual(t, "pushed", pushedTo(n, "C"), []string{"next", "own next"})
}

// No map grows with the number of origins.
func TestSourcesCap(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("A", 7)
	for i := range 2 * maxSources {
		origin := PeerID(fmt.Sprint("Z", i))
		r := rumorOf(t, origin, 1, "a")
		n.recv("A", &Push{Rumor: r, Hops: 2})
		n.recv("A", &Graft{Group: 7, Origins: []ShortID{r.ID.Short()}})
	}
	if s := n.s; len(s.sources) != maxSources || len(s.sourceOrder) != maxSources || len(s.links["A"].rooted) != maxSources {
		t.Errorf("%d sources, %d in order, %d of a link", len(s.sources), len(s.sourceOrder), len(s.links["A"].rooted))
	}
	for src := range n.s.links["A"].rooted {
		if n.s.sources[src.sourceKey] != src {
			t.Errorf("the link has a tree for %s, which is forgotten", src.origin)
		}
	}
}

// Whatever the timing, a large payload crosses no link twice, in either direction,
// and everybody gets it.
func TestLargeOncePerLink(t *testing.T) {
	for _, mode := range []PushMode{PushRooted, PushShared} {
		const size = 8
		w := group(t, size, func(c *Config) { c.Push = mode })
		crossed := make(map[string]int)
		w.watch = func(n *tnode, a Action) {
			s, ok := a.(Send)
			if !ok {
				return
			}
			var r *Rumor
			switch m := s.Msg.(type) {
			case *Push:
				r = m.Rumor
			case *Fill:
				r = m.Rumor
			}
			if r != nil && r.Size() > largeRumor {
				crossed[fmt.Sprint(r.ID, min(n.id, s.To), max(n.id, s.To))]++
			}
		}
		var texts []string
		for i := range 4 * size {
			text := strings.Repeat(fmt.Sprint(i%10), largeRumor+i)
			texts = append(texts, text)
			w.nodes[i%3].publish(7, text)
			w.wait(time.Duration(i*7) * time.Millisecond)
		}
		w.wait(5 * time.Second)
		w.allTold(texts...)
		for link, times := range crossed {
			if times > 1 {
				t.Errorf("mode %d: %s: %d times", mode, link, times)
			}
		}
		if len(crossed) < 4*size*(size-1) {
			t.Errorf("mode %d: only %d crossings were seen", mode, len(crossed))
		}
	}
}
