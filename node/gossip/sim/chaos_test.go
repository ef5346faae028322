package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// firstSeed is where campaigns begin: at 0, or where HEARSAY_SEED_FROM says, so
// that a long one can be run in parts.
func firstSeed(t *testing.T) uint64 {
	text := os.Getenv("HEARSAY_SEED_FROM")
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("HEARSAY_SEED_FROM=%q is no seed", text)
	}
	return n
}

// campaign is how many seeds a test runs: few, or as many as HEARSAY_SEEDS says.
// Another seed is another topology, timing and history.
func campaign(t *testing.T, few int) int {
	text := os.Getenv("HEARSAY_SEEDS")
	if text == "" {
		return max(1, few/scale)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("HEARSAY_SEEDS=%q is no number of seeds", text)
	}
	return n
}

// each runs a test for a campaign's seeds, as many networks at once as there
// are processors, and reports the first few seeds that fail.
func each(t *testing.T, few int, run func(seed uint64) []error) {
	t.Helper()
	from := firstSeed(t)
	seeds := uint64(campaign(t, few))
	var next, failed atomic.Uint64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				seed := next.Add(1) - 1
				if seed >= seeds || failed.Load() >= 5 {
					return
				}
				if wrong := run(from + seed); len(wrong) > 0 {
					failed.Add(1)
					t.Errorf("seed %d: %d things are wrong, such as: %v", from+seed, len(wrong), errors.Join(wrong[:min(len(wrong), 3)]...))
				}
			}
		})
	}
	group.Wait()
}

// verdict is everything that is wrong with a network: broken promises, and
// deliveries that are outstanding.
func verdict(n *Network) []error {
	n.Audit()
	wrong := slices.Clone(n.Violations())
	for _, m := range n.Missing() {
		wrong = append(wrong, errors.New("missing: "+m))
	}
	return wrong
}

// chaos runs a network for a while in which every second something happens:
// nodes crash, vanish, leave, come back with or without their disk, get slow,
// and have clocks that jump; links break, lose, jam, and are cut in ways of all
// kinds; all publish. Then all is mended. It returns the network at that moment.
func chaos(seed uint64, nodes int, d time.Duration, change ...func(*Config)) *Network {
	cfg := Config{Seed: seed, Nodes: nodes, Core: core(5), Latency: 30 * time.Millisecond, SealTime: 10 * time.Millisecond, Contacts: 3, Check: 97}
	for _, f := range change {
		f(&cfg)
	}
	n := New(cfg)
	rng := rand.New(rand.NewPCG(seed, 99))
	skew := func() time.Duration { return time.Duration(rng.Int64N(int64(2*maxSkew))) - maxSkew }
	for i := range nodes {
		n.Skew(i, skew())
		n.Subscribe(i, 1, 7, true)
		if i%3 == 0 {
			n.Subscribe(i, 2, 8, false)
		}
		n.Start(i, time.Duration(rng.IntN(5000))*time.Millisecond)
	}
	for second := range int(d / time.Second) {
		n.Run(time.Second)
		i, j := rng.IntN(nodes), rng.IntN(nodes)
		some := rng.Uint64()
		side := func(a int) uint64 { return some >> (a % 64) & 1 }
		switch rng.IntN(24) {
		case 0, 1:
			n.Crash(i)
		case 2, 3:
			n.Vanish(i)
		case 4, 5, 6, 7:
			if !n.Up(i) {
				n.Restart(i, 0, rng.IntN(3) == 0)
			}
		case 8:
			n.Leave(i)
		case 9:
			n.Partition(func(a, b int) bool { return side(a) != side(b) })
		case 10:
			n.Partition(func(a, b int) bool { return side(a) < side(b) }) // one way
		case 11:
			n.Partition(Ring(nodes, 1+rng.IntN(2)))
		case 12, 13, 14:
			n.Partition(nil)
		case 15:
			n.Swizzle(rng.Perm(nodes)[:5], 300*time.Millisecond)
		case 16:
			n.Slow(i, time.Duration(1+rng.IntN(20))*time.Millisecond)
		case 17:
			n.Slow(i, 0)
			n.Jump(i, skew())
		case 18:
			n.SetLinks(LinkModel{Jitter: Uniform(0, 100*time.Millisecond), Loss: 0.05, Twice: 0.05, Reset: 0.002, DialTimeout: 2 * time.Second})
		case 19:
			n.SetLinks(LinkModel{Bandwidth: 20_000, Uplink: 60_000, Queue: 4_000, OneStream: true})
		case 20:
			n.SetLinks(LinkModel{})
		default:
			n.Break(i, j)
		}
		for k := range 2 {
			ev := gossip.Publish{Kind: gossip.KindEvent, DataType: uint16(7 + rng.IntN(2)), Payload: fmt.Appendf(nil, "%d.%d", second, k)}
			switch rng.IntN(6) {
			case 0:
				ev.Kind, ev.Key = gossip.KindState, fmt.Sprint("key", rng.IntN(2))
			case 1:
				if limited := uint8(1 + rng.IntN(4)); seed%2 == 1 {
					ev.TTL = limited
				}
			case 2:
				ev.Lifetime = time.Duration(5+rng.IntN(20)) * time.Second
			case 3:
				ev.Kind, ev.Payload = gossip.KindPrivate, make([]byte, rng.IntN(5000))
			}
			n.Announce(rng.IntN(nodes), ev)
		}
	}
	n.Partition(nil)
	n.SetLinks(LinkModel{})
	for i := range nodes {
		n.Isolate(i, false)
		n.Slow(i, 0)
		if !n.Up(i) {
			n.Restart(i, time.Duration(rng.IntN(1000))*time.Millisecond, false)
		}
	}
	return n
}

// settle runs a network until nothing is missing, for a minute at most: six
// rounds of anti-entropy. Nearly always a few seconds will do, but a round is
// with one neighbour, which may be one that does not take a rare type,
// or a hostile one.
func settle(n *Network) {
	for range 12 {
		if n.Run(5 * time.Second); len(n.Missing()) == 0 && len(parts(n, 7, 8)) == 0 {
			return
		}
	}
}

// parts reports data types whose takers do not all hear of each other.
func parts(n *Network, types ...uint16) (wrong []error) {
	for _, dataType := range types {
		if p := n.Components(dataType); len(p) > 1 {
			wrong = append(wrong, fmt.Errorf("the takers of type %d are in %d parts, one of them %v", dataType, len(p), p[len(p)-1]))
		}
	}
	return wrong
}

// chatter runs a network and counts the messages about rumors of modules that go
// down links which are there from the beginning: who looks round for takers of a
// rare type compares, and is offered, what there is. By such a link the way of a
// limited rumor may be shorter than before, and then it goes on: it is given, and
// may be asked for, but not in vain.
func (n *Network) chatter(d time.Duration) map[string]int {
	type pair struct{ from, to int }
	type request struct {
		pair
		id gossip.RumorID
	}
	linked := make(map[pair]bool)
	for i := range n.nodes {
		for _, j := range n.Neighbours(i) {
			linked[pair{i, j}] = true
		}
	}
	n.Run(5 * time.Second) // what came up just now has been compared
	said, asked := make(map[string]int), make(map[request]bool)
	quiet := n.now + d
	n.cfg.Record = func(from, to int, msg gossip.Message) {
		var r *gossip.Rumor
		switch m := msg.(type) {
		case *gossip.Push:
			r = m.Rumor
		case *gossip.Fill:
			r = m.Rumor
			delete(asked, request{pair{to, from}, r.ID})
		case *gossip.Want:
			for _, id := range m.IDs {
				if p := n.rumors[id]; p != nil && p.r.TTL != 0 && n.now < quiet {
					asked[request{pair{from, to}, id}] = true
					r = p.r
				}
			}
		case *gossip.Graft:
			if len(m.IDs) == 0 {
				return // a tree that mends itself where a link ended
			}
		}
		switch kind := KindOf(msg); kind {
		case "push", "have", "graft", "fill", "want":
			if linked[pair{from, to}] && (r == nil || r.TTL == 0) && n.now < quiet {
				said[kind]++
			}
		}
	}
	n.Run(d + 2*time.Second) // for the answers
	n.cfg.Record = nil
	if len(asked) > 0 {
		said["want in vain"] = len(asked)
	}
	return said
}

// TestChaos: whatever happened, soon after all is mended every node that is up
// has told its modules everything that any of them knows, once, the takers of
// each type form one overlay, and then there is silence.
func TestChaos(t *testing.T) {
	each(t, 100, func(seed uint64) []error {
		n := chaos(seed, 20, 40*time.Second)
		settle(n)
		wrong := append(verdict(n), parts(n, 7, 8)...)
		n.Run(2 * time.Minute) // until what is short-lived has expired by all clocks
		for kind, count := range n.chatter(30 * time.Second) {
			wrong = append(wrong, fmt.Errorf("%d messages of kind %s, and nothing is new", count, kind))
		}
		return append(wrong, verdict(n)...)
	})
}

// TestChaosAmongLiars: the same while one node in five is hostile in every way
// that there is.
func TestChaosAmongLiars(t *testing.T) {
	bad := func(i int) bool { return i%5 == 4 }
	each(t, 50, func(seed uint64) []error {
		n := chaos(seed, 20, 40*time.Second, func(c *Config) {
			c.Hostile, c.Wrap = bad, Byzantine(seed, AllAttacks, bad)
		})
		settle(n)
		settle(n)
		return append(verdict(n), parts(n, 7, 8)...)
	})
}

// TestSlowLinks: the same over links whose round trip is most of a second, only
// that it may take longer.
func TestSlowLinks(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 10)) {
		n := chaos(seed, 20, 40*time.Second, func(c *Config) { c.Latency = 400 * time.Millisecond })
		settle(n)
		settle(n)
		check(t, n)
	}
}

// TestChaosIsQuietAfterwards: once all is told only the periodic rest is left.
func TestChaosIsQuietAfterwards(t *testing.T) {
	n := chaos(1, 20, 40*time.Second)
	n.Run(2 * time.Minute)
	counted := n.Messages()
	published := len(n.rumors)
	n.Run(10 * time.Minute)
	check(t, n)
	if len(n.rumors) != published {
		t.Fatal("something was published")
	}
	var links uint64
	for i := range n.nodes {
		st, err := n.Status(i)
		if err != nil {
			t.Fatal(err)
		}
		links += uint64(len(st.Neighbours))
	}
	// In ten minutes each end of a link sends up to 120 pings and as many pongs;
	// each node makes 60 comparisons of up to three groups of at most four
	// messages, and renews its presence ten times, which goes down each link in
	// full or as an ID, with a receipt.
	most := links*(240+20*10*2) + 20*60*3*4
	if got := n.Messages() - counted; got > most {
		t.Errorf("%d messages in ten quiet minutes over %d ends of links, at most %d", got, links, most)
	}
}

// TestRestartWithoutDisk: a node that lost the epochs it used still gets through
// to everybody, and uses no number twice.
func TestRestartWithoutDisk(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 10)) {
		n := spread(seed, 15, 5, 5)
		for round := range 3 {
			for i := range 5 {
				n.Crash(i)
				n.Restart(i, time.Second, true)
			}
			n.Run(15 * time.Second)
			for i := range 5 {
				n.Publish(i, 7, 0, fmt.Appendf(nil, "round %d", round))
			}
			n.Run(15 * time.Second)
		}
		check(t, n)
		raised := uint64(0)
		for i := range 5 {
			st, err := n.Status(i)
			if err != nil {
				t.Fatal(err)
			}
			raised += st.Counters.EpochsRaised
		}
		if raised < 5 {
			t.Errorf("seed %d: only %d of 5 nodes heard of their later epochs", seed, raised)
		}
	}
}

// TestMassCrash: 70 % of the nodes crash at once, and the others go on.
func TestMassCrash(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 5)) {
		const nodes = 60
		n := spread(seed, nodes, 8, 2)
		for i := range nodes {
			if i%10 < 7 {
				n.Crash(i)
			}
		}
		for i := range nodes {
			if n.Up(i) {
				n.Publish(i, 7, 0, fmt.Appendf(nil, "survivor %d", i))
			}
		}
		n.Run(30 * time.Second)
		check(t, n)
	}
}

// TestSkewBeyondMeasure: a node whose clock is far ahead is not heard, and does
// nobody harm.
func TestSkewBeyondMeasure(t *testing.T) {
	n := New(Config{Seed: 1, Nodes: 10, Core: core(4), Latency: 20 * time.Millisecond, Contacts: 3})
	for i := range 10 {
		n.Subscribe(i, 1, 7, true)
		n.Start(i, 0)
	}
	n.Jump(3, 2*gossip.MaxSkew)
	n.Run(10 * time.Second)
	for i := range 10 {
		n.Publish(i, 7, 0, fmt.Append(nil, i))
	}
	n.Run(15 * time.Second)
	if v := n.Violations(); len(v) != 0 {
		t.Errorf("violated: %v", v)
	}
	for _, p := range n.rumors {
		want := 10
		if p.from.index == 3 {
			want = 1
		}
		if len(p.told) != want {
			t.Errorf("what node %d published was told at %d nodes, want %d", p.from.index, len(p.told), want)
		}
	}
	// Its news is not too new for ever.
	n.Run(2 * gossip.MaxSkew)
	check(t, n)
}
