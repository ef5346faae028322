package discovery

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	"github.com/multiformats/go-multiaddr"

	"hearsay/discovery/values"
)

// changing is a network of real hosts and real Kademlia on a mock network, in
// virtual time.
type changing struct {
	t     *testing.T
	net   mocknet.Mocknet
	rng   *mathrand.Rand
	alive []*passing // oldest first
	made  int
	dials sync.WaitGroup // under way
}

// passing is one of its nodes.
type passing struct {
	host.Host
	values *values.Service
	stop   context.CancelFunc
	ended  chan struct{}
}

// join starts a node that is connected with up to three others.
func (c *changing) join() {
	c.t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	c.made++
	h, err := c.net.AddPeer(key, multiaddr.StringCast(fmt.Sprintf("/ip4/10.0.%d.%d/tcp/4001", c.made/250, 1+c.made%250)))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, o := range c.alive {
		if _, err := c.net.LinkPeers(h.ID(), o.ID()); err != nil {
			c.t.Fatal(err)
		}
	}
	d, err := New(Config{Host: h, Network: "test", Kademlia: true, PollInterval: time.Hour, Found: func(f Candidate) {
		if h.Network().Connectedness(f.Info.ID) != network.Connected {
			c.dials.Go(func() { h.Connect(context.Background(), f.Info) }) // who is gone has no link
		}
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &passing{Host: h, values: d.Values(), stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		if err := d.Run(ctx); err != nil {
			c.t.Error(err)
		}
	}()
	for range min(3, len(c.alive)) {
		o := c.any()
		if err := h.Connect(ctx, peer.AddrInfo{ID: o.ID(), Addrs: o.Addrs()}); err != nil {
			c.t.Error(err)
		}
	}
	c.alive = append(c.alive, p)
}

func (c *changing) any() *passing { return c.alive[c.rng.IntN(len(c.alive))] }

// kill ends a node: its links break, and it says nothing.
func (c *changing) kill(i int) {
	p := c.alive[i]
	c.alive = append(c.alive[:i:i], c.alive[i+1:]...)
	for _, o := range c.alive {
		if err := c.net.UnlinkPeers(p.ID(), o.ID()); err != nil {
			c.t.Error(err)
		}
	}
	p.Network().Close()
	p.stop()
	<-p.ended
	if err := p.Close(); err != nil {
		c.t.Error(err)
	}
}

// settling is how long a node has to get to know others before anybody asks it.
const settling = 5 * time.Second

// TestChurnOverKademlia: what values.TestChurn does over a model of routing, over
// Kademlia itself: half of the nodes are replaced every hour, one after the other
// and without a word, and values with a TTL above their age are found. Only the
// transport is not real. An hour of 30 nodes takes 15 to 20 s of a processor: it is a
// small network by default, three hours with HEARSAY_LONG=1 and a day with
// HEARSAY_LONG=all.
func TestChurnOverKademlia(t *testing.T) {
	nodes, hours := 10, 1
	switch os.Getenv("HEARSAY_LONG") {
	case "":
	case "all":
		nodes, hours = 30, 24
	default:
		nodes, hours = 30, 3
	}
	synctest.Test(t, func(t *testing.T) {
		c := &changing{t: t, net: mocknet.New(), rng: mathrand.New(mathrand.NewPCG(1, 1))}
		c.net.SetLinkDefaults(mocknet.LinkOptions{Latency: 20 * time.Millisecond})
		for range nodes {
			c.join()
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Minute)
		type value struct {
			key     values.Key
			text    string
			expires time.Time
		}
		var kept []value
		right, asked := 0, 0
		began := time.Now()
		for step := range hours * nodes / 2 {
			time.Sleep(time.Hour/time.Duration(nodes/2) - settling)
			c.kill(c.rng.IntN(len(c.alive)))
			c.join()
			time.Sleep(settling)
			text := fmt.Sprint("value ", step)
			ttl := time.Duration(1+c.rng.IntN(12)) * time.Hour
			v := value{sha256.Sum256([]byte("key of " + text)), text, time.Now().Add(ttl)}
			if _, _, err := c.any().values.PutNow(t.Context(), v.key, []byte(text), ttl, 0); err != nil {
				t.Error(err)
			}
			kept = append(kept, v)
			for range 5 {
				i := c.rng.IntN(len(kept))
				v := kept[i]
				if time.Until(v.expires) < time.Second {
					kept = append(kept[:i], kept[i+1:]...)
					continue
				}
				asked++
				if r := c.any().values.Get(t.Context(), v.key); r != nil && string(r.Value) == v.text {
					right++
				} else {
					t.Logf("after %v: %s is not found", time.Since(began).Round(time.Second), v.text)
				}
			}
		}
		t.Logf("%d nodes, half replaced every hour, for %v: %d of %d look-ups right", nodes, time.Since(began).Round(time.Minute), right, asked)
		if right*1000 < asked*990 || asked < 4*hours*nodes/2 {
			t.Error("too few")
		}
		for len(c.alive) > 0 {
			c.kill(0)
		}
		c.dials.Wait() // in the bubble: its time stands still once the test has returned
		c.net.Close()
	})
}
