package control

import (
	"cmp"
	"context"
	"crypto/sha256"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/goleak"

	"hearsay/node"
	"hearsay/node/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice = peer.ID("\x00\x05alice")
	bob   = peer.ID("\x00\x03bob")
)

// fake is a node that answers what it is told to, and hands on announcements to
// its own listeners.
type fake struct {
	fakeMail

	started   time.Time
	warnings  []string
	findings  []health.Finding
	announce  func(context.Context, node.Announcement) (node.Announced, error) // nil = succeed
	listenErr error

	mu        sync.Mutex
	values    map[node.ValueKey][]node.Value
	addr      string
	announced []node.Announcement
	listeners map[*fakeListener]bool
	watchers  map[*fakeWatcher]bool
	observers map[*fakeObserver]bool
}

func (f *fake) Self() node.Status {
	return node.Status{ID: alice, Network: "test", Agent: "hearsay/1", Started: f.started,
		Addrs: []string{"/ip4/127.0.0.1/tcp/6001/p2p/" + alice.String()}, Difficulty: 16, Degree: 8}
}

func (f *fake) Status() node.Status {
	st := f.Self()
	st.Warnings, st.Neighbours, st.Counters = f.warnings, 1, map[string]uint64{"received": 7}
	return st
}

func (f *fake) Findings() []health.Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.findings
}

// ail has the node find something about its health.
func (f *fake) ail(findings ...health.Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.findings = findings
}

func (f *fake) Reach() health.Reach {
	return health.Reach{State: health.ReachPrivate, Observation: "nobody came", Relays: []string{alice.String()}}
}

// rename has the only peer be at another address.
func (f *fake) rename(addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addr = addr
}

func (f *fake) Peers() []node.Peer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []node.Peer{{ID: bob, State: node.PeerNeighbour, Since: f.started, Addrs: []string{cmp.Or(f.addr, "/ip4/127.0.0.1/tcp/6002")},
		Direction: "out", Transport: "tcp", RTT: 1500 * time.Microsecond, Source: "lan", Interests: []uint16{1}}}
}

func (f *fake) Routes() []node.Route {
	return []node.Route{{Origin: alice, Via: bob, Since: f.started}}
}

func (f *fake) Announce(ctx context.Context, a node.Announcement) (node.Announced, error) {
	if f.announce != nil {
		return f.announce(ctx, a)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.announced = append(f.announced, a)
	id := sha256.Sum256(a.Data)
	for l := range f.listeners {
		l.put(node.Rumor{ID: id, Origin: alice, DataType: a.DataType, Data: a.Data, Created: f.started, Expires: f.started.Add(time.Hour), Received: f.started})
	}
	return node.Announced{ID: id, Neighbours: 3, Work: 2500 * time.Microsecond}, nil
}

func (f *fake) Listen(types []uint16) (Listener, error) {
	if f.listenErr != nil {
		return nil, f.listenErr
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &fakeListener{owner: f, types: types, c: make(chan node.Rumor, 8)}
	if f.listeners == nil {
		f.listeners = map[*fakeListener]bool{}
	}
	f.listeners[l] = true
	return l, nil
}

func (f *fake) PutValue(_ context.Context, key node.ValueKey, data []byte, ttl time.Duration) (node.Value, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.values == nil {
		f.values = map[node.ValueKey][]node.Value{}
	}
	v := node.Value{Key: key, Data: data, Signer: alice, Created: f.started, Expires: f.started.Add(cmp.Or(ttl, time.Hour)), Copies: 3}
	f.values[key] = append(f.values[key], v)
	return v, nil
}

func (f *fake) GetValues(_ context.Context, key node.ValueKey) []node.Value {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.values[key]
}

func (f *fake) Watch() Watcher {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &fakeWatcher{owner: f, c: make(chan node.PeerEvent, 8)}
	if f.watchers == nil {
		f.watchers = map[*fakeWatcher]bool{}
	}
	f.watchers[w] = true
	return w
}

func (f *fake) Observe() Observer {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := &fakeObserver{owner: f, c: make(chan node.Observed, 1024)}
	if f.observers == nil {
		f.observers = map[*fakeObserver]bool{}
	}
	f.observers[o] = true
	return o
}

// show tells the observers.
func (f *fake) show(o node.Observed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for to := range f.observers {
		to.c <- o
	}
}

// open is how many listeners and watchers nobody has closed.
func (f *fake) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.listeners) + len(f.watchers) + len(f.observers)
}

func (f *fake) tell(e node.PeerEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		w.c <- e
	}
}

// stop ends all listeners as a node does that stops.
func (f *fake) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.listeners {
		close(l.c)
	}
}

type fakeListener struct {
	owner   *fake
	types   []uint16
	c       chan node.Rumor
	dropped atomic.Uint64
}

func (l *fakeListener) put(r node.Rumor) {
	select {
	case l.c <- r:
	default:
		l.dropped.Add(1)
	}
}

func (l *fakeListener) C() <-chan node.Rumor { return l.c }
func (l *fakeListener) Dropped() uint64      { return l.dropped.Load() }
func (l *fakeListener) Close() {
	l.owner.mu.Lock()
	defer l.owner.mu.Unlock()
	delete(l.owner.listeners, l)
}

type fakeWatcher struct {
	owner *fake
	c     chan node.PeerEvent
}

func (w *fakeWatcher) C() <-chan node.PeerEvent { return w.c }
func (w *fakeWatcher) Close() {
	w.owner.mu.Lock()
	defer w.owner.mu.Unlock()
	delete(w.owner.watchers, w)
}

type fakeObserver struct {
	owner   *fake
	c       chan node.Observed
	dropped atomic.Uint64
}

func (o *fakeObserver) C() <-chan node.Observed { return o.c }
func (o *fakeObserver) Dropped() uint64         { return o.dropped.Load() }
func (o *fakeObserver) Close() {
	o.owner.mu.Lock()
	defer o.owner.mu.Unlock()
	delete(o.owner.observers, o)
}

// pipes is a listener in memory whose connections obey virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inMemory runs a server for n in the current synctest bubble and returns its
// client, its listener and what ends it.
func inMemory(t *testing.T, n Node) (s *Server, c *Client, p *pipes, stop func()) {
	t.Helper()
	p = newPipes()
	s = newServer(Config{StateDir: t.TempDir()}, n, p)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	c = &Client{dir: s.dir, file: s.file, http: &http.Client{Transport: &http.Transport{DialContext: p.dial}}}
	return s, c, p, func() {
		c.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}
