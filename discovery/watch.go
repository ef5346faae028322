package discovery

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/discovery/aligned"
)

// surroundings is what the network looks like from this machine.
type surroundings struct {
	// links are the interfaces on which others can be met: up, with a carrier,
	// able to multicast, and with an address that others could dial.
	links      []net.Interface
	ipv4, ipv6 bool // links have addresses of that family
	// listen are the host's listen addresses, 0.0.0.0 and :: replaced by the
	// addresses of all interfaces that are up, loopback included.
	listen []ma.Multiaddr
	key    string // equal for equal surroundings
}

// observe looks at the interfaces. The host's own list is of no use for this:
// it remembers the interfaces' addresses for a minute.
func observe(listening []ma.Multiaddr) (surroundings, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return surroundings{}, fmt.Errorf("cannot list the network interfaces: %w", err)
	}
	var (
		s     surroundings
		addrs []ma.Multiaddr
		key   strings.Builder
	)
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 {
			continue
		}
		nets, err := i.Addrs()
		if err != nil {
			continue // it went away a moment ago
		}
		reachable := false
		for _, n := range nets {
			a, err := manet.FromNetAddr(n)
			if err != nil || manet.IsIP6LinkLocal(a) {
				continue
			}
			addrs = append(addrs, a)
			if i.Flags&net.FlagMulticast != 0 && isUnicast(a) && !manet.IsIPLoopback(a) {
				reachable = true
				is4 := a[0].Protocol().Code == ma.P_IP4
				s.ipv4, s.ipv6 = s.ipv4 || is4, s.ipv6 || !is4
			}
		}
		if reachable {
			s.links = append(s.links, i)
			fmt.Fprintf(&key, "%d %s\n", i.Index, i.Name)
		}
	}
	if len(addrs) > 0 {
		// An error means that there is no address to listen on: an empty list.
		s.listen, _ = manet.ResolveUnspecifiedAddresses(listening, addrs)
	}
	ipv4First(s.listen)
	s.listen = slices.CompactFunc(s.listen, ma.Multiaddr.Equal)
	for _, a := range s.listen {
		fmt.Fprintln(&key, a)
	}
	s.key = key.String()
	return s, nil
}

// watcher tells when the surroundings change. It polls, as it can on every system
// that Go knows; where it is known how the kernel tells of changes, it looks only
// when something was told, and now and then all the same.
type watcher struct {
	observe func() (surroundings, error)
	// told, unless nil, reports whether there may be something new since it was
	// asked last.
	told func() bool

	mu      sync.Mutex
	now     surroundings
	changed chan struct{}
}

func newWatcher(observe func() (surroundings, error)) *watcher {
	return &watcher{observe: observe, changed: make(chan struct{})}
}

// current returns the surroundings and a channel that is closed when they have
// changed.
func (w *watcher) current() (surroundings, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.changed
}

// heed calls f after each change since changed was had from current, until ctx ends.
func (w *watcher) heed(ctx context.Context, changed <-chan struct{}, f func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		_, changed = w.current()
		f()
	}
}

// look observes once. What cannot be observed is taken for unchanged.
func (w *watcher) look() {
	s, err := w.observe()
	if err != nil {
		log.Debugw("observing the network", "error", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.key == w.now.key {
		return
	}
	w.now = s
	close(w.changed)
	w.changed = make(chan struct{})
}

// lookAnyway is after how many polls without anything new the watcher looks.
const lookAnyway = 15

func (w *watcher) run(ctx context.Context, every time.Duration) {
	t := time.NewTimer(aligned.Next(every))
	defer t.Stop()
	for spared := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			t.Reset(aligned.Next(every))
		}
		// First asked, then looked: what changes meanwhile is told the next time.
		if spared++; spared < lookAnyway && w.told != nil && !w.told() {
			continue
		}
		spared = 0
		w.look()
	}
}

// listening has the watcher look when the kernel has told something or the listen
// addresses are others than before, until stop. Where the kernel cannot be heard
// it looks each time.
func (w *watcher) listening(addrs func() []ma.Multiaddr) (stop func()) {
	n, err := openNotices()
	if err != nil {
		return func() {}
	}
	before := addrs()
	w.told = func() bool {
		now := addrs()
		same := slices.EqualFunc(now, before, ma.Multiaddr.Equal)
		before = now
		return n.any() || !same
	}
	return n.close
}
