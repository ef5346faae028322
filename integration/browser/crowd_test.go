package browser

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node"
	"hearsay/node/control"
	"hearsay/node/dashboard"
	"hearsay/node/folder"
)

// crowd is a made-up node with many peers.
type crowd struct {
	quiet
	id      peer.ID
	started time.Time
	hostile []string // what peers are called and what they say, if not empty

	mu       sync.Mutex
	peers    []node.Peer
	routes   []node.Route
	seen     map[*observer]bool
	rumors   uint64
	received uint64
}

func peerID(n int) peer.ID {
	h := sha256.Sum256(fmt.Appendf(nil, "peer %d", n))
	return peer.ID(append([]byte{0x00, 0x24, 0x08, 0x01, 0x12, 0x20}, h[:]...)) // as of an Ed25519 key
}

// newCrowd makes up a node with n peers, of which up to 16 are neighbours.
func newCrowd(n int, hostile []string) *crowd {
	c := &crowd{id: peerID(-1), started: time.Now().Add(-3*time.Hour - 12*time.Minute), hostile: hostile, seen: map[*observer]bool{}}
	r := rand.New(rand.NewPCG(1, 2))
	neighbours := min(16, max(2, n/4))
	sources := []string{"lan", "contact", "exchange", "kademlia", "remembered", "inbound"}
	for i := range n {
		p := node.Peer{ID: peerID(i), Addrs: []string{fmt.Sprintf("/ip4/192.0.2.%d/tcp/%d", i%250+1, 6001+i)}, Source: sources[r.IntN(len(sources))],
			State: node.PeerMember, Since: c.started.Add(time.Duration(r.IntN(3*3600)) * time.Second), Agent: "hearsay/1.4.0"}
		if len(hostile) > 0 {
			h := hostile[i%len(hostile)]
			p.Agent, p.Addrs, p.Source, p.LastError = h, []string{h, h}, h, h
		}
		switch {
		case i < neighbours:
			p.State, p.RTT, p.Direction, p.Transport = node.PeerNeighbour, time.Duration(300+r.IntN(60_000))*time.Microsecond, []string{"in", "out"}[i%2], "tcp"
			p.Tree = i%3 != 1
			if p.Tree && i%2 == 0 {
				p.TreeTypes = []uint16{1000, 1001}
			}
		case i%37 == 0:
			p.State, p.LastError = node.PeerDown, "dial tcp4 192.0.2.7:6001: connect: connection refused"
		case i%61 == 0:
			p.State = node.PeerLost
		case i%53 == 0:
			p.State = node.PeerSuspect
		case i%29 == 0:
			p.State, p.Agent, p.Since = node.PeerKnown, "", time.Time{}
		}
		c.peers = append(c.peers, p)
		if p.State == node.PeerNeighbour || p.State == node.PeerMember {
			c.routes = append(c.routes, node.Route{Origin: p.ID, Via: peerID(int(float64(neighbours) * r.Float64() * r.Float64())), Since: c.started})
		}
	}
	return c
}

func (c *crowd) Self() node.Status {
	return node.Status{ID: c.id, Network: "office", Agent: "hearsay/1.4.0", Started: c.started, Addrs: []string{"/ip4/192.0.2.1/tcp/6001/p2p/" + c.id.String()},
		Difficulty: 16, Degree: 8, CacheSize: 50}
}

func (c *crowd) Status() node.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rumors += uint64(20 + rand.IntN(30))
	c.received += uint64(40_000 + rand.IntN(90_000))
	st := c.Self()
	st.Neighbours, st.Members, st.Rumors, st.Interests, st.Modules = 16, len(c.peers), 50, []uint16{1000, 1001}, 2
	st.Counters = map[string]uint64{"accepted": c.rumors, "duplicates": c.rumors / 12, "sent_bytes": c.received * 2 / 3, "received_bytes": c.received}
	return st
}

func (c *crowd) Peers() []node.Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]node.Peer(nil), c.peers...)
}

func (c *crowd) Routes() []node.Route { return c.routes }

func (c *crowd) Announce(_ context.Context, a node.Announcement) (node.Announced, error) {
	return c.say(c.id, "", a.DataType, a.Data), nil
}

// say has a rumor arrive, and be found valid.
func (c *crowd) say(origin, via peer.ID, dataType uint16, data []byte) node.Announced {
	now := time.Now()
	id := sha256.Sum256(append([]byte(now.String()), data...))
	c.tell(node.Observed{Time: now, ID: id, Via: via, Hops: 1 + len(data)%3, Rumor: node.Rumor{ID: id, Origin: origin, DataType: dataType, Data: data, Created: now.Add(-47 * time.Millisecond)}})
	c.tell(node.Observed{Time: now, ID: id, Verdict: []string{"valid", "valid", "valid", "valid", "invalid", "silent"}[id[0]%6]})
	return node.Announced{ID: id, Neighbours: 16}
}

func (c *crowd) tell(o node.Observed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for to := range c.seen {
		to.c <- o
	}
}

func (c *crowd) Listen([]uint16) (control.Listener, error) { return listener{}, nil }
func (c *crowd) Watch() control.Watcher                    { return watcher{} }
func (c *crowd) Observe() control.Observer {
	o := &observer{c: make(chan node.Observed, 4096), of: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[o] = true
	return o
}

type listener struct{}

func (listener) C() <-chan node.Rumor { return nil }
func (listener) Dropped() uint64      { return 0 }
func (listener) Close()               {}

type watcher struct{}

func (watcher) C() <-chan node.PeerEvent { return nil }
func (watcher) Close()                   {}

type observer struct {
	c  chan node.Observed
	of *crowd
}

func (o *observer) C() <-chan node.Observed { return o.c }
func (o *observer) Dropped() uint64         { return 0 }
func (o *observer) Close() {
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	delete(o.of.seen, o)
}

// serve runs the control API of a made-up node, and returns a link to its page.
func serve(t *testing.T, n control.Node) (link func() string) {
	t.Helper()
	dir := t.TempDir()
	unlock, err := folder.Lock(dir) // as a node that runs has it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unlock() })
	s, err := control.Listen(control.Config{StateDir: dir, Dashboard: dashboard.Handler()}, n)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return func() string { return linkOf(t, dir) }
}

// linkOf asks for a link as hearsay dashboard does.
func linkOf(t *testing.T, dir string) string {
	t.Helper()
	c, err := control.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	login, err := c.Login(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return login.URL
}

// With five hundred peers the page is as legible and as quiet as with three.
func TestCrowd(t *testing.T) {
	b := chromium(t)
	c := newCrowd(500, nil)
	link := serve(t, c)
	stop := make(chan struct{})
	var chatter sync.WaitGroup
	chatter.Go(func() { // some news, all the time
		tick := time.NewTicker(80 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				from := c.routes[i%len(c.routes)]
				c.say(from.Origin, from.Via, uint16(1001+i%3), fmt.Appendf(nil, "call %d: sip:user%d@office is online", i, i%97))
			case <-stop:
				return
			}
		}
	})
	defer chatter.Wait()
	defer close(stop)
	for _, scheme := range []string{"dark", "light"} {
		p := visit(t, b, link(), scheme)
		p.await("all peers", `document.querySelectorAll("#peers tbody tr").length === 500`)
		p.await("rumors", `document.querySelectorAll("#rumors tbody tr").length > 20`)
		asked := len(p.requests)
		p.await("plots", `document.querySelectorAll(".plot path[d]").length > 6`)
		if os.Getenv("HEARSAY_SCREENSHOTS") != "" {
			p.await("figures worth a plot", `document.querySelector(".plot path:not(.fill)").getAttribute("d").split("L").length > 6`)
		}
		p.picture("crowd-network-" + scheme)
		p.show("2", "rumors")
		p.picture("crowd-rumors-" + scheme)
		p.show("1", "network")
		p.run(setValue("#peers-filter", "192.0.2.77/"))
		p.await("the filter", `document.querySelectorAll("#peers tbody tr").length === 2`)
		// One stream and no polling: nothing more was asked than when it opened.
		if p.mu.Lock(); len(p.requests) != asked {
			t.Errorf("the page asks again: %q", p.requests[asked:])
		}
		p.mu.Unlock()
		p.wellBehaved()
	}
}
