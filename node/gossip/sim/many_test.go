package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// TestSizeOfMany: in networks of 100, 1,000 and 10,000 nodes some are asked for the
// size. A run is the answer of one node; the answers of one network hang together,
// as its links do, so there are several networks where they cost little.
//
// Everybody's presence at everybody is what such a network costs most. So it is made
// of silent nodes, which find each other and link as all do, and those that are asked
// are then told presences, as if they had just come: of nine nodes in ten, drawn for each of them, and of all. With
// fewer silent nodes than that, who has met none of them says that there are none,
// and is wrong: that is the price of being exact where there are none. Without
// HEARSAY_LONG=all there are only 100 nodes.
func TestSizeOfMany(t *testing.T) {
	aside(t)
	if scale > 1 {
		t.Skip("what is asked for needs more nodes, and the core has no goroutines")
	}
	type size struct{ nodes, networks, asked int }
	sizes := []size{{100, 4, 100}}
	if os.Getenv("HEARSAY_LONG") == "all" {
		sizes = append(sizes, size{1000, 2, 250}, size{10_000, 1, 60})
	}
	for _, s := range sizes {
		t.Run(fmt.Sprint(s.nodes), func(t *testing.T) { sizeOfMany(t, s.nodes, s.networks, s.asked) })
	}
}

func sizeOfMany(t *testing.T, nodes, networks, asked int) {
	var tenth, none answers // by how many are silent
	for seed := range uint64(networks) {
		n := New(Config{Seed: seed, Nodes: nodes, Core: core(30), Latency: 20 * time.Millisecond, Contacts: 3,
			Silent: func(int) bool { return true }, Check: 20_000})
		for i := range nodes {
			n.Start(i, time.Duration(i)*2*time.Millisecond)
			n.Subscribe(i, 1, 7, true)
		}
		n.Run(time.Duration(nodes)*2*time.Millisecond + linking)
		presences := n.presences(t)
		rng := rand.New(rand.NewPCG(seed, 2))
		for _, i := range rng.Perm(nodes)[:asked] {
			rng.Shuffle(nodes, func(a, b int) { presences[a], presences[b] = presences[b], presences[a] })
			n.inform(i, 0, presences[:nodes*9/10])
			tenth.ask(n, i)
			n.inform(i, settled, presences[nodes*9/10:])
			none.ask(n, i)
			n.nodes[i].core = nil // so many members take room
		}
	}
	within, _ := tenth.coverage()
	median := tenth.deviations[len(tenth.deviations)/2]
	t.Logf("%d networks of %d nodes, one of ten is silent: %v; the median deviation is %.1f %%", networks, nodes, &tenth, 100*median)
	if m := tenth.median(); within < 0.95 || median > 0.15 || math.Abs(m-float64(nodes)) > 0.1*float64(nodes) {
		t.Errorf("that is not enough")
	}
	t.Logf("none is silent: %d of %d answers are exact", none.exact, len(none.said))
	if len(none.said) != none.exact {
		t.Errorf("that is not enough: %v", &none)
	}
}

// linking is how long after the last start the network stops. Most links are made
// within two seconds; later ones, and who looks whether somebody is there, bring the
// comers from whom a size is estimated.
const linking = 3 * time.Minute

// settled is long enough for a node not to count as one that has just come.
const settled = 5 * time.Second

// presences are those that all nodes would announce.
func (n *Network) presences(t *testing.T) (all []*gossip.Rumor) {
	t.Helper()
	now := n.clock(n.nodes[0])
	for _, nd := range n.nodes {
		p := gossip.Presence{Record: recordOf(nd, nd.epoch).Bytes}
		r, err := gossip.NewRumor(gossip.Header{
			Network: n.cfg.Core.Network, Kind: gossip.KindPresence, Origin: nd.id, Epoch: nd.epoch, Seq: 1,
			Created: now.Add(-time.Minute).UnixMilli(), Expires: now.Add(time.Hour).UnixMilli(),
		}, p.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		r.Nonce, r.Signature = 1, sign(r)
		all = append(all, r)
	}
	return all
}

// inform tells node i presences of others a while after the network has stopped,
// which must not go on, and lets settled pass. All neighbours tell some: of one it
// would not take thousands of origins at once that it never heard of.
func (n *Network) inform(i int, after time.Duration, presences []*gossip.Rumor) {
	nd := n.nodes[i]
	var out gossip.Actions
	neighbours := n.Neighbours(i)
	now := n.clock(nd).Add(after)
	for k, r := range presences {
		from := n.Peer(neighbours[k%len(neighbours)])
		if r.Origin != nd.id {
			nd.core.Handle(now, gossip.Received{From: from, Msg: &gossip.Push{Rumor: r, Hops: 1}}, &out)
			out = out[:0]
		}
	}
	nd.core.Handle(now.Add(settled), gossip.Tick{}, &out)
}
