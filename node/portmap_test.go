package node

import (
	"errors"
	"fmt"
	"slices"
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
	return &natpmp.GetExternalAddressResult{ExternalIPAddress: [4]byte{5, 5, 5, 101}}, nil
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
	there  bool
	closed int
}

func (f *fakeUPnP) HasDiscoveredNAT() bool { return f.there }
func (f *fakeUPnP) GetMapping(multiaddr.Multiaddr) multiaddr.Multiaddr {
	return multiaddr.StringCast("/ip4/5.5.5.102/tcp/9")
}
func (f *fakeUPnP) Close() error {
	f.closed++
	return nil
}

const anywhere, here = "/ip4/0.0.0.0/tcp/6001", "/ip4/127.0.0.1/tcp/6002"

func mapping(r *fakeRouter, u *fakeUPnP) (*portMapper, *listening) {
	l := new(listening)
	m := &portMapper{net: l, pmp: func() (pmpRouter, error) { return r, nil }, upnp: func(network.Network) bhost.NATManager { return u }}
	m.begin()
	return m, l
}

// A port is mapped when the host listens on it, renewed, and taken back: when it
// listens no more and when all ends. What only this machine can reach is not.
func TestPortIsMapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRouter{mapped: make(map[int]int), taken: map[int]bool{6001: true}}
		m, l := mapping(r, new(fakeUPnP))
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
		m, l := mapping(r, new(fakeUPnP))
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

// Without NAT-PMP there is UPnP. Who ends does not wait for a router that says
// nothing.
func TestPortByUPnP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &fakeUPnP{there: true}
		m, l := mapping(&fakeRouter{away: true}, u)
		l.listen(anywhere)
		time.Sleep(time.Second)
		if got := m.GetMapping(l.addrs[0]); m.by() != byUPnP || got.String() != "/ip4/5.5.5.102/tcp/9" {
			t.Errorf("mapped to %v by %q", got, m.by())
		}
		if m.Close(); u.closed != 1 || m.HasDiscoveredNAT() {
			t.Errorf("closed %d times", u.closed)
		}

		m, _ = mapping(&fakeRouter{away: true, slow: time.Minute}, u)
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
