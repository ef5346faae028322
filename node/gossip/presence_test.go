package gossip

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// changes lists what people were told of a peer since forget.
func (n *tnode) changes(p PeerID) []PeerChange {
	var list []PeerChange
	for _, e := range actions[PeerEvent](n) {
		if e.Peer == p && e.What != PeerLinked && e.What != PeerUnlinked {
			list = append(list, e.What)
		}
	}
	return list
}

// members is three nodes in a row that all announce themselves.
func members(t testing.TB, change ...func(*Config)) *world {
	w := newWorld(t)
	for _, id := range []PeerID{"A", "B", "C"} {
		w.add(id, append([]func(*Config){func(c *Config) { c.Heartbeat, c.Agent = time.Minute, "agent of "+string(id) }}, change...)...).record()
	}
	w.link("A", "B")
	w.link("B", "C")
	w.wait(time.Second)
	return w
}

func TestJoin(t *testing.T) {
	w := members(t)
	w.node("C").subscribe(1, true, 7, 9)
	w.wait(time.Second)
	a := w.node("A")
	mustEqual(t, "changes of C at A", a.changes("C"), []PeerChange{PeerJoined})
	mustEqual(t, "changes of A at A", a.changes("A"), nil)
	st := a.s.Status()
	if len(st.Members) != 3 {
		t.Fatalf("A knows %d members", len(st.Members))
	}
	c := st.Members[2]
	if c.Peer != "C" || c.Left || c.Agent != "agent of C" || string(c.Record) != "address of C" || !slices.Equal(c.Interests, []uint16{7, 9}) {
		t.Errorf("A knows of C %+v", c)
	}
}

// The certificate of a node's key is in its presence, and a newer one takes its
// place everywhere.
func TestPresenceKey(t *testing.T) {
	w := members(t)
	for _, key := range []string{"first", "second"} {
		w.node("A").do(SelfKey{[]byte(key)})
		w.wait(time.Second)
		if m, ok := w.node("C").s.Member("A"); !ok || string(m.Key) != key {
			t.Errorf("C knows of A the key %q (%v), want %q", m.Key, ok, key)
		}
	}
	if m, ok := w.node("C").s.Member("Z"); ok || m.Peer != "" {
		t.Errorf("C knows of a node that there is not: %+v", m)
	}
}

// A presence is renewed with every heartbeat, give or take a quarter, by a
// rumor with a number of its own; nobody takes notice.
func TestHeartbeat(t *testing.T) {
	w := members(t)
	a, b := w.node("A"), w.node("B")
	for _, n := range w.nodes {
		n.forget()
	}
	var at []time.Time
	var seqs []uint64
	w.watch = func(n *tnode, x Action) {
		if s, ok := x.(Seal); ok && n == a {
			at, seqs = append(at, w.now), append(seqs, s.Rumor.Seq)
		}
	}
	w.wait(10 * time.Minute)
	if len(at) < 8 || len(at) > 13 {
		t.Fatalf("%d heartbeats in ten minutes", len(at))
	}
	for i := range at[1:] {
		if d := at[i+1].Sub(at[i]); d < 45*time.Second || d > 76*time.Second {
			t.Errorf("a pause of %v", d)
		}
		if seqs[i+1] != seqs[i]+1 {
			t.Errorf("numbers %d and %d", seqs[i], seqs[i+1])
		}
	}
	if len(b.changes("A"))+len(b.changes("C")) != 0 {
		t.Error("a renewal is news")
	}
	if got := b.s.members["A"].r.Seq; got != seqs[len(seqs)-1] {
		t.Errorf("B knows heartbeat %d of %d", got, seqs[len(seqs)-1])
	}
}

// A node that does not renew its presence is lost soon, and forgotten after three
// heartbeats.
func TestPresenceExpires(t *testing.T) {
	w := members(t)
	a := w.node("A")
	a.forget()
	w.node("C").down = true // without a word
	w.wait(2 * time.Minute)
	mustEqual(t, "changes after two heartbeats", a.changes("C"), []PeerChange{PeerSuspected, PeerLost})
	w.wait(3 * time.Minute)
	mustEqual(t, "changes after five", a.changes("C"), []PeerChange{PeerSuspected, PeerLost, PeerExpired})
	if st := a.s.Status(); len(st.Members) != 2 {
		t.Errorf("%d members", len(st.Members))
	}
	if len(a.s.presences) != 2 || len(a.s.presenceByID) != 2 {
		t.Error("what expired is still compared")
	}
}

// A leave goes ahead of everything, reaches all, and closes the door behind it.
func TestLeave(t *testing.T) {
	w := members(t)
	a, c := w.node("A"), w.node("C")
	a.forget()
	c.forget()
	c.do(Leave{})
	if len(actions[Farewell](c)) != 1 {
		t.Fatal("no farewell")
	}
	last := c.seen[len(c.seen)-2]
	if s, ok := last.(Send); !ok || !s.Urgent {
		t.Errorf("before the farewell it did %+v, not an urgent send", last)
	}
	mustEqual(t, "changes at A", a.changes("C"), []PeerChange{PeerLeft})
	c.down = false
	c.do(Publish{Ticket: 3, Kind: KindEvent})
	if got := actions[Refused](c); len(got) != 1 || !errors.Is(got[0].Err, ErrLeaving) {
		t.Errorf("a publication after leaving: %v", got)
	}
	c.do(Leave{})
	c.do(LinkUp{Peer: "X"})
	c.do(Candidate{Peer: "Y", Source: SourceLAN})
	if len(actions[Farewell](c)) != 1 || c.s.links["X"] != nil || len(actions[Dial](c)) != 0 {
		t.Error("it leaves twice, or takes up links after leaving")
	}
	c.down = true
	// Nobody dials it, and nobody takes it for expired later.
	w.node("B").forget()
	w.wait(2 * tombstone)
	mustEqual(t, "changes at A", a.changes("C"), []PeerChange{PeerLeft})
	mustEqual(t, "dialled by B", w.node("B").dials(), nil)
	if len(a.s.members) != 2 {
		t.Error("the tombstone stays")
	}
}

// The driver hears of each key that is new, and of nothing else.
func TestKeyIsTold(t *testing.T) {
	n := crowd(t, "C")
	for seq, c := range []struct {
		key  string
		told int
	}{{"", 0}, {"k1", 1}, {"k1", 0}, {"k2", 1}, {"", 0}} {
		n.forget()
		p := Presence{}
		if c.key != "" {
			p.Key = []byte(c.key)
		}
		n.hear("C", uint64(seq+2), p)
		if got := actions[PeerKey](n); len(got) != c.told || c.told > 0 && got[0].Peer != "C" {
			t.Errorf("presence %d with the key %q: told %v", seq, c.key, got)
		}
	}
}

func TestRejoin(t *testing.T) {
	n := alone(t)
	n.up("B")
	life := func(epoch uint64) func(*Header) {
		return func(h *Header) { h.Epoch = epoch }
	}
	joined := presenceOf(t, "Z", 1, Presence{Agent: "z"}, life(1))
	left := presenceOf(t, "Z", 2, Presence{Left: true}, life(1))
	rejoined := presenceOf(t, "Z", 1, Presence{Agent: "z2"}, life(2))
	for _, c := range []struct {
		r    *Rumor
		want Verdict
	}{
		{joined, VerdictNew}, {joined, VerdictDuplicate},
		{left, VerdictNew}, {joined, VerdictStale}, {left, VerdictKnown}, // for leaves are flooded
		{rejoined, VerdictNew}, {left, VerdictStale}, {joined, VerdictStale}, {rejoined, VerdictDuplicate},
	} {
		if got := n.push("B", c.r); got != c.want {
			t.Errorf("epoch %d, seq %d: verdict %d, want %d", c.r.Epoch, c.r.Seq, got, c.want)
		}
	}
	mustEqual(t, "changes", n.changes("Z"), []PeerChange{PeerJoined, PeerLeft, PeerJoined})
	if m := n.s.Status().Members; len(m) != 1 || m[0].Left || m[0].Agent != "z2" {
		t.Errorf("members %+v", m)
	}
}

// A presence that came by a comparison, which is no way, and then by a push takes no link
// out of the tree; its next one does.
func TestComparedPresencePrunesNothing(t *testing.T) {
	n := alone(t)
	n.up("B")
	n.up("C")
	l := n.s.links["C"]
	r := presenceOf(t, "Z", 1, Presence{})
	n.recv("B", &Fill{r, 1})
	if v := n.push("C", r); v != VerdictKnown || l.lazy[GroupPresence] {
		t.Errorf("after a comparison a push has verdict %d, and makes its link lazy: %v", v, l.lazy[GroupPresence])
	}
	r = presenceOf(t, "Z", 2, Presence{})
	n.push("B", r)
	if v := n.push("C", r); v != VerdictDuplicate || !l.lazy[GroupPresence] {
		t.Errorf("after a push another has verdict %d, and makes its link lazy: %v", v, l.lazy[GroupPresence])
	}
}

// Who was never heard of and left is no news.
func TestLeaveOfStranger(t *testing.T) {
	n := alone(t)
	n.up("B")
	n.push("B", presenceOf(t, "Z", 1, Presence{Left: true}))
	mustEqual(t, "changes", n.changes("Z"), nil)
}

// Nobody can say that another left, or is here.
func TestForgedPresence(t *testing.T) {
	n := alone(t)
	n.up("B")
	n.push("B", presenceOf(t, "Z", 1, Presence{Agent: "z"}))
	for name, spoil := range map[string]func(r *Rumor){
		"signed by another": func(r *Rumor) { r.Signature = []byte("B's name") },
		"without work":      func(r *Rumor) { r.Nonce = 0 },
	} {
		forged := presenceOf(t, "Z", 9, Presence{Left: true})
		spoil(forged)
		if v := n.push("B", forged); v != VerdictInvalid {
			t.Errorf("%s: verdict %d", name, v)
		}
	}
	garbled := rumorOf(t, "Z", 9, "\x01", func(h *Header) { h.Kind = KindPresence })
	if v := n.push("B", garbled); v != VerdictInvalid {
		t.Errorf("garbled: verdict %d", v)
	}
	if v := n.push("B", presenceOf(t, "Z", 9, Presence{Left: true}, func(h *Header) { h.Network = "other" })); v != VerdictInvalid {
		t.Errorf("of another network: verdict %d", v)
	}
	mustEqual(t, "changes", n.changes("Z"), []PeerChange{PeerJoined})
}

func TestPresenceTimes(t *testing.T) {
	n := alone(t)
	n.up("B")
	past := func(h *Header) { h.Created -= 10_000; h.Expires = epoch0.UnixMilli() }
	if v := n.push("B", presenceOf(t, "Z", 1, Presence{}, past)); v != VerdictStale {
		t.Errorf("expired: verdict %d", v)
	}
	future := func(h *Header) { h.Created += MaxSkew.Milliseconds() + 1000; h.Expires += 1e6 }
	if v := n.push("B", presenceOf(t, "Z", 1, Presence{}, future)); v != VerdictStale {
		t.Errorf("from the future: verdict %d", v)
	}
	if len(n.s.members) != 0 {
		t.Error("it is a member all the same")
	}
}

func TestMembersCap(t *testing.T) {
	n := alone(t)
	n.up("B")
	known := presenceOf(t, "known", 1, Presence{})
	n.push("B", known)
	dummy := n.s.members["known"]
	for i := range maxMembers - 1 {
		n.s.members[PeerID(fmt.Sprint(i))] = dummy
	}
	if v := n.push("B", presenceOf(t, "Z", 1, Presence{})); v != VerdictBusy {
		t.Errorf("one member too many: verdict %d", v)
	}
	if v := n.push("B", presenceOf(t, "known", 2, Presence{})); v != VerdictNew {
		t.Errorf("a known member: verdict %d", v)
	}
	if got := n.s.Status().Counters.MembersRefused; got != 1 || len(n.s.members) != maxMembers {
		t.Errorf("%d members, %d refused", len(n.s.members), got)
	}
}

// Changes of interests and addresses are told in one presence per
// presenceMinimum, and what changes during a seal in one more after it.
func TestPresenceIsPaced(t *testing.T) {
	n := alone(t)
	n.manual = true
	n.record()
	if len(n.seals) != 1 || !n.seals[0].Ahead {
		t.Fatalf("%d seals, or it waits behind announcements", len(n.seals))
	}
	for i := range uint16(10) {
		n.subscribe(1, false, i)
	}
	n.wait(presenceMinimum - time.Millisecond)
	n.do(Sealed{toySeal(n.seals[0].Rumor)})
	if len(n.seals) != 1 {
		t.Fatal("the next presence comes early")
	}
	n.wait(time.Millisecond)
	if len(n.seals) != 2 {
		t.Fatalf("%d seals, want one for all that changed", len(n.seals))
	}
	n.subscribe(1, false, 99)
	n.wait(10 * presenceMinimum)
	if len(n.seals) != 2 {
		t.Fatal("a second presence is sealed beside the first")
	}
	p, err := ParsePresence(n.seals[1].Rumor.Payload)
	if err != nil || len(p.Interests) != 10 {
		t.Errorf("told %+v (%v)", p, err)
	}
	// A seal that fails is tried again.
	n.do(SealFailed{n.seals[1].Rumor.ID})
	n.wait(presenceMinimum)
	if len(n.seals) != 3 {
		t.Error("no presence after a seal that failed")
	}
	if p, err = ParsePresence(n.seals[2].Rumor.Payload); err != nil || len(p.Interests) != 11 {
		t.Errorf("told %+v (%v)", p, err)
	}
	n.do(SealFailed{n.seals[0].Rumor.ID}) // of nothing that is open
	n.do(Sealed{toySeal(n.seals[0].Rumor)})
	if n.s.members["M"].r.Seq != 1 {
		t.Error("a seal that came twice counted twice")
	}
}

func TestPresenceInterestsCap(t *testing.T) {
	n := alone(t)
	for i := range uint16(MaxPresenceInterests + 5) {
		n.s.takers[i] = 1
	}
	n.record()
	m := n.s.Status().Members
	if len(m) != 1 || len(m[0].Interests) != MaxPresenceInterests {
		t.Errorf("presence with %d interests", len(m[0].Interests))
	}
}

// A node without addresses is no member, but takes and gives rumors.
func TestNoPresenceWithoutRecord(t *testing.T) {
	w := newWorld(t)
	a, b := w.add("A"), w.add("B")
	a.module(1, 7)
	b.module(1, 7)
	w.link("A", "B")
	a.publish(7, "a")
	w.wait(time.Hour)
	mustEqual(t, "told", b.told(1), []string{"a"})
	if len(b.s.members) != 0 {
		t.Error("it is a member")
	}
	b.forget()
	a.do(Leave{})
	if got := actions[Farewell](a); len(got) != 1 {
		t.Error("no farewell")
	}
	if c := b.s.candidates["A"]; c == nil || !c.gone {
		t.Error("its neighbour does not know that it left")
	}
}

// A leave whose proof of work fails is still told to the neighbours.
func TestLeaveWithoutProof(t *testing.T) {
	n := alone(t)
	n.record()
	n.up("B")
	n.manual = true
	n.do(Publish{Ticket: 1, Kind: KindEvent, Payload: []byte("x")})
	n.do(Leave{})
	if len(n.seals) != 2 || n.seals[0].Urgent || !n.seals[1].Urgent {
		t.Fatalf("seals %+v", n.seals)
	}
	n.do(SealFailed{n.seals[0].Rumor.ID})
	if got := actions[Refused](n); len(got) != 1 || !errors.Is(got[0].Err, ErrSeal) {
		t.Errorf("the publication before it: %v", got)
	}
	n.do(SealFailed{n.seals[1].Rumor.ID})
	if got := sent[*Bye](n, "B"); len(got) != 1 || got[0].Reason != ByeLeaving || len(actions[Farewell](n)) != 1 {
		t.Errorf("goodbyes %v", got)
	}
}

// With Heartbeat 0 a presence lives as long as any rumor and is renewed halfway.
func TestNoHeartbeat(t *testing.T) {
	n := alone(t, func(c *Config) { c.Lifetime = time.Hour })
	n.record()
	n.wait(2*time.Hour + time.Minute)
	if got := len(actions[Seal](n)); got != 5 {
		t.Errorf("%d presences in two hours, want one each half hour", got)
	}
	if len(n.s.members) != 1 {
		t.Error("it vanished")
	}
}
