package gossip

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The rules for votes, one test each. The node has a neighbour B that brings
// rumors and a neighbour D; what is pushed to D has been forwarded.

// ballotBox is a node with two modules that vote, when the test says so.
func ballotBox(t rapid.TB) (*tnode, *Rumor) {
	n := alone(t)
	n.subscribe(1, true, 7)
	n.subscribe(2, true, 7)
	n.up("B", 7)
	n.up("D", 7)
	n.forget()
	return n, rumorOf(t, "Z", 1, "news")
}

func (n *tnode) vote(m ModuleID, r *Rumor, valid bool) { n.do(Vote{m, r.ID, valid}) }

func (n *tnode) forwarded() bool { return len(pushedTo(n, "D")) > 0 }

func TestVotesAllValid(t *testing.T) {
	n, r := ballotBox(t)
	if v := n.push("B", r); v != VerdictNew {
		t.Fatalf("verdict %d", v)
	}
	mustEqual(t, "module 1 told", n.told(1), []string{"news"})
	mustEqual(t, "module 2 told", n.told(2), []string{"news"})
	n.vote(1, r, true)
	if n.forwarded() {
		t.Error("forwarded on the first of two votes")
	}
	n.vote(2, r, true)
	if !n.forwarded() {
		t.Error("not forwarded though all said valid")
	}
	if got := pushedTo(n, "B"); len(got) != 0 {
		t.Error("sent back to the neighbour that it came from")
	}
}

func TestVotesOneInvalid(t *testing.T) {
	for _, first := range []bool{true, false} {
		n, r := ballotBox(t)
		n.push("B", r)
		n.vote(1, r, first)
		n.vote(2, r, !first)
		n.wait(time.Minute)
		if n.forwarded() {
			t.Error("forwarded though one module refused it")
		}
		if st := n.s.Status(); st.Held != 0 || st.Kept != 0 || st.Counters.VotedDown != 1 {
			t.Errorf("held %d, kept %d, voted down %d", st.Held, st.Kept, st.Counters.VotedDown)
		}
		// It is remembered: neither told nor taken again.
		n.forget()
		if v := n.push("D", r); v != VerdictDuplicate {
			t.Errorf("verdict %d on what was refused", v)
		}
		n.subscribe(3, true, 7)
		mustEqual(t, "told again", slices.Concat(n.told(1), n.told(2), n.told(3)), nil)
		// A refusal is no fault of the neighbour: modules refuse what is stale.
		if got := actions[Hangup](n); len(got) != 0 {
			t.Error("the neighbour was cut off for it")
		}
	}
}

func TestVotesTimeOut(t *testing.T) {
	n, r := ballotBox(t)
	n.push("B", r)
	n.vote(1, r, true)
	n.wait(n.s.cfg.ValidationTimeout - time.Second)
	if n.s.Status().Held != 1 {
		t.Fatal("given up early")
	}
	n.wait(time.Second)
	if st := n.s.Status(); st.Held != 0 || st.Counters.VotesTimedOut != 1 {
		t.Errorf("held %d, timed out %d", st.Held, st.Counters.VotesTimedOut)
	}
	n.vote(2, r, true)
	if n.forwarded() {
		t.Error("a vote that came too late counted")
	}
	if got := n.s.Status().Counters.VotesIgnored; got != 1 {
		t.Errorf("%d votes ignored, want the late one", got)
	}
}

func TestVotesWithdrawn(t *testing.T) {
	n, r := ballotBox(t)
	n.push("B", r)
	n.vote(1, r, true)
	n.do(ModuleGone{2})
	if !n.forwarded() {
		t.Error("the vote of a module that left is waited for")
	}
}

func TestVotesAllWithdrawn(t *testing.T) {
	n, r := ballotBox(t)
	n.push("B", r)
	n.do(ModuleGone{1})
	n.do(ModuleGone{2})
	if n.forwarded() {
		t.Error("forwarded though nobody vouched for it")
	}
	// A module that comes back may still be told and vouch for it.
	n.forget()
	n.subscribe(3, true, 7)
	mustEqual(t, "told", n.told(3), []string{"news"})
	n.vote(3, r, true)
	if !n.forwarded() {
		t.Error("not forwarded though all who were asked said valid")
	}
}

func TestVotesIgnored(t *testing.T) {
	n, r := ballotBox(t)
	other := rumorOf(t, "Z", 2, "other")
	n.vote(1, r, true) // before it is known
	n.push("B", r)
	n.vote(3, r, false)     // a stranger
	n.vote(1, other, false) // an unknown rumor
	n.vote(1, r, true)
	n.vote(1, r, false) // a second thought
	n.vote(2, r, true)
	n.vote(2, r, false) // too late
	if !n.forwarded() {
		t.Error("a vote that should not count did")
	}
	if got := n.s.Status().Counters.VotesIgnored; got != 5 {
		t.Errorf("%d votes ignored, want 5", got)
	}
}

func TestVotesListenersOnly(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.up("D", 7)
	for i := range uint64(500) {
		n.push("B", rumorOf(t, "Z", i+1, fmt.Sprint(i)))
	}
	if got := len(pushedTo(n, "D")); got != 500 {
		t.Errorf("%d of 500 were forwarded without waiting for votes", got)
	}
	if len(n.s.ballots) != 0 {
		t.Errorf("%d ballots remain though nothing waits for votes", len(n.s.ballots))
	}
}

// A listener's opinion is not asked even where others vote.
func TestVotesOfListener(t *testing.T) {
	n, r := ballotBox(t)
	n.subscribe(3, false, 7)
	n.push("B", r)
	mustEqual(t, "listener told", n.told(3), []string{"news"})
	n.vote(3, r, false)
	n.vote(1, r, true)
	n.vote(2, r, true)
	if !n.forwarded() {
		t.Error("a listener's vote counted, or was waited for")
	}
}

func TestReplay(t *testing.T) {
	n := alone(t, func(c *Config) { c.Replay = 10 * time.Second })
	n.module(1, 7, 8)
	n.up("B", 7)
	n.push("B", rumorOf(t, "Z", 1, "old"))
	n.wait(9 * time.Second)
	n.push("B", rumorOf(t, "Z", 2, "new"))
	n.push("B", rumorOf(t, "Z", 3, "other type", func(h *Header) { h.DataType = 8 }))
	n.publish(7, "own", func(p *Publish) { p.From = 2 })
	n.wait(time.Second)
	n.forget()
	n.subscribe(2, true, 7)
	mustEqual(t, "the announcer is told", n.told(2), []string{"new"})
	n.subscribe(2, true, 7) // again changes nothing
	mustEqual(t, "told twice", n.told(2), []string{"new"})
	n.subscribe(3, false, 7)
	mustEqual(t, "in the order of arrival", n.told(3), []string{"new", "own"})
	n.wait(10 * time.Second)
	n.subscribe(4, false, 7)
	mustEqual(t, "beyond Replay", n.told(4), nil)
}

func TestReplayOff(t *testing.T) {
	n := alone(t, func(c *Config) { c.Replay = 0 })
	n.publish(7, "before")
	n.subscribe(1, false, 7)
	mustEqual(t, "told", n.told(1), nil)
	n.publish(7, "after")
	mustEqual(t, "told", n.told(1), []string{"after"})
}

// What waits for votes is told however long it has waited: the module that was
// asked may take longer than Replay to come back.
func TestReplayOfWhatWaits(t *testing.T) {
	n := alone(t, func(c *Config) { c.Replay, c.ValidationTimeout = time.Second, 20*time.Second })
	n.subscribe(1, true, 7)
	n.up("B", 7)
	n.up("D", 7)
	r := rumorOf(t, "Z", 1, "news")
	n.push("B", r)
	n.do(ModuleGone{1})
	n.wait(12 * time.Second)
	n.forget()
	n.subscribe(2, true, 7)
	n.subscribe(2, true, 7)
	mustEqual(t, "who comes back is told, once", n.told(2), []string{"news"})
	if n.forwarded() {
		t.Error("forwarded though nobody vouched for it")
	}
	n.vote(2, r, true)
	if !n.forwarded() {
		t.Error("not forwarded though all who were asked said valid")
	}
	n.subscribe(3, true, 7)
	mustEqual(t, "told when it waits no more", n.told(3), nil)
}

// A driver that is late with its tick may ask before the expired is gone.
func TestReplayNothingExpired(t *testing.T) {
	n := alone(t)
	n.publish(7, "a", func(p *Publish) { p.Lifetime = time.Second })
	n.w.now = n.w.now.Add(2 * time.Second)
	n.subscribe(1, false, 7)
	mustEqual(t, "told", n.told(1), nil)
}

func TestAnnouncerNeverTold(t *testing.T) {
	w := newWorld(t)
	a, b := w.add("A"), w.add("B")
	a.module(1, 7)
	a.module(2, 7)
	b.module(1, 7)
	w.link("A", "B")
	r := a.publish(7, "mine", func(p *Publish) { p.From = 1 })
	mustEqual(t, "the announcer", a.told(1), nil)
	mustEqual(t, "another module of its node", a.told(2), []string{"mine"})
	mustEqual(t, "another node", b.told(1), []string{"mine"})
	// Not when it comes back over the overlay, either; not even after it was evicted.
	a.s.store.remove(a.s.store.entries[r.ID])
	a.do(Received{"B", &Push{Rumor: r, Hops: 2}})
	mustEqual(t, "the announcer, by the overlay", a.told(1), nil)
	mustEqual(t, "another module, again", a.told(2), []string{"mine"})
}

// Local modules' votes on a local announcement are neither waited for nor
// counted: it leaves at once.
func TestOwnIsNotVotedOn(t *testing.T) {
	n := alone(t)
	n.subscribe(1, true, 7)
	n.up("D", 7)
	r := n.publish(7, "own")
	mustEqual(t, "told", n.told(1), []string{"own"})
	if !n.forwarded() {
		t.Error("an announcement waits for votes")
	}
	n.vote(1, r, false)
	if st := n.s.Status(); st.Kept != 1 {
		t.Error("a local vote took an announcement back")
	}
}

func TestSameBytesTwice(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("D", 7)
	a, b := n.publish(7, "same"), n.publish(7, "same")
	if a.ID == b.ID {
		t.Error("two announcements are one rumor")
	}
	mustEqual(t, "told", n.told(1), []string{"same", "same"})
	mustEqual(t, "pushed", pushedTo(n, "D"), []string{"same", "same"})
}

func TestModulesCap(t *testing.T) {
	n := alone(t)
	for m := range ModuleID(maxModules + 3) {
		n.do(Subscribe{m + 1, 7, false})
	}
	if st := n.s.Status(); st.Modules != maxModules || st.Counters.ModulesRefused != 3 {
		t.Errorf("%d modules, %d refused", st.Modules, st.Counters.ModulesRefused)
	}
	if got := actions[NotSubscribed](n); len(got) != 3 || got[0] != (NotSubscribed{maxModules + 1, 7, ErrModules}) {
		t.Errorf("refused: %v", got)
	}
	n.do(ModuleGone{1})
	n.do(Subscribe{maxModules + 3, 8, false})
	if st := n.s.Status(); st.Modules != maxModules {
		t.Error("the place of one that left stays taken")
	}
}

// A module's leave is one change, however many types it took.
func TestModuleGoneTellsOnce(t *testing.T) {
	n := alone(t)
	n.up("B")
	n.module(1, 7, 8, 9)
	n.module(2, 9)
	n.forget()
	n.do(ModuleGone{1})
	got := sent[*Interests](n, "B")
	if len(got) != 1 || !slices.Equal(got[0].Types, []uint16{9}) {
		t.Errorf("told %d lists of interests", len(got))
	}
	n.forget()
	n.do(ModuleGone{1})
	if len(n.seen) != 0 {
		t.Error("a module left twice")
	}
}

// Several modules with votes that conflict, are late or never come, modules
// that come and go while votes are open: for all interleavings a rumor is told
// at most once to each, is forwarded only by the rule, and nothing waits for ever.
func TestVotesMachine(t *testing.T) {
	type rumor struct {
		*Rumor
		open  map[ModuleID]bool // asked, no answer yet
		valid int
		state entryState
		at    time.Time
		told  map[ModuleID]bool
	}
	rapid.Check(t, func(t *rapid.T) {
		n := alone(t)
		n.up("B", 7)
		n.up("D", 7)
		var rumors []*rumor
		voters := make(map[ModuleID]bool) // module → votes
		// Three sessions at a time; their IDs are never used twice.
		sessions, last := []ModuleID{1, 2, 3}, ModuleID(3)
		tell := func(r *rumor, m ModuleID) {
			r.told[m] = true
			if voters[m] && r.state == held {
				r.open[m] = true
			}
		}
		decide := func(r *rumor) {
			if r.state == held && len(r.open) == 0 && r.valid > 0 {
				r.state = kept
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"subscribe": func(t *rapid.T) {
				m, votes := rapid.SampledFrom(sessions).Draw(t, "module"), rapid.Bool().Draw(t, "votes")
				before, known := voters[m]
				voters[m] = before || votes
				n.do(Subscribe{m, 7, votes})
				for _, r := range rumors {
					recent := r.state == kept && r.at.After(n.w.now.Add(-n.s.cfg.Replay))
					if !known && (r.state == held || recent) {
						tell(r, m)
					}
				}
			},
			"leave": func(t *rapid.T) {
				i := rapid.IntRange(0, 2).Draw(t, "session")
				m := sessions[i]
				n.do(ModuleGone{m})
				delete(voters, m)
				last++
				sessions[i] = last
				for _, r := range rumors {
					if r.open[m] {
						delete(r.open, m)
						decide(r)
					}
				}
			},
			"push": func(t *rapid.T) {
				if len(voters) == 0 {
					t.Skip("nobody takes it")
				}
				r := &rumor{rumorOf(t, "Z", uint64(len(rumors)+1), fmt.Sprint(len(rumors))),
					make(map[ModuleID]bool), 0, held, n.w.now, make(map[ModuleID]bool)}
				rumors = append(rumors, r)
				for m := range voters {
					tell(r, m)
				}
				if len(r.open) == 0 {
					r.state = kept
				}
				n.recv("B", &Push{Rumor: r.Rumor, Hops: 1})
			},
			"vote": func(t *rapid.T) {
				if len(rumors) == 0 {
					t.Skip("nothing to vote on")
				}
				r := rapid.SampledFrom(rumors).Draw(t, "rumor")
				// Also by modules that are gone.
				m := ModuleID(rapid.IntRange(1, int(last)).Draw(t, "module"))
				valid := rapid.IntRange(0, 3).Draw(t, "valid") > 0
				n.do(Vote{m, r.ID, valid})
				if r.state == held && r.open[m] {
					delete(r.open, m)
					if valid {
						r.valid++
						decide(r)
					} else {
						r.state = refused
					}
				}
			},
			"wait": func(t *rapid.T) {
				n.wait(time.Duration(rapid.IntRange(0, 15).Draw(t, "seconds")) * time.Second)
				for _, r := range rumors {
					if r.state == held && !n.w.now.Before(r.at.Add(n.s.cfg.ValidationTimeout)) {
						r.state = refused
					}
				}
			},
			"": func(t *rapid.T) {
				forwarded := make(map[RumorID]int)
				for _, p := range sent[*Push](n, "D") {
					forwarded[p.Rumor.ID]++
				}
				told := make(map[RumorID]map[ModuleID]int)
				for _, d := range actions[Deliver](n) {
					if told[d.Rumor.ID] == nil {
						told[d.Rumor.ID] = make(map[ModuleID]int)
					}
					told[d.Rumor.ID][d.Module]++
				}
				for i, r := range rumors {
					want := 0
					if r.state == kept {
						want = 1
					}
					if forwarded[r.ID] != want {
						t.Fatalf("rumor %d (state %d) was forwarded %d times", i, r.state, forwarded[r.ID])
					}
					if len(told[r.ID]) != len(r.told) {
						t.Fatalf("rumor %d was told to %v, want %v", i, told[r.ID], r.told)
					}
					for m, times := range told[r.ID] {
						if times != 1 || !r.told[m] {
							t.Fatalf("rumor %d was told to module %d %d times", i, m, times)
						}
					}
					if e := n.s.store.entries[r.ID]; e == nil || e.state != r.state {
						t.Fatalf("rumor %d: %+v, want state %d", i, e, r.state)
					}
				}
			},
		})
		n.wait(n.s.cfg.ValidationTimeout)
		if st := n.s.Status(); st.Held != 0 || len(n.s.ballots) != 0 {
			t.Errorf("%d rumors still wait, %d ballots", st.Held, len(n.s.ballots))
		}
	})
}

// A data type that neighbours could not be told of is refused in words, a type
// that somebody takes already is not, and there is room again later.
func TestTypesCap(t *testing.T) {
	n := alone(t)
	for i := range uint16(MaxInterests) {
		n.subscribe(1, false, i)
	}
	n.subscribe(1, false, MaxInterests)
	n.subscribe(2, false, MaxInterests)
	n.subscribe(2, false, 5)
	n.subscribe(1, false, 6) // again
	got := actions[NotSubscribed](n)
	if len(got) != 2 || got[0] != (NotSubscribed{1, MaxInterests, ErrTypes}) || got[1].Module != 2 {
		t.Errorf("refused: %v", got)
	}
	if st := n.s.Status(); len(st.Interests) != MaxInterests || st.Counters.TypesRefused != 2 || st.Modules != 2 {
		t.Errorf("%d types, %d refused, %d modules", len(st.Interests), st.Counters.TypesRefused, st.Modules)
	}
	n.do(ModuleGone{1})
	n.subscribe(2, false, MaxInterests)
	if len(actions[NotSubscribed](n)) != 2 {
		t.Error("no room when another module is gone")
	}
}
