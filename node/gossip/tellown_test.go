package gossip

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Local modules hear of an announcement before it is sealed, and once.

func TestToldBeforeSealing(t *testing.T) {
	n := alone(t)
	n.manual = true
	n.subscribe(1, true, 7)
	n.subscribe(2, true, 7)
	n.subscribe(3, false, 7)
	n.subscribe(4, true, 8)
	n.up("B", 7)
	n.do(Observe{On: true})
	n.forget()
	n.do(Publish{From: 1, Kind: KindEvent, DataType: 7, Payload: []byte("x")})
	if len(n.seen) != 3 {
		t.Fatalf("%v, want two deliveries and a seal", n.seen)
	}
	for i, m := range []ModuleID{2, 3} {
		if d, ok := n.seen[i].(Deliver); !ok || d.Module != m || d.Rumor.ID != n.seals[0].Rumor.ID {
			t.Errorf("action %d is %v", i, n.seen[i])
		}
	}
	if !n.seals[0].Told {
		t.Error("the driver is not told that nobody here waits for the seal")
	}
	// Votes change nothing, before and after.
	own := n.seals[0].Rumor
	n.vote(2, own, false)
	n.do(Sealed{toySeal(own)})
	n.vote(2, own, false)
	n.wait(time.Minute)
	for m, want := range map[ModuleID][]string{1: nil, 2: {"x"}, 3: {"x"}, 4: nil} {
		mustEqual(t, fmt.Sprintf("module %d told", m), n.told(m), want)
	}
	mustEqual(t, "pushed", pushedTo(n, "B"), []string{"x"})
	if got := actions[Learnt](n); len(got) != 1 || len(got[0].Rumor.Signature) == 0 {
		t.Errorf("observers learnt %v", got)
	}
	if c := n.s.Status().Counters; c.Delivered != 2 || c.Published != 1 || c.VotesIgnored != 2 || c.VotedDown != 0 {
		t.Errorf("%d delivered, %d published, %d votes ignored, %d voted down", c.Delivered, c.Published, c.VotesIgnored, c.VotedDown)
	}
}

// Who subscribes while it is sealed is told then, whatever else it takes or took.
func TestToldAtSealing(t *testing.T) {
	n := alone(t)
	n.manual = true
	n.subscribe(2, false, 7)
	n.subscribe(3, true, 8)
	n.do(Publish{From: 1, Kind: KindEvent, DataType: 7, Payload: []byte("x")})
	n.subscribe(2, true, 7, 8) // it votes now
	n.subscribe(3, true, 7)
	n.subscribe(4, true, 7)
	n.do(ModuleGone{4})
	n.subscribe(1, true, 7) // the announcer
	n.do(Sealed{toySeal(n.seals[0].Rumor)})
	n.subscribe(5, true, 7) // by replay
	for m, want := range map[ModuleID][]string{1: nil, 2: {"x"}, 3: {"x"}, 4: nil, 5: {"x"}} {
		mustEqual(t, fmt.Sprintf("module %d told", m), n.told(m), want)
	}
	for _, d := range actions[Deliver](n)[1:] {
		if len(d.Rumor.Signature) == 0 {
			t.Errorf("module %d is told it without its seal", d.Module)
		}
	}
}

// What is numbered anew has another ID and is the same to modules.
func TestToldOnceByTwoNumbers(t *testing.T) {
	n := alone(t)
	n.manual = true
	n.subscribe(2, true, 7)
	n.up("B", 7)
	n.do(Publish{Ticket: 5, From: 1, Kind: KindEvent, DataType: 7, Payload: []byte("x")})
	first := n.seals[0].Rumor
	n.push("B", presenceOf(t, "M", 1, Presence{}, func(h *Header) { h.Epoch = 9 }))
	n.subscribe(3, true, 7)
	n.do(Sealed{toySeal(first)})
	n.do(Publish{From: 1, Kind: KindEvent, DataType: 7, Payload: []byte("y")})
	mustEqual(t, "told of what has no number", n.told(2), []string{"x"})
	n.do(EpochRaised{10})
	mustEqual(t, "told of what has one", n.told(2), []string{"x", "y"})
	n.subscribe(4, true, 7)
	for _, a := range n.seals[1:] {
		n.vote(2, first, false)
		n.do(Sealed{toySeal(a.Rumor)})
	}
	for m, want := range map[ModuleID][]string{1: nil, 2: {"x", "y"}, 3: {"x", "y"}, 4: {"x", "y"}} {
		mustEqual(t, fmt.Sprintf("module %d told", m), n.told(m), want)
	}
	mustEqual(t, "pushed", pushedTo(n, "B"), []string{"x", "y"})
	if c := n.s.Status().Counters; c.Published != 2 || c.VotesIgnored != 2 {
		t.Errorf("%d published, %d votes ignored", c.Published, c.VotesIgnored)
	}
}

// If it cannot be sealed, nobody but these modules ever hears of it.
func TestToldInVain(t *testing.T) {
	n := alone(t)
	n.manual = true
	n.subscribe(2, true, 7)
	n.up("B", 7)
	n.do(Publish{Ticket: 5, From: 1, Kind: KindEvent, DataType: 7, Payload: []byte("x")})
	n.subscribe(3, true, 7)
	n.do(SealFailed{n.seals[0].Rumor.ID})
	n.subscribe(4, true, 7)
	for m, want := range map[ModuleID][]string{2: {"x"}, 3: nil, 4: nil} {
		mustEqual(t, fmt.Sprintf("module %d told", m), n.told(m), want)
	}
	mustEqual(t, "pushed", pushedTo(n, "B"), nil)
	if got := actions[Refused](n); len(got) != 1 || got[0].Ticket != 5 || !errors.Is(got[0].Err, ErrSeal) {
		t.Errorf("refused %v", got)
	}
}

// What everybody carries, and presences, are not for modules of type 0.
func TestCarriedOfOwnIsNotTold(t *testing.T) {
	n := alone(t)
	n.module(2, 0)
	n.record()
	n.do(Publish{From: 1, Kind: KindPrivate, Payload: []byte("private")})
	n.do(Publish{From: 1, Kind: KindState, Key: "k", Payload: []byte("state")})
	n.do(Publish{From: 1, Kind: KindEvent, Payload: []byte("event")})
	n.wait(time.Second)
	mustEqual(t, "told", n.told(2), []string{"event"})
	if got := n.s.Status().Counters.Published; got != 3 {
		t.Errorf("%d published", got)
	}
}

// However subscriptions, seals and later epochs interleave, a module is told
// everything that was published while it took the type, and nothing twice.
func TestTellOwnMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := alone(t, func(c *Config) { c.Replay = 0 })
		n.manual = true
		n.up("B", 7)
		took := make(map[ModuleID]bool)
		want := make(map[ModuleID]map[string]bool)
		published := 0
		ask := func(what string) { // who takes the type now is to be told it
			for m := range took {
				want[m][what] = true
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"subscribe": func(t *rapid.T) {
				m := ModuleID(rapid.IntRange(2, 5).Draw(t, "module"))
				if !took[m] {
					took[m], want[m] = true, make(map[string]bool)
				}
				n.do(Subscribe{m, 7, rapid.Bool().Draw(t, "votes")})
			},
			"publish": func(t *rapid.T) {
				what := fmt.Sprint(published)
				published++
				n.do(Publish{From: 1, Kind: KindEvent, DataType: 7, Payload: []byte(what)})
				if !n.s.raising {
					ask(what)
				}
			},
			"seal": func(t *rapid.T) {
				if len(n.seals) == 0 {
					t.Skip("nothing to seal")
				}
				i := rapid.IntRange(0, len(n.seals)-1).Draw(t, "which")
				r := n.seals[i].Rumor
				n.seals = slices.Delete(n.seals, i, i+1)
				if rapid.IntRange(0, 4).Draw(t, "fails") == 0 {
					n.do(SealFailed{r.ID})
					return
				}
				n.do(Sealed{toySeal(r)})
				if !n.s.raising { // it has its place, or at least another number
					ask(string(r.Payload))
				}
			},
			"later epoch": func(t *rapid.T) {
				if !n.s.raising {
					n.recv("B", &Push{Rumor: presenceOf(t, "M", 1, Presence{}, func(h *Header) { h.Epoch = n.s.epoch + 1 }), Hops: 1})
				}
			},
			"raise": func(t *rapid.T) {
				if n.s.raising {
					for _, p := range n.s.waiting {
						ask(string(p.Payload))
					}
					n.do(EpochRaised{n.s.laterEpoch + 1})
				}
			},
			"": func(t *rapid.T) {
				for m := range took {
					told := n.told(m)
					slices.Sort(told)
					mustEqual(t, fmt.Sprintf("module %d told", m), told, slices.Sorted(maps.Keys(want[m])))
				}
			},
		})
	})
}
