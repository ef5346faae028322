package integration_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"hearsay/node"
	"hearsay/node/gossip"
	"hearsay/node/gossip/sim"
	"hearsay/node/wire"
)

// meddler changes what a node sends.
type meddler struct {
	sim.Core
	meddle func(s gossip.Send) []gossip.Send
}

func (m meddler) Handle(now time.Time, ev gossip.Event, out *gossip.Actions) {
	var actions gossip.Actions
	m.Core.Handle(now, ev, &actions)
	for _, a := range actions {
		s, send := a.(gossip.Send)
		if !send {
			*out = append(*out, a)
			continue
		}
		for _, s := range m.meddle(s) {
			*out = append(*out, s)
		}
	}
}

// carried gives a message with another rumor in it, if it carries one.
func carried(m gossip.Message, change func(*gossip.Rumor) *gossip.Rumor) gossip.Message {
	switch m := m.(type) {
	case *gossip.Push:
		return &gossip.Push{Rumor: change(m.Rumor), Hops: m.Hops}
	case *gossip.Fill:
		return &gossip.Fill{Rumor: change(m.Rumor), Hops: m.Hops}
	}
	return m
}

// Everything that Peerster's transports can do to packets: loss of up to 60 %,
// delays that are fixed or come in waves, duplicates, packets with another
// source, another ID, another payload. Streams neither lose nor double what they
// carry, so loss is delay and there are no duplicates of a push but those that a
// node sends; what a node falsifies is refused, and the others complete without
// it. Loss of everything is a node that is cut off: nobody else minds.
func TestPeerster_Transports(t *testing.T) {
	const nodes, bad = 20, 3
	again := func(r *gossip.Rumor, h gossip.Header, payload []byte) *gossip.Rumor {
		forged, err := gossip.NewRumor(h, payload)
		if err != nil {
			return r
		}
		forged.Nonce, forged.Signature, forged.PublicKey = r.Nonce, r.Signature, r.PublicKey
		return forged
	}
	falsify := func(change func(chance *rand.Rand, r *gossip.Rumor) *gossip.Rumor) func(*sim.Config) {
		return func(c *sim.Config) {
			chance := rand.New(rand.NewPCG(c.Seed, 5))
			c.Hostile = func(i int) bool { return i == bad }
			c.Wrap = func(i int, core sim.Core) sim.Core {
				if i != bad {
					return core
				}
				return meddler{core, func(s gossip.Send) []gossip.Send {
					s.Msg = carried(s.Msg, func(r *gossip.Rumor) *gossip.Rumor {
						if r.Kind == gossip.KindPresence {
							return r // or nobody would talk to it
						}
						return change(chance, r)
					})
					return []gossip.Send{s}
				}}
			}
		}
	}
	for name, change := range map[string]func(*sim.Config){
		"loss of 10 %": func(c *sim.Config) { c.Links.Loss = 0.1 },
		"loss of 60 %": func(c *sim.Config) { c.Links.Loss = 0.6 },
		"delay of 1 s": func(c *sim.Config) { c.Links.Delay = sim.Constant(time.Second) },
		"delay of 2 s": func(c *sim.Config) { c.Links.Delay = sim.Constant(2 * time.Second) },
		"delay in waves": func(c *sim.Config) {
			n := 0.0
			c.Links.Jitter = func(*rand.Rand, int, int) time.Duration {
				n++
				return time.Duration((1 + math.Sin(n/50)) * float64(250*time.Millisecond))
			}
		},
		"duplicates": func(c *sim.Config) {
			c.Links.Twice = 0.5
			c.Wrap = func(_ int, core sim.Core) sim.Core {
				return meddler{core, func(s gossip.Send) []gossip.Send {
					if _, ok := s.Msg.(*gossip.Have); ok {
						return []gossip.Send{s, s}
					}
					return []gossip.Send{s}
				}}
			}
		},
		"another source": falsify(func(_ *rand.Rand, r *gossip.Rumor) *gossip.Rumor {
			h := r.Header
			h.Origin = "somebody else"
			return again(r, h, r.Payload)
		}),
		"another ID": falsify(func(chance *rand.Rand, r *gossip.Rumor) *gossip.Rumor {
			h := r.Header
			h.Seq += 1 + chance.Uint64N(1000)
			return again(r, h, r.Payload)
		}),
		"another payload": falsify(func(chance *rand.Rand, r *gossip.Rumor) *gossip.Rumor {
			return again(r, r.Header, fmt.Append(nil, chance.Uint64()))
		}),
		"loss of everything": func(c *sim.Config) {
			c.Hostile = func(i int) bool { return i == bad }
			c.Drop = func(from, to int, _ gossip.Message) bool { return from == bad || to == bad }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, seed := range []uint64{0, 1, 5, 10} {
				core := gossip.DefaultConfig()
				core.Degree = 5
				cfg := sim.Config{Seed: seed, Nodes: nodes, Core: core, Contacts: 4, Latency: 20 * time.Millisecond}
				change(&cfg)
				n, _ := simulated(cfg)
				for i := range nodes {
					n.Start(i, 0)
				}
				n.Run(30 * time.Second)
				for i := range nodes {
					n.Publish(i, dataType, 0, fmt.Append(nil, i))
				}
				n.Run(2 * time.Minute)
				for _, err := range n.Violations() {
					t.Errorf("seed %d: %v", seed, err)
				}
				for _, m := range n.Missing() {
					t.Errorf("seed %d: missing: %s", seed, m)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// Half of what arrives are acks for packets that were never sent. The first of
// them ends the link, before anything is looked up or kept for it.
func TestPeerster_Perf_UnsolicitedReceipts(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 1, func(_ int, cfg *node.Config) { cfg.AntiEntropy, cfg.Heartbeat = 0, 0 })
		listen(t, c, 0, dataType)
		s := guest(t, c, nil, dataType)
		s.link(addressOf(c, 0))
		pass(time.Second)
		id := c.Node(0).ID()
		for i := range 1000 {
			r := seal(t, s.id, gossip.Header{Kind: gossip.KindEvent, DataType: dataType,
				Origin: gossip.PeerID(s.host.ID()), Epoch: 1, Seq: uint64(i + 1)}, fmt.Append(nil, i), 0)
			s.links.Send(gossip.PeerID(id), &gossip.Push{Rumor: r, Hops: 1}, false)
			s.links.Send(gossip.PeerID(id), &gossip.Receipt{Verdicts: []gossip.Verdict{gossip.VerdictNew}}, false)
		}
		from := s.seen()
		pass(10 * time.Second)
		s.awaitUnlinked(id, from)
		if n := count(c, 0, "misbehaviour"); n != 1 {
			t.Errorf("%d neighbours were cut off", n)
		}
		// What came before the first one counts.
		if st := c.Node(0).Running().Status(); st.Rumors != 1 || st.Neighbours != 0 {
			t.Errorf("A keeps %d rumors and has %d neighbours", st.Rumors, st.Neighbours)
		}
	})
}

// A rumor costs a node that takes it from one neighbour, tells a module and
// pushes it to another one at most 60 allocations and 16 KiB, frames included.
func TestPeerster_Perf_AllocationsPerRumor(t *testing.T) {
	const most, mostBytes = 60, 16 << 10
	const rumors = 900 // what the store holds
	var h perfNode
	h.start(t, rumors+1)
	i := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	allocs := testing.AllocsPerRun(rumors, func() {
		h.relay(t, i)
		i++
	})
	runtime.ReadMemStats(&after)
	bytes := (after.TotalAlloc - before.TotalAlloc) / rumors
	t.Logf("%.0f allocations of %d bytes together for each rumor of 1 KiB", allocs, bytes)
	if allocs > most || bytes > mostBytes {
		t.Errorf("%.0f allocations of %d bytes for each rumor, at most %d of %d", allocs, bytes, most, mostBytes)
	}
}

// BenchmarkPeersterRelay is one rumor in from one neighbour, told, and out to
// another one, without sockets and signatures.
func BenchmarkPeersterRelay(b *testing.B) {
	var h perfNode
	h.start(b, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		h.relay(b, i)
	}
}

// perfNode is a core with two neighbours and the frames that one of them sends.
type perfNode struct {
	core    *gossip.State
	now     time.Time
	frames  [][]byte
	reader  bytes.Reader
	buffer  *bufio.Reader
	actions gossip.Actions
	out     []byte
}

type anySeal struct{}

func (anySeal) Work(gossip.RumorID, uint64) bool { return true }
func (anySeal) Signature(*gossip.Rumor) bool     { return true }

func (h *perfNode) start(t testing.TB, rumors int) {
	cfg := gossip.DefaultConfig()
	cfg.Self, cfg.Epoch, cfg.Network = "self", 1, testNetwork
	cfg.Rand, cfg.Verifier = rand.New(rand.NewPCG(1, 2)), anySeal{}
	var err error
	if h.core, err = gossip.New(cfg); err != nil {
		t.Fatal(err)
	}
	h.now = time.Now()
	h.buffer = bufio.NewReaderSize(nil, 16<<10)
	h.handle(gossip.Subscribe{Module: 1, DataType: dataType})
	for _, p := range []gossip.PeerID{"from", "to"} {
		h.handle(gossip.LinkUp{Peer: p})
		h.handle(gossip.Received{From: p, Msg: &gossip.Interests{Types: []uint16{dataType}}})
	}
	for i := range rumors {
		r, err := gossip.NewRumor(gossip.Header{Network: testNetwork, Kind: gossip.KindEvent, DataType: dataType, Origin: "origin",
			Epoch: 1, Seq: uint64(i + 1), Created: h.now.UnixMilli(), Expires: h.now.UnixMilli() + 60_000}, make([]byte, 1024))
		if err != nil {
			t.Fatal(err)
		}
		r.Signature = make([]byte, 64)
		frame, err := wire.AppendFrame(nil, &gossip.Push{Rumor: r, Hops: 1})
		if err != nil {
			t.Fatal(err)
		}
		h.frames = append(h.frames, frame)
	}
}

func (h *perfNode) handle(ev gossip.Event) {
	h.actions = h.actions[:0]
	h.core.Handle(h.now, ev, &h.actions)
}

func (h *perfNode) relay(t testing.TB, i int) {
	h.reader.Reset(h.frames[i])
	h.buffer.Reset(&h.reader)
	body, err := wire.ReadFrame(h.buffer)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	h.handle(gossip.Received{From: "from", Msg: m})
	pushed := false
	for _, a := range h.actions {
		if s, ok := a.(gossip.Send); ok {
			if h.out, err = wire.AppendFrame(h.out[:0], s.Msg); err != nil {
				t.Fatal(err)
			}
			_, push := s.Msg.(*gossip.Push)
			pushed = pushed || push && s.To == "to"
		}
	}
	if !pushed {
		t.Fatalf("rumor %d was not pushed on: %v", i, h.actions)
	}
	h.handle(gossip.Received{From: "to", Msg: &gossip.Receipt{Verdicts: []gossip.Verdict{gossip.VerdictNew}}})
}
