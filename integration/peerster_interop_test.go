package integration_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/integration"
	"hearsay/node"
)

// Ten nodes and ten of another make, oracles, in one random network: each says one
// thing, all hear all twenty and know a way to each other. What oracles send waits
// in jam buffers, and one of them is half a second late with everything besides.
// (In Peerster's list this is 1-13, in its test suite 1-14: ten reference binaries.)
func TestPeerster_1_14_Interoperation(t *testing.T) {
	const nodes, oracles = 10, 10
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				chance := rand.New(rand.NewPCG(seed, 14))
				c := peersters(t, nodes, func(_ int, cfg *node.Config) { cfg.DifficultyBits = integration.DefaultDifficulty })
				var listeners []*node.Listener
				for i := range nodes {
					listeners = append(listeners, listen(t, c, i, dataType))
				}
				var others []*oracle
				for i := range oracles {
					var delay time.Duration
					if i == 0 {
						delay = 500 * time.Millisecond
					}
					o := newOracle(t, c, jam{2 * time.Second, 3}, delay, dataType)
					defer o.stop()
					others = append(others, o)
				}
				info := func(i int) peer.AddrInfo {
					if i < nodes {
						return addressOf(c, i)
					}
					h := others[i-nodes].host
					return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}
				}
				for j := 1; j < nodes+oracles; j++ {
					tree := chance.IntN(j)
					for i := range j {
						switch {
						case i != tree && chance.IntN(6) > 0:
						case j >= nodes:
							others[j-nodes].dial(info(i))
						default:
							introduce(c, i, j)
						}
					}
				}
				pass(20 * time.Second)
				var all []string
				for i := range nodes + oracles {
					text := fmt.Sprint("from ", i)
					all = append(all, text)
					if i < nodes {
						c.Announce(i, dataType, []byte(text))
					} else {
						others[i-nodes].publish(1, dataType, []byte(text), time.Minute)
					}
				}
				slices.Sort(all)
				pass(30 * time.Second)
				for i, l := range listeners {
					got := heard(l)
					slices.Sort(got)
					if !slices.Equal(got, all) {
						t.Errorf("node %d was told %q", i, got)
					}
					if n := len(c.Node(i).Running().Routes()); n != nodes+oracles-1 {
						t.Errorf("node %d has %d routes", i, n)
					}
					if n := c.Node(i).Running().Status().Counters["misbehaviour"]; n != 0 {
						t.Errorf("node %d cut off %d neighbours", i, n)
					}
				}
				for i, o := range others {
					o.mu.Lock()
					got := slices.Sorted(slices.Values(o.told))
					if !slices.Equal(got, all) {
						t.Errorf("oracle %d was told %q", i, got)
					}
					if len(o.via) != nodes+oracles-1 {
						t.Errorf("oracle %d has %d routes", i, len(o.via))
					}
					o.mu.Unlock()
				}
			})
		})
	}
}
