package apibridge_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

func TestServer_ConnectionsBeyondTheCapAreClosedAtOnce(t *testing.T) {
	opts := unpaced()
	opts.MaxConns = 3
	p := serve(t, opts)
	in := []*module{p.module(), p.module(), p.module()}
	for range 500 {
		c := p.dial()
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("read %d bytes, %v", n, err)
		}
		c.Close()
	}
	if s := p.srv.Stats(); s.Refused != 500 || s.Connections != 3 || s.Accepted != 3 {
		t.Errorf("%+v", s)
	}
	for _, m := range in {
		m.send(&apimsg.Announce{DataType: 1})
	}
	p.await(bridgetest.Announced, 3)
	in[0].leave()
	if s := p.srv.Stats(); s.Connections != 2 {
		t.Errorf("%+v", s)
	}
	p.module().send(&apimsg.Announce{DataType: 1})
	p.await(bridgetest.Announced, 4)
}

// A module sees the end of its connection last: the place is free by then, also
// the only one, and the counters tell of the end.
func TestServer_EndIsSeenLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln, reached, goOn := newPipes(), make(chan struct{}, 2), make(chan struct{})
		opts := unpaced()
		opts.MaxConns = 1
		g := bridgetest.New()
		p := serveOn(t, &endings{ln, func() {
			reached <- struct{}{}
			<-goOn
		}}, g, g, opts)
		p.dial = ln.dial
		defer close(goOn)
		p.module().write([]byte("POST"))
		<-reached // and will not be seen before goOn
		if s := p.srv.Stats(); s.Connections != 0 || s.Violations.Type != 1 {
			t.Errorf("%+v", s)
		}
		p.module().send(&apimsg.Announce{DataType: 1})
		p.await(bridgetest.Announced, 1)
	})
}

// Close hands over what modules have sent, however busy the node is.
func TestServer_CloseHandsOverAnnouncements(t *testing.T) {
	g := bridgetest.New()
	busy, reached := make(chan struct{}), make(chan struct{}, 1)
	g.Check = func(context.Context, bridgetest.Event) error {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-busy
		return nil
	}
	p := serveNode(t, g, g, unpaced())
	m := p.module()
	var msgs []apimsg.Message
	for i := range 200 {
		msgs = append(msgs, &apimsg.Announce{DataType: uint16(i), Data: make([]byte, 10)})
	}
	m.send(msgs...)
	<-reached
	closed := make(chan error)
	go func() { closed <- p.srv.Close(context.Background()) }()
	for { // until it has stopped accepting
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			break
		}
		c.Close()
	}
	close(busy)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if n := p.Count(bridgetest.Announced); n != len(msgs) {
		t.Errorf("%d announcements of %d were handed over", n, len(msgs))
	}
	m.expectClosed()
	if opened, ended := p.Count(bridgetest.Opened), p.Count(bridgetest.Closed); opened != ended {
		t.Errorf("%d sessions of %d ended", ended, opened)
	}
}

// Without a busy node Close takes drainTime, also while modules are connected
// that say nothing, or half of something.
func TestServer_CloseWithSilentModules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, apibridge.DefaultOptions())
		p.module()
		p.subscriber(1)
		p.module().write([]byte{0, 9})
		if err := p.srv.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if s := p.srv.Stats(); s.Connections != 0 || s.Stalled != 0 || p.Count(bridgetest.Closed) != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// A module that goes on sending, whole messages or a piece of one, gets no
// more time than the others.
func TestServer_CloseWithTalkativeModules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, apibridge.DefaultOptions())
		whole, piece := p.module(), p.module()
		var wg sync.WaitGroup
		defer wg.Wait()
		frame := encode(t, &apimsg.Announce{DataType: 1, Data: []byte("x")})
		wg.Go(func() {
			for {
				if _, err := whole.Write(frame); err != nil {
					return
				}
				sleep(time.Millisecond)
			}
		})
		wg.Go(func() {
			sleep(20 * time.Millisecond)
			piece.Write(frame[:5])
		})
		sleep(time.Millisecond)
		start := time.Now()
		if err := p.srv.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("Close took %v", took)
		}
		if n := p.Count(bridgetest.Announced); n < 45 || n > 55 {
			t.Errorf("%d announcements were heard", n)
		}
	})
}

// When patience ends, so do connections, even those whose node never takes
// what they announce.
func TestServer_CloseLosesPatience(t *testing.T) {
	g := bridgetest.New()
	reached := make(chan struct{}, 1)
	g.Check = func(ctx context.Context, _ bridgetest.Event) error {
		reached <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	p := serveNode(t, g, g, unpaced())
	m := p.module()
	m.send(&apimsg.Announce{DataType: 1})
	<-reached
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.srv.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	m.expectClosed()
	if s := p.srv.Stats(); s.Connections != 0 || s.AnnounceErrors != 1 {
		t.Errorf("%+v", s)
	}
}

func TestServer_CloseTwiceAndServeAfterwards(t *testing.T) {
	p := serve(t, unpaced())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := p.srv.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ln, err := apibridge.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.srv.Serve(ln); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener was left open: %v", err)
	}
	if err := apibridge.NewGossip(bridgetest.New(), unpaced()).Close(t.Context()); err != nil {
		t.Errorf("Close without Serve: %v", err)
	}
}

func TestServer_ListenerClosedBySomebodyElse(t *testing.T) {
	ln, err := apibridge.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	srv := apibridge.NewGossip(bridgetest.New(), unpaced())
	defer srv.Close(t.Context())
	ended := make(chan error)
	go func() { ended <- srv.Serve(ln) }()
	ln.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// A server can serve several listeners.
func TestServer_SeveralListeners(t *testing.T) {
	p := serve(t, unpaced())
	ln, err := apibridge.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.srv.Serve(ln) })
	first := p.subscriber(1)
	p.dial = dialer(t, ln)
	second := p.subscriber(1)
	second.send(&apimsg.Announce{DataType: 1, Data: []byte("x")})
	first.expect("x")
	p.srv.Close(t.Context())
	wg.Wait()
	second.expectClosed()
}

// faulty is a node that panics or fails when it is told to.
type faulty struct {
	*bridgetest.Gossip
	open, announce, subscribe, vote, close func()
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func (f *faulty) Open(deliver func([32]byte, uint16, []byte)) (uint64, error) {
	call(f.open)
	return f.Gossip.Open(deliver)
}

func (f *faulty) Announce(ctx context.Context, s uint64, ttl uint8, dataType uint16, data []byte) error {
	if string(data) == "fault" {
		call(f.announce)
	}
	return f.Gossip.Announce(ctx, s, ttl, dataType, data)
}

func (f *faulty) Subscribe(s uint64, dataType uint16) error {
	if dataType == 666 {
		call(f.subscribe)
		return errors.New("too many types")
	}
	return f.Gossip.Subscribe(s, dataType)
}

func (f *faulty) Vote(s uint64, id [32]byte, valid bool) {
	if !valid {
		call(f.vote)
	}
	f.Gossip.Vote(s, id, valid)
}

func (f *faulty) Close(s uint64) {
	f.Gossip.Close(s)
	call(f.close)
}

// A panic while a connection is served ends that connection and nothing else.
func TestServer_PanicEndsOneConnection(t *testing.T) {
	boom := func() { panic("boom") }
	for name, c := range map[string]struct {
		node    *faulty
		provoke func(p *peer, m *module)
	}{
		"announce": {&faulty{announce: boom}, func(_ *peer, m *module) {
			m.send(&apimsg.Announce{DataType: 1, Data: []byte("fault")})
		}},
		"subscribe": {&faulty{subscribe: boom}, func(_ *peer, m *module) {
			m.send(&apimsg.Notify{DataType: 666})
		}},
		"vote": {&faulty{vote: boom}, func(p *peer, m *module) {
			m.send(&apimsg.Notify{DataType: 9})
			p.await(bridgetest.Subscribed, 2)
			p.Receive(9, []byte("x"))
			m.send(&apimsg.Validation{ID: m.told().ID})
		}},
		"close": {&faulty{close: boom}, func(_ *peer, m *module) {
			m.write([]byte("POST"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c.node.Gossip = bridgetest.New()
			p := serveNode(t, c.node, c.node.Gossip, unpaced())
			witness, m := p.subscriber(1), p.module()
			c.provoke(p, m)
			m.expectClosed()
			s := p.srv.Stats()
			if s.Connections != 1 || s.Panics != 1 && name != "close" { // that one has its cause already
				t.Errorf("%+v", s)
			}
			p.await(bridgetest.Closed, 1)
			c.node.close = nil
			p.Receive(1, []byte("fine"))
			witness.expect("fine")
		})
	}
}

func TestServer_PanicInOpen(t *testing.T) {
	g := bridgetest.New()
	p := serveNode(t, &faulty{Gossip: g, open: func() { panic("boom") }}, g, unpaced())
	for range 3 {
		(&module{p.dial(), t, nil}).expectClosed()
	}
	if s := p.srv.Stats(); s.Panics != 3 || s.Connections != 0 {
		t.Errorf("%+v", s)
	}
}

// A NOTIFY that the node refuses closes the connection, for the module would
// wait for ever; an ANNOUNCE that it refuses does not: there is no reply to it.
func TestServer_NodeRefuses(t *testing.T) {
	g := bridgetest.New()
	g.Check = func(_ context.Context, e bridgetest.Event) error {
		if len(e.Data) > 3 {
			return errors.New("too large")
		}
		return nil
	}
	p := serveNode(t, &faulty{Gossip: g}, g, unpaced())
	m := p.module()
	m.send(&apimsg.Announce{DataType: 1, Data: []byte("large")}, &apimsg.Announce{DataType: 1, Data: []byte("ok")})
	p.await(bridgetest.Announced, 1)
	if s := p.srv.Stats(); s.AnnounceErrors != 1 || s.Announces != 2 {
		t.Errorf("%+v", s)
	}
	m.send(&apimsg.Notify{DataType: 666})
	m.expectClosed()
}

// full is a node that takes no more sessions.
type full struct{ *bridgetest.Gossip }

func (full) Open(func([32]byte, uint16, []byte)) (uint64, error) {
	return 0, errors.New("no more modules")
}

func TestServer_NodeTakesNoSession(t *testing.T) {
	g := bridgetest.New()
	p := serveNode(t, full{g}, g, unpaced())
	(&module{p.dial(), t, nil}).expectClosed()
	if s := p.srv.Stats(); s.Failed != 1 || s.Connections != 0 {
		t.Errorf("%+v", s)
	}
	if g.Count(bridgetest.Closed) != 0 {
		t.Error("a session ended that had not begun")
	}
}

// A hundred rounds of modules coming and going leave no goroutine behind.
func TestServer_NothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, unpaced())
		synctest.Wait()
		before := goleak.IgnoreCurrent()
		for i := range 100 {
			a, b := p.subscriber(1), p.subscriber(1)
			a.send(&apimsg.Announce{DataType: 1, Data: fmt.Append(nil, i)})
			b.expect(fmt.Sprint(i))
			if i%2 == 0 {
				a.write([]byte("POST"))
			}
			a.Close()
			b.Close()
		}
		p.await(bridgetest.Closed, 200)
		synctest.Wait() // whoever can end has ended
		if s := p.srv.Stats(); s.Connections != 0 {
			t.Errorf("%+v", s)
		}
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
}
