package apibridge

import (
	"math"
	"net/netip"
	"testing"
	"time"
)

func rumorID(i int) (id [32]byte) {
	id[0], id[1], id[2], id[3] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
	return id
}

// Every ID once in 65,536, with none open: it is a permutation, for any key.
func TestPending_IDsAreAPermutation(t *testing.T) {
	for range 5 {
		p := newPending(4096)
		seen := make([]bool, 1<<16)
		for i := range 1 << 16 {
			id, _ := p.issue(rumorID(i))
			if seen[id] {
				t.Fatalf("key %v: ID %d came back after less than 65,536", p.key, id)
			}
			seen[id] = true
			if r, ok := p.answer(id); !ok || r != rumorID(i) { // 0x0000 and 0xFFFF are IDs like any other
				t.Fatalf("ID %d stands for %x, %v", id, r, ok)
			}
		}
	}
}

// Many allocations, up to 4,096 of them open: no two open ones share an
// ID, each answer finds its rumor once, and what is given up is the oldest.
func TestPending_Many(t *testing.T) {
	const most = 4096
	p := newPending(most)
	held := make([]uint16, 8192) // ring of the latest IDs
	for i := range 300_000 {
		id, evicted := p.issue(rumorID(i))
		held[i%len(held)] = id
		// Two of three are answered at once, every fifth of the rest never.
		if i%3 != 0 {
			if r, ok := p.answer(id); !ok || r != rumorID(i) {
				t.Fatalf("answer %d: %x, %v", i, r, ok)
			}
			if _, again := p.answer(id); again {
				t.Fatalf("answer %d counted twice", i)
			}
		} else if back := i - 3000; back >= 0 && i%15 != 0 {
			if r, ok := p.answer(held[back%len(held)]); ok && r != rumorID(back) {
				t.Fatalf("the ID of %d stands for %x", back, r)
			}
		}
		if len(p.open) > most || len(p.order) > 2*most {
			t.Fatalf("%d open, %d kept in order", len(p.open), len(p.order))
		}
		if evicted && len(p.open) < most-1 {
			t.Fatalf("one was given up with %d open", len(p.open))
		}
	}
}

func TestPending_OldestIsGivenUp(t *testing.T) {
	p := newPending(3)
	var ids []uint16
	for i := range 5 {
		id, evicted := p.issue(rumorID(i))
		if evicted != (i == 4) { // 1 is answered in between
			t.Errorf("issue %d: evicted = %v", i, evicted)
		}
		ids = append(ids, id)
		if i == 2 {
			p.answer(ids[1])
		}
	}
	for i, want := range []bool{false, false, true, true, true} {
		if r, ok := p.answer(ids[i]); ok != want || ok && r != rumorID(i) {
			t.Errorf("ID %d: %v, want %v", i, ok, want)
		}
	}
}

// An ID that is open for long is stepped over whenever its turn comes again.
func TestPending_OpenIDsAreSteppedOver(t *testing.T) {
	p := newPending(4096)
	id, _ := p.issue(rumorID(0))
	for i := range 3 << 16 {
		other, _ := p.issue(rumorID(i + 1))
		if r, ok := p.answer(other); other == id || !ok || r != rumorID(i+1) {
			t.Fatalf("ID %d was given to a second rumor", other)
		}
	}
	if r, ok := p.answer(id); !ok || r != rumorID(0) {
		t.Errorf("the first ID stands for %x, %v", r, ok)
	}
}

// With all IDs but one open, the one is found; with them all, the oldest goes.
func TestPending_Exhausted(t *testing.T) {
	p := newPending(maxMessageIDs)
	for i := range maxMessageIDs {
		if _, evicted := p.issue(rumorID(i)); evicted {
			t.Fatal("one was given up while IDs were free")
		}
	}
	for i := range 1000 {
		if _, evicted := p.issue(rumorID(maxMessageIDs + i)); !evicted {
			t.Fatal("too many are open")
		}
	}
	if len(p.open) != maxMessageIDs {
		t.Errorf("%d open", len(p.open))
	}
}

func TestQueue(t *testing.T) {
	var q queue
	next, first := 0, 0
	for round := range 1000 {
		for range round % 37 {
			q.push(rumor{id: rumorID(next), data: make([]byte, next%5), replayed: next%3 == 0})
			next++
		}
		var live, replayed backlog
		for i := first; i < next; i++ {
			if i%3 == 0 {
				replayed.n++
				replayed.bytes += i % 5
			} else {
				live.n++
				live.bytes += i % 5
			}
		}
		if q.len != next-first || q.live != live || q.replayed != replayed || q.peak < q.len {
			t.Fatalf("%d waiting, %+v and %+v, peak %d; want %d, %+v and %+v", q.len, q.live, q.replayed, q.peak, next-first, live, replayed)
		}
		for range min(q.len, round%41) {
			if r := q.pop(); r.id != rumorID(first) {
				t.Fatalf("%x out of turn", r.id)
			}
			first++
		}
	}
	for q.len > 0 {
		q.pop()
	}
	if q.peak != 0 {
		t.Error("the peak outlives the queue")
	}
	for _, r := range q.ring {
		if r.data != nil {
			t.Fatal("the queue keeps data that were taken out")
		}
	}
}

// After a long replay the queue is as small again as it was before.
func TestQueue_ShrinksWhenEmpty(t *testing.T) {
	var q queue
	for round := range 3 {
		for i := range 2 * keepRing {
			q.push(rumor{id: rumorID(i), replayed: true})
		}
		for i := range 2 * keepRing {
			if r := q.pop(); r.id != rumorID(i) {
				t.Fatalf("round %d: %x out of turn", round, r.id)
			}
		}
		if len(q.ring) > keepRing || q.replayed != (backlog{}) {
			t.Fatalf("an empty queue keeps room for %d, and counts %+v", len(q.ring), q.replayed)
		}
	}
}

func TestEchoGuard(t *testing.T) {
	const window = 10 * time.Second
	start := time.Now()
	type step struct {
		at   time.Duration
		told bool // else announced
		want bool
	}
	const tell = true
	s := func(n time.Duration) time.Duration { return n * time.Second }
	used := []step{{0, false, true}, {1, tell, true}, {2, false, true}}
	for range maxTrust {
		used = append(used, step{3, tell, true}, step{3, false, true})
	}
	used = append(used, step{4, tell, true}, step{4, false, false})
	for name, steps := range map[string][]step{
		"never told":                            {{0, false, true}, {0, false, true}, {1, false, true}},
		"one echo":                              {{0, tell, true}, {time.Second, false, true}},
		"second echo":                           {{0, tell, true}, {0, tell, true}, {1, false, true}, {1, false, false}},
		"own ones in between":                   {{0, tell, true}, {1, false, true}, {2, false, true}, {3, tell, true}, {4, false, true}, {5, tell, true}, {6, false, true}},
		"own ones, and more than enough echoes": used,
		"own ones that three echo":              {{0, false, true}, {s(1), tell, true}, {s(1), tell, true}, {s(1), tell, true}, {s(2), false, true}, {s(4), false, true}, {s(6), false, true}, {s(8), false, true}},
		"own ones come late again":              append(used[:len(used):len(used)], step{5, tell, true}, step{5, tell, true}, step{s(5), false, false}, step{s(5) + 5, false, true}),
		"late ones that are not own":            {{0, tell, true}, {0, tell, true}, {0, tell, true}, {s(6), false, true}, {s(8), false, false}, {s(15), false, false}},
		"own ones later than echoes":            {{0, false, true}, {1, tell, true}, {s(9), false, true}, {s(9), tell, true}, {s(11), false, true}},
		"after the window":                      {{0, tell, true}, {1, false, true}, {window, tell, true}, {window, false, false}, {window, tell, true}, {window + 1, false, true}},
		"long after":                            {{0, tell, true}, {1, tell, true}, {time.Hour, false, true}, {time.Hour, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newEchoGuard(window)
			c := g.content(1, []byte("x"))
			for i, s := range steps {
				if s.told {
					g.told(start.Add(s.at), c)
				} else if got := g.pass(start.Add(s.at), c); got != s.want {
					t.Errorf("step %d: %v, want %v", i, got, s.want)
				}
			}
		})
	}
	g := newEchoGuard(window)
	if g.content(1, []byte("x")) == g.content(2, []byte("x")) || g.content(1, []byte("x")) == g.content(1, []byte("y")) {
		t.Error("different contents look the same")
	}
}

// What it remembers is bounded, and the newest is remembered.
func TestEchoGuard_Bounded(t *testing.T) {
	g := newEchoGuard(time.Minute)
	now := time.Now()
	for i := range 3 * maxEchoes {
		id := rumorID(i)
		if !g.pass(now, g.content(2, id[:])) {
			t.Fatalf("announcement %d was told to nobody here, and is held back", i)
		}
	}
	for i := range 10 * maxEchoes {
		id := rumorID(i)
		c := g.content(1, id[:])
		g.told(now, c)
		g.told(now, c)
		if !g.pass(now, c) || g.pass(now, c) {
			t.Fatalf("content %d is not remembered", i)
		}
		if len(g.newer) > maxEchoes || len(g.older) > maxEchoes {
			t.Fatalf("%d and %d remembered", len(g.newer), len(g.older))
		}
	}
}

func TestOptions_Defaults(t *testing.T) {
	want := DefaultOptions()
	want.Pace = 0
	if got := (Options{}).withDefaults(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := DefaultOptions().withDefaults(); got != DefaultOptions() {
		t.Errorf("the defaults became %+v", got)
	}
	odd := Options{Limits: Limits{MaxConns: -1, Rate: -1, Burst: -1}, MaxPending: math.MaxInt, Pace: -1, EchoWindow: -1}.withDefaults()
	if odd.MaxConns != 64 || odd.MaxPending != 65535 || odd.Pace != 0 || odd.EchoWindow != -1 || odd.Rate != 5000 || odd.Burst != 5000 {
		t.Errorf("%+v", odd)
	}
}

func TestKindsOfEndsAreCounted(t *testing.T) {
	var c counters
	for _, err := range []error{errStrict, errStalled, errOverflowed, errUnread, errPanic, errClosing} {
		c.ended(err)
	}
	s := c.stats()
	if s.Violations.Strict != 1 || s.Stalled != 1 || s.Overflowed != 1 || s.Unread != 1 || s.Panics != 1 {
		t.Errorf("%+v", s)
	}
}

// What an address comes to, without listening on it.
func TestResolve(t *testing.T) {
	for _, c := range []struct {
		address        string
		remote         bool // needs to be allowed
		network, local string
	}{
		{"127.0.0.1:7001", false, "tcp4", "127.0.0.1:7001"},
		{"localhost:7001", false, "tcp4", "127.0.0.1:7001"},
		{"[::ffff:127.0.0.1]:7001", false, "tcp4", "127.0.0.1:7001"},
		{"[::1]:7001", false, "tcp6", "[::1]:7001"},
		{":7001", true, "tcp", ":7001"},
		{"[::]:7001", true, "tcp", ":7001"},
		{"0.0.0.0:7001", true, "tcp4", "0.0.0.0:7001"},
		{"192.0.2.1:7001", true, "tcp4", "192.0.2.1:7001"},
		{"[2001:db8::1]:7001", true, "tcp6", "[2001:db8::1]:7001"},
	} {
		if _, err := resolve(c.address, false); (err != nil) != c.remote {
			t.Errorf("%s: %v", c.address, err)
		}
		addr, err := resolve(c.address, true)
		if err != nil {
			t.Errorf("%s: %v", c.address, err)
			continue
		}
		if network, local := arguments(addr); network != c.network || local != c.local {
			t.Errorf("%s: %s %s, want %s %s", c.address, network, local, c.network, c.local)
		}
	}
}

// Modules that know only IPv4 find a name's IPv4 address.
func TestPreferIPv4(t *testing.T) {
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	for _, c := range []struct {
		ips  []netip.Addr
		want netip.Addr
	}{
		{[]netip.Addr{v6, v4}, v4},
		{[]netip.Addr{v4, v6}, v4},
		{[]netip.Addr{v6}, v6},
		{[]netip.Addr{v6, netip.AddrFrom16(v4.As16())}, v4},
	} {
		if got, err := preferIPv4(c.ips); err != nil || got != c.want {
			t.Errorf("of %v: %v, %v", c.ips, got, err)
		}
	}
	if _, err := preferIPv4(nil); err == nil {
		t.Error("a name without an address has one")
	}
}
