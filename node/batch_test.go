package node

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/identity"
	"hearsay/pow"
)

// author makes rumors that other nodes take.
type author struct {
	t   testing.TB
	id  *identity.Identity
	seq uint64
}

func newAuthor(t testing.TB) *author {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	return &author{t: t, id: id}
}

func (a *author) rumor(n *Node, payload string, change ...func(*gossip.Header)) *gossip.Rumor {
	a.t.Helper()
	a.seq++
	now := time.Now()
	h := gossip.Header{Network: n.cfg.Network, Kind: gossip.KindEvent, Origin: gossip.PeerID(a.id.ID()), Epoch: 1, Seq: a.seq, DataType: 7,
		Created: now.UnixMilli(), Expires: now.Add(time.Hour).UnixMilli()}
	for _, f := range change {
		f(&h)
	}
	r, err := gossip.NewRumor(h, []byte(payload))
	if err != nil {
		a.t.Fatal(err)
	}
	if r.Nonce, err = pow.Solve(a.t.Context(), r.ID, n.cfg.DifficultyBits); err != nil {
		a.t.Fatal(err)
	}
	if r.Signature, err = a.id.Sign(r.ID); err != nil {
		a.t.Fatal(err)
	}
	return r
}

func forged(r *gossip.Rumor) *gossip.Rumor {
	f := *r
	f.Signature = slices.Clone(r.Signature)
	f.Signature[40] ^= 1
	return &f
}

// played makes a node believe that it has a neighbour, which the test plays.
func played(t testing.TB, n *Node) gossip.PeerID {
	t.Helper()
	p := gossip.PeerID(newAuthor(t).id.ID())
	n.call(func(time.Time) {
		n.handle(gossip.LinkUp{Peer: p})
		n.handle(gossip.Received{From: p, Msg: &gossip.Interests{Types: []uint16{7}}})
	})
	return p
}

// burst has a neighbour say many things at once, and returns by how much the node's
// counters of signatures, and some others, grew when all was handled.
func burst(t testing.TB, n *Node, from gossip.PeerID, messages ...gossip.Message) map[string]uint64 {
	t.Helper()
	before := n.Status().Counters
	n.call(func(time.Time) { // while the loop is here it takes nothing
		for _, m := range messages {
			n.events <- gossip.Received{From: from, Msg: m}
		}
	})
	for handled := false; !handled; {
		n.call(func(time.Time) { handled = len(n.events) == 0 })
	}
	after := n.Status().Counters
	for name := range after {
		after[name] -= before[name]
	}
	return after
}

func pushes(rumors []*gossip.Rumor) (list []gossip.Message) {
	for _, r := range rumors {
		list = append(list, &gossip.Push{Rumor: r, Hops: 1})
	}
	return list
}

// wantCounts compares those counters that are named.
func wantCounts(t *testing.T, what string, got, want map[string]uint64) {
	t.Helper()
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %s grew by %d, want %d", what, name, got[name], n)
		}
	}
}

func some(t *testing.T, n *Node, count int, name string) (rumors []*gossip.Rumor) {
	t.Helper()
	authors := []*author{newAuthor(t), newAuthor(t), newAuthor(t)}
	for i := range count {
		rumors = append(rumors, authors[i%3].rumor(n, fmt.Sprint(name, i)))
	}
	return rumors
}

// hear takes so many rumors from a listener.
func hear(t *testing.T, l *Listener, count int) (payloads []string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for range count {
		select {
		case r := <-l.C():
			payloads = append(payloads, string(r.Data))
		case <-timeout:
			t.Fatalf("heard only %q", payloads)
		}
	}
	return payloads
}

func payloadsOf(rumors []*gossip.Rumor) (payloads []string) {
	for _, r := range rumors {
		payloads = append(payloads, string(r.Payload))
	}
	return payloads
}

// What comes at once is verified at once, told in its order, and nothing else: a forged
// one among others is found, and its neighbour spoils no second batch.
func TestBurstIsVerifiedTogether(t *testing.T) {
	n, _ := startNode(t, nil)
	l, err := n.Listen([]uint16{7})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	honest, forger := played(t, n), played(t, n)
	const count = 24

	good := some(t, n, count, "good ")
	got := burst(t, n, honest, pushes(good)...)
	wantCounts(t, "good ones", got, map[string]uint64{"accepted": count, "signatures_batched": count, "signature_batches": 1, "signatures_alone": 0, "signature_batches_spoilt": 0})
	if told := hear(t, l, count); !slices.Equal(told, payloadsOf(good)) {
		t.Errorf("told %q, want %q", told, payloadsOf(good))
	}

	mixed := some(t, n, count, "mixed ")
	const bad = 13
	true13 := mixed[bad]
	mixed[bad] = forged(true13)
	got = burst(t, n, forger, pushes(mixed)...)
	wantCounts(t, "one forged", got, map[string]uint64{"accepted": count - 1, "bad_signature": 1, "signatures_batched": 0, "signature_batches": 0, "signatures_alone": count, "signature_batches_spoilt": 1})
	want := slices.Delete(payloadsOf(mixed), bad, bad+1)
	if told := hear(t, l, count-1); !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}

	// What was forged is taken when it comes as it was made.
	more := append(some(t, n, count, "more "), true13)
	got = burst(t, n, forger, pushes(more)...)
	wantCounts(t, "from the forger", got, map[string]uint64{"accepted": count + 1, "bad_signature": 0, "signatures_batched": 0, "signatures_alone": count + 1, "signature_batches_spoilt": 0})
	if told := hear(t, l, count+1); !slices.Equal(told, payloadsOf(more)) {
		t.Errorf("told %q, want %q", told, payloadsOf(more))
	}
}

// What a newcomer fetches, presences and rumors, is verified together, too.
func TestFillsAreVerifiedTogether(t *testing.T) {
	n, _ := startNode(t, nil)
	l, err := n.Listen([]uint16{7})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var fills []gossip.Message
	for range 12 {
		a := newAuthor(t)
		fills = append(fills,
			&gossip.Fill{Hops: 1, Rumor: a.rumor(n, "text")},
			&gossip.Fill{Hops: 1, Rumor: a.rumor(n, string(new(gossip.Presence).Append(nil)), func(h *gossip.Header) { h.Kind, h.DataType = gossip.KindPresence, 0 })})
	}
	got := burst(t, n, played(t, n), fills...)
	wantCounts(t, "fills", got, map[string]uint64{"accepted": 24, "signatures_batched": 24, "signature_batches": 1, "signatures_alone": 0})
}

// A flood has no more signatures checked than it would if each were checked when it
// comes to that.
func TestFloodIsNotVerified(t *testing.T) {
	n, _ := startNode(t, nil)
	l, err := n.Listen([]uint16{7})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const count = 24
	a := newAuthor(t)
	for _, c := range []struct {
		what string
		make func(i int) *gossip.Rumor
		want map[string]uint64
	}{
		{"of a type that nobody takes", func(int) *gossip.Rumor { return a.rumor(n, "x", func(h *gossip.Header) { h.DataType = 8 }) },
			map[string]uint64{"unwanted": count, "signatures_alone": 0, "signatures_batched": 0}},
		{"expired", func(int) *gossip.Rumor {
			return a.rumor(n, "x", func(h *gossip.Header) { h.Created, h.Expires = 1, 2 })
		}, map[string]uint64{"expired": count, "signatures_alone": 0, "signatures_batched": 0}},
		{"from the future", func(int) *gossip.Rumor {
			return a.rumor(n, "x", func(h *gossip.Header) { h.Created += 600_000 })
		}, map[string]uint64{"skewed": count, "signatures_alone": 0, "signatures_batched": 0}},
		{"one number again and again", func(i int) *gossip.Rumor {
			return a.rumor(n, fmt.Sprint(i), func(h *gossip.Header) { h.Seq = 1000 })
		}, map[string]uint64{"accepted": 1, "duplicates": count - 1, "signatures_alone": 2, "signatures_batched": 0, "equivocations": 1}},
	} {
		var rumors []*gossip.Rumor
		for i := range count {
			rumors = append(rumors, c.make(i))
		}
		wantCounts(t, c.what, burst(t, n, played(t, n), pushes(rumors)...), c.want)
	}
	// One rumor from many.
	r := a.rumor(n, "popular")
	var copies []gossip.Message
	for range count {
		again := *r
		copies = append(copies, &gossip.Push{Rumor: &again, Hops: 1})
	}
	wantCounts(t, "copies", burst(t, n, played(t, n), copies...),
		map[string]uint64{"accepted": 1, "duplicates": count - 1, "signatures_alone": 1, "signatures_batched": 0})
}

// Whichever of a batch are bad, the verifier says so of them and of no others; and
// what it knows of a batch it does not say of another rumor.
func TestVerifierTellsWhich(t *testing.T) {
	n, _ := startNode(t, nil)
	rumors := some(t, n, 9, "x")
	for _, bad := range [][]int{{}, {0}, {8}, {3, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8}} {
		v := newVerifier(0)
		batch := slices.Clone(rumors)
		for _, i := range bad {
			batch[i] = forged(batch[i])
		}
		for _, r := range batch {
			v.expect(r)
		}
		v.check()
		for i, r := range batch {
			if i == 5 {
				continue // which the core did not ask for after all
			}
			if v.Signature(r) == slices.Contains(bad, i) {
				t.Errorf("of %v that are bad: wrong about %d", bad, i)
			}
		}
		counts := make(map[string]uint64)
		v.count(counts)
		want := map[string]uint64{"signatures_alone": 0, "signatures_batched": 9, "signature_batches": 1, "signature_batches_spoilt": 0}
		if len(bad) > 0 {
			want = map[string]uint64{"signatures_alone": 8, "signatures_batched": 0, "signature_batches": 0, "signature_batches_spoilt": 1}
		}
		if !maps.Equal(counts, want) {
			t.Errorf("of %v that are bad: %v, want %v", bad, counts, want)
		}
	}

	v := newVerifier(0)
	v.expect(rumors[0])
	v.expect(rumors[1])
	v.check()
	if v.Signature(forged(rumors[0])) {
		t.Error("a forged copy of a good one of the batch passes")
	}
	if v.forget(); len(v.good) != 0 || !v.Signature(rumors[0]) || v.alone.Load() != 2 {
		t.Error("a batch is not forgotten")
	}
}

// An idle node does not pay for batches.
func TestSingleEventAllocatesNothing(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Identity = newAuthor(t).id
	cfg.Listen, cfg.MDNS, cfg.Kademlia = nil, false, false
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var ev gossip.Event = gossip.SendDropped{}
	if allocs := testing.AllocsPerRun(100, func() { n.handleWaiting(ev) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
