package transport

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// TestChaos: two nodes dial, hang up and send at random, at the same time. Each
// core sees links begin and end in turn, and when it is over they can talk.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	a, b := newNode(t, newHost(t), withTiming(quick)), newNode(t, newHost(t), withTiming(quick))
	introduce(a.host, b.host)
	introduce(b.host, a.host)
	var wg sync.WaitGroup
	for i, x := range []struct{ n, other *node }{{a, b}, {b, a}} {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for range 150 {
				switch rng.IntN(5) {
				case 0, 1:
					x.n.Dial(x.other.id)
				case 2:
					x.n.Hangup(x.other.id, "chaos", rng.IntN(2) == 0)
				case 3:
					x.n.Send(x.other.id, &gossip.PeersRequest{}, rng.IntN(2) == 0)
				case 4:
					x.n.Send(x.other.id, &gossip.Sync{Group: 1}, false)
				}
				time.Sleep(time.Duration(rng.Int64N(int64(10 * time.Millisecond))))
			}
		})
	}
	wg.Wait()
	// Calm: both dial until a ping comes through.
	deadline := time.After(patience)
	for number := uint64(1 << 40); ; number++ {
		moreOfA, moreOfB := a.changed(), b.changed()
		a.Dial(b.id)
		a.Send(b.id, &gossip.Ping{Number: number}, false)
		got := b.count(func(ev gossip.Event) bool {
			r, ok := ev.(gossip.Received)
			if !ok {
				return false
			}
			p, ok := r.Msg.(*gossip.Ping)
			return ok && p.Number >= 1<<40
		})
		if got > 0 {
			break
		}
		select {
		case <-moreOfA:
		case <-moreOfB:
		case <-deadline:
			t.Fatalf("no link: %v", a.Failure(b.id))
		}
	}
	for _, n := range []*node{a, b} {
		n.Close()
		isUp := false
		for _, ev := range n.events {
			switch ev := ev.(type) {
			case gossip.LinkUp:
				if isUp {
					t.Fatal("a link came up twice")
				}
				isUp = true
			case gossip.LinkDown:
				if !isUp {
					t.Fatal("a link went down that was not up")
				}
				isUp = false
			case gossip.DialFailed:
				if isUp {
					t.Fatal("a dial failed while the link was up")
				}
			case gossip.Received:
				if !isUp {
					t.Fatalf("a %T without a link", ev.Msg)
				}
			}
		}
		if isUp {
			t.Fatal("a link did not go down")
		}
	}
}
