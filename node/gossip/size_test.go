package gossip_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

// What comparisons cost on the wire, in the encoding of package wire. This test
// drives two cores through nothing but what the package exports.

type trusting struct{}

func (trusting) Work(gossip.RumorID, uint64) bool { return true }
func (trusting) Signature(*gossip.Rumor) bool     { return true }

type pair struct {
	t     testing.TB
	now   time.Time
	cores map[gossip.PeerID]*gossip.State
	queue []func()
	syncs map[gossip.PeerID][]int // sizes of the Sync frames that each sent
	bytes int                     // of Sync and Want frames
	fills int
}

func newPair(t testing.TB) *pair {
	p := &pair{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		cores: make(map[gossip.PeerID]*gossip.State), syncs: make(map[gossip.PeerID][]int)}
	for _, id := range []gossip.PeerID{"A", "B"} {
		cfg := gossip.DefaultConfig()
		cfg.Self, cfg.Epoch, cfg.Verifier = id, 1, trusting{}
		cfg.Rand = rand.New(rand.NewPCG(1, 1))
		cfg.CacheSize, cfg.AntiEntropy, cfg.PeerExchange = 100_000, 0, false
		core, err := gossip.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		p.cores[id] = core
		p.handle(id, gossip.Subscribe{Module: 1, DataType: 7})
	}
	return p
}

func (p *pair) handle(id gossip.PeerID, ev gossip.Event) {
	p.queue = append(p.queue, func() {
		var out gossip.Actions
		p.cores[id].Handle(p.now, ev, &out)
		for _, a := range out {
			s, ok := a.(gossip.Send)
			if !ok || p.cores[s.To] == nil {
				continue
			}
			frame, err := wire.AppendFrame(nil, s.Msg)
			if err != nil {
				p.t.Fatalf("%T: %v", s.Msg, err)
			}
			switch m := s.Msg.(type) {
			case *gossip.Sync:
				if m.Group == 7 {
					p.syncs[id] = append(p.syncs[id], len(frame))
					p.bytes += len(frame)
				}
			case *gossip.Want:
				p.bytes += len(frame)
			case *gossip.Fill:
				p.fills++
			}
			p.handle(s.To, gossip.Received{From: id, Msg: s.Msg})
		}
	})
	if len(p.queue) > 1 {
		return // being worked off
	}
	for ; len(p.queue) > 0; p.queue = p.queue[1:] {
		p.queue[0]()
	}
}

// fill gives each node a store, by the way of a neighbour that is gone again.
func (p *pair) fill(id gossip.PeerID, has func(i int) bool, count int) {
	p.handle(id, gossip.LinkUp{Peer: "filler"})
	for i := range count {
		if !has(i) {
			continue
		}
		r, err := gossip.NewRumor(gossip.Header{
			Network: "hearsay", Kind: gossip.KindEvent, Origin: "origin", Epoch: 1, Seq: uint64(i + 1), DataType: 7,
			Created: p.now.UnixMilli() - int64(count-i)/5, Expires: p.now.UnixMilli() + 3_600_000,
		}, fmt.Appendf(nil, "rumor %d", i))
		if err != nil {
			p.t.Fatal(err)
		}
		p.handle(id, gossip.Received{From: "filler", Msg: &gossip.Push{Rumor: r, Hops: 1}})
	}
	p.handle(id, gossip.LinkDown{Peer: "filler"})
}

func (p *pair) link() {
	p.handle("A", gossip.LinkUp{Peer: "B"})
	p.handle("B", gossip.LinkUp{Peer: "A"})
	for range 50 {
		p.now = p.now.Add(100 * time.Millisecond)
		p.handle("A", gossip.Tick{})
		p.handle("B", gossip.Tick{})
	}
}

// Two equal stores, whatever their size, cost one frame each way of at most a
// hundred bytes.
func TestEqualStoresCost(t *testing.T) {
	for _, size := range []int{0, 1, 100, 5000} {
		p := newPair(t)
		for id := range p.cores {
			p.fill(id, func(int) bool { return true }, size)
		}
		p.link()
		for _, id := range []gossip.PeerID{"A", "B"} {
			if got := p.syncs[id]; len(got) != 1 || got[0] > 100 {
				t.Errorf("%d rumors: %s sent Sync frames of %v bytes, want one of up to 100", size, id, got)
			}
		}
		if p.fills != 0 {
			t.Errorf("%d rumors were sent", p.fills)
		}
	}
}

// What a difference of d among n costs besides the rumors themselves.
func TestDifferenceCost(t *testing.T) {
	const size = 5000
	for _, c := range []struct{ d, most int }{{1, 3 << 10}, {10, 24 << 10}, {100, 200 << 10}} {
		p := newPair(t)
		for id := range p.cores {
			p.fill(id, func(i int) bool {
				return i%(size/c.d) != 0 || id == "A" == (i/(size/c.d)%2 == 0)
			}, size)
		}
		p.link()
		if p.fills != c.d {
			t.Errorf("%d rumors crossed, want %d", p.fills, c.d)
		}
		if p.bytes > c.most {
			t.Errorf("%d differences among %d cost %d bytes, at most %d", c.d, size, p.bytes, c.most)
		}
		t.Logf("%d differences among %d: %d bytes", c.d, size, p.bytes)
	}
}
