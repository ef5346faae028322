package gossip

import (
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// The tests' driver: a few cores on one manual clock, wired so that messages
// arrive in order, and at once unless a test says otherwise. Nothing here
// sleeps; wait moves the clock from one deadline or arrival to the next.

// epoch0 is when tests begin. It is fixed so that transcripts repeat.
var epoch0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// toy stands in for cryptography: a proof is the number 7, a signature the
// beginning of the ID.
type toy struct{}

func (toy) Work(_ RumorID, nonce uint64) bool { return nonce == 7 }
func (toy) Signature(r *Rumor) bool           { return string(r.Signature) == string(r.ID[:8]) }

func toySeal(r *Rumor) *Rumor {
	sealed := *r
	sealed.Nonce, sealed.Signature = 7, slices.Clone(r.ID[:8])
	return &sealed
}

// world is a set of cores.
type world struct {
	t     rapid.TB
	now   time.Time
	nodes []*tnode
	queue []func() // what happens next, now
	busy  bool
	// delay is how long messages take on each link; nil = no time at all.
	delay   func(from, to PeerID) time.Duration
	transit []arrival // by time
	// lose says which messages vanish, as a broken network would have it.
	lose func(from, to PeerID, m Message) bool
	// refuse says which dials fail although the other is up.
	refuse func(from, to PeerID) bool
	// watch sees every action.
	watch func(n *tnode, a Action)
}

// arrival is something that happens later.
type arrival struct {
	at time.Time
	f  func()
}

// tnode is one core and what it wanted done.
type tnode struct {
	w    *world
	id   PeerID
	s    *State
	seen Actions // all actions since forget
	// seals is what waits for a seal if manual, else seals are answered at once.
	seals  []Seal
	manual bool
	// solo nodes have no world around them: what they send goes nowhere, but
	// peers that are not mute answer pings, and pushes with VerdictNew.
	solo   bool
	mute   map[PeerID]bool
	linked map[PeerID]bool
	down   bool
	// votes is how a module answers a delivery; nil = not at all.
	votes map[ModuleID]func(*Rumor) bool
}

func newWorld(t rapid.TB) *world {
	return &world{t: t, now: epoch0}
}

// quietConfig does nothing by itself: no heartbeat, no periodic comparison, no
// peer exchange. Tests switch on what they are about.
func quietConfig(id PeerID) Config {
	cfg := DefaultConfig()
	cfg.Self = id
	cfg.Epoch = 1
	cfg.Rand = rand.New(rand.NewPCG(1, uint64(id[0])))
	cfg.Verifier = toy{}
	cfg.Heartbeat = 0
	cfg.AntiEntropy = 0
	cfg.PeerExchange = false
	cfg.Shuffle = 0
	return cfg
}

// add makes a core; change adapts its configuration.
func (w *world) add(id PeerID, change ...func(*Config)) *tnode {
	w.t.Helper()
	cfg := quietConfig(id)
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	n := &tnode{w: w, id: id, s: s, linked: make(map[PeerID]bool), votes: make(map[ModuleID]func(*Rumor) bool)}
	w.nodes = append(w.nodes, n)
	return n
}

// alone makes a core whose neighbours are played by the test.
func alone(t rapid.TB, change ...func(*Config)) *tnode {
	n := newWorld(t).add("M", change...)
	n.solo, n.mute = true, make(map[PeerID]bool)
	n.s.grown = true // TestNewcomersPace has what newcomers do
	return n
}

func (w *world) node(id PeerID) *tnode {
	for _, n := range w.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

// do gives a core an event, and everything that follows from it, now.
func (n *tnode) do(ev Event) {
	n.w.later(func() { n.handle(ev) })
	n.w.drain()
}

func (w *world) later(f func()) { w.queue = append(w.queue, f) }

func (w *world) drain() {
	if w.busy {
		return
	}
	w.busy = true
	for steps := 0; len(w.queue) > 0; steps++ {
		if steps > 1_000_000 {
			w.t.Fatal("a million events at one moment: this does not end")
		}
		f := w.queue[0]
		w.queue = w.queue[1:]
		f()
	}
	w.busy = false
}

func (n *tnode) handle(ev Event) {
	if n.down {
		return
	}
	var out Actions
	n.s.Handle(n.w.now, ev, &out)
	n.seen = append(n.seen, out...)
	for _, a := range out {
		if n.w.watch != nil {
			n.w.watch(n, a)
		}
		n.carryOut(a)
	}
}

func (n *tnode) carryOut(a Action) {
	w := n.w
	switch a := a.(type) {
	case Send:
		to := w.node(a.To)
		if n.solo && !n.mute[a.To] {
			switch m := a.Msg.(type) {
			case *Ping:
				w.later(func() { n.handle(Received{a.To, &Pong{m.Number}}) })
			case *Push:
				w.later(func() { n.handle(Received{a.To, &Receipt{[]Verdict{VerdictNew}}}) })
			}
		}
		if n.solo || to == nil || !n.linked[a.To] || w.lose != nil && w.lose(n.id, a.To, a.Msg) {
			return
		}
		arrive := func() {
			if to.linked[n.id] {
				to.handle(Received{n.id, a.Msg})
			}
		}
		if w.delay == nil {
			w.later(arrive)
			return
		}
		at := w.now.Add(w.delay(n.id, a.To))
		i := len(w.transit)
		for i > 0 && w.transit[i-1].at.After(at) {
			i--
		}
		w.transit = slices.Insert(w.transit, i, arrival{at, arrive})
	case Seal:
		if n.manual {
			n.seals = append(n.seals, a)
			return
		}
		w.later(func() { n.handle(Sealed{toySeal(a.Rumor)}) })
	case RaiseEpoch:
		if !n.manual {
			w.later(func() { n.handle(EpochRaised{a.Above + 1}) })
		}
	case Deliver:
		if vote := n.votes[a.Module]; vote != nil {
			valid := vote(a.Rumor)
			w.later(func() { n.handle(Vote{a.Module, a.Rumor.ID, valid}) })
		}
	case Dial:
		to := w.node(a.Peer)
		switch {
		case n.solo:
		case to == nil || to.down || w.refuse != nil && w.refuse(n.id, a.Peer):
			w.later(func() { n.handle(DialFailed{a.Peer}) })
		default:
			w.later(func() { w.connect(n, to) })
		}
	case Hangup:
		if !n.solo {
			w.later(func() { w.unlink(n.id, a.Peer) })
		}
	case Farewell:
		w.later(func() {
			n.down = true
			for _, m := range w.nodes {
				w.unlink(n.id, m.id)
			}
		})
	}
}

// link connects two cores, as if the first had dialled.
func (w *world) link(a, b PeerID) {
	w.later(func() { w.connect(w.node(a), w.node(b)) })
	w.drain()
}

func (w *world) connect(a, b *tnode) {
	if a.linked[b.id] {
		return
	}
	a.linked[b.id], b.linked[a.id] = true, true
	b.handle(LinkUp{Peer: a.id})
	a.handle(LinkUp{Peer: b.id, Dialled: true})
}

// unlink breaks a link: both ends notice.
func (w *world) unlink(a, b PeerID) {
	x, y := w.node(a), w.node(b)
	if x == nil || y == nil || !x.linked[b] {
		return
	}
	x.linked[b], y.linked[a] = false, false
	w.later(func() { x.handle(LinkDown{b}) })
	w.later(func() { y.handle(LinkDown{a}) })
	w.drain()
}

// clique links everybody with everybody.
func (w *world) clique() {
	for i, a := range w.nodes {
		for _, b := range w.nodes[i+1:] {
			w.link(a.id, b.id)
		}
	}
}

// wait lets time pass.
func (w *world) wait(d time.Duration) {
	end := w.now.Add(d)
	for spins := 0; ; {
		next := end
		if len(w.transit) > 0 && w.transit[0].at.Before(next) {
			next = w.transit[0].at
		}
		for _, n := range w.nodes {
			if at := n.s.Deadline(); !n.down && !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if !next.Before(end) {
			break
		}
		if next.After(w.now) {
			w.now, spins = next, 0
		} else if spins++; spins > 1000 {
			w.t.Fatal("a deadline stays in the past: the driver would spin")
		}
		for len(w.transit) > 0 && !w.transit[0].at.After(w.now) {
			f := w.transit[0].f
			w.transit = w.transit[1:]
			w.later(f)
			w.drain()
		}
		for _, n := range w.nodes {
			if at := n.s.Deadline(); !at.IsZero() && !at.After(w.now) {
				n.do(Tick{})
			}
		}
	}
	w.now = end
	for _, n := range w.nodes {
		n.do(Tick{})
	}
}

func (n *tnode) wait(d time.Duration) { n.w.wait(d) }

// forget drops the actions seen so far.
func (n *tnode) forget() { n.seen = nil }

// module makes a module take types and answer all deliveries with valid.
func (n *tnode) module(m ModuleID, types ...uint16) {
	n.votes[m] = func(*Rumor) bool { return true }
	n.subscribe(m, true, types...)
}

func (n *tnode) subscribe(m ModuleID, votes bool, types ...uint16) {
	for _, t := range types {
		n.do(Subscribe{m, t, votes})
	}
}

// publish announces text and returns its rumor, once it is sealed.
func (n *tnode) publish(dataType uint16, text string, change ...func(*Publish)) *Rumor {
	n.w.t.Helper()
	p := Publish{Kind: KindEvent, DataType: dataType, Payload: []byte(text)}
	for _, f := range change {
		f(&p)
	}
	before := len(n.seen)
	n.do(p)
	for _, a := range n.seen[before:] {
		if s, ok := a.(Seal); ok && s.Rumor.Kind == p.Kind {
			return toySeal(s.Rumor)
		}
	}
	n.w.t.Fatalf("publishing %q gave no seal: %v", text, n.seen[before:])
	return nil
}

// told lists what modules were told since forget.
func (n *tnode) told(m ModuleID) []string {
	var texts []string
	for _, a := range n.seen {
		if d, ok := a.(Deliver); ok && d.Module == m {
			texts = append(texts, string(d.Rumor.Payload))
		}
	}
	return texts
}

// actions lists the actions of one kind since forget.
func actions[A Action](n *tnode) []A {
	var list []A
	for _, a := range n.seen {
		if a, ok := a.(A); ok {
			list = append(list, a)
		}
	}
	return list
}

// sent lists the messages of one kind that went to a peer since forget.
func sent[M Message](n *tnode, to PeerID) []M {
	var list []M
	for _, s := range actions[Send](n) {
		if m, ok := s.Msg.(M); ok && s.To == to {
			list = append(list, m)
		}
	}
	return list
}

// pushedTo lists the payloads that were pushed to a peer since forget.
func pushedTo(n *tnode, to PeerID) []string {
	var texts []string
	for _, p := range sent[*Push](n, to) {
		texts = append(texts, string(p.Rumor.Payload))
	}
	return texts
}

// up links a core that is alone with a peer that the test plays, and which
// takes the given types.
func (n *tnode) up(p PeerID, types ...uint16) {
	n.do(LinkUp{Peer: p})
	slices.Sort(types)
	n.recv(p, &Interests{Types: types})
}

func (n *tnode) recv(p PeerID, m Message) { n.do(Received{p, m}) }

// rumorOf makes a sealed rumor of any origin, as of the test's beginning.
func rumorOf(t rapid.TB, origin PeerID, seq uint64, text string, change ...func(*Header)) *Rumor {
	t.Helper()
	h := Header{
		Network: "hearsay", Kind: KindEvent, Origin: origin, Epoch: 1, Seq: seq, DataType: 7,
		Created: epoch0.UnixMilli(), Expires: epoch0.Add(time.Hour).UnixMilli(),
	}
	for _, f := range change {
		f(&h)
	}
	r, err := NewRumor(h, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return toySeal(r)
}

// presenceOf makes a sealed presence of any node.
func presenceOf(t rapid.TB, origin PeerID, seq uint64, p Presence, change ...func(*Header)) *Rumor {
	t.Helper()
	return rumorOf(t, origin, seq, string(p.Append(nil)), append([]func(*Header){func(h *Header) {
		h.Kind, h.DataType = KindPresence, 0
	}}, change...)...)
}

// record gives a node addresses, and so a presence.
func (n *tnode) record() {
	n.do(SelfRecord{PeerRecord{Peer: n.id, Seq: 1, Bytes: []byte("address of " + n.id)}})
}

// verdictsTo lists what a core answered to a peer since forget.
func verdictsTo(n *tnode, to PeerID) []Verdict {
	var list []Verdict
	for _, r := range sent[*Receipt](n, to) {
		list = append(list, r.Verdicts...)
	}
	return list
}

// push has a peer push a rumor over one link and returns the core's verdict.
func (n *tnode) push(p PeerID, r *Rumor) Verdict {
	n.w.t.Helper()
	return n.pushHops(p, r, 1)
}

func (n *tnode) pushHops(p PeerID, r *Rumor, hops uint8) Verdict {
	n.w.t.Helper()
	return n.verdict(p, &Push{Rumor: r, Hops: hops})
}

// pushRooted is push by a tree of the origin.
func (n *tnode) pushRooted(p PeerID, r *Rumor) Verdict {
	n.w.t.Helper()
	return n.verdict(p, &Push{Rumor: r, Hops: 1, Rooted: true})
}

func (n *tnode) verdict(p PeerID, m *Push) Verdict {
	n.w.t.Helper()
	before := len(n.seen)
	n.recv(p, m)
	n.wait(n.s.receiptDelay())
	for _, a := range n.seen[before:] {
		if s, ok := a.(Send); ok && s.To == p {
			if m, ok := s.Msg.(*Receipt); ok {
				return m.Verdicts[len(m.Verdicts)-1]
			}
		}
	}
	n.w.t.Fatalf("no receipt for %q", m.Rumor.Payload)
	return 0
}

// mustEqual compares lists, taking nil for empty.
func mustEqual[T comparable](t rapid.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
