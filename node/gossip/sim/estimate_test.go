package sim

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// answers is what nodes say about the size of the network.
type answers struct {
	within     int // said the truth give or take two standard deviations
	exact      int // said the truth, and that it is certain
	said       []float64
	deviations []float64 // as shares of the truth
}

// ask asks some nodes how many there are, or every one, if they are honest and up.
func (a *answers) ask(n *Network, some ...int) {
	here := up(n)
	truth := float64(len(here))
	if some == nil {
		some = here
	}
	for _, i := range some {
		core, honest := n.nodes[i].core.(*gossip.State)
		if !honest {
			continue
		}
		s := core.Size()
		a.said = append(a.said, s.Nodes)
		a.deviations = append(a.deviations, s.Deviation/truth)
		if math.Abs(s.Nodes-truth) <= 2*s.Deviation {
			a.within++
		}
		if s == (gossip.Size{Nodes: truth}) {
			a.exact++
		}
	}
}

// coverage is the share of answers within two deviations, and the deviation
// that one in twenty answers exceeds.
func (a *answers) coverage() (within, deviation float64) {
	slices.Sort(a.deviations)
	return float64(a.within) / float64(len(a.deviations)), a.deviations[len(a.deviations)*19/20]
}

func (a *answers) median() float64 {
	slices.Sort(a.said)
	return a.said[len(a.said)/2]
}

func (a *answers) String() string {
	within, deviation := a.coverage()
	return fmt.Sprintf("%d answers, median %.1f, %.1f %% within two deviations, 95 %% of these are up to %.1f %%",
		len(a.deviations), a.median(), 100*within, 100*deviation)
}

// TestSize: where everybody announces itself everybody counts all, and knows that
// this is certain.
func TestSize(t *testing.T) {
	aside(t)
	sizes := []int{10, 100 / scale}
	if os.Getenv("HEARSAY_LONG") == "all" && scale == 1 {
		sizes = append(sizes, 1000)
	}
	for _, nodes := range sizes {
		n := spread(1, nodes, 10, 0)
		var a answers
		if a.ask(n); a.exact != nodes {
			t.Errorf("%d nodes: %d of them know that; %v", nodes, a.exact, &a)
		}
	}
}

// TestSizeInChurn: while nodes come, crash and leave, everybody knows about how
// far its count may be from the truth.
func TestSizeInChurn(t *testing.T) {
	if os.Getenv("HEARSAY_LONG") == "" || scale > 1 {
		t.Skip("takes a minute: HEARSAY_LONG=1")
	}
	sizes := []int{100}
	if os.Getenv("HEARSAY_LONG") == "all" {
		sizes = append(sizes, 1000)
	}
	for _, nodes := range sizes {
		times := max(1500/nodes, 3) // a second of 1,000 nodes takes a processor two
		n := spread(1, nodes, 10, 0)
		var churn []int
		for i := range min(nodes/5, 40) {
			churn = append(churn, 5*i)
		}
		var a answers
		n.Churn(churn, 2*time.Minute, time.Minute, 5*time.Minute)
		for range times {
			n.Run(20 * time.Second)
			a.ask(n)
		}
		t.Logf("of %d nodes %d come, and crash or leave after two minutes: %v", nodes, len(churn), &a)
		if within, deviation := a.coverage(); within < 0.95 || deviation > 0.15 {
			t.Errorf("that is not enough")
		}
	}
}

// TestSizeOfQuiet: nodes that announce nothing are estimated. Here every one of a
// network is told of the others by the network itself, see TestSizeOfMany for more of
// them. Who was met by few knows that this is little: the deviation it gives is large.
func TestSizeOfQuiet(t *testing.T) {
	aside(t)
	nodes := 60 / scale * 2
	var a answers
	for seed := range uint64(2) {
		a.ask(spread(seed, nodes, 30, 0, func(c *Config) { c.Silent = func(i int) bool { return i%5 < 2 } }))
	}
	t.Logf("%d nodes, two of five are silent: %v", nodes, &a)
	if within, _ := a.coverage(); within < 0.95 {
		t.Errorf("that is not enough")
	}
	if median := a.median(); math.Abs(median-float64(nodes)) > 0.15*float64(nodes) {
		t.Errorf("the median is %.1f", median)
	}
}

// drawAll has every honest node draw some nodes, and counts how often each was.
func drawAll(t *testing.T, n *Network, times int) []int {
	t.Helper()
	index := make(map[gossip.PeerID]int)
	for i := range n.Nodes() {
		index[n.Peer(i)] = i
	}
	counts := make([]int, n.Nodes())
	for _, nd := range n.nodes {
		core, honest := nd.core.(*gossip.State)
		if !honest {
			continue
		}
		for range times {
			d, ok := core.Draw()
			i, real := index[d.Peer]
			if !ok || !real || i == nd.index {
				t.Fatalf("node %d draws %q (%v)", nd.index, d.Peer, ok)
			}
			counts[i]++
		}
	}
	return counts
}

// chiSquareMost is what chi-square with so many degrees of freedom exceeds in one
// case of a thousand (Wilson and Hilferty, 1931).
func chiSquareMost(freedom int) float64 {
	f := float64(freedom)
	return f * math.Pow(1-2/(9*f)+3.0902*math.Sqrt(2/(9*f)), 3)
}

// chiSquare measures how far counts are from all being equal.
func chiSquare(counts []int) (x float64) {
	total := 0
	for _, n := range counts {
		total += n
	}
	want := float64(total) / float64(len(counts))
	for _, n := range counts {
		x += (float64(n) - want) * (float64(n) - want) / want
	}
	return x
}

// TestDraw: over all nodes every node is drawn as often as any other.
func TestDraw(t *testing.T) {
	aside(t)
	n := spread(3, 100/scale, 6, 0)
	counts := drawAll(t, n, 100)
	if x, most := chiSquare(counts), chiSquareMost(len(counts)-1); x > most {
		t.Errorf("chi-square of %.1f over %d nodes, at most %.1f: draws are not uniform: %v", x, len(counts), most, counts)
	}
}

// TestDrawAmongHostile: a fifth of the nodes lies about everything, names peers
// that do not exist and floods. Their share in what others draw is about what
// their number is, and the honest ones are drawn evenly.
func TestDrawAmongHostile(t *testing.T) {
	aside(t)
	for seed := range uint64(campaign(t, 2)) {
		nodes := 100 / scale
		hostile := func(i int) bool { return i%5 == 4 }
		n := spread(seed, nodes, 6, 5, func(c *Config) {
			c.Hostile = hostile
			c.Wrap = Byzantine(seed, LiePeers|LieHave|LieSync|LieReceipt|Replay|Forge|Equivocate, hostile)
		})
		n.Run(20 * time.Second)
		counts := drawAll(t, n, 100)
		var honest []int
		bad, all := 0, 0
		for i, c := range counts {
			if all += c; hostile(i) {
				bad += c
			} else {
				honest = append(honest, c)
			}
		}
		share := float64(bad) / float64(all)
		x, most := chiSquare(honest), chiSquareMost(len(honest)-1)
		t.Logf("seed %d: hostile share %.1f %%, chi-square over the honest %.1f (at most %.1f)", seed, 100*share, x, most)
		if share > 0.3 {
			t.Errorf("seed %d: %.1f %% of what was drawn is hostile", seed, 100*share)
		}
		if x > most {
			t.Errorf("seed %d: the honest are not drawn evenly: %v", seed, honest)
		}
	}
}
