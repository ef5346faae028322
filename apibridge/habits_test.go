package apibridge_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// Habits of existing modules. Pacing is in timing_test.go, echoes are in echo_test.go.

// Modules read a header and then a body with one recv each. On a net.Pipe a
// Read returns no more than one Write has written.
func TestHabit_MessageLeavesInOneWrite(t *testing.T) {
	p := servePipes(t, unpaced())
	m := p.subscriber(1)
	for _, n := range []int{0, 1, 1000, apimsg.MaxData} {
		p.Receive(1, make([]byte, n))
		b := make([]byte, 1<<17)
		if got, err := m.Read(b); err != nil || got != 8+n {
			t.Fatalf("a message of %d bytes came as %d, %v", 8+n, got, err)
		}
	}
}

func TestHabit_MessagesJoinedInOneSegment(t *testing.T) {
	p := serve(t, unpaced())
	witness := p.subscriber(1)
	// NOTIFY + ANNOUNCE
	m := p.module()
	m.send(&apimsg.Notify{DataType: 2}, &apimsg.Announce{DataType: 1, Data: []byte("a")})
	witness.expect("a")
	// VALIDATION + ANNOUNCE
	p.Receive(2, []byte("b"))
	n := m.told()
	m.send(&apimsg.Validation{ID: n.ID, Valid: true}, &apimsg.Announce{DataType: 1, Data: []byte("c")})
	witness.expect("c")
	p.await(bridgetest.Voted, 3)
}

// In virtual time the pause is a real one, and shorter than FrameTimeout.
func TestHabit_HalfAHeaderAndAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		p := servePipes(t, opts)
		m := p.module()
		frame := encode(t, &apimsg.Announce{DataType: 1, Data: []byte("x")})
		for _, cut := range []int{1, 2, 3, 4, 7, 8} {
			m.write(frame[:cut])
			sleep(opts.FrameTimeout - 1)
			m.write(frame[cut:])
		}
		p.await(bridgetest.Announced, 6)
	})
}

func TestHabit_AnnounceAndCloseAtOnce(t *testing.T) {
	p := serve(t, unpaced())
	for i := range 200 {
		c := p.dial()
		c.Write(encode(t, &apimsg.Announce{DataType: 1, Data: fmt.Append(nil, i)}))
		c.Close()
		if got := p.await(bridgetest.Announced, i+1)[i]; string(got.Data) != fmt.Sprint(i) {
			t.Fatalf("announced %q, want %d", got.Data, i)
		}
	}
}

// It counts also when the module has not read what it was told, so that its
// close resets the connection, and the peer's own writes fail.
func TestHabit_AnnounceAndCloseWithUnreadNotifications(t *testing.T) {
	p := serve(t, unpaced())
	for i := range 50 {
		m := p.subscriber(1)
		for range 20 {
			p.Receive(1, make([]byte, 1000))
		}
		if _, err := m.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		m.send(&apimsg.Announce{DataType: 2, Data: []byte("last words")})
		m.Close()
		p.Receive(1, make([]byte, 1000))
		p.await(bridgetest.Announced, i+1)
		p.await(bridgetest.Closed, i+1)
	}
}

// A module that is gone is no reason to give up what waits for the node.
func TestHabit_AnnounceAndCloseWhileTheNodeIsBusy(t *testing.T) {
	g := bridgetest.New()
	busy, reached := make(chan struct{}), make(chan struct{}, 1)
	g.Check = func(ctx context.Context, e bridgetest.Event) error {
		select {
		case reached <- struct{}{}:
		default:
		}
		select {
		case <-busy:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p := serveNode(t, g, g, unpaced())
	m := p.module()
	for range 100 {
		m.send(&apimsg.Announce{DataType: 1, Data: []byte("x")})
	}
	<-reached
	m.Close()
	close(busy)
	p.await(bridgetest.Announced, 100)
	p.await(bridgetest.Closed, 1)
}

// A module that stops reading is cut off when its socket and its queue are
// full; others are told everything meanwhile.
func TestHabit_ModuleThatStopsReading(t *testing.T) {
	p, ended := serveEndings(t, apibridge.Options{MaxQueueBytes: 1 << 20}, 2)
	lazy, good := p.subscriber(1), p.subscriber(1)
	lazy.Conn.(*net.TCPConn).SetReadBuffer(4096)
	data := make([]byte, 60_000)
	const most = 1000
	n := 0
	for ; n < most && p.srv.Stats().Overflowed == 0; n++ {
		p.Receive(1, data)
		good.expect(string(data))
	}
	if n == most {
		t.Fatalf("%d MB were kept for a module that does not read", most*len(data)>>20)
	}
	p.await(bridgetest.Closed, 1)
	if e := p.Events(bridgetest.Closed)[0]; e.Session != 1 {
		t.Error("the wrong module was cut off")
	}
	ended.await(t, 1)
	if s := p.srv.Stats(); s.Connections != 1 || s.Overflowed != 1 || s.Dropped == 0 || s.Notifications < uint64(n) {
		t.Errorf("%+v", s)
	}
	p.Receive(1, []byte("on"))
	good.expect("on")
}

// The queue has exactly the room that it should. The one in front of it is
// being written.
func TestHabit_QueueLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		opts apibridge.Options
		size int // of each rumor
		fit  int // in the queue
	}{
		{"messages", apibridge.Options{MaxQueue: 50}, 10, 50},
		{"bytes", apibridge.Options{MaxQueueBytes: 1000}, 10, 100},
		{"bytes, not quite", apibridge.Options{MaxQueueBytes: 1009}, 10, 100},
		{"one of any size", apibridge.Options{MaxQueueBytes: 1}, 60_000, 1},
		{"default", apibridge.Options{}, 1, 4096},
		{"default bytes", apibridge.Options{}, 8 << 10, 1024},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := servePipes(t, c.opts)
				p.subscriber(1)
				for i := range 1 + c.fit {
					p.Receive(1, make([]byte, c.size))
					synctest.Wait()
					if p.srv.Stats().Connections == 0 {
						t.Fatalf("cut off with %d waiting", i)
					}
				}
				p.Receive(1, make([]byte, c.size))
				synctest.Wait()
				if s := p.srv.Stats(); s.Overflowed != 1 || s.Connections != 0 || s.Dropped != uint64(c.fit) {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// The announcement that the node is busy with counts, although its module is
// cut off meanwhile; those that wait behind it are the module's loss.
func TestHabit_CutOffWhileAnnouncing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, apibridge.Options{MaxQueue: 1, Limits: apibridge.Limits{Rate: 0.01, Burst: 1}})
		busy := make(chan struct{})
		p.Check = func(ctx context.Context, e bridgetest.Event) error {
			select {
			case <-busy:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		m := p.subscriber(1)
		var msgs []apimsg.Message
		for i := range 10 {
			msgs = append(msgs, &apimsg.Announce{DataType: 2, Data: []byte{byte(i)}})
		}
		sleep(100 * time.Second) // for a token
		m.send(msgs...)
		synctest.Wait()
		for range 3 {
			p.Receive(1, []byte("unread"))
			synctest.Wait()
		}
		close(busy)
		p.await(bridgetest.Closed, 1)
		if a := p.Events(bridgetest.Announced); len(a) != 1 {
			t.Errorf("%d announcements were heard, want the first", len(a))
		}
	})
}

// After a restart of the node on the same port modules connect and NOTIFY again.
func TestHabit_RestartOfTheNode(t *testing.T) {
	p := serve(t, unpaced())
	m := p.subscriber(1)
	if err := p.srv.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.expectClosed()
	ln, err := apibridge.Listen(p.addr, false)
	if err != nil {
		t.Fatal(err)
	}
	g := bridgetest.New()
	again := serveOn(t, ln, g, g, unpaced())
	again.dial = p.dial
	m = again.subscriber(1)
	again.Receive(1, []byte("hello again"))
	m.expect("hello again")
}
