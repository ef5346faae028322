package apibridge_test

import (
	"bytes"
	"slices"
	"testing"

	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// The questions of conduct on which implementations of this API differ, and
// what this one does.

func TestGossip_AnnounceWithoutNotifyIsSpread(t *testing.T) {
	p := serve(t, unpaced())
	p.module().send(&apimsg.Announce{DataType: 1, Data: []byte("x")})
	p.await(bridgetest.Announced, 1)
}

func TestGossip_StrictAnnounceCloses(t *testing.T) {
	opts := unpaced()
	opts.StrictAnnounce = true
	p := serve(t, opts)
	m := p.module()
	m.send(&apimsg.Announce{DataType: 1, Data: []byte("too early")})
	m.expectClosed()
	if s := p.srv.Stats(); s.Violations.Strict != 1 {
		t.Errorf("%+v", s)
	}
	// Any NOTIFY will do, in the same segment, too.
	p.module().send(&apimsg.Notify{DataType: 9}, &apimsg.Announce{DataType: 1, Data: []byte("in time")})
	if a := p.await(bridgetest.Announced, 1); len(a) != 1 || string(a[0].Data) != "in time" {
		t.Errorf("announced: %+v", a)
	}
}

func TestGossip_OtherModulesAreToldButNotTheAnnouncer(t *testing.T) {
	p := serve(t, unpaced())
	a, b, c := p.subscriber(1), p.subscriber(1), p.subscriber(2)
	a.send(&apimsg.Announce{DataType: 1, Data: []byte("from a")})
	b.expect("from a")
	p.Receive(1, []byte("from afar"))
	p.Receive(2, []byte("other type"))
	a.expect("from afar") // and nothing before it
	b.expect("from afar")
	c.expect("other type")
}

func TestGossip_LocalAnnounceWaitsForNoValidation(t *testing.T) {
	p := serve(t, unpaced())
	b, a := p.subscriber(1), p.module()
	a.send(&apimsg.Announce{DataType: 1, Data: []byte("x")})
	announced := p.await(bridgetest.Announced, 1)[0]
	// Other modules' word on it is taken to the node all the same.
	b.expect("x")
	if v := p.await(bridgetest.Voted, 1)[0]; v.Rumor != announced.Rumor {
		t.Error("the vote is on another rumor")
	}
}

func TestGossip_EverySubscriberVotesForItself(t *testing.T) {
	p := serve(t, unpaced())
	a, b := p.subscriber(1), p.subscriber(1)
	rumor := p.Receive(1, []byte("x"))
	a.send(&apimsg.Validation{ID: a.told().ID, Valid: true})
	p.await(bridgetest.Voted, 1)
	b.send(&apimsg.Validation{ID: b.told().ID, Valid: false})
	want := []bridgetest.Event{
		{Kind: bridgetest.Voted, Session: 1, Rumor: rumor, Valid: true},
		{Kind: bridgetest.Voted, Session: 2, Rumor: rumor, Valid: false},
	}
	got := p.await(bridgetest.Voted, 2)
	if len(got) != 2 || got[0].Session != 1 || got[1].Session != 2 ||
		got[0].Rumor != rumor || got[1].Rumor != rumor || !got[0].Valid || got[1].Valid {
		t.Errorf("votes %+v, want %+v", got, want)
	}
}

func TestGossip_ModuleThatNeverValidatesIsKept(t *testing.T) {
	opts := unpaced()
	opts.MaxPending = 100
	p := serve(t, opts)
	m := p.subscriber(1)
	const n = 3000
	for i := range n {
		data := []byte{byte(i >> 8), byte(i)}
		p.Receive(1, data)
		if got := m.told(); !bytes.Equal(got.Data, data) {
			t.Fatalf("NOTIFICATION %d is %x", i, got.Data)
		}
	}
	m.send(&apimsg.Announce{DataType: 2})
	p.await(bridgetest.Announced, 1)
	m.leave() // a NOTIFICATION is counted when it has been written
	if s := p.srv.Stats(); s.Evicted != n-100 || s.Notifications != n || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

func TestGossip_LeavingSubscriberWithdrawsItsVotes(t *testing.T) {
	p := serve(t, unpaced())
	m := p.subscriber(1)
	p.Receive(1, []byte("x"))
	p.Receive(1, []byte("y"))
	n := m.told()
	m.send(&apimsg.Validation{ID: n.ID, Valid: true}) // what it said before counts
	m.Close()
	p.await(bridgetest.Closed, 1)
	if v := p.Events(bridgetest.Voted); len(v) != 1 || !v[0].Valid {
		t.Errorf("votes %+v", v)
	}
	if e := p.Events(); e[len(e)-1].Kind != bridgetest.Closed {
		t.Errorf("%+v came after the session's end", e[len(e)-1])
	}
}

// Unknown, repeated, late and other connections' IDs are ignored, and the
// connection kept.
func TestGossip_StrayValidationsAreIgnored(t *testing.T) {
	opts := unpaced()
	opts.MaxPending = 2
	p := serve(t, opts)
	a, b := p.subscriber(1), p.subscriber(2)

	p.Receive(1, []byte("x"))
	open := a.told().ID
	a.send(&apimsg.Validation{ID: open + 1, Valid: true}) // unknown
	b.send(&apimsg.Validation{ID: open, Valid: true})     // a's
	p.settle(a)
	p.settle(b)
	if s := p.srv.Stats(); s.Strays != 2 {
		t.Errorf("unknown, and another connection's: %+v", s)
	}
	a.send(&apimsg.Validation{ID: open, Valid: true}, &apimsg.Validation{ID: open, Valid: false}) // repeated
	p.settle(a)
	if s := p.srv.Stats(); s.Strays != 3 {
		t.Errorf("and repeated: %+v", s)
	}

	var late []uint16
	for range 3 {
		p.Receive(1, []byte("x"))
		late = append(late, a.told().ID)
	}
	a.send(&apimsg.Validation{ID: late[0], Valid: false}) // given up for the third
	a.send(&apimsg.Validation{ID: late[1], Valid: false}, &apimsg.Validation{ID: late[2], Valid: true})
	votes := p.await(bridgetest.Voted, 3)
	if len(votes) != 3 || !votes[0].Valid || votes[1].Valid || !votes[2].Valid {
		t.Errorf("votes %+v", votes)
	}
	p.settle(a)
	p.settle(b)
}

func TestGossip_InvalidIsAVoteAndNoViolation(t *testing.T) {
	p := serve(t, unpaced())
	m := p.subscriber(1)
	for range 100 {
		p.Receive(1, []byte("stale"))
		m.send(&apimsg.Validation{ID: m.told().ID, Valid: false})
	}
	for _, v := range p.await(bridgetest.Voted, 100) {
		if v.Valid {
			t.Fatal("a vote was turned round")
		}
	}
}

func TestGossip_ValidIsTheLowestBit(t *testing.T) {
	p := serve(t, unpaced())
	m := p.subscriber(1)
	for i, c := range []struct {
		hi, lo byte
		valid  bool
	}{{0, 1, true}, {0, 0, false}, {0, 2, false}, {0xff, 0xfe, false}, {0xff, 0xff, true}, {1, 0, false}, {0x80, 0, false}, {0, 0x81, true}} {
		p.Receive(1, []byte("x"))
		id := m.told().ID
		m.write([]byte{0, 8, 0x01, 0xf7, byte(id >> 8), byte(id), c.hi, c.lo})
		if v := p.await(bridgetest.Voted, i+1)[i]; v.Valid != c.valid {
			t.Errorf("% x: valid = %v, want %v", []byte{c.hi, c.lo}, v.Valid, c.valid)
		}
	}
}

func TestGossip_MessageIDsLookRandomAndDiffer(t *testing.T) {
	p := serve(t, unpaced())
	a, b := p.subscriber(1), p.subscriber(1)
	const n = 500
	var ids [2][]uint16
	for range n {
		p.Receive(1, []byte("x"))
		ids[0] = append(ids[0], a.told().ID)
		ids[1] = append(ids[1], b.told().ID)
	}
	if slices.Equal(ids[0], ids[1]) {
		t.Error("two connections got the same IDs")
	}
	for _, got := range ids {
		steps := make(map[uint16]int)
		for i := range n - 1 {
			steps[got[i+1]-got[i]]++
		}
		for step, times := range steps {
			if times > n/5 {
				t.Errorf("%d of %d IDs are the one before plus %d", times, n, step)
			}
		}
		slices.Sort(got)
		if len(slices.Compact(got)) != n {
			t.Error("an ID was used twice while open")
		}
	}
}

func TestGossip_TTLAndDataTypePassAsTheyAre(t *testing.T) {
	p := serve(t, unpaced())
	m := p.module()
	ttls := []uint8{0, 1, 2, 127, 128, 255}
	types := []uint16{0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff}
	for i := range ttls {
		m.send(&apimsg.Announce{TTL: ttls[i], DataType: types[i]})
	}
	for i, a := range p.await(bridgetest.Announced, len(ttls)) {
		if a.TTL != ttls[i] || a.DataType != types[i] {
			t.Errorf("TTL %d, type %d; want %d, %d", a.TTL, a.DataType, ttls[i], types[i])
		}
	}
}

func TestGossip_NotifyIsIdempotent(t *testing.T) {
	p := serve(t, unpaced())
	m := p.subscriber(1, 1, 1, 2, 1)
	p.Receive(1, []byte("first"))
	p.Receive(1, []byte("second"))
	m.expect("first")
	m.expect("second")
}

func TestGossip_EmptyDataAreData(t *testing.T) {
	p := serve(t, unpaced())
	s, m := p.subscriber(1), p.module()
	m.send(&apimsg.Announce{DataType: 1})
	m.send(&apimsg.Announce{DataType: 1, Data: []byte("more")})
	s.expect("")
	s.expect("more")
}

func TestGossip_SameBytesTwiceAreTwoRumors(t *testing.T) {
	p := serve(t, unpaced())
	s, m := p.subscriber(1), p.subscriber(1)
	for range 2 {
		m.send(&apimsg.Announce{DataType: 1, Data: []byte("again")})
	}
	first, second := s.told(), s.told()
	if first.ID == second.ID || string(first.Data) != "again" || string(second.Data) != "again" {
		t.Errorf("told %+v and %+v", first, second)
	}
	s.send(&apimsg.Validation{ID: second.ID, Valid: true}, &apimsg.Validation{ID: first.ID, Valid: true})
	votes, rumors := p.await(bridgetest.Voted, 2), p.Events(bridgetest.Announced)
	if votes[0].Rumor != rumors[1].Rumor || votes[1].Rumor != rumors[0].Rumor {
		t.Error("the votes went to the wrong rumors")
	}
}

// A NOTIFICATION's bytes belong to all sessions that are told: nobody writes to them.
func TestGossip_DataAreNotTouched(t *testing.T) {
	p := serve(t, unpaced())
	a, m := p.subscriber(1), p.module()
	m.send(&apimsg.Announce{DataType: 1, Data: []byte("kept")})
	m.send(&apimsg.Announce{DataType: 1, Data: []byte("over")}) // into the same read buffer
	a.expect("kept")
	a.expect("over")
	if got := p.await(bridgetest.Announced, 2); string(got[0].Data) != "kept" || string(got[1].Data) != "over" {
		t.Errorf("the node's data have changed: %+v", got)
	}
}
