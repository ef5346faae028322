package scenario

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"hearsay/node/gossip"
)

func run(t *testing.T, text string) (*Result, *runner) {
	t.Helper()
	s, err := Parse("test.scenario", text)
	if err != nil {
		t.Fatal(err)
	}
	v := s.Variants[0]
	var seen *runner
	v.steps = append(v.steps, step{do: func(r *runner) { seen = r }})
	res, err := v.Run(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return res, seen
}

const twenty = "nodes 20\ncore degree 4\n"
const begun = "subscribe all 7\nstart all over=1s\nrun 10s\n"

// TestFigures of a small network hold together.
func TestFigures(t *testing.T) {
	res, r := run(t, twenty+"paths\n"+begun+"publish 5 every=100ms\nrun 5s\nmeasure\npublish 10 every=100ms bytes=500\nsettle 10s")
	if res.Published != 10 || res.Deliveries != 190 || res.Missing != 0 || res.Delivery != 1 || len(res.Failures) > 0 {
		t.Errorf("%+v", res)
	}
	var messages, size uint64
	for _, c := range res.Kinds {
		messages += c.Messages
		size += c.Bytes
	}
	if got := float64(size) / (190 * 500); math.Abs(got-res.BytesPerByte) > 0.001 || got < 1 {
		t.Errorf("%v bytes per byte, the messages have %v", res.BytesPerByte, got)
	}
	if got := float64(messages) / 190; math.Abs(got-res.MessagesPerDelivery) > 0.001 {
		t.Errorf("%v messages per delivery, there were %v", res.MessagesPerDelivery, got)
	}
	if !(0 < res.P50 && res.P50 <= res.P95 && res.P95 <= res.P99 && res.P99 <= res.Max) || res.Stretch < 1 || res.Hops < 1 {
		t.Errorf("%+v", res.Figures)
	}
	if len(r.net.Rumors()) != 15 {
		t.Errorf("%d rumors in all", len(r.net.Rumors()))
	}
	if res.Settled < 900 || res.Settled > 2000 {
		t.Errorf("settled after %v ms of a second of publishing", res.Settled)
	}
}

// TestSameSeedSameResult: a run is reproducible to the bit.
func TestSameSeedSameResult(t *testing.T) {
	s, err := Parse("test.scenario", twenty+"hostile 20% liar\njitter 5ms\n"+begun+"churn 30% up=5s down=5s for=10s\npublish 20 every=300ms\nrun 10s\nrestart down\nsettle 30s")
	if err != nil {
		t.Fatal(err)
	}
	trace := func(seed uint64) uint64 {
		res, err := s.Variants[0].Run(t.Context(), seed)
		if err != nil {
			t.Fatal(err)
		}
		return res.Trace
	}
	if a, b := trace(1), trace(1); a != b {
		t.Errorf("seed 1 gives trace %x, then %x", a, b)
	}
	if trace(1) == trace(2) {
		t.Error("seeds 1 and 2 give the same trace")
	}
}

// TestFailures: what must hold and does not is told.
func TestFailures(t *testing.T) {
	for _, test := range []struct{ text, says string }{
		{begun + "publish 3\nrun 5s\nexpect deliveries = 58", "deliveries is 57, expected = 58"},
		{begun + "publish 3\nrun 5s\nexpect delivery >= 101", "delivery is 100.00%, expected >= 10100.00%"},
		{begun + "publish 3\nrun 5s\nexpect max <= 1ms", "max is "},
		{begun + "partition halves\npublish 3\nsettle 5s", "missing: rumor "},
		{begun + "partition halves\npublish 3\nsettle 5s\nexpect settled <= 10s", "settled is never, expected <= 10.0s"},
		{begun + "partition halves\nrun 60s\nexpect components = 0", "components is 1, expected = 0"},
	} {
		res, _ := run(t, twenty+test.text)
		if !slices.ContainsFunc(res.Failures, func(f string) bool { return strings.Contains(f, test.says) }) {
			t.Errorf("%q: %q, want %q", test.text, res.Failures, test.says)
		}
	}
	res, _ := run(t, twenty+begun+"partition halves\npublish 3\nrun 5s\nexpect delivery >= 10%")
	if len(res.Failures) > 0 || res.Missing == 0 {
		t.Errorf("%d are missing, which is expected: %q", res.Missing, res.Failures)
	}
}

// TestSets: who is meant.
func TestSets(t *testing.T) {
	count := func(text string, down int) int {
		t.Helper()
		_, r := run(t, "nodes 20\ncore degree 4\nhostile 25% mute\nsubscribe all 7\nstart all\nrun 1s\ncrash 0.."+string(rune('0'+down-1)))
		a := new(args)
		s := a.set(text, 20)
		if a.err != nil {
			t.Fatal(a.err)
		}
		return len(s.of(r))
	}
	for text, want := range map[string]int{"all": 20, "up": 16, "down": 4, "hostile": 5, "honest": 15, "50%": 8, "0%": 0, "7": 1, "3..12": 10} {
		if got := count(text, 4); got != want {
			t.Errorf("%s are %d nodes, want %d", text, got, want)
		}
	}
}

// TestMute: a hostile node in the middle passes nothing on, by push or otherwise.
func TestMute(t *testing.T) {
	a := newAdversary(hostileMute, 1, 0)
	r := rumor(t, 1)
	core := &puppet{out: gossip.Actions{
		gossip.Send{To: "b", Msg: &gossip.Push{Rumor: r, Hops: 1}},
		gossip.Send{To: "b", Msg: &gossip.Push{Rumor: r, Hops: 2}},
		gossip.Send{To: "b", Msg: &gossip.Fill{Rumor: r}},
		gossip.Send{To: "b", Msg: &gossip.Have{}},
		gossip.Send{To: "b", Msg: &gossip.Receipt{}},
	}}
	var out gossip.Actions
	a.wrap(core).Handle(time.Time{}, gossip.Tick{}, &out)
	if len(out) != 2 || out[0] != core.out[0] || out[1] != core.out[4] {
		t.Errorf("it sends %v", out)
	}
}

// TestReplay: it pushes what it saw again, to everybody, and keeps the verdicts
// on that from its core.
func TestReplay(t *testing.T) {
	a := newAdversary(hostileReplay, 1, 0)
	one, two := rumor(t, 1), rumor(t, 2)
	core := &puppet{}
	c := a.wrap(core)
	do := func(ev gossip.Event) gossip.Actions {
		var out gossip.Actions
		c.Handle(time.Time{}, ev, &out)
		return out
	}
	do(gossip.LinkUp{Peer: "b"})
	do(gossip.LinkUp{Peer: "c"})
	do(gossip.Received{From: "b", Msg: &gossip.Push{Rumor: one}})
	do(gossip.Received{From: "b", Msg: &gossip.Push{Rumor: one}})
	do(gossip.Received{From: "c", Msg: &gossip.Fill{Rumor: two}})
	core.out = gossip.Actions{gossip.Send{To: "b", Msg: &gossip.Push{Rumor: two, Hops: 2}}}
	do(gossip.Tick{})
	core.out = nil
	a.replaying = true
	if out := do(gossip.Tick{}); len(out) != 4 || a.replayed != 4 {
		t.Errorf("it replays %v", out)
	}
	if out := do(gossip.Tick{}); len(out) != 0 {
		t.Errorf("it replays again: %v", out)
	}
	do(gossip.Received{From: "b", Msg: &gossip.Receipt{Verdicts: []gossip.Verdict{gossip.VerdictNew, gossip.VerdictDuplicate, gossip.VerdictStale}}})
	got := core.last.(gossip.Received).Msg.(*gossip.Receipt).Verdicts
	if !slices.Equal(got, []gossip.Verdict{gossip.VerdictNew}) {
		t.Errorf("the core is told of %v", got)
	}
	do(gossip.LinkDown{Peer: "b"})
	a.replaying = true
	if out := do(gossip.Tick{}); len(out) != 2 {
		t.Errorf("without b it replays %v", out)
	}
}

// TestReplayReachesOthers: in the library's scenario others do get what is replayed.
func TestReplayReachesOthers(t *testing.T) {
	_, r := run(t, "nodes 10\ncore degree 4\ncore lifetime 1m\nhostile 10% replay\n"+begun+"publish 10 from=honest\nrun 2m\nreplay\nrun 10s")
	replayed, refused := 0, uint64(0)
	for _, bad := range r.bad {
		replayed += bad.replayed
	}
	for i := range 10 {
		st, err := r.net.Status(i)
		if err != nil {
			t.Fatal(err)
		}
		refused += st.Counters.Expired + st.Counters.Duplicates
	}
	if replayed < 10 || refused < uint64(replayed) {
		t.Errorf("%d rumors were replayed, %d refused", replayed, refused)
	}
}

func rumor(t *testing.T, seq uint64) *gossip.Rumor {
	t.Helper()
	r, err := gossip.NewRumor(gossip.Header{Network: "n", Kind: gossip.KindEvent, Origin: "o", Epoch: 1, Seq: seq, DataType: 7, Created: 1, Expires: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// puppet is a core that does what the test says.
type puppet struct {
	out  gossip.Actions
	last gossip.Event
}

func (p *puppet) Handle(_ time.Time, ev gossip.Event, out *gossip.Actions) {
	p.last = ev
	*out = append(*out, p.out...)
}
func (p *puppet) Deadline() time.Time   { return time.Time{} }
func (p *puppet) Status() gossip.Status { return gossip.Status{} }

// TestEndedEarly: a run ends with its context, in the middle of a step.
func TestEndedEarly(t *testing.T) {
	s, err := Parse("test.scenario", twenty+begun+"run 24h")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	v := s.Variants[0]
	v.steps = slices.Insert(v.steps, len(v.steps)-1, step{func(r *runner) { r.net.At(time.Second, cancel) }})
	if res, err := v.Run(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v, %v", res, err)
	}
}
