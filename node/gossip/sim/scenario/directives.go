package scenario

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/gossip/sim"
)

// directive is a kind of line: a setting, or a step.
type directive struct {
	name, usage, about string
	setting            func(a *args, s *setup)
	// step reads the arguments; what it returns is done when the time comes.
	step func(a *args, s *setup) func(r *runner)
}

// maxNodes bounds a scenario: beyond, a run would take all memory.
const maxNodes = 100_000

var directives []directive

func init() { directives = append(settings, steps...) }

var settings = []directive{
	{name: "nodes", usage: "N", about: "how many there are",
		setting: func(a *args, s *setup) { s.nodes = a.integer(a.word("how many"), 1, maxNodes) }},
	{name: "contacts", usage: "N", about: "random nodes that each knows at its start (3)",
		setting: func(a *args, s *setup) { s.contacts = a.integer(a.word("how many"), 0, 1000) }},
	{name: "core", usage: "SETTING VALUE", about: "of gossip.Config, like degree 6 or anti_entropy 5s",
		setting: func(a *args, s *setup) {
			name, value := a.word("a setting"), a.word("its value")
			if a.err != nil {
				return
			}
			if err := setCore(&s.core, name, value); errors.Is(err, errNoSetting) {
				a.fail("the core has no setting %q", name)
				a.hint = suggest(name, coreSettings())
			} else if err != nil {
				a.fail("%v", err)
				a.hint = "write: core " + name + " VALUE"
			}
		}},
	{name: "latency", usage: "D", about: "one way, drawn for each direction of each link from half to one and a half times D (20ms)",
		setting: func(a *args, s *setup) { s.latency = a.duration(a.word("how long")) }},
	{name: "delay", usage: "constant D | uniform D D | lognormal MEDIAN SIGMA | plane LEAST ACROSS [regions=N]",
		about: "another distribution; plane: nodes lie on a square, in regions perhaps",
		setting: func(a *args, s *setup) {
			switch kind := a.word("which distribution"); kind {
			case "constant":
				d := a.duration(a.word("how long"))
				s.delay = func(uint64) sim.Delay { return sim.Constant(d) }
			case "uniform":
				least, most := a.duration(a.word("the least")), a.duration(a.word("the most"))
				if most < least {
					a.fail("from %v to %v is nothing", least, most)
				}
				s.delay = func(uint64) sim.Delay { return sim.Uniform(least, most) }
			case "lognormal":
				median, sigma := a.duration(a.word("the median")), a.number(a.word("sigma"))
				s.delay = func(uint64) sim.Delay { return sim.LogNormal(median, sigma) }
			case "plane":
				least, across := a.duration(a.word("the least")), a.duration(a.word("across"))
				regions := a.integer(a.option("regions", "0"), 0, maxNodes)
				nodes := s.nodes
				if nodes == 0 {
					a.fail("how many nodes lie on it?")
					a.hint = "write nodes N before it"
				}
				s.delay = func(seed uint64) sim.Delay { return sim.Plane(seed, nodes, regions, least, across) }
			default:
				a.fail("there is no distribution %q", kind)
			}
		}},
	{name: "jitter", usage: "D", about: "up to D more, drawn for each message",
		setting: func(a *args, s *setup) { s.links.Jitter = sim.Uniform(0, a.duration(a.word("how long"))) }},
	{name: "loss", usage: "SHARE", about: "packets lost and sent again",
		setting: func(a *args, s *setup) { s.links.Loss = a.share(a.word("how many")) }},
	{name: "reset", usage: "SHARE", about: "messages that break their link",
		setting: func(a *args, s *setup) { s.links.Reset = a.share(a.word("how many")) }},
	{name: "bandwidth", usage: "BYTES", about: "a second in one direction of a link",
		setting: func(a *args, s *setup) { s.links.Bandwidth = a.integer(a.word("how many bytes"), 1, math.MaxInt) }},
	{name: "uplink", usage: "BYTES", about: "a second that a node sends over all its links",
		setting: func(a *args, s *setup) { s.links.Uplink = a.integer(a.word("how many bytes"), 1, math.MaxInt) }},
	{name: "seal", usage: "D", about: "time for proof of work and signature",
		setting: func(a *args, s *setup) { s.seal = a.duration(a.word("how long")) }},
	{name: "silent", usage: "SHARE", about: "nodes that do not announce their presence",
		setting: func(a *args, s *setup) { s.silent = a.share(a.word("how many")) }},
	{name: "hostile", usage: "SHARE mute|replay|liar", about: "nodes that keep no promises, see hostile.go",
		setting: func(a *args, s *setup) {
			s.bad = a.share(a.word("how many"))
			s.kind = a.word("of which kind")
			if !slices.Contains(hostileKinds, s.kind) {
				a.fail("there is no kind %q", s.kind)
			}
		}},
	{name: "paths", about: "compare with shortest paths (stretch); costs time",
		setting: func(_ *args, s *setup) { s.paths = true }},
}

var steps = []directive{
	{name: "subscribe", usage: "SET TYPE [listens]", about: "a module takes a data type, and votes unless it only listens",
		step: func(a *args, s *setup) func(*runner) {
			set, listens := a.set(a.word("which nodes"), s.nodes), a.flag("listens")
			dataType := a.dataType(a.word("a data type"))
			return func(r *runner) {
				if !slices.Contains(r.types, dataType) {
					r.types = append(r.types, dataType)
				}
				for _, i := range set.of(r) {
					r.net.Subscribe(i, 1, dataType, !listens)
				}
			}
		}},
	{name: "start", usage: "SET [over=D]", about: "bring nodes up, all at once or one after the other",
		step: func(a *args, s *setup) func(*runner) {
			set, over := a.set(a.word("which nodes"), s.nodes), a.duration(a.option("over", "0s"))
			return func(r *runner) {
				each(r, set, over, func(i int, after time.Duration) { r.net.Start(i, after) })
			}
		}},
	{name: "restart", usage: "SET [over=D] [forgotten]", about: "bring nodes up again; forgotten: without their disks",
		step: func(a *args, s *setup) func(*runner) {
			set, over, forgot := a.set(a.word("which nodes"), s.nodes), a.duration(a.option("over", "0s")), a.flag("forgotten")
			return func(r *runner) {
				each(r, set, over, func(i int, after time.Duration) {
					if !r.net.Up(i) {
						r.net.Restart(i, after, forgot)
					}
				})
			}
		}},
	{name: "crash", usage: "SET", about: "nodes stop; their neighbours' kernels notice", step: toEach((*sim.Network).Crash)},
	{name: "vanish", usage: "SET", about: "nodes stop, and nobody is told", step: toEach((*sim.Network).Vanish)},
	{name: "leave", usage: "SET", about: "nodes say goodbye", step: toEach((*sim.Network).Leave)},
	{name: "churn", usage: "SET up=D down=D for=D", about: "nodes go and come back, up and down for about so long",
		step: func(a *args, s *setup) func(*runner) {
			set := a.set(a.word("which nodes"), s.nodes)
			up, down, d := a.duration(a.option("up", "")), a.duration(a.option("down", "")), a.duration(a.option("for", ""))
			return func(r *runner) {
				r.net.Churn(set.of(r), up, down, d)
			}
		}},
	{name: "slow", usage: "SET D", about: "nodes take D for each event",
		step: func(a *args, s *setup) func(*runner) {
			set, d := a.set(a.word("which nodes"), s.nodes), a.duration(a.word("how long"))
			return func(r *runner) {
				for _, i := range set.of(r) {
					r.net.Slow(i, d)
				}
			}
		}},
	{name: "skew", usage: "SET D", about: "nodes' clocks are off by up to D either way",
		step: func(a *args, s *setup) func(*runner) {
			set, d := a.set(a.word("which nodes"), s.nodes), a.duration(a.word("how far"))
			return func(r *runner) {
				for _, i := range set.of(r) {
					r.net.Skew(i, time.Duration((2*r.rng.Float64()-1)*float64(d)))
				}
			}
		}},
	{name: "partition", usage: "halves | SET | ring REACH", about: "the network splits: even from odd nodes, a set from the rest, or all but near nodes on a ring",
		step: func(a *args, s *setup) func(*runner) {
			switch word := a.word("how"); word {
			case "":
				return nil
			case "halves":
				return func(r *runner) {
					r.net.Partition(func(a, b int) bool { return a%2 != b%2 })
				}
			case "ring":
				reach := a.integer(a.word("how far nodes reach"), 1, maxNodes)
				return func(r *runner) {
					r.net.Partition(sim.Ring(r.net.Nodes(), reach))
				}
			default:
				set := a.set(word, s.nodes)
				return func(r *runner) {
					apart := make([]bool, r.net.Nodes())
					for _, i := range set.of(r) {
						apart[i] = true
					}
					r.net.Partition(func(a, b int) bool { return apart[a] != apart[b] })
				}
			}
		}},
	{name: "heal", about: "the network is one again",
		step: func(*args, *setup) func(*runner) {
			return func(r *runner) {
				r.net.Partition(nil)
			}
		}},
	{name: "swizzle", usage: "SET step=D", about: "isolate nodes one after the other, then heal them so",
		step: func(a *args, s *setup) func(*runner) {
			set, d := a.set(a.word("which nodes"), s.nodes), a.duration(a.option("step", ""))
			return func(r *runner) {
				r.net.Swizzle(set.of(r), d)
			}
		}},
	{name: "replay", about: "hostile nodes of that kind push all they ever heard again",
		step: func(a *args, s *setup) func(*runner) {
			if s.kind != hostileReplay {
				a.fail("nobody does that")
				a.hint = "write among the settings: hostile SHARE replay"
			}
			return func(r *runner) {
				for _, bad := range r.bad {
					bad.replaying = true
				}
			}
		}},
	{name: "publish", usage: "N [type=7] [every=D] [bytes=100] [from=up] [ttl=0]", about: "N rumors, one every D, each by a node of a set that is up then; it goes on while time passes",
		step: func(a *args, s *setup) func(*runner) {
			count := a.integer(a.word("how many"), 1, 10_000_000)
			every := a.duration(a.option("every", "0s"))
			size := a.integer(a.option("bytes", "100"), 1, gossip.MaxPayload)
			from := a.set(a.option("from", "up"), s.nodes)
			ev := gossip.Publish{Kind: gossip.KindEvent, DataType: a.dataType(a.option("type", "7")), TTL: uint8(a.integer(a.option("ttl", "0"), 0, 255))}
			return func(r *runner) {
				r.publish(count, every, from, ev, size)
			}
		}},
	{name: "run", usage: "D", about: "time passes",
		step: func(a *args, _ *setup) func(*runner) {
			d := a.duration(a.word("how long"))
			return func(r *runner) {
				r.pass(d)
			}
		}},
	{name: "settle", usage: "D", about: "time passes until nothing is missing, at most D",
		step: func(a *args, _ *setup) func(*runner) {
			d := a.duration(a.word("how long"))
			return func(r *runner) {
				r.settle(d)
			}
		}},
	{name: "measure", about: "figures are about what comes from here on",
		step: func(*args, *setup) func(*runner) {
			return func(r *runner) {
				r.since, r.before = r.net.Now(), r.net.Stats()
			}
		}},
	{name: "expect", usage: "FIGURE <=|>=|= VALUE", about: "what must hold at the end; missing = 0 must, unless delivery or missing is spoken of",
		step: func(a *args, _ *setup) func(*runner) {
			name, op, text := a.word("a figure"), a.word("an operator"), a.word("a value")
			if a.err != nil {
				return nil
			}
			f, ok := figureNamed(name)
			if !ok {
				a.fail("there is no figure %q", name)
				a.hint = suggest(name, figureNames())
				return nil
			}
			if !isOperator(op) {
				a.fail("%q is none of <=, >= and =", op)
			}
			e := expectation{figure: f, op: op}
			if d, err := time.ParseDuration(text); err == nil && text != "0" {
				e.bound = toMillis(d)
			} else if strings.HasSuffix(text, "%") {
				e.bound = a.share(text)
			} else {
				e.bound = a.number(text)
			}
			return func(r *runner) {
				r.expectations = append(r.expectations, e)
			}
		}},
}

// each does something with the nodes of a set, evenly over a time.
func each(r *runner, s nodeSet, over time.Duration, do func(i int, after time.Duration)) {
	all := s.of(r)
	for k, i := range all {
		do(i, over*time.Duration(k)/time.Duration(len(all)))
	}
}

// toEach is a step that does one thing to the nodes of a set that are up.
func toEach(do func(*sim.Network, int)) func(a *args, s *setup) func(*runner) {
	return func(a *args, s *setup) func(*runner) {
		set := a.set(a.word("which nodes"), s.nodes)
		return func(r *runner) {
			for _, i := range set.of(r) {
				if r.net.Up(i) {
					do(r.net, i)
				}
			}
		}
	}
}

// Format lists the directives, for people.
func Format() string {
	var b strings.Builder
	list := func(title string, all []directive) {
		fmt.Fprintf(&b, "%s:\n\n", title)
		for _, d := range all {
			fmt.Fprintf(&b, "  %s\n      %s\n", strings.TrimSpace(d.name+" "+d.usage), d.about)
		}
		b.WriteByte('\n')
	}
	list("Anywhere", []directive{
		{name: "title", usage: "TEXT", about: "what the scenario is about"},
		{name: "long", about: "it takes longer than a test should"},
		{name: "vary", usage: "NAME VALUE…", about: "run it once with each value for $NAME"},
	})
	list("Settings, first", settings)
	list("What happens, in its order", steps)
	fmt.Fprintf(&b, "SET is all, up, down, hostile, honest, a share of those up (30%%), a node (7) or a span (0..9).\nD is a duration (250ms, 1m30s), SHARE 30%% or 0.3.\n\n")
	fmt.Fprintf(&b, "Settings of the core:\n  %s\n\nFigures:\n  %s\n", strings.Join(coreSettings(), ", "), strings.Join(figureNames(), ", "))
	return b.String()
}
