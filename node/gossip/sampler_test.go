package gossip

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// chiSquare measures how far counts are from all being equal.
func chiSquare(counts []int) float64 {
	total := 0
	for _, n := range counts {
		total += n
	}
	want := float64(total) / float64(len(counts))
	sum := 0.0
	for _, n := range counts {
		sum += (float64(n) - want) * (float64(n) - want) / want
	}
	return sum
}

// chiSquare99 is what chi-square with 99 degrees of freedom exceeds in one case
// of a thousand.
const chiSquare99 = 148.2

// TestSampleIsUniform: each of 100 peers is in a slot as often as any other,
// however often and in whatever order it was heard of.
func TestSampleIsUniform(t *testing.T) {
	const peers, samplers = 100, 200
	rng := rand.New(rand.NewPCG(1, 2))
	counts := make([]int, peers)
	together := make([]int, peers) // in the first two slots of one sampler, by the distance of the two
	for range samplers {
		m := newSampler(rng)
		heard := rng.Perm(peers)
		for range 20 * peers { // some peers a thousand times as often as others
			heard = append(heard, int(float64(peers)*rng.Float64()*rng.Float64()*rng.Float64()))
		}
		for _, i := range heard {
			m.offer(PeerRecord{Peer: PeerID(fmt.Sprint("peer ", i))})
		}
		index := func(slot int) (i int) {
			fmt.Sscanf(string(m.slots[slot].rec.Peer), "peer %d", &i)
			return i
		}
		for slot := range samplerSlots {
			counts[index(slot)]++
			if slot%2 == 1 {
				together[(index(slot)-index(slot-1)+peers)%peers]++
			}
		}
	}
	if x := chiSquare(counts); x > chiSquare99 {
		t.Errorf("chi-square of %.0f over %d peers: the sample is not uniform: %v", x, peers, counts)
	}
	if x := chiSquare(together); x > chiSquare99 {
		t.Errorf("chi-square of %.0f: slots depend on each other: %v", x, together)
	}
}

// TestSampleForgetsTheDead: a peer that proved dead is sampled no more, and its
// slots go to others at once.
func TestSampleForgetsTheDead(t *testing.T) {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	n.up("B")
	for _, p := range []PeerID{"X", "Y", "Z"} {
		n.push("B", presenceOf(t, p, 1, Presence{Record: []byte("of " + p)}))
	}
	n.do(Candidate{Peer: "L", Source: SourceLAN})
	sampled := func() map[PeerID]PeerRecord {
		t.Helper()
		m := make(map[PeerID]PeerRecord)
		for _, r := range n.s.Sample(samplerSlots) {
			if _, twice := m[r.Peer]; twice {
				t.Errorf("%s is twice in one sample", r.Peer)
			}
			m[r.Peer] = r
		}
		return m
	}
	got := sampled()
	if len(got) != 5 || string(got["X"].Bytes) != "of X" {
		t.Fatalf("sample of B, L, X, Y, Z: %v", got)
	}
	if got := n.s.Sample(2); len(got) != 2 {
		t.Errorf("a sample of two has %d", len(got))
	}
	n.push("B", presenceOf(t, "X", 2, Presence{Left: true}))
	n.wait(2 * courtesy)
	for _, p := range []PeerID{"Y", "Z", "L"} {
		n.do(DialFailed{p}) // what is not being dialled did not fail
	}
	got = sampled()
	for _, p := range n.dials() {
		c := n.s.candidates[p]
		if _, in := got[p]; in && c.met.IsZero() {
			t.Errorf("%s did not answer and is still sampled", p)
		}
	}
	if _, in := got["X"]; in || len(got) == 0 {
		t.Errorf("after X left: %v", got)
	}
	for i := range n.s.sampler.slots {
		if n.s.sampler.slots[i].rec.Peer == "" {
			t.Error("a slot stays empty though peers are known")
		}
	}
}

// TestSampleOfTheCutOff: who has no neighbours learns nothing about others from
// dials that fail.
func TestSampleOfTheCutOff(t *testing.T) {
	n := alone(t)
	n.do(Candidate{Peer: "Z", Source: SourceLAN})
	for range 3 {
		n.do(DialFailed{"Z"})
		n.wait(retryLate)
	}
	if got := n.s.Sample(1); len(got) != 1 || got[0].Peer != "Z" {
		t.Errorf("sample: %v, want Z", got)
	}
}
