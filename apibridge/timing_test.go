package apibridge_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// Everything here runs in virtual time: durations are exact and cost nothing.

var sleep = time.Sleep // in a bubble of synctest only

// toldAt reads a NOTIFICATION and says when it came, from start.
func (m *module) toldAt(start time.Time) (apimsg.Notification, time.Duration) {
	m.t.Helper()
	m.SetReadDeadline(time.Time{})
	msg, err := m.in.Next()
	if err != nil {
		m.t.Fatal(err)
	}
	return *msg.(*apimsg.Notification), time.Since(start)
}

// Two NOTIFICATIONs in one read break most modules. The next one waits for the
// VALIDATION of the one before it, but not for longer than Pace.
func TestPace_WaitsForValidationOrTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := apibridge.DefaultOptions()
		p := servePipes(t, opts)
		m := p.subscriber(1)
		start := time.Now()
		p.Receive(1, []byte("first"))
		synctest.Wait() // it is being written
		for i := range 3 {
			p.Receive(1, []byte{byte(i)})
		}
		first, at := m.toldAt(start)
		if at != 0 {
			t.Errorf("the first one waited %v for nothing", at)
		}
		// Answered after 30 ms: the next one comes then.
		sleep(30 * time.Millisecond)
		m.send(&apimsg.Validation{ID: first.ID, Valid: true})
		second, at := m.toldAt(start)
		if at != 30*time.Millisecond {
			t.Errorf("the second came after %v, want 30ms", at)
		}
		// An answer to something else does not hasten the next, and no answer
		// at all does not stop it. Three have waited at a time, which shortens
		// the pace to 8/10 until none waits.
		m.send(&apimsg.Validation{ID: second.ID + 1, Valid: true}, &apimsg.Validation{ID: first.ID, Valid: true})
		_, at = m.toldAt(start)
		if want := 30*time.Millisecond + opts.Pace*8/10; at != want {
			t.Errorf("the third came after %v, want %v", at, want)
		}
		p.Receive(1, []byte("fifth"))
		// Nor does a late one to one further back.
		m.send(&apimsg.Validation{ID: second.ID, Valid: true})
		_, fourth := m.toldAt(start)
		_, fifth := m.toldAt(start)
		if fourth-at != opts.Pace*8/10 || fifth-fourth != opts.Pace*8/10 {
			t.Errorf("the fourth and fifth came after %v and %v", fourth-at, fifth-fourth)
		}
		p.Receive(1, []byte("sixth"))
		if _, sixth := m.toldAt(start); sixth-fifth != opts.Pace {
			t.Errorf("the sixth came %v after the fifth, want %v", sixth-fifth, opts.Pace)
		}
		// Long after, nothing waits.
		sleep(time.Hour)
		start = time.Now()
		p.Receive(1, []byte("later"))
		if _, at := m.toldAt(start); at != 0 {
			t.Errorf("after an hour of silence one waited %v", at)
		}
	})
}

func TestPace_ZeroDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, unpaced())
		m := p.subscriber(1)
		start := time.Now()
		for range 100 {
			p.Receive(1, []byte("x"))
		}
		for range 100 {
			if _, at := m.toldAt(start); at != 0 {
				t.Fatalf("one waited %v", at)
			}
		}
	})
}

// A module that never validates is told everything within 8 × Pace, whatever
// the rate and the size of rumors: the pace must not become a reason to cut it off.
func TestPace_FollowsTheBacklog(t *testing.T) {
	for _, c := range []struct{ perSecond, size int }{
		{1, 0}, {10, 0}, {100, 0}, {1000, 0}, {2600, 0}, {10_000, 0}, // at the pace alone 4096 wait from 2560 on
		{10, apimsg.MaxData}, {100, apimsg.MaxData}, {400, apimsg.MaxData}, // and 8 MiB from 80 on
	} {
		t.Run(fmt.Sprint(c.perSecond, " per second, size ", c.size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := apibridge.DefaultOptions()
				p := servePipes(t, opts)
				m := p.subscriber(1)
				n := 10 * c.perSecond
				var wg sync.WaitGroup
				defer wg.Wait()
				wg.Go(func() {
					for range n {
						data := []byte(time.Now().Format(time.RFC3339Nano) + " ")
						p.Receive(1, append(data, make([]byte, max(c.size-len(data), 0))...))
						sleep(time.Second / time.Duration(c.perSecond))
					}
				})
				var worst time.Duration
				for range n {
					told, _ := m.toldAt(time.Now())
					at, _, _ := strings.Cut(string(told.Data), " ")
					sent, err := time.Parse(time.RFC3339Nano, at)
					if err != nil {
						t.Fatal(err)
					}
					worst = max(worst, time.Since(sent))
				}
				if worst > 8*opts.Pace {
					t.Errorf("one came %v late", worst)
				}
				if s := p.srv.Stats(); s.Overflowed != 0 || s.Dropped != 0 {
					t.Errorf("lost: %+v", s)
				}
			})
		})
	}
}

// Until its queue is half full, what comes at once is told at the pace; beyond,
// as fast as the module reads.
func TestPace_EndsWhenTheQueueIsHalfFull(t *testing.T) {
	for name, opts := range map[string]apibridge.Options{
		"messages": {MaxQueue: 20},
		"bytes":    {MaxQueueBytes: 20 * 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts.Pace = 200 * time.Millisecond
				p := servePipes(t, opts)
				m := p.subscriber(1)
				start := time.Now()
				p.Receive(1, make([]byte, 100))
				synctest.Wait() // it is being written
				for range 20 {
					p.Receive(1, make([]byte, 100))
				}
				for i := range 21 {
					_, at := m.toldAt(start)
					// 20 waited at most, of which 10 go out at once.
					want := max(time.Duration(i-10), 0) * (opts.Pace * 8 / 27)
					if at != want {
						t.Errorf("number %d came after %v, want %v", i, at, want)
					}
				}
			})
		})
	}
}

// Slow-loris: a message that trickles in is given FrameTimeout from its first
// byte, however often a further byte comes. An idle subscriber has for ever.
func TestTiming_SlowLoris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		p := servePipes(t, opts)
		idle := p.subscriber(1)
		sleep(time.Hour)
		loris := p.module()
		frame := encode(t, &apimsg.Announce{DataType: 1, Data: make([]byte, 1000)})
		start := time.Now()
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			for _, b := range frame {
				if _, err := loris.Write([]byte{b}); err != nil {
					break
				}
				sleep(time.Second)
			}
		})
		p.await(bridgetest.Closed, 1)
		if took := time.Since(start); took != opts.FrameTimeout {
			t.Errorf("closed after %v, want %v", took, opts.FrameTimeout)
		}
		synctest.Wait()
		if s := p.srv.Stats(); s.Stalled != 1 || s.Connections != 1 || s.Announces != 0 {
			t.Errorf("%+v", s)
		}
		p.Receive(1, []byte("still here"))
		idle.expect("still here")
	})
}

// The time is each message's own: a connection that always has one begun, and
// ends each in time, is a good one; and when all are complete it may be silent.
func TestTiming_EveryMessageHasItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		p := servePipes(t, opts)
		m := p.module()
		frame := encode(t, &apimsg.Announce{DataType: 1, Data: []byte("0123456789")})
		m.write(frame[:5])
		for range 20 {
			sleep(opts.FrameTimeout - time.Second)
			m.write(append(frame[5:len(frame):len(frame)], frame[:5]...))
		}
		m.write(frame[5:])
		sleep(24 * time.Hour)
		m.write(frame)
		p.await(bridgetest.Announced, 22)
		// And again there is only so much time for one that is begun.
		m.write(frame[:1])
		sleep(opts.FrameTimeout)
		synctest.Wait()
		if s := p.srv.Stats(); s.Stalled != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// The time a module waits for the node is not held against it.
func TestTiming_BackPressureIsNotSlowness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		opts.Rate, opts.Burst = 0.01, 1 // one per 100 s
		p := servePipes(t, opts)
		m := p.module()
		frame := encode(t, &apimsg.Announce{DataType: 1, Data: []byte("x")})
		m.write(append(append(frame[:len(frame):len(frame)], frame...), frame[:5]...))
		sleep(99 * time.Second)
		m.write(frame[5:]) // waits until the second is through
		p.await(bridgetest.Announced, 3)
	})
}

// A module whose socket takes nothing is cut off after WriteTimeout.
func TestTiming_ModuleThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		p := servePipes(t, opts)
		lazy, good := p.subscriber(1), p.subscriber(1)
		p.Receive(1, []byte("one"))
		p.Receive(1, []byte("two"))
		good.expect("one")
		good.expect("two")
		sleep(opts.WriteTimeout - 1)
		synctest.Wait()
		if p.srv.Stats().Unread != 0 {
			t.Error("cut off too early")
		}
		sleep(1)
		p.await(bridgetest.Closed, 1)
		synctest.Wait()
		if s := p.srv.Stats(); s.Unread != 1 || s.Connections != 1 || s.Dropped != 1 || s.Notifications != 2 {
			t.Errorf("%+v", s)
		}
		if _, err := lazy.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the connection is open: %v", err)
		}
	})
}

// However the time between two writes relates to WriteTimeout, a module that reads is not
// cut off.
func TestTiming_ModuleThatReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		p := servePipes(t, opts)
		m := p.subscriber(1)
		for i, pause := range []time.Duration{0, 1, opts.WriteTimeout / 8, opts.WriteTimeout / 8, opts.WriteTimeout - 1, opts.WriteTimeout, 3 * opts.WriteTimeout, 1} {
			sleep(pause)
			p.Receive(1, fmt.Append(nil, i))
			m.expect(fmt.Sprint(i))
		}
	})
}

// What exceeds the rate is read later, not lost; other modules do not notice.
func TestTiming_AnnouncementStormIsReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		opts.Rate, opts.Burst = 100, 50
		p := servePipes(t, opts)
		storm, other := p.module(), p.module()
		start := time.Now()
		const n = 1050
		for i := range n {
			storm.send(&apimsg.Announce{DataType: 1, Data: fmt.Append(nil, i)})
			if i == 500 {
				other.send(&apimsg.Announce{DataType: 2, Data: []byte("in between")})
			}
		}
		got := p.await(bridgetest.Announced, n+1)
		if took := time.Since(start); took < 9900*time.Millisecond || took > 10100*time.Millisecond {
			t.Errorf("%d took %v, want 10s", n, took)
		}
		next := 0
		for i, a := range got {
			if a.DataType == 2 {
				if i < 400 || i > 600 {
					t.Errorf("the other module came as number %d", i)
				}
				continue
			}
			if string(a.Data) != fmt.Sprint(next) {
				t.Fatalf("%q instead of %d", a.Data, next)
			}
			next++
		}
	})
}

// NOTIFYs cost the node something, too.
func TestTiming_NotifyStormIsReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		opts.Rate, opts.Burst = 100, 50
		p := servePipes(t, opts)
		m := p.module()
		start := time.Now()
		for i := range 550 {
			m.send(&apimsg.Notify{DataType: uint16(i)})
		}
		p.await(bridgetest.Subscribed, 550)
		if took := time.Since(start); took < 4900*time.Millisecond || took > 5100*time.Millisecond {
			t.Errorf("550 took %v, want 5s", took)
		}
	})
}

func TestTiming_NoRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := unpaced()
		opts.Rate = rate.Inf
		p := servePipes(t, opts)
		m := p.module()
		start := time.Now()
		for range 20000 {
			m.send(&apimsg.Announce{DataType: 1})
		}
		p.await(bridgetest.Announced, 20000)
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

// failing is a listener that fails some times before each connection.
type failing struct {
	*pipes
	times int
	left  int // of the times
	tries []time.Time
}

func newFailing(times int) *failing {
	return &failing{pipes: newPipes(), times: times, left: times}
}

func (l *failing) Accept() (net.Conn, error) {
	l.tries = append(l.tries, time.Now())
	if l.left > 0 {
		l.left--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	l.left = l.times
	return l.pipes.Accept()
}

// A machine without free file descriptors: the server waits, longer and
// longer up to a second, and goes on as soon as there are some.
func TestTiming_AcceptFailuresArePausedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const times = 20
		ln := newFailing(times)
		g := bridgetest.New()
		p := serveOn(t, ln, g, g, unpaced())
		p.dial = ln.dial
		p.module().send(&apimsg.Announce{DataType: 1})
		p.await(bridgetest.Announced, 1)
		p.module() // after as many failures again
		synctest.Wait()
		for i := range times {
			want := min(time.Second, 5*time.Millisecond<<i)
			first, second := ln.tries[i+1].Sub(ln.tries[i]), ln.tries[times+i+2].Sub(ln.tries[times+i+1])
			if first != want || second != want {
				t.Errorf("pause %d was %v and %v, want %v", i, first, second, want)
			}
		}
		if n := p.srv.Stats().AcceptErrors; n < 2*times {
			t.Errorf("%d failures counted", n)
		}
	})
}

// Close ends a pause.
func TestTiming_CloseWhileAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newFailing(1 << 30)
		g := bridgetest.New()
		p := serveOn(t, ln, g, g, unpaced())
		sleep(10 * time.Second)
		start := time.Now()
		if err := p.srv.Close(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
