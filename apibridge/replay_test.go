package apibridge_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// What a node tells a new subscriber of what it knew before.

// replaying tells a new subscriber rumors of before, during Subscribe, as a
// node does so that an ANNOUNCE just ahead of a NOTIFY is not lost. It knows one
// session.
type replaying struct {
	*bridgetest.Gossip
	n, size int // how many, and how many bytes each has at least
	deliver func(id [32]byte, dataType uint16, data []byte)
}

func (r *replaying) Open(deliver func(id [32]byte, dataType uint16, data []byte)) (uint64, error) {
	r.deliver = deliver
	return r.Gossip.Open(deliver)
}

func (r *replaying) Subscribe(session uint64, dataType uint16) error {
	for i := range r.n {
		r.deliver([32]byte{byte(i)}, dataType, []byte(r.rumor(i)))
	}
	return r.Gossip.Subscribe(session, dataType)
}

func (r *replaying) rumor(i int) string {
	s := fmt.Sprint("replayed ", i)
	return s + strings.Repeat(".", max(r.size-len(s), 0))
}

func TestHabit_LateSubscriberIsToldWhatTheNodeReplays(t *testing.T) {
	g := bridgetest.New()
	p := serveNode(t, &replaying{Gossip: g, n: 3}, g, unpaced())
	m := p.subscriber(1)
	p.Receive(1, []byte("new"))
	for i := range 3 {
		m.expect(fmt.Sprint("replayed ", i))
	}
	m.expect("new")
	for i, v := range p.await(bridgetest.Voted, 4)[:3] {
		if v.Rumor != [32]byte{byte(i)} {
			t.Errorf("vote %d is on rumor %x", i, v.Rumor)
		}
	}
}

// However much is replayed comes in one go, and a module that reads cannot help
// it: it is told everything, in order, type after type, and stays connected.
func TestHabit_ReplayLargerThanTheQueue(t *testing.T) {
	for name, r := range map[string]replaying{
		"more than 8 MiB": {n: 140, size: apimsg.MaxData},
		"more than 4096":  {n: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := bridgetest.New()
				r.Gossip = g
				p := servePipesNode(t, &r, g, apibridge.DefaultOptions())
				m := p.module()
				m.send(&apimsg.Notify{DataType: 1}, &apimsg.Notify{DataType: 2}, &apimsg.Notify{DataType: 3})
				for i := range 3 * r.n {
					want, dataType := r.rumor(i%r.n), uint16(1+i/r.n)
					if got := m.told(); string(got.Data) != want || got.DataType != dataType {
						t.Fatalf("told %.20q of type %d, want %.20q of type %d", got.Data, got.DataType, want, dataType)
					}
				}
				p.await(bridgetest.Subscribed, 3)
				p.Receive(3, []byte("new"))
				m.expect("new")
				if s := p.srv.Stats(); s.Overflowed != 0 || s.Dropped != 0 || s.Connections != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// What is kept for a module that does not read is bounded all the same: further
// NOTIFYs wait until it has read what an earlier one had replayed, and it is cut
// off when the write in front of that has taken too long.
func TestHabit_ReplayToAModuleThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := bridgetest.New()
		opts := unpaced()
		p := servePipesNode(t, &replaying{Gossip: g, n: 5000}, g, opts)
		m := p.module()
		m.send(&apimsg.Notify{DataType: 1}, &apimsg.Notify{DataType: 2})
		sleep(opts.WriteTimeout - 1)
		synctest.Wait()
		if n := p.Count(bridgetest.Subscribed); n != 1 {
			t.Errorf("%d types were replayed to a module that reads nothing", n)
		}
		sleep(1)
		p.await(bridgetest.Closed, 1)
		synctest.Wait()
		if s := p.srv.Stats(); s.Unread != 1 || s.Connections != 0 || s.Dropped != 4999 || p.Count(bridgetest.Subscribed) != 1 {
			t.Errorf("%d subscriptions, %+v", p.Count(bridgetest.Subscribed), s)
		}
	})
}

// Behind what was replayed a queue has the room that it has otherwise.
func TestHabit_QueueLimitsBehindAReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := bridgetest.New()
		p := servePipesNode(t, &replaying{Gossip: g, n: 1000}, g, apibridge.Options{MaxQueue: 50})
		p.subscriber(1)
		synctest.Wait() // Subscribe has returned
		for range 50 {
			p.Receive(1, []byte("new"))
		}
		synctest.Wait()
		if s := p.srv.Stats(); s.Connections != 1 {
			t.Fatalf("cut off too early: %+v", s)
		}
		p.Receive(1, []byte("new"))
		synctest.Wait()
		if s := p.srv.Stats(); s.Overflowed != 1 || s.Dropped != 999+50 {
			t.Errorf("%+v", s)
		}
	})
}

// A server that closes does not wait for a module to read what was replayed.
func TestHabit_CloseWhileANotifyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := bridgetest.New()
		p := servePipesNode(t, &replaying{Gossip: g, n: 5000}, g, unpaced())
		m := p.module()
		m.send(&apimsg.Notify{DataType: 1}, &apimsg.Notify{DataType: 2}, &apimsg.Announce{DataType: 9, Data: []byte("last words")})
		synctest.Wait()
		if err := p.srv.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := p.Count(bridgetest.Announced); n != 1 {
			t.Errorf("%d announcements were heard, want the one that was sent", n)
		}
	})
}
