package apibridge_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"hearsay/apibridge"
)

// What peers of tests listen on.

// listen opens a loopback port.
func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := apibridge.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// dialer connects to a loopback port.
func dialer(t testing.TB, ln net.Listener) func() net.Conn {
	return func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// pipes is a listener whose connections are net.Pipe's, for virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return ours
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// endings is a listener that tells of each connection's end, just before the
// module can see it.
type endings struct {
	net.Listener
	tell func()
}

func (l *endings) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &ending{c, l.tell}, nil
}

type ending struct {
	net.Conn
	tell func()
}

func (c *ending) Close() error {
	c.tell()
	return c.Conn.Close()
}

// ends are the ends that a listener has told of.
type ends chan struct{}

// tellEnds has a listener tell of its connections' ends, with room for n of them.
func tellEnds(ln net.Listener, n int) (net.Listener, ends) {
	e := make(ends, n)
	return &endings{ln, func() { e <- struct{}{} }}, e
}

// await waits for the ends of n more connections.
func (e ends) await(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		select {
		case <-e:
		case <-time.After(patience):
			t.Fatalf("%d of %d connections have ended", i, n)
		}
	}
}
