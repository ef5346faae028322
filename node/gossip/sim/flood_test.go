package sim

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// flooded runs a small network in which some nodes announce valid rumors as fast as
// others let them, while the others say something now and then. Each event costs
// these some time. It returns how long what the honest nodes said took to get to
// each of them, and how many deliveries were outstanding after two seconds.
func flooded(seed uint64, flooders, rate int, d time.Duration) (n *Network, took []time.Duration, late int) {
	const nodes = 12
	bad := func(i int) bool { return i >= nodes-flooders }
	n = New(Config{Seed: seed, Nodes: nodes, Core: core(5), Latency: 20 * time.Millisecond, Contacts: 3, Hostile: bad, Check: -1})
	for i := range nodes {
		if !bad(i) { // who floods has the faster machine
			n.Slow(i, 10*time.Microsecond)
		}
		n.Subscribe(i, 1, 7, false)
		n.Start(i, 0)
	}
	n.Run(15 * time.Second)
	const step = 2 * time.Millisecond // for which one may have 256 announcements sealed
	for tick := range int(d / step) {
		for i := range nodes {
			switch {
			case bad(i):
				for range rate / int(time.Second/step) {
					n.Announce(i, gossip.Publish{Kind: gossip.KindEvent, DataType: 7, Payload: []byte("flood")})
				}
			case tick%125 == i: // four a second
				n.Publish(i, 7, 0, fmt.Appendf(nil, "%d.%d", i, tick))
			}
		}
		n.Run(step)
	}
	n.Run(2 * time.Second)
	for _, p := range n.ordered {
		if p.from.hostile {
			continue
		}
		for i, nd := range n.nodes {
			if bad(i) || nd == p.from {
				continue
			}
			if tell, told := p.told[module{uint32(i), nd.run, 1}]; told && tell.at-p.sent <= 2*time.Second {
				took = append(took, tell.at-p.sent)
			} else {
				late++
			}
		}
	}
	slices.Sort(took)
	return n, took, late
}

// TestFlooders: who announces without end is held up by its neighbours, and what
// others say gets through nearly as fast as without it.
func TestFlooders(t *testing.T) {
	if os.Getenv("HEARSAY_LONG") == "" {
		t.Skip("a flood that is one takes a quarter of a minute: only with HEARSAY_LONG")
	}
	const flooders, d = 3, time.Second
	const rate = 50_000 // a second
	_, calm, _ := flooded(1, 0, 0, d)
	n, took, late := flooded(1, flooders, rate, d)
	for _, err := range n.Violations() {
		// What a full store gave up others may offer to it.
		if !strings.Contains(err.Error(), "which it came from") {
			t.Error(err)
		}
	}
	var held uint64
	for i := range n.nodes {
		st, err := n.Status(i)
		if err != nil {
			t.Fatal(err)
		}
		held += st.Counters.TooFast
	}
	p99 := func(d []time.Duration) time.Duration { return d[len(d)*99/100] }
	t.Logf("%d flooders: %d of %d deliveries within 2 s; p99 %v, without them %v; %d put off", flooders, len(took), len(took)+late, p99(took), p99(calm), held)
	if late*20 > len(took)+late {
		t.Errorf("%d of %d honest deliveries are late, at most 5 %%", late, len(took)+late)
	}
	if held == 0 {
		t.Error("nothing was put off: this was no flood")
	}
}
