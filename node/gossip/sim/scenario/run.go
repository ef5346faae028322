package scenario

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/gossip/sim"
)

// Result is what came of one run.
type Result struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant,omitempty"`
	Seed     uint64 `json:"seed"`
	Figures
	// Kinds counts messages by their kind (sim.KindOf).
	Kinds map[string]sim.Count `json:"kinds"`
	// Nodes is how many there were, Virtual the time that passed for them.
	Nodes   int           `json:"nodes"`
	Virtual time.Duration `json:"virtual"`
	// Trace is a hash over everything that happened: equal runs have equal traces.
	Trace uint64 `json:"trace"`
	// Failures are broken promises, and expectations that were not met.
	Failures []string `json:"failures,omitempty"`
}

// Name is that of the scenario and its variant.
func (r *Result) Name() string {
	if r.Variant == "" {
		return r.Scenario
	}
	return r.Scenario + "/" + r.Variant
}

// Key is the name and the seed.
func (r *Result) Key() string { return fmt.Sprintf("%s#%d", r.Name(), r.Seed) }

// runner is a run.
type runner struct {
	ctx     context.Context
	variant *Variant
	net     *sim.Network
	rng     *rand.Rand
	bad     map[int]*adversary
	types   []uint16 // that somebody takes

	since        time.Duration // measured from here
	before       sim.Stats
	settled      float64
	planned      time.Duration // when the last rumor is published
	expectations []expectation
}

func (r *runner) hostile(i int) bool { return r.bad[i] != nil }

// maxFailures bounds how many broken promises a result tells.
const maxFailures = 5

// Run runs a variant with a seed. The error is that of ctx, which can end a run
// early.
func (v *Variant) Run(ctx context.Context, seed uint64) (*Result, error) {
	r := &runner{ctx: ctx, variant: v, rng: rand.New(rand.NewPCG(seed, 0x5ce7a210)), bad: make(map[int]*adversary)}
	cfg := v.setup.config(seed)
	if v.setup.bad > 0 {
		for i := range v.setup.nodes {
			if every(v.setup.bad, i) {
				r.bad[i] = newAdversary(v.setup.kind, seed, i)
			}
		}
		cfg.Hostile = r.hostile
		cfg.Wrap = func(i int, core sim.Core) sim.Core {
			if a := r.bad[i]; a != nil {
				return a.wrap(core)
			}
			return core
		}
	}
	r.net = sim.New(cfg)
	for _, s := range v.steps {
		s.do(r)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	r.net.Audit()
	res := &Result{
		Scenario: v.Scenario,
		Variant:  v.Name,
		Seed:     seed,
		Figures:  measured(r.net, r.types, r.since, r.before),
		Kinds:    maps.Clone(r.net.Stats().Sub(r.before).Kinds),
		Nodes:    v.setup.nodes,
		Virtual:  r.net.Now(),
		Trace:    r.net.Trace(),
	}
	res.Settled = r.settled
	for i, err := range r.net.Violations() {
		if i == maxFailures {
			res.Failures = append(res.Failures, fmt.Sprintf("… and %d more", len(r.net.Violations())-i))
			break
		}
		res.Failures = append(res.Failures, err.Error())
	}
	about := make(map[string]bool)
	for _, e := range r.expectations {
		about[e.figure.name] = true
		if wrong := e.check(&res.Figures); wrong != "" {
			res.Failures = append(res.Failures, wrong)
		}
	}
	if res.Missing > 0 && !about["missing"] && !about["delivery"] {
		missing := r.net.Missing()
		for _, m := range missing[:min(len(missing), maxFailures)] {
			res.Failures = append(res.Failures, "missing: "+m)
		}
	}
	return res, nil
}

// pick draws a node from a set, of those that are up; false if there is none.
func (r *runner) pick(s nodeSet) (int, bool) {
	all := slices.DeleteFunc(s.of(r), func(i int) bool { return !r.net.Up(i) || r.hostile(i) })
	if len(all) == 0 {
		return 0, false
	}
	return all[r.rng.IntN(len(all))], true
}

// pass lets time pass, unless the run is ended.
func (r *runner) pass(d time.Duration) {
	for end := r.net.Now() + d; r.net.Now() < end && r.ctx.Err() == nil; {
		r.net.Run(min(100*time.Millisecond, end-r.net.Now()))
	}
}

// settle lets time pass until all that was planned is published and nothing is
// missing, patience at most.
func (r *runner) settle(patience time.Duration) {
	// Looking costs as much as many events: it is done in ever larger steps, each
	// a twentieth of what has passed.
	begin := r.net.Now()
	for step := 50 * time.Millisecond; ; step = max(step, (r.net.Now()-begin)/20) {
		if r.net.Now() > r.planned && len(r.net.Missing()) == 0 {
			r.settled = toMillis(r.net.Now() - begin)
			return
		}
		if r.net.Now()-begin >= patience || r.ctx.Err() != nil {
			r.settled = -1
			return
		}
		r.pass(min(step, begin+patience-r.net.Now()))
	}
}

// publish plans rumors from nodes of a set.
func (r *runner) publish(count int, every time.Duration, from nodeSet, ev gossip.Publish, size int) {
	r.planned = max(r.planned, r.net.Now()+time.Duration(count-1)*every+r.variant.setup.seal)
	for k := range count {
		r.net.At(time.Duration(k)*every, func() {
			i, ok := r.pick(from)
			if !ok {
				return
			}
			ev := ev
			ev.Payload = make([]byte, size)
			copy(ev.Payload, fmt.Sprintf("%d/%d", r.net.Now().Milliseconds(), k))
			r.net.Announce(i, ev)
		})
	}
}
