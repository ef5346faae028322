package discovery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ds "github.com/ipfs/go-datastore"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Hosts that know nobody but a hub find each other; a host of another network
// that is connected to the same hub finds nobody, and nobody finds it.
func TestKademliaRendezvous(t *testing.T) {
	noLeak(t)
	const nodes = 5
	var hosts []host.Host
	var counts []func(peer.ID, Source) int
	var all []*Discovery
	for i := range nodes + 1 {
		network := "test"
		if i == nodes {
			network = "other"
		}
		h := newHost(t, "/ip4/127.0.0.1/tcp/0")
		found, count := connecting(h)
		all = append(all, running(t, Config{Host: h, Network: network, Found: found, Kademlia: true}))
		hosts, counts = append(hosts, h), append(counts, count)
	}
	begin := time.Now()
	hub := peer.AddrInfo{ID: hosts[0].ID(), Addrs: hosts[0].Addrs()}
	for _, h := range hosts[1:] {
		do(t, h.Connect(t.Context(), hub))
	}
	eventually(t, "everybody has found everybody", func() bool {
		for i := range nodes {
			for j := range nodes {
				if i != j && counts[i](hosts[j].ID(), SourceKademlia) == 0 {
					return false
				}
			}
		}
		return true
	})
	t.Logf("%d nodes that knew one had all found all %v after they connected to it", nodes, time.Since(begin).Round(time.Millisecond))
	for i := range nodes {
		if counts[i](hosts[nodes].ID(), SourceKademlia)+counts[nodes](hosts[i].ID(), SourceKademlia) != 0 {
			t.Error("nodes of different networks met")
		}
	}
	if s := all[1].Status().Kademlia; !s.On || !s.Running || s.Peers == 0 || s.Found == 0 || s.LastError != "" {
		t.Errorf("status: %+v", s)
	}
	if s := all[nodes].Status().Kademlia; s.Running || s.LastError == "" {
		t.Errorf("status of the one without peers: %+v", s)
	}
}

// The public DHT is never joined, and Run takes back what New gave.
func TestKademliaProtocols(t *testing.T) {
	noLeak(t)
	h := newHost(t, "/ip4/127.0.0.1/tcp/0")
	kad := func() (out []string) {
		for _, p := range h.Mux().Protocols() {
			if strings.Contains(string(p), "kad") {
				out = append(out, string(p))
			}
		}
		return out
	}
	d, err := New(Config{Host: h, Network: "my.net", Found: func(Candidate) {}, Kademlia: true})
	do(t, err)
	if got := fmt.Sprint(kad()); got != "[/hearsay/my.net/kad/1.0.0]" || d.Status().Kademlia.Where != "/hearsay/my.net/kad/1.0.0" {
		t.Errorf("the host speaks %s, the status says %s", got, d.Status().Kademlia.Where)
	}
	if d.DHT() == nil || d.DHT().Mode() != dht.ModeServer {
		t.Error("no DHT that serves")
	}
	if err := d.DHT().PutValue(t.Context(), "/pk/x", []byte("x")); err == nil {
		t.Error("a value is taken without a validator")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	do(t, d.Run(ctx))

	d, err = New(Config{Host: h, Network: "test", Found: func(Candidate) {}})
	do(t, err)
	if d.DHT() != nil || d.Status().Kademlia.On {
		t.Error("a DHT although Kademlia is off")
	}
}

// fakeDHT is a DHT in a synctest bubble. The test owns it, except while pass
// lets time pass.
type fakeDHT struct {
	*kademlia
	mu       sync.Mutex
	peers    int
	holds    []peer.AddrInfo
	fails    error
	searched []time.Time
	adverts  []time.Time
	got      []Candidate
}

func newFakeDHT(t *testing.T) *fakeDHT {
	f := new(fakeDHT)
	f.kademlia = &kademlia{
		mechanism: &mechanism{source: SourceKademlia, self: newID(t), hand: func(c Candidate) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.got = append(f.got, c)
		}},
		watch:  newWatcher(nil),
		intake: newIntake(kadNewPeers, kadRepeats, kadPeriod),
		known: func() int {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.peers
		},
		advertise: func(context.Context) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.adverts = append(f.adverts, time.Now())
			return f.fails
		},
		search: func(ctx context.Context) (<-chan peer.AddrInfo, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.searched = append(f.searched, time.Now())
			c := make(chan peer.AddrInfo, len(f.holds))
			for _, info := range f.holds {
				c <- info
			}
			close(c)
			return c, f.fails
		},
	}
	f.mu.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.advertising(ctx) })
	running.Go(func() { f.searching(ctx) })
	t.Cleanup(func() {
		cancel()
		f.mu.Unlock()
		running.Wait() // in the bubble: its time stands still once the test has returned
	})
	f.pass(0)
	return f
}

func (f *fakeDHT) pass(d time.Duration) {
	f.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	f.mu.Lock()
}

// checkGrowing checks that the pauses between times double from first to last,
// give or take a quarter.
func checkGrowing(t *testing.T, what string, at []time.Time, first, last time.Duration) {
	t.Helper()
	if len(at) < 3 {
		t.Errorf("%s: only %d times", what, len(at))
	}
	want := first
	for i := range len(at) - 1 {
		if got := at[i+1].Sub(at[i]); got < want*3/4 || got > want*5/4 {
			t.Errorf("%s: pause %d is %v, want %v give or take a quarter", what, i, got, want)
		}
		want = min(2*want, last)
	}
}

func TestKademliaPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDHT(t)
		f.pass(time.Hour)
		if len(f.searched)+len(f.adverts) != 0 {
			t.Error("searched or advertised with nobody to ask")
		}
		if s := f.snapshot(); s.Running || s.LastError == "" {
			t.Errorf("status: %+v", s)
		}
		// The first peer, but nobody at the rendezvous yet.
		f.peers = 1
		f.pass(kadPoll)
		if len(f.searched) != 1 || len(f.adverts) != 1 {
			t.Fatalf("searched %d times, advertised %d times at once", len(f.searched), len(f.adverts))
		}
		if s := f.snapshot(); !s.Running || s.LastError != "" {
			t.Errorf("status: %+v", s)
		}
		f.pass(time.Hour)
		checkGrowing(t, "searching alone", f.searched, kadFirstPause, kadAlonePause)
		// Somebody is there.
		f.holds = []peer.AddrInfo{{ID: newID(t), Addrs: addrs("/ip4/10.0.0.1/tcp/1")}, {ID: f.self, Addrs: addrs("/ip4/10.0.0.2/tcp/1")}}
		f.pass(kadAlonePause * 5 / 4)
		f.searched = f.searched[len(f.searched)-1:]
		f.pass(6 * time.Hour)
		checkGrowing(t, "searching", f.searched, 2*kadAlonePause, kadLastPause)
		checkGrowing(t, "advertising", f.adverts, kadFirstAdvert, kadLastAdvert)
		for _, c := range f.got {
			if c.Info.ID != f.holds[0].ID || c.Source != SourceKademlia {
				t.Fatalf("handed over %v", c)
			}
		}
		// The network is another one, and what the host says of its addresses may be a
		// minute old.
		adverts, searches := len(f.adverts), len(f.searched)
		move(f.watch, "elsewhere")
		f.pass(0)
		if got, also := len(f.adverts)-adverts, len(f.searched)-searches; got != 1 || also != 1 {
			t.Errorf("after a change of the network advertised %d times, searched %d times at once", got, also)
		}
		f.pass(kadFirstAdvert * 5 / 4)
		if got := len(f.adverts) - adverts; got != 2 {
			t.Errorf("advertised %d times within 75 s", got)
		}
	})
}

// move changes what a watcher sees.
func move(w *watcher, to string) {
	w.observe = func() (surroundings, error) { return surroundings{key: to}, nil }
	w.look()
}

func TestKademliaFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDHT(t)
		f.peers, f.fails = 1, errors.New("all are silent")
		f.pass(time.Hour)
		checkGrowing(t, "advertising in vain", f.adverts, kadFirstPause, kadAlonePause)
		checkGrowing(t, "searching in vain", f.searched, kadFirstPause, kadAlonePause)
		if s := f.snapshot(); s.Running || !strings.Contains(s.LastError, "all are silent") {
			t.Errorf("status: %+v", s)
		}
		f.fails = nil
		f.pass(kadAlonePause * 5 / 4)
		if s := f.snapshot(); !s.Running || s.LastError != "" {
			t.Errorf("status: %+v", s)
		}
	})
}

// Whoever answers for the rendezvous can make up what it likes.
func TestKademliaLies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDHT(t)
		var many []string
		for i := range 100 {
			many = append(many, fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", i+1))
		}
		f.holds = []peer.AddrInfo{
			{ID: newID(t)},
			{ID: newID(t), Addrs: addrs("/dns/victim.example/tcp/80", "/ip4/0.0.0.0/tcp/1", "/ip4/224.0.0.1/tcp/1", "/ip6/fe80::1/tcp/1", "/ip4/169.254.169.254/tcp/80")},
			{ID: newID(t), Addrs: addrs(many...)},
			{ID: newID(t), Addrs: addrs("/ip4/127.0.0.1/tcp/22", "/ip4/10.0.0.1/tcp/22")},
			{ID: newID(t), Addrs: addrs("/ip4/127.0.0.1/tcp/4001")},
		}
		f.peers = 1
		f.pass(kadPoll)
		if len(f.got) != 3 || len(f.got[0].Info.Addrs) != maxAddrs ||
			fmt.Sprint(f.got[1].Info.Addrs) != "[/ip4/10.0.0.1/tcp/22]" || fmt.Sprint(f.got[2].Info.Addrs) != "[/ip4/127.0.0.1/tcp/4001]" {
			t.Errorf("handed over %v", f.got)
		}
		f.holds = nil
		for range 1000 {
			f.holds = append(f.holds, peer.AddrInfo{ID: newID(t), Addrs: addrs("/ip4/10.0.0.1/tcp/1")})
		}
		f.got = nil
		f.pass(30 * time.Second)
		made := make(map[peer.ID]bool)
		for _, c := range f.got {
			made[c.Info.ID] = true
		}
		if len(made) != kadNewPeers-3 {
			t.Errorf("%d made-up peers in a minute, want %d", len(made), kadNewPeers-3)
		}
	})
}

// Look-ups dial whom strangers name, but no loopback address of a machine that has a
// network.
func TestKademliaScope(t *testing.T) {
	alone := newHost(t, "/ip4/127.0.0.1/tcp/0")
	among := elsewhere{alone}
	for text, want := range map[string]struct{ alone, among bool }{
		"/ip4/127.0.0.1/tcp/1":       {true, false},
		"/ip6/::1/tcp/1":             {true, false},
		"/ip4/10.0.0.1/tcp/1":        {true, true},
		"/ip4/169.254.169.254/tcp/1": {false, false},
	} {
		for h, want := range map[host.Host]bool{alone: want.alone, among: want.among} {
			if got := kadScope(h)(addrs(text)); (len(got) == 1) != want {
				t.Errorf("a host at %v dials %s: %v", h.Addrs(), text, len(got) == 1)
			}
		}
	}
}

// elsewhere is a host with a network, as far as it says.
type elsewhere struct{ host.Host }

func (elsewhere) Addrs() []ma.Multiaddr { return addrs("/ip4/127.0.0.1/tcp/1", "/ip4/192.0.2.1/tcp/1") }

func TestProviderShelfHasLimits(t *testing.T) {
	ctx := t.Context()
	shelf := newProviderShelf(100, 4)
	key := func(k, p int) ds.Key { return ds.NewKey(fmt.Sprintf("/providers/K%d/P%d", k, p)) }
	put := func(into ds.Write, keys, peers int) {
		for k := range keys {
			for p := range peers {
				do(t, into.Put(ctx, key(k, p), []byte("then")))
			}
		}
	}
	stored := func(keys, peers int) (n int) {
		for k := range keys {
			for p := range peers {
				if ok, _ := shelf.Has(ctx, key(k, p)); ok {
					n++
				}
			}
		}
		return n
	}
	batch, err := shelf.Batch(ctx)
	do(t, err)
	put(batch, 50, 1)
	do(t, batch.Commit(ctx))
	if n := stored(50, 1); n != 4 {
		t.Errorf("one peer has %d records, want 4", n)
	}
	put(shelf, 50, 50)
	if n := stored(50, 50); n != 100 {
		t.Errorf("%d records, want 100", n)
	}
	// What is there can be renewed, and what is deleted makes room.
	there := key(0, 7)
	do(t, shelf.Put(ctx, there, []byte("now")))
	if v, err := shelf.Get(ctx, there); err != nil || string(v) != "now" {
		t.Errorf("not renewed: %q, %v", v, err)
	}
	do(t, shelf.Delete(ctx, there))
	do(t, shelf.Delete(ctx, there))
	newcomer := ds.NewKey("/providers/K/NEW")
	do(t, shelf.Put(ctx, newcomer, []byte("now")))
	if ok, _ := shelf.Has(ctx, newcomer); !ok {
		t.Error("deleting makes no room")
	}
	do(t, shelf.Put(ctx, ds.NewKey("/providers/K/NEWER"), []byte("now")))
	if ok, _ := shelf.Has(ctx, ds.NewKey("/providers/K/NEWER")); ok {
		t.Error("deleting twice makes room for two")
	}
}
