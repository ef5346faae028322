package node

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
	"github.com/libp2p/go-libp2p/core/network"
	bhost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/multiformats/go-multiaddr"
)

// listening is a host's network as far as a port mapper looks at it.
type listening struct {
	network.Network
	mu    sync.Mutex
	addrs []multiaddr.Multiaddr
	told  network.Notifiee
}

func (l *listening) ListenAddresses() []multiaddr.Multiaddr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.addrs)
}

func (l *listening) Notify(n network.Notifiee) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = n
}

func (l *listening) StopNotify(n network.Notifiee) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == n {
		l.told = nil
	}
}

func (l *listening) listen(addrs ...string) {
	l.mu.Lock()
	l.addrs = nil
	for _, a := range addrs {
		l.addrs = append(l.addrs, multiaddr.StringCast(a))
	}
	told := l.told
	l.mu.Unlock()
	if told != nil {
		told.Listen(l, nil)
	}
}

// fakeRouter maps the port above the one that is asked for if that is taken.
type fakeRouter struct {
	mu     sync.Mutex
	outer  byte // of its address outside, the last number, unless 0
	away   bool
	slow   time.Duration
	taken  map[int]bool
	mapped map[int]int // outside, by the port inside
	asked  int         // for mappings
}

var errSilent = errors.New("no answer")

func (r *fakeRouter) GetExternalAddress() (*natpmp.GetExternalAddressResult, error) {
	time.Sleep(r.slow)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return nil, errSilent
	}
	return &natpmp.GetExternalAddressResult{ExternalIPAddress: [4]byte{5, 5, 5, max(r.outer, 101)}}, nil
}

func (r *fakeRouter) AddPortMapping(protocol string, in, out, seconds int) (*natpmp.AddPortMappingResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away || protocol != "tcp" {
		return nil, errSilent
	}
	if seconds == 0 {
		delete(r.mapped, in)
		return &natpmp.AddPortMappingResult{}, nil
	}
	if seconds != 300 {
		return nil, errors.New("another life than documented")
	}
	r.asked++
	if r.taken[out] {
		out++
	}
	r.mapped[in] = out
	return &natpmp.AddPortMappingResult{MappedExternalPort: uint16(out)}, nil
}

// mappings counts how often it was asked for one.
func (r *fakeRouter) mappings() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func (r *fakeRouter) says() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(r.mapped)
}

// fakeUPnP finds a router at once, if there is one.
type fakeUPnP struct {
	mu     sync.Mutex
	there  bool
	dead   bool // it was found, and answers no more
	closed int
}

func (f *fakeUPnP) HasDiscoveredNAT() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.there
}

func (f *fakeUPnP) GetMapping(multiaddr.Multiaddr) multiaddr.Multiaddr {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return nil
	}
	return multiaddr.StringCast("/ip4/5.5.5.102/tcp/9")
}
func (f *fakeUPnP) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}

// closings counts how often it was closed.
func (f *fakeUPnP) closings() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

const anywhere, here = "/ip4/0.0.0.0/tcp/6001", "/ip4/127.0.0.1/tcp/6002"

// surroundings are the routers that a machine has around it, by their address inside, and
// the one that is on its way out.
type surroundings struct {
	mu      sync.Mutex
	routers map[netip.Addr]*fakeRouter
	way     netip.Addr // none = no network
}

func (s *surroundings) gateway() (netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.way.IsValid() {
		return s.way, errors.New("no way out")
	}
	return s.way, nil
}

// router is the one at an address.
func (s *surroundings) router(at netip.Addr) pmpRouter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.routers[at]
}

// move takes the machine to another network, or none.
func (s *surroundings) move(m *portMapper, to netip.Addr) {
	s.mu.Lock()
	s.way = to
	s.mu.Unlock()
	m.lookAgain()
}

var home, work = netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("10.0.0.1")

// mapping begins on a machine with these routers at home and at work, and without a
// network if there is none at home.
func mapping(atHome, atWork *fakeRouter, u *fakeUPnP) (*portMapper, *listening, *surroundings) {
	l, s := new(listening), &surroundings{routers: map[netip.Addr]*fakeRouter{home: atHome, work: atWork}}
	if atHome != nil {
		s.way = home
	}
	m := &portMapper{net: l, gateway: s.gateway, pmp: s.router, upnp: func(network.Network) bhost.NATManager { return u }}
	m.begin()
	return m, l, s
}

// A port is mapped when the host listens on it, renewed, and taken back: when it
// listens no more and when all ends. What only this machine can reach is not.
func TestPortIsMapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRouter{mapped: make(map[int]int), taken: map[int]bool{6001: true}}
		m, l, _ := mapping(r, nil, new(fakeUPnP))
		synctest.Wait()
		if m.HasDiscoveredNAT() || r.says() != "map[]" {
			t.Errorf("mapped %s, and nothing listens", r.says())
		}
		l.listen(anywhere, here, "/ip6/::/tcp/6003", "/p2p-circuit")
		synctest.Wait()
		if got := m.GetMapping(l.addrs[0]); r.says() != "map[6001:6002]" || got == nil || got.String() != "/ip4/5.5.5.101/tcp/6002" || m.by() != byPMP {
			t.Errorf("the router has %s, and it is said to be %v by %q", r.says(), got, m.by())
		}
		for _, a := range l.addrs[1:] {
			if got := m.GetMapping(a); got != nil {
				t.Errorf("%v is said to be %v", a, got)
			}
		}
		before := r.mappings()
		time.Sleep(10*time.Minute + time.Second)
		if n := r.mappings() - before; n != 5 {
			t.Errorf("renewed %d times in ten minutes, want 5", n)
		}
		l.listen("/ip4/10.0.0.1/tcp/7001")
		synctest.Wait()
		if r.says() != "map[7001:7001]" {
			t.Errorf("after another port: %s", r.says())
		}
		m.Close()
		if r.says() != "map[]" || m.GetMapping(l.addrs[0]) != nil {
			t.Errorf("left behind: %s", r.says())
		}
	})
}

// A router that comes late is found, and one that goes is looked for.
func TestRouterComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRouter{mapped: make(map[int]int), away: true}
		m, l, _ := mapping(r, nil, new(fakeUPnP))
		l.listen(anywhere)
		time.Sleep(upnpPatience + time.Second)
		if err := m.why(); err == nil || m.HasDiscoveredNAT() || m.GetMapping(l.addrs[0]) != nil {
			t.Errorf("without a router: %v", err)
		}
		r.mu.Lock()
		r.away = false
		r.mu.Unlock()
		time.Sleep(mapRetry)
		if m.by() != byPMP || m.why() != nil {
			t.Errorf("it came, and is not used: %v", m.why())
		}
		r.mu.Lock()
		r.away = true
		r.mu.Unlock()
		time.Sleep(pmpRenew)
		if m.HasDiscoveredNAT() {
			t.Error("it went, and is believed to be there")
		}
		m.Close()
	})
}

// A machine that has been without a network for hours has its ports mapped as soon as it
// has one. On another network it says nothing of the router that it had, and takes its
// ports back where it can.
func TestMappingFollowsTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRouter{mapped: make(map[int]int), outer: 200}
		m, l, s := mapping(nil, r, new(fakeUPnP))
		defer m.Close()
		l.listen(anywhere)
		time.Sleep(3 * time.Hour)
		if m.why() == nil {
			t.Error("it is not said why there is no mapping")
		}
		s.move(m, work)
		time.Sleep(time.Second)
		if got := m.GetMapping(l.addrs[0]); m.by() != byPMP || got == nil || got.String() != "/ip4/5.5.5.200/tcp/6001" {
			t.Errorf("on a network mapped to %v by %q: %v", got, m.by(), m.why())
		}

		r2 := &fakeRouter{mapped: make(map[int]int)}
		s.mu.Lock()
		s.routers[home] = r2
		s.mu.Unlock()
		s.move(m, home)
		time.Sleep(time.Second)
		if got := m.GetMapping(l.addrs[0]); got == nil || got.String() != "/ip4/5.5.5.101/tcp/6001" || r.says() != "map[]" {
			t.Errorf("on another network mapped to %v, the router before has %s", got, r.says())
		}
		// It is on the same network, with other addresses: nothing ends.
		before := r2.mappings()
		s.move(m, home)
		time.Sleep(time.Second)
		if m.by() != byPMP || r2.mappings() != before+1 {
			t.Errorf("by %q, asked %d times", m.by(), r2.mappings()-before)
		}
		s.move(m, netip.Addr{})
		time.Sleep(time.Second)
		if got := m.GetMapping(l.addrs[0]); got != nil {
			t.Errorf("without a network mapped to %v", got)
		}
	})
}

// A node whose addresses change has the mapper look again.
func TestMapperHearsOfChanges(t *testing.T) {
	m := &portMapper{moved: make(chan struct{}, 1)}
	startNode(t, nil, func(n *Node) { n.reach.nat = m })
	next(t, m.moved) // of its first addresses it is told as of others
}

// What UPnP mapped is forgotten on another network, and when the router maps nothing any
// more, which libp2p says nothing of; then a router is looked for again.
func TestUPnPIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &fakeUPnP{there: true}
		m, l, s := mapping(&fakeRouter{away: true}, &fakeRouter{mapped: make(map[int]int)}, u)
		defer m.Close()
		l.listen(anywhere)
		time.Sleep(10 * time.Minute)
		if m.by() != byUPnP || u.closings() != 0 {
			t.Fatalf("by %q: %v", m.by(), m.why())
		}
		s.move(m, home)
		time.Sleep(time.Second)
		if m.by() != byUPnP || u.closings() != 0 {
			t.Errorf("on the same network by %q", m.by())
		}
		s.move(m, work)
		time.Sleep(time.Second)
		if m.by() != byPMP || u.closings() != 1 {
			t.Errorf("on another network by %q, closed %d times", m.by(), u.closings())
		}
		s.move(m, home)
		time.Sleep(time.Second + pmpRenew)
		if m.by() != byUPnP {
			t.Fatalf("back by %q", m.by())
		}
		u.mu.Lock()
		u.dead = true
		u.mu.Unlock()
		time.Sleep(pmpRenew)
		if m.by() != "" || u.closings() != 2 {
			t.Errorf("by a router that is gone: by %q, closed %d times", m.by(), u.closings())
		}
		time.Sleep(mapRetry + pmpRenew + time.Second)
		if err := m.why(); err == nil || !strings.Contains(err.Error(), "maps no port") {
			t.Errorf("of a router that maps nothing is said: %v", err)
		}
		u.mu.Lock()
		u.dead = false
		u.mu.Unlock()
		time.Sleep(2*mapRetry + time.Second)
		if m.by() != byUPnP {
			t.Errorf("when it maps again, by %q: %v", m.by(), m.why())
		}
	})
}

// Without NAT-PMP there is UPnP. Who ends does not wait for a router that says
// nothing.
func TestPortByUPnP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &fakeUPnP{there: true}
		m, l, _ := mapping(&fakeRouter{away: true}, nil, u)
		l.listen(anywhere)
		time.Sleep(time.Second)
		if got := m.GetMapping(l.addrs[0]); m.by() != byUPnP || got.String() != "/ip4/5.5.5.102/tcp/9" {
			t.Errorf("mapped to %v by %q", got, m.by())
		}
		if m.Close(); u.closed != 1 || m.HasDiscoveredNAT() {
			t.Errorf("closed %d times", u.closed)
		}

		m, _, _ = mapping(&fakeRouter{away: true, slow: time.Minute}, nil, u)
		began := time.Now()
		if m.Close(); time.Since(began) > 0 {
			t.Errorf("the end took %v", time.Since(began))
		}
		time.Sleep(time.Minute)
	})
}

// What libp2p begins to take back when a listener closes it would give up when the
// host is closed a moment later.
func TestUPnPHearsOfNoListenersEnd(t *testing.T) {
	l := new(listening)
	opened, closed := 0, 0
	n := &network.NotifyBundle{
		ListenF:      func(network.Network, multiaddr.Multiaddr) { opened++ },
		ListenCloseF: func(network.Network, multiaddr.Multiaddr) { closed++ },
	}
	keepsListening{l}.Notify(n)
	l.told.Listen(l, nil)
	l.told.ListenClose(l, nil)
	if opened != 1 || closed != 0 {
		t.Errorf("told of %d listeners, and of the end of %d", opened, closed)
	}
	if (keepsListening{l}).StopNotify(n); l.told != nil {
		t.Error("it is told more")
	}
}
