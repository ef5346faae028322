package node

import (
	"context"
	"slices"
	"testing"

	"hearsay/node/gossip"
	"hearsay/node/identity"
	"hearsay/pow"
)

func numbered(seq uint64) *gossip.Rumor {
	return &gossip.Rumor{Header: gossip.Header{Seq: seq}, ID: gossip.RumorID{byte(seq)}}
}

// A presence waits for no announcement that is not begun, and two of them keep
// their order.
func TestPresenceIsSealedAhead(t *testing.T) {
	s := &sealer{running: true} // somebody is at work
	for _, a := range []gossip.Seal{
		{Rumor: numbered(1)}, {Rumor: numbered(2)},
		{Rumor: numbered(3), Ahead: true}, {Rumor: numbered(4)}, {Rumor: numbered(5), Ahead: true},
	} {
		s.add(a)
	}
	var order []uint64
	for _, a := range s.queue {
		order = append(order, a.Rumor.Seq)
	}
	if want := []uint64{3, 5, 1, 2, 4}; !slices.Equal(order, want) {
		t.Errorf("sealed in the order %v, want %v", order, want)
	}
}

// quickSealer has no proof of work to do.
func quickSealer(t *testing.T) (*sealer, chan gossip.Event) {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan gossip.Event)
	return &sealer{id: id, emit: func(ev gossip.Event) { events <- ev }, parent: context.Background()}, events
}

// The loop signs what only neighbours wait for, and nothing that modules were told;
// whoever signs, rumors come back in order.
func TestWhoSigns(t *testing.T) {
	s, events := quickSealer(t)
	seal := func(seq uint64, told, now bool) {
		t.Helper()
		ev := s.begin(gossip.Seal{Rumor: numbered(seq), Told: told})
		if (ev != nil) != now {
			t.Errorf("rumor %d: sealed at once: %v, want %v", seq, ev != nil, now)
		}
		if ev != nil {
			s.ended()
		}
	}
	back := func(seq uint64) {
		t.Helper()
		sealed, ok := (<-events).(gossip.Sealed)
		if !ok || sealed.Rumor.Seq != seq || len(sealed.Rumor.Signature) == 0 {
			t.Fatalf("%+v comes back, want rumor %d signed", sealed.Rumor, seq)
		}
	}
	seal(1, false, true)
	seal(2, true, false)
	seal(3, false, false) // 2 is before it
	seal(4, true, false)
	back(2)
	back(3)
	back(4)
	seal(5, false, false) // the core has not heard of them yet
	back(5)
	for range 4 {
		s.ended()
	}
	seal(6, false, true)
	seal(7, true, false)
	back(7)
}

// Announcements that cost a signature only are not given up for the leave.
func TestLeaveWaitsForSignatures(t *testing.T) {
	s, events := quickSealer(t)
	for seq := range uint64(50) {
		s.begin(gossip.Seal{Rumor: numbered(seq), Told: true})
	}
	s.begin(gossip.Seal{Rumor: numbered(50), Urgent: true})
	for seq := range uint64(51) {
		if sealed, ok := (<-events).(gossip.Sealed); !ok || sealed.Rumor.Seq != seq {
			t.Fatalf("%v comes back, want rumor %d", sealed, seq)
		}
	}
}

// A module hears of what another one of its node announces while the proof of work is
// sought, and of nothing twice.
func TestHeardBeforeTheWork(t *testing.T) {
	n, stop := startNode(t, func(c *Config) { c.DifficultyBits = pow.MaxBits })
	l, err := n.Listen([]uint16{7})
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := n.publish(t.Context(), 0, Announcement{DataType: 7, Data: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if r := <-l.C(); string(r.Data) != "x" || r.Origin != n.ID() {
		t.Errorf("told %+v", r)
	}
	if got := n.Status().Counters["published"]; got != 0 {
		t.Errorf("%d published: the proof of work is too little for this test", got)
	}
	stop()
	if p := <-outcome; p.err == nil {
		t.Error("the announcer is not told that it came to nothing")
	}
	if len(l.C()) != 0 {
		t.Error("told twice")
	}
}

// The same without proof of work, where somebody else signs: all of it gets out, in order.
func TestHeardBeforeTheSignature(t *testing.T) {
	n, _ := startNode(t, func(c *Config) { c.DifficultyBits = 0 })
	o := n.Observe()
	defer o.Close()
	l, err := n.Listen([]uint16{7})
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for i := range byte(100) {
		dataType := uint16(7)
		if i%3 == 0 {
			dataType = 8 // nobody is told
		}
		if _, err := n.publish(t.Context(), 0, Announcement{DataType: dataType, Data: []byte{i}}); err != nil {
			t.Fatal(err)
		}
		want = append(want, i)
	}
	var learnt []byte
	for len(learnt) < len(want) {
		if ob := <-o.C(); ob.Verdict == "" && len(ob.Rumor.Data) == 1 {
			learnt = append(learnt, ob.Rumor.Data[0])
		}
	}
	if !slices.Equal(learnt, want) {
		t.Errorf("on their way in the order %v", learnt)
	}
	for _, i := range want {
		if i%3 != 0 {
			if r := <-l.C(); r.Data[0] != i {
				t.Fatalf("heard %d, want %d", r.Data[0], i)
			}
		}
	}
}
