package apibridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"hearsay/apibridge/apimsg"
)

var log = logging.Logger("hearsay/api")

// Pauses after a failure to accept: the first, doubled each time up to the last.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// server accepts connections and has each of them served: what the servers of
// all module APIs have in common. They embed it.
type server struct {
	limits Limits
	accept []apimsg.Type // the messages that modules send
	serve  func(*conn)   // serves one connection until it ends
	count  counters

	ctx    context.Context // ends when patience with a closing server does
	cancel context.CancelFunc
	wg     sync.WaitGroup // of connections

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
}

// init prepares a server whose connections serve serves. accept are the messages
// that a module may send; any other is a violation.
func (s *server) init(limits Limits, serve func(*conn), accept ...apimsg.Type) {
	s.limits, s.serve, s.accept = limits.withDefaults(), serve, accept
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.listeners = make(map[net.Listener]struct{})
	s.conns = make(map[*conn]struct{})
}

// Serve accepts connections until Close, which may have been called before it,
// and then returns nil, or until somebody else closes the listener. No other
// failure to accept ends it: while the machine has no file descriptors left,
// for instance, it pauses for up to a second and tries again. It closes ln. A
// server can serve several listeners.
func (s *server) Serve(ln net.Listener) error {
	defer ln.Close()
	if !s.register(ln) {
		return nil
	}
	pause := time.Duration(0)
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause = 0
			s.start(nc)
			continue
		}
		if s.isClosing() {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("apibridge: the listener of %v was closed: %w", ln.Addr(), err)
		}
		s.count.acceptErrors.Add(1)
		pause = min(max(2*pause, firstPause), lastPause)
		log.Warnf("cannot accept modules on %v, next try in %v: %v", ln.Addr(), pause, err)
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
		}
	}
}

func (s *server) register(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.listeners[ln] = struct{}{}
	}
	return !s.closing
}

func (s *server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// start serves a connection on a goroutine of its own, or closes it.
func (s *server) start(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		nc.Close()
		return
	}
	if len(s.conns) >= s.limits.MaxConns {
		s.count.refused.Add(1)
		nc.Close()
		return
	}
	s.count.accepted.Add(1)
	s.count.connections.Add(1)
	c := newConn(s.ctx, nc, &s.limits, s.accept...)
	s.conns[c] = struct{}{}
	s.wg.Go(func() { s.run(c) })
}

// run is the life of a connection. That the module sees its end comes last: one
// that then connects again at once finds the place free, also at MaxConns, and
// the counters tell of the end.
func (s *server) run(c *conn) {
	defer c.nc.Close() // whatever happens in between
	contain(c, func() { s.serve(c) })
	cause := c.finish()
	s.count.ended(cause)
	log.Debugf("module %v: %v", c.nc.RemoteAddr(), cause)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.count.connections.Add(-1) // here, so that it never says more than MaxConns
}

// contain calls f and makes a panic the end of the connection, and of nothing
// else.
func contain(c *conn, f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.stop(errPanic)
			log.Errorf("module %v: panic: %v\n%s", c.nc.RemoteAddr(), p, debug.Stack())
		}
	}()
	f()
}

// Close stops accepting, has what modules have sent and what can be read within
// 50 ms acted upon, and closes all connections. It waits for a node that is
// busy; when ctx ends before it is done, connections are closed without regard
// to what they still hold, and the error says so. No goroutine serves a
// connection any more when Close returns.
func (s *server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for ln := range s.listeners {
		ln.Close()
	}
	for c := range s.conns {
		c.drain()
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		s.wg.Wait()
	}()
	defer s.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.mu.Lock()
	open := len(s.conns)
	for c := range s.conns {
		c.stop(errClosing)
	}
	s.mu.Unlock()
	<-done
	return fmt.Errorf("apibridge: %d modules' connections were cut off: %w", open, ctx.Err())
}
