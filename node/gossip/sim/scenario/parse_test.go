package scenario

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// TestMistakes: each is told with its line, and with what to do.
func TestMistakes(t *testing.T) {
	for _, test := range []struct{ text, line, says, hint string }{
		{"nodes 3\nfoo", "2", `there is no directive "foo"`, "there are: title, long"},
		{"nodes 3\npublsh 3", "2", `no directive "publsh"`, "did you mean: publish"},
		{"run 1s", "1", "how many nodes", ""},
		{"nodes", "1", "nodes: how many is missing", "write: nodes N"},
		{"nodes many", "1", `"many" is no number from 1 to 100000`, "write: nodes N"},
		{"nodes 0", "1", "no number", ""},
		{"nodes 3 4", "1", `"4" does not belong here`, "write: nodes N"},
		{"nodes 3\ncore degre 3", "2", `the core has no setting "degre"`, "did you mean: degree"},
		{"nodes 3\ncore self x", "2", `no setting "self"`, "there are: degree, cache_size"},
		{"nodes 3\ncore degree x", "2", `"x" is no value of degree`, "write: core degree VALUE"},
		{"nodes 3\ncore degree", "2", "its value is missing", "write: core SETTING VALUE"},
		{"nodes 3\ncore push hard", "2", `no push mode "hard": flood, rooted, shared`, "write: core push VALUE"},
		{"nodes 3\ncore lifetime soon", "2", `"soon" is no duration`, ""},
		{"nodes 3\ncore continue_mongering 2", "2", "continue-mongering 2 is no probability", ""},
		{"nodes 3\nrun 1s\nlatency 5ms", "3", "latency is a setting", "settings come first"},
		{"nodes 3\nrun soon", "2", `"soon" is no duration`, "write: run D"},
		{"nodes 3\nrun -1s", "2", "no duration", ""},
		{"nodes 3\ndelay plane 1ms", "2", "across is missing", ""},
		{"delay plane 1ms 2ms\nnodes 3", "1", "how many nodes lie on it", "write nodes N before it"},
		{"nodes 3\ndelay gamma 1ms", "2", `no distribution "gamma"`, ""},
		{"nodes 3\ndelay uniform 2ms 1ms", "2", "from 2ms to 1ms is nothing", ""},
		{"nodes 3\nloss 120%", "2", `"120%" is no share`, ""},
		{"nodes 3\nhostile 10% rude", "2", `no kind "rude"`, "write: hostile SHARE mute|replay|liar"},
		{"nodes 3\nreplay", "2", "nobody does that", "hostile SHARE replay"},
		{"nodes 3\ncrash 3", "2", `"3" is no set of nodes`, "a node from 0 to 2"},
		{"nodes 3\ncrash 2..1", "2", "no set", ""},
		{"nodes 3\npublish 3 evry=1s", "2", `"evry=1s" does not belong here`, "write: publish N"},
		{"nodes 3\npublish 3 type=65536", "2", "no number from 0 to 65535", ""},
		{"nodes 3\nchurn all up=1s", "2", "no duration", ""},
		{"nodes 3\nexpect delivry >= 1", "2", `no figure "delivry"`, "did you mean: delivery"},
		{"nodes 3\nexpect delivery > 1", "2", `">" is none of`, ""},
		{"nodes 3\nexpect delivery >= all", "2", `"all" is no number`, ""},
		{"nodes 3\ncrash $x", "2", `"$x" stands for nothing`, "vary NAME VALUE"},
		{"vary x 1\nnodes $y", "2", `"$y" stands for nothing`, ""},
		{"vary x\nnodes 3", "1", "vary takes a name and its values", "write: vary NAME VALUE"},
		{"vary x 1\nvary y 2\nnodes 3", "2", "once", ""},
		{"vary x 3 4\nnodes $x\ncrash 3", "3", `"3" is no set of nodes`, ""},
	} {
		_, err := Parse("a/b.scenario", test.text)
		var wrong *Error
		if !errors.As(err, &wrong) {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), "a/b.scenario:"+test.line+": ") || !strings.Contains(err.Error(), test.says) || !strings.Contains(wrong.Hint, test.hint) {
			t.Errorf("%q:\n got %v\n     %s\nwant line %s, %s\n     %s", test.text, err, wrong.Hint, test.line, test.says, test.hint)
		}
	}
}

// TestParse: what a file says is what is run.
func TestParse(t *testing.T) {
	s, err := Parse("x/storm.scenario", `
		# A comment.
		title  Of  some  nodes   # and a comment
		long
		vary   deg 4 5
		nodes  20
		contacts 2
		core   degree $deg
		core   anti_entropy 3s
		core   push shared
		core   peer_exchange false
		core   continue_mongering 0.25
		latency 7ms
		seal   5ms
		silent 50%
		hostile 0.25 mute
		loss   1%
		start  all`)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "storm" || s.Title != "Of  some  nodes" || !s.Long || len(s.Variants) != 2 {
		t.Fatalf("%+v", s)
	}
	v := s.Variants[1]
	cfg := v.setup.config(9)
	if v.Scenario != "storm" || v.Name != "5" || len(v.steps) != 1 || cfg.Seed != 9 || cfg.Nodes != 20 || cfg.Contacts != 2 ||
		cfg.Core.Degree != 5 || cfg.Core.AntiEntropy != 3*time.Second || cfg.Core.PeerExchange || cfg.Core.Push != gossip.PushShared || cfg.Core.ContinueMongering != 0.25 ||
		cfg.Core.Lifetime != gossip.DefaultConfig().Lifetime || cfg.Latency != 7*time.Millisecond || cfg.SealTime != 5*time.Millisecond || cfg.Links.Loss != 0.01 || v.setup.bad != 0.25 {
		t.Errorf("%+v\n%+v", v, cfg)
	}
	silent := 0
	for i := range 20 {
		if cfg.Silent(i) {
			silent++
		}
	}
	if silent != 10 {
		t.Errorf("%d of 20 nodes are silent, want half", silent)
	}
}

// TestFormat: the help text has every directive, so that none is unknown.
func TestFormat(t *testing.T) {
	text := Format()
	for _, name := range append(names(), append(coreSettings(), figureNames()...)...) {
		if !strings.Contains(text, name) {
			t.Errorf("%q is not in the description of the format", name)
		}
	}
}
