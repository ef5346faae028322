package gossip

import (
	"fmt"
	"testing"
	"time"
)

// A late joiner gets all that is alive, however old; a module that subscribes
// late only what the node did not know.
func TestLateJoiner(t *testing.T) {
	w := newWorld(t)
	a := w.add("A")
	a.module(1, 7)
	for _, text := range []string{"1", "2", "3"} {
		a.publish(7, text)
		w.wait(time.Minute)
	}
	b := w.add("B")
	w.link("B", "A")
	w.wait(time.Minute)
	mustEqual(t, "told", b.told(1), nil)
	b.module(1, 7)
	w.wait(time.Second)
	w.allTold("1", "2", "3")
	b.module(2, 7)
	mustEqual(t, "told to a module that came later", b.told(2), []string{"1", "2", "3"}) // within Replay
	w.wait(time.Minute)
	b.module(3, 7)
	mustEqual(t, "told to a module that came much later", b.told(3), nil)
}

// What was evicted from a full store neither comes back nor is told twice,
// though the neighbour still has it.
func TestEvictedStayAway(t *testing.T) {
	w := newWorld(t)
	often := func(c *Config) { c.AntiEntropy = time.Second }
	a := w.add("A", often)
	b := w.add("B", often, func(c *Config) { c.CacheSize = 10 })
	a.module(1, 7)
	b.module(1, 7)
	w.link("A", "B")
	var texts []string
	for i := range 40 {
		texts = append(texts, fmt.Sprint(i))
		a.publish(7, texts[i])
		w.wait(100 * time.Millisecond)
	}
	c := w.count()
	w.wait(time.Minute)
	if got := b.s.Status().Kept; got != 10 {
		t.Errorf("B keeps %d", got)
	}
	if c.fills+c.wants != 0 {
		t.Errorf("%d fills and %d wants of what was evicted", c.fills, c.wants)
	}
	mustEqual(t, "told", b.told(1), texts)
}

// A node that has moved on to a newer version of a state rumor does not go back
// when a neighbour that is behind offers the older one.
func TestReconcileState(t *testing.T) {
	for _, ahead := range []PeerID{"A", "C"} {
		w := newWorld(t)
		n, behind := w.add(ahead), w.add("B")
		n.module(1, 7)
		behind.module(1, 7)
		state := func(p *Publish) { p.Kind, p.Key = KindState, "mood" }
		w.link(ahead, "B")
		n.publish(7, "busy", state)
		w.wait(time.Second)
		w.unlink(ahead, "B")
		n.publish(7, "idle", state)
		w.link(ahead, "B")
		w.wait(10 * time.Second)
		w.allTold("busy", "idle")
		for _, n := range w.nodes {
			if kept := n.s.store.newest[stateKey{ahead, 7, "mood"}]; kept == nil || string(kept.Payload) != "idle" || len(n.s.store.entries) != 1 {
				t.Errorf("%s keeps %v", n.id, kept)
			}
		}
	}
}

// What waits for votes or was voted down is not given away, nor fetched again.
func TestUnvalidatedIsNotGiven(t *testing.T) {
	n := alone(t)
	n.subscribe(1, true, 7)
	n.up("B", 7)
	n.up("D", 7)
	held, down := rumorOf(t, "Z", 1, "held"), rumorOf(t, "Z", 2, "down")
	n.push("B", held)
	n.push("B", down)
	n.vote(1, down, false)
	n.forget()
	n.recv("D", &Want{7, []RumorID{held.ID, down.ID, {1}}})
	n.recv("D", &Sync{Group: 7, Ranges: []Range{{Mode: RangeIDs, IDs: []RumorID{held.ID}}}})
	n.recv("D", &Sync{Group: 7, Ranges: []Range{{Mode: RangeIDs, IDs: []RumorID{down.ID}}}})
	if got := sent[*Fill](n, "D"); len(got) != 0 {
		t.Errorf("gave %q", got[0].Rumor.Payload)
	}
	// Listed where it does not belong.
	n.recv("D", &Sync{Group: 7, Ranges: []Range{
		{End: Point{Created: held.Created - 1}, Mode: RangeIDs, IDs: []RumorID{held.ID}}, {},
	}})
	if got := sent[*Want](n, "D"); len(got) != 0 {
		t.Errorf("asks for what it knows: %v", got)
	}
}

// A limited rumor goes to each neighbour once, by whatever way.
func TestLimitedIsGivenOnce(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7)
	r := n.publish(7, "x", func(p *Publish) { p.TTL = 2 })
	n.up("D", 7)
	for range 3 {
		n.recv("B", &Want{7, []RumorID{r.ID}})
		n.recv("D", &Want{7, []RumorID{r.ID}})
	}
	mustEqual(t, "pushed to B", pushedTo(n, "B"), []string{"x"})
	if b, d := len(sent[*Fill](n, "B")), len(sent[*Fill](n, "D")); b != 0 || d != 1 {
		t.Errorf("filled %d times to B, %d times to D", b, d)
	}
	if got := sent[*Fill](n, "D")[0].Hops; got != 1 {
		t.Errorf("hop %d", got)
	}
}

func TestGroupsApart(t *testing.T) {
	n := alone(t)
	n.module(1, 7)
	n.up("B", 7, 8)
	r := n.publish(8, "of a type that nobody here takes")
	n.publish(7, "x")
	n.forget()
	n.recv("B", &Sync{Group: 8, Ranges: []Range{{Mode: RangeFingerprint}}})
	n.recv("B", &Want{8, []RumorID{r.ID}})
	n.recv("B", &Want{7, []RumorID{r.ID}})
	// The last one is told that there is nothing for it.
	syncs := sent[*Sync](n, "B")
	if len(syncs) != 1 || syncs[0].Group != 7 || len(syncs[0].Ranges) != 0 || len(sent[*Fill](n, "B")) != 0 {
		t.Errorf("answered about a group without a part in it: %v", n.seen)
	}
}
