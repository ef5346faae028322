package apibridge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"go.uber.org/goleak"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

func TestMain(m *testing.M) {
	logging.SetAllLoggers(logging.LevelFatal) // tests provoke what it warns of
	goleak.VerifyTestMain(m)
}

// patience is the longest that a test waits for an event before it fails.
const patience = 10 * time.Second

// unpaced are options under which nothing waits but for the module.
func unpaced() apibridge.Options {
	o := apibridge.DefaultOptions()
	o.Pace = 0
	return o
}

// peer is a node without a network, behind a bridge.
type peer struct {
	*bridgetest.Gossip
	t    testing.TB
	srv  *apibridge.GossipServer
	addr string
	dial func() net.Conn
	wait time.Duration // for an event
}

// serve starts a peer on a loopback port. It is closed at the end of the test.
func serve(t testing.TB, opts apibridge.Options) *peer {
	t.Helper()
	g := bridgetest.New()
	return serveNode(t, g, g, opts)
}

func serveNode(t testing.TB, node apibridge.Gossip, g *bridgetest.Gossip, opts apibridge.Options) *peer {
	t.Helper()
	ln := listen(t)
	p := serveOn(t, ln, node, g, opts)
	p.addr = ln.Addr().String()
	p.dial = dialer(t, ln)
	return p
}

// serveEndings starts a peer that tells of its connections' ends, with room for n
// of them.
func serveEndings(t testing.TB, opts apibridge.Options, n int) (*peer, ends) {
	t.Helper()
	ln := listen(t)
	telling, ended := tellEnds(ln, n)
	g := bridgetest.New()
	p := serveOn(t, telling, g, g, opts)
	p.dial = dialer(t, ln)
	return p, ended
}

func serveOn(t testing.TB, ln net.Listener, node apibridge.Gossip, g *bridgetest.Gossip, opts apibridge.Options) *peer {
	t.Helper()
	p := &peer{Gossip: g, t: t, srv: apibridge.NewGossip(node, opts), wait: patience}
	serveUntilEnd(t, p.srv, ln)
	return p
}

// servePipes starts a peer without sockets, which can run in virtual time.
func servePipes(t testing.TB, opts apibridge.Options) *peer {
	t.Helper()
	g := bridgetest.New()
	return servePipesNode(t, g, g, opts)
}

func servePipesNode(t testing.TB, node apibridge.Gossip, g *bridgetest.Gossip, opts apibridge.Options) *peer {
	t.Helper()
	ln := newPipes()
	p := serveOn(t, ln, node, g, opts)
	p.wait = 24 * time.Hour // of virtual time
	p.dial = ln.dial
	return p
}

// await waits until a kind of event has happened n times since the start.
func (p *peer) await(kind bridgetest.Kind, n int) []bridgetest.Event {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), p.wait)
	defer cancel()
	if err := p.Await(ctx, kind, n); err != nil {
		p.t.Fatalf("%d × %s of %d: %v", p.Count(kind), kind, n, err)
	}
	return p.Events(kind)
}

// settle waits until all that a module has said is acted upon, and counted: what
// a connection brings is handled in its order, and the node is told of its last.
func (p *peer) settle(m *module) {
	p.t.Helper()
	n := p.Count(bridgetest.Announced)
	m.send(&apimsg.Announce{DataType: 0xffff}) // nobody takes it
	p.await(bridgetest.Announced, n+1)
}

// serveUntilEnd has a server serve until the end of the test.
func serveUntilEnd(t testing.TB, srv interface {
	Serve(net.Listener) error
	Close(context.Context) error
}, ln net.Listener) {
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Serve(ln); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := srv.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		wg.Wait()
	})
}

// module is a raw connection to a peer.
type module struct {
	net.Conn
	t  testing.TB
	in *apimsg.Reader
}

// module connects. The session is open when it returns.
func (p *peer) module() *module {
	p.t.Helper()
	n := p.Count(bridgetest.Opened)
	c := p.dial()
	p.t.Cleanup(func() { c.Close() })
	p.await(bridgetest.Opened, n+1)
	return &module{c, p.t, apimsg.NewReader(c)}
}

// subscriber connects and has subscribed when it returns.
func (p *peer) subscriber(dataTypes ...uint16) *module {
	p.t.Helper()
	m := p.module()
	n := p.Count(bridgetest.Subscribed)
	for _, d := range dataTypes {
		m.send(&apimsg.Notify{DataType: d})
	}
	p.await(bridgetest.Subscribed, n+len(dataTypes))
	return m
}

func encode(t testing.TB, msgs ...apimsg.Message) []byte {
	t.Helper()
	var b []byte
	var err error
	for _, m := range msgs {
		if b, err = apimsg.Append(b, m); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// send writes messages in one go.
func (m *module) send(msgs ...apimsg.Message) {
	m.t.Helper()
	m.write(encode(m.t, msgs...))
}

func (m *module) write(b []byte) {
	m.t.Helper()
	m.SetWriteDeadline(time.Now().Add(patience))
	if _, err := m.Write(b); err != nil {
		m.t.Fatal(err)
	}
}

// told reads the next NOTIFICATION, without answering it.
func (m *module) told() apimsg.Notification {
	m.t.Helper()
	m.SetReadDeadline(time.Now().Add(patience))
	msg, err := m.in.Next()
	if err != nil {
		m.t.Fatalf("waiting for a NOTIFICATION: %v", err)
	}
	n, ok := msg.(*apimsg.Notification)
	if !ok {
		m.t.Fatalf("got a %v", msg.Type())
	}
	return *n
}

// expect reads a NOTIFICATION of these data and validates it.
func (m *module) expect(data string) {
	m.t.Helper()
	n := m.told()
	if string(n.Data) != data {
		m.t.Fatalf("told %q, want %q", n.Data, data)
	}
	m.send(&apimsg.Validation{ID: n.ID, Valid: true})
}

// expectClosed reads until the peer closes, and fails if it says anything.
func (m *module) expectClosed() {
	m.t.Helper()
	m.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1)
	n, err := m.Read(b)
	if n != 0 {
		m.t.Fatalf("the peer sent % x…", b)
	}
	if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		m.t.Fatalf("the connection is not closed: %v", err)
	}
}

// leave closes the sending half of a TCP connection, which is all of an end that
// the peer sees, and waits until the peer, in turn, has closed. Then the peer has
// done with it, and counted it.
func (m *module) leave() {
	m.t.Helper()
	if err := m.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		m.t.Fatal(err)
	}
	m.expectClosed()
}
