package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"hearsay/node/gossip"
)

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

// chaos runs a network for a while in which nodes crash, come back with or
// without their disk, leave, publish; links break, and the network splits, every
// second something. Then all is mended. It returns the network at that moment.
func chaos(seed uint64, nodes int, d time.Duration, change ...func(*Config)) *Network {
	cfg := Config{Seed: seed, Nodes: nodes, Core: core(5), Latency: 30 * time.Millisecond, SealTime: 10 * time.Millisecond, Contacts: 3}
	for _, f := range change {
		f(&cfg)
	}
	n := New(cfg)
	rng := rand.New(rand.NewPCG(seed, 99))
	for i := range nodes {
		n.Skew(i, time.Duration(rng.Int64N(int64(2*maxSkew)))-maxSkew)
		n.Subscribe(i, 1, 7, true)
		if i%3 == 0 {
			n.Subscribe(i, 2, 8, false)
		}
		n.Start(i, time.Duration(rng.IntN(5000))*time.Millisecond)
	}
	for second := range int(d / time.Second) {
		n.Run(time.Second)
		i, j := rng.IntN(nodes), rng.IntN(nodes)
		switch rng.IntN(12) {
		case 0, 1:
			if n.Up(i) {
				n.Crash(i)
			}
		case 2, 3, 4:
			if !n.Up(i) {
				n.Restart(i, 0, rng.IntN(3) == 0)
			}
		case 5:
			if n.Up(i) {
				n.Leave(i)
			}
		case 6:
			some := rng.Uint64()
			n.Partition(func(a, b int) bool { return (some>>(a%64))&1 != (some>>(b%64))&1 })
		case 7:
			n.Partition(nil)
		default:
			if n.Up(i) && n.Up(j) {
				n.Break(i, j)
			}
		}
		for k := range 2 {
			if from := rng.IntN(nodes); n.Up(from) {
				n.Publish(from, uint16(7+rng.IntN(2)), 0, fmt.Appendf(nil, "%d.%d", second, k))
			}
		}
	}
	n.Partition(nil)
	for i := range nodes {
		if !n.Up(i) {
			n.Restart(i, time.Duration(rng.IntN(1000))*time.Millisecond, false)
		}
	}
	return n
}

// settle runs a network until nothing is missing, for a minute at most: six
// rounds of anti-entropy. Nearly always a few seconds will do, but a round is
// with one random neighbour, which may be one that does not take a rare type.
func settle(n *Network) {
	for range 12 {
		if n.Run(5 * time.Second); len(n.Missing()) == 0 {
			return
		}
	}
}

// TestChaos: whatever happened, soon after all is mended every node that is up
// has told its modules everything that any of them knows, once.
func TestChaos(t *testing.T) {
	for seed := range uint64(campaign(t, 100)) {
		n := chaos(seed, 20, 40*time.Second)
		settle(n)
		if len(n.Violations())+len(n.Missing()) > 0 {
			t.Errorf("seed %d:", seed)
			check(t, n)
			return
		}
	}
}

// TestSlowLinks: the same over links whose round trip is most of a second, only
// that it may take longer.
func TestSlowLinks(t *testing.T) {
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
