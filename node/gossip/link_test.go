package gossip

import (
	"testing"
	"time"
)

func TestPings(t *testing.T) {
	n := alone(t)
	n.do(LinkUp{Peer: "B"})
	pings := func() int { return len(sent[*Ping](n, "B")) }
	for i := range newTrips { // to know the round trip
		if pings() != i+1 {
			t.Fatalf("a new neighbour was pinged %d times after %v", pings(), time.Duration(i)*newTrip)
		}
		n.wait(newTrip)
	}
	n.wait(pingInterval - newTrip - time.Millisecond)
	if pings() != newTrips {
		t.Error("pinged again too early")
	}
	n.recv("B", &Ping{9})
	if got := sent[*Pong](n, "B"); len(got) != 1 || got[0].Number != 9 {
		t.Errorf("a ping was answered with %v", got)
	}
	n.wait(pingInterval - time.Millisecond)
	if pings() != newTrips {
		t.Error("pinged though something was heard")
	}
	n.forget()
	n.wait(time.Minute)
	if got := pings(); got < 9 || got > 14 {
		t.Errorf("%d pings in a minute of silence", got)
	}
	if n.s.links["B"] == nil {
		t.Error("a neighbour that answers was given up")
	}
}

func TestRoundTrip(t *testing.T) {
	n := alone(t)
	n.mute["B"] = true
	n.do(LinkUp{Peer: "B"})
	n.wait(30 * time.Millisecond)
	n.recv("B", &Pong{99}) // not the number that was asked for
	if got := n.s.Status().Neighbours[0].RTT; got != 0 {
		t.Errorf("round trip %v of a pong that answers nothing", got)
	}
	n.recv("B", &Pong{1})
	n.wait(time.Second)
	n.recv("B", &Pong{1}) // again
	if got := n.s.Status().Neighbours[0].RTT; got != 30*time.Millisecond {
		t.Errorf("round trip %v, want 30ms", got)
	}
}

// The round trip of a neighbour that is not silent is measured anew now and then, and a
// long one is not believed at once: it was busy.
func TestRoundTripAgain(t *testing.T) {
	n := alone(t)
	n.mute["B"] = true
	n.do(LinkUp{Peer: "B"})
	trip := func(d time.Duration) time.Duration {
		n.wait(d)
		n.recv("B", &Pong{n.s.links["B"].number})
		return n.s.Status().Neighbours[0].RTT
	}
	for i, c := range []struct{ took, want time.Duration }{{40, 40}, {120, 50}, {20, 20}, {100, 30}} {
		if got := trip(c.took * time.Millisecond); got != c.want*time.Millisecond {
			t.Errorf("after %v the round trip is %v, want %v ms", c.took, got, c.want)
		}
		pause := newTrip
		if i >= newTrips-1 {
			pause = oldTrip
		}
		n.forget()
		for spent := time.Duration(0); spent < pause; spent += time.Second {
			if len(sent[*Ping](n, "B")) != 0 {
				t.Fatalf("pinged %v after ping %d, want %v", spent, i+1, pause)
			}
			n.wait(time.Second)
			n.recv("B", &Have{Group: 7})
		}
		if len(sent[*Ping](n, "B")) != 1 {
			t.Fatalf("not pinged %v after ping %d", pause, i+1)
		}
	}
}

func TestDeadLink(t *testing.T) {
	n := alone(t)
	n.up("B", 7)
	n.wait(3 * pingInterval)
	n.mute["B"] = true
	n.forget()
	n.wait(n.s.links["B"].heard.Add(pingDead - time.Millisecond).Sub(n.w.now))
	if len(actions[Hangup](n)) != 0 {
		t.Fatal("given up early")
	}
	n.wait(time.Millisecond)
	if got := actions[Hangup](n); len(got) != 1 || !got[0].Now || got[0].Peer != "B" {
		t.Fatalf("hangups %v", got)
	}
	st := n.s.Status()
	if len(st.Neighbours) != 0 || st.Counters.DeadLinks != 1 {
		t.Errorf("neighbours %v, %d dead links", st.Neighbours, st.Counters.DeadLinks)
	}
	n.wait(2*retryFirst + 2*courtesy)
	if got := actions[Dial](n); len(got) != 1 || got[0].Peer != "B" {
		t.Errorf("a lost neighbour is not dialled again: %v", got)
	}
}

// Behind a long queue a pong is late, and everything before it is a sign of life.
func TestLateIsNotDead(t *testing.T) {
	n := alone(t)
	n.mute["B"] = true
	n.up("B", 7)
	for range 30 {
		n.wait(4 * time.Second)
		n.recv("B", &Have{Group: 7})
	}
	if n.s.links["B"] == nil {
		t.Error("a neighbour that talks was given up")
	}
	if got := len(sent[*Ping](n, "B")); got < 2 {
		t.Errorf("%d pings", got)
	}
}

func TestAcceptFactor(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 2, true })
	n.do(Candidate{Peer: "X", Source: SourceContact, Record: &PeerRecord{Peer: "X", Seq: 1}})
	for i := range acceptFactor * 2 {
		n.up(PeerID(rune('a' + i)))
	}
	n.forget()
	n.up("z")
	st := n.s.Status()
	if len(st.Neighbours) != acceptFactor*2 || st.Counters.LinksRefused != 1 {
		t.Errorf("%d neighbours, %d refused", len(st.Neighbours), st.Counters.LinksRefused)
	}
	if got := sent[*Bye](n, "z"); len(got) != 1 || got[0].Reason != ByeFull {
		t.Errorf("goodbyes: %v", got)
	}
	if got := sent[*PeerList](n, "z"); len(got) != 1 || len(got[0].Records) != 1 {
		t.Errorf("the refused is told of others: %v", got)
	}
	// In order, so that it reads both before the end.
	if got := actions[Hangup](n); len(got) != 1 || got[0].Now {
		t.Errorf("hangups %v", got)
	}
	n.do(LinkDown{"a"})
	n.up("z")
	if n.s.links["z"] == nil {
		t.Error("a free place is not given away")
	}
}

// Without peer exchange nobody is told of others, not even when refused.
func TestRefusalWithoutExchange(t *testing.T) {
	n := alone(t, func(c *Config) { c.Degree = 1 })
	n.do(Candidate{Peer: "X", Source: SourceContact, Record: &PeerRecord{Peer: "X", Seq: 1}})
	for _, p := range []PeerID{"a", "b", "c", "d"} {
		n.up(p)
	}
	if len(sent[*PeerList](n, "d")) != 0 || len(sent[*Bye](n, "d")) != 1 {
		t.Error("refused with addresses, or without a word")
	}
}

// A place that becomes free in the middle is used again, and what its last
// owner had does not count for the next one.
func TestSlotsAreReused(t *testing.T) {
	n := alone(t)
	n.up("B", 7)
	n.up("C", 7)
	n.publish(7, "a")
	n.do(LinkDown{"B"})
	n.do(LinkDown{"B"}) // once is enough
	n.forget()
	n.up("D", 7)
	if n.s.links["D"].slot != 0 || len(n.s.linkOrder) != 2 {
		t.Errorf("slot %d of %d", n.s.links["D"].slot, len(n.s.linkOrder))
	}
	mustEqual(t, "pushed to D", pushedTo(n, "D"), []string{"a"})
	mustEqual(t, "pushed to C", pushedTo(n, "C"), nil)
}

// A LinkUp on a link that is up is a new link: what was said on the old one is
// forgotten.
func TestLinkUpTwice(t *testing.T) {
	n := alone(t)
	n.mute["B"] = true
	n.up("B", 7)
	n.publish(7, "a")
	n.forget()
	n.up("B", 7)
	mustEqual(t, "pushed", pushedTo(n, "B"), []string{"a"})
	if st := n.s.Status(); len(st.Neighbours) != 1 || st.Neighbours[0].Unanswered != 1 {
		t.Errorf("%+v", st.Neighbours)
	}
	changes := actions[PeerEvent](n)
	if len(changes) != 2 || changes[0].What != PeerUnlinked || changes[1].What != PeerLinked {
		t.Errorf("people are told %v", changes)
	}
}

// From a peer that is not linked nothing is heard but why it goes.
func TestNotLinked(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.recv("B", &Push{Rumor: rumorOf(t, "Z", 1, "a"), Hops: 1})
	n.recv("B", &Ping{1})
	n.recv("B", &Sync{Group: 7, Ranges: []Range{{Mode: RangeFingerprint}}})
	n.recv("B", &Bye{ByeFull})
	n.wait(time.Second)
	if len(n.seen) != 0 {
		t.Errorf("answered %v", n.seen)
	}
}

func TestByes(t *testing.T) {
	for reason, pause := range map[ByeReason][2]time.Duration{
		ByeFull:       {40 * time.Second, 80 * time.Second},
		ByeMisbehaved: {banTime, banTime + time.Second},
	} {
		n := alone(t)
		n.up("B")
		n.recv("B", &Bye{reason})
		// Who is full ends the link itself, after the peers that it names.
		want := 1
		if reason == ByeFull {
			want = 0
		}
		if got := actions[Hangup](n); len(got) != want || n.s.links["B"] != nil && !n.s.links["B"].leaving {
			t.Errorf("reason %d: hangups %v", reason, got)
		}
		n.do(LinkDown{"B"})
		n.wait(pause[0] - time.Second)
		if len(actions[Dial](n)) != 0 {
			t.Errorf("reason %d: dialled again before %v", reason, pause[0])
		}
		n.wait(pause[1] - pause[0] + time.Second)
		if len(actions[Dial](n)) != 1 {
			t.Errorf("reason %d: not dialled again after %v", reason, pause[1])
		}
	}
	n := alone(t)
	n.up("B")
	n.recv("B", &Bye{ByeLeaving})
	n.do(LinkDown{"B"})
	n.wait(time.Hour)
	if len(actions[Dial](n)) != 0 {
		t.Error("dialled though it said that it leaves")
	}
	n.do(Candidate{Peer: "B", Source: SourceLAN}) // seen again
	n.wait(2 * courtesy)
	if len(actions[Dial](n)) != 1 {
		t.Error("not dialled though it was seen again")
	}
}

// Who breaks the protocol is cut off and stays out; of who is no neighbour nothing is to be said.
func TestBrokeCutsOff(t *testing.T) {
	n := alone(t)
	n.up("B")
	n.do(Broke{"C"})
	n.do(Broke{"B"})
	if got := n.s.count.Misbehaviour; got != 1 {
		t.Errorf("%d were cut off", got)
	}
	n.cutOff(t, "B")
}

func TestBanCap(t *testing.T) {
	n := alone(t)
	for i := range maxBanned + 10 {
		n.s.now = n.w.now
		n.s.ban(PeerID([]byte{byte(i), byte(i >> 8)}))
	}
	if len(n.s.banned) != maxBanned {
		t.Errorf("%d bans, at most %d", len(n.s.banned), maxBanned)
	}
	n.s.now = n.w.now.Add(banTime + time.Second)
	n.s.ban("new")
	if len(n.s.banned) != 1 {
		t.Errorf("%d bans after they ended", len(n.s.banned))
	}
}

// Interests tell what modules take, in order, and only once per change.
func TestInterests(t *testing.T) {
	n := alone(t)
	n.up("B")
	n.forget()
	n.module(1, 9, 7)
	n.module(2, 7)
	got := sent[*Interests](n, "B")
	if len(got) != 2 {
		t.Fatalf("%d lists for two changes", len(got))
	}
	mustEqual(t, "types", got[1].Types, []uint16{7, 9})
	n.do(ModuleGone{1})
	got = sent[*Interests](n, "B")
	mustEqual(t, "types", got[2].Types, []uint16{7})
}

func TestInterestsCap(t *testing.T) {
	n := alone(t)
	for i := range MaxInterests + 5 {
		n.s.takers[uint16(3*i)] = 1
	}
	n.up("B")
	if got := sent[*Interests](n, "B"); len(got) != 1 || len(got[0].Types) != MaxInterests {
		t.Errorf("%d types told, at most %d", len(got[0].Types), MaxInterests)
	}
}
