package sim

import (
	"fmt"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// TestReplay: everything that was ever said, said again to every node by every
// neighbour, tells nobody anything: at once, after once, twice and ten times the
// life of the rumors, and after a restart with and without the disk.
func TestReplay(t *testing.T) {
	aside(t)
	const nodes = 12
	type said struct {
		to  int
		msg gossip.Message
	}
	var recorded []said
	recording := true
	seen := make(map[gossip.Message]map[int]bool)
	n := New(Config{Seed: 1, Nodes: nodes, Core: core(4), Latency: 20 * time.Millisecond, Contacts: 3,
		Record: func(_, to int, msg gossip.Message) {
			switch msg.(type) {
			case *gossip.Bye, *gossip.Receipt:
				return // they end links, which is no replay's aim
			}
			if recording && !seen[msg][to] {
				if seen[msg] == nil {
					seen[msg] = make(map[int]bool)
				}
				seen[msg][to] = true
				recorded = append(recorded, said{to, msg})
			}
		}})
	lifetime := n.cfg.Core.Lifetime
	for i := range nodes {
		n.Subscribe(i, 1, 7, i%2 == 0)
		n.Start(i, time.Duration(i)*100*time.Millisecond)
	}
	n.Run(10 * time.Second)
	for k := range 60 {
		ev := gossip.Publish{Kind: gossip.KindEvent, DataType: 7, Payload: fmt.Append(nil, k)}
		switch k % 4 {
		case 1:
			ev.Kind, ev.Key = gossip.KindState, fmt.Sprint(k%8)
		case 2:
			ev.TTL = 2
		case 3:
			ev.Lifetime = time.Minute
		}
		n.Announce(k%nodes, ev)
		n.Run(100 * time.Millisecond)
	}
	n.Run(20 * time.Second)
	recording = false
	check(t, n)
	replay := func(when string) {
		// To whom a rumor had not come (its hops ended) it may come now, once.
		limited := 0
		for _, p := range n.ordered {
			if p.r.TTL != 0 {
				limited -= len(p.told)
			}
		}
		before := n.Stats().Deliveries
		for _, s := range recorded {
			nd := n.nodes[s.to]
			for _, w := range nd.links() {
				n.give(nd, gossip.Received{From: w.to.id, Msg: s.msg})
				break
			}
		}
		n.Run(5 * time.Second)
		for _, p := range n.ordered {
			if p.r.TTL != 0 {
				limited += len(p.told)
			}
		}
		if got := int(n.Stats().Deliveries-before) - limited; got != 0 {
			t.Errorf("%s: %d deliveries", when, got)
		}
		for _, err := range n.Violations() {
			t.Errorf("%s: %v", when, err)
		}
	}
	replay("at once")
	for _, times := range []int{1, 2, 10} {
		n.Run(time.Duration(times)*lifetime + time.Minute - n.Now())
		replay(fmt.Sprintf("after %d times the life of a rumor", times))
	}
	for i := range nodes {
		n.Crash(i)
		n.Restart(i, time.Second, i%2 == 0)
	}
	n.Run(30 * time.Second)
	replay("after a restart")
	t.Logf("%d messages recorded", len(recorded))
	if len(recorded) < 1000 {
		t.Errorf("only %d messages were recorded", len(recorded))
	}
}
