package main

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/transport"
)

// TestGrowthCell: a small simulated network delivers everything, costs something,
// and the same again for the same seed.
func TestGrowthCell(t *testing.T) {
	for _, system := range []string{"quiet", "announcing"} {
		c := cell{Kind: "growth", System: system, Hosts: 12, Links: 4, Payload: 500, Rate: 5, Warm: 5 * time.Second, For: 4 * time.Second, Seed: 3}
		first, err := runCell(c)
		if err != nil {
			t.Fatal(err)
		}
		if first["delivered"] != 1 || first["deliveries"] != 20*11 {
			t.Errorf("%s: %v", system, first)
		}
		for _, name := range []string{"links", "bytes_per_delivery", "messages_per_delivery", "idle_bytes_per_s_and_node", "idle_messages_per_s_and_node", "join_bytes_per_node", "p50_ms"} {
			if first[name] <= 0 {
				t.Errorf("%s: %s is %v", system, name, first[name])
			}
		}
		if b := first["bytes_per_delivery"]; b < 500 || b > 5000 {
			t.Errorf("%s: %v bytes for a delivery of 500", system, b)
		}
		second, err := runCell(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []map[string]float64{first, second} {
			for _, name := range []string{"heap_kib_per_node", "simulating_cpu_s"} { // of this process
				delete(m, name)
			}
		}
		if !maps.Equal(first, second) {
			t.Errorf("%s: one seed gives %v and then %v", system, first, second)
		}
	}
	if _, err := runCell(cell{Kind: "growth", System: "hearsay", Hosts: 3, Links: 2, Payload: 8, Rate: 1, For: time.Second}); err == nil {
		t.Error("a system that there is not is simulated")
	}
}

// TestCoreCell: a rumor that is pushed to nobody is noticed (runCore counts), and
// one that is pushed to more costs more.
func TestCoreCell(t *testing.T) {
	few, err := runCell(cell{Kind: "micro", System: "core", Links: 2, Payload: 64, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	many, err := runCell(cell{Kind: "micro", System: "core", Links: 8, Payload: 64, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if few["allocs_per_relayed"] < 1 || many["allocs_per_relayed"] <= few["allocs_per_relayed"] {
		t.Errorf("%v for one neighbour, %v for seven", few, many)
	}
}

// TestLinkBook: a link carries a rumor twice if it does in one direction or once in
// each; over another link, another rumor, a presence or what comes in is not again.
func TestLinkBook(t *testing.T) {
	b := newLinkBook()
	b.peers["a"], b.peers["b"], b.peers["c"] = 0, 1, 2
	event := &gossip.Rumor{Header: gossip.Header{Kind: gossip.KindEvent}, ID: gossip.RumorID{1}}
	other := &gossip.Rumor{Header: gossip.Header{Kind: gossip.KindEvent}, ID: gossip.RumorID{2}}
	presence := &gossip.Rumor{Header: gossip.Header{Kind: gossip.KindPresence}, ID: gossip.RumorID{3}}
	for _, s := range []struct {
		from int
		d    transport.Direction
		to   gossip.PeerID
		m    gossip.Message
		want uint64
	}{
		{0, transport.Out, "b", &gossip.Push{Rumor: event}, 0},
		{1, transport.In, "a", &gossip.Push{Rumor: event}, 0},
		{0, transport.Out, "c", &gossip.Push{Rumor: event}, 0},
		{0, transport.Out, "b", &gossip.Push{Rumor: other}, 0},
		{0, transport.Out, "b", &gossip.Receipt{}, 0},
		{1, transport.Out, "a", &gossip.Push{Rumor: event}, 1},
		{0, transport.Out, "b", &gossip.Fill{Rumor: other}, 2},
		{0, transport.Out, "b", &gossip.Push{Rumor: presence}, 2},
		{0, transport.Out, "b", &gossip.Push{Rumor: presence}, 2},
	} {
		b.of(s.from)(s.d, s.to, s.m)
		if got := b.twice(); got != s.want {
			t.Errorf("%d to %s, %T: %d, want %d", s.from, s.to, s.m, got, s.want)
		}
	}
}

// stuck is a system that takes the first message and then no more.
type stuck struct {
	deliver func(int, []byte)
	free    chan struct{}
}

func (s stuck) publish(i int, payload []byte) error {
	s.deliver(1-i, payload)
	<-s.free
	return nil
}
func (stuck) kill(int) {}
func (stuck) close()   {}

// TestPublisherGivesUp: what a system does not take in time is not published, and
// neither lost nor delivered.
func TestPublisherGivesUp(t *testing.T) {
	const messages = 5
	book := newLedger(messages, 2)
	s := stuck{book.deliver, make(chan struct{})}
	alive := newCrowd(2)
	p := publisher{cell: cell{Hosts: 2, Payload: headerSize, Rate: 1000, Drain: 20 * time.Millisecond}, sys: s, book: book,
		rng: rand.New(rand.NewPCG(1, 1)), origins: 1, alive: alive}
	time.AfterFunc(100*time.Millisecond, func() { close(s.free) })
	if err := p.run(0, messages, 0); err != nil {
		t.Fatal(err)
	}
	f := book.figures(0, messages, alive)
	if f["published"] != 1 || f["delivered"] != 1 || f["deliveries"] != 1 || book.missing(0, messages, alive) != 0 {
		t.Errorf("%v", f)
	}
}

// TestNumbered: a payload has its size and begins with its number.
func TestNumbered(t *testing.T) {
	for _, size := range []int{8, 9, 64, 1000} {
		b := numbered(77, size, 5)
		if len(b) != size || binary.BigEndian.Uint64(b) != 77 || !slices.Equal(b, numbered(77, size, 5)) {
			t.Errorf("%d: %x", size, b)
		}
	}
	if slices.Equal(numbered(1, 64, 5)[8:], numbered(2, 64, 5)[8:]) {
		t.Error("two messages are the same")
	}
}

// TestCheck: what cannot be measured is refused before anything is made.
func TestCheck(t *testing.T) {
	for _, change := range []func(*cell){
		func(c *cell) { c.Kind = "nonsense" }, func(c *cell) { c.Hosts = 1 }, func(c *cell) { c.Links = 50 }, func(c *cell) { c.Hosts, c.Links = 5, 3 },
		func(c *cell) { c.Payload = 7 }, func(c *cell) { c.Payload = 65_001 }, func(c *cell) { c.Rate = 0 }, func(c *cell) { c.Drain = 0 }, func(c *cell) { c.Kill = 50 },
		func(c *cell) { c.Kind, c.Hosts = "members", 2 }, func(c *cell) { c.Kind, c.Payload = "api", 7 }, func(c *cell) { c.Kind, c.Hosts = "growth", 20_001 },
	} {
		c := base()
		if change(&c); c.check() == nil {
			t.Errorf("%s is possible", c.key())
		}
	}
}
