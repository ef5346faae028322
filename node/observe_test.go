package node

import (
	"testing"
	"time"
)

func TestObserver(t *testing.T) {
	a, _ := startNode(t, nil)
	b, stop := startNode(t, nil)
	wa := a.Watch()
	introduce(a, b)
	await(t, wa, "linked", b.ID())
	o := b.Observe()
	l, err := b.Listen([]uint16{7})
	if err != nil {
		t.Fatal(err)
	}
	next := func() Observed {
		t.Helper()
		select {
		case got := <-o.C():
			return got
		case <-time.After(20 * time.Second):
			t.Fatal("nothing is observed")
			return Observed{}
		}
	}
	told, err := a.Announce(t.Context(), Announcement{DataType: 7, Data: []byte("news")})
	if err != nil {
		t.Fatal(err)
	}
	got := next()
	if got.ID != told.ID || got.Verdict != "" || got.Via != a.ID() || got.Hops != 1 ||
		got.Rumor.Origin != a.ID() || string(got.Rumor.Data) != "news" || got.Rumor.DataType != 7 {
		t.Errorf("learnt %+v", got)
	}
	if got := next(); got.ID != told.ID || got.Verdict != "valid" {
		t.Errorf("settled %+v", got)
	}
	if p := b.Peers()[0]; p.ID != a.ID() || !p.Tree || len(p.TreeTypes) > 0 {
		t.Errorf("the tree of the only neighbour: %v %v", p.Tree, p.TreeTypes)
	}
	l.Close()
	o.Close()
	o.Close()
	if _, err := b.Announce(t.Context(), Announcement{DataType: 7}); err != nil {
		t.Fatal(err)
	}
	if len(o.C()) != 0 || o.Dropped() != 0 {
		t.Error("told after Close")
	}
	stop()
	b.Observe().Close() // of a node that has stopped
}

// An observer that sleeps costs nobody anything, and is told what it lost.
func TestObserverSleeps(t *testing.T) {
	n, _ := startNode(t, func(cfg *Config) { cfg.DifficultyBits = 0 })
	o := n.Observe()
	defer o.Close()
	for range observerQueue/2 + 5 { // two tidings each
		if _, err := n.Announce(t.Context(), Announcement{DataType: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if o.Dropped() != 10 {
		t.Errorf("%d dropped", o.Dropped())
	}
}
