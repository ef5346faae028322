package gossip

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestConfigLimits(t *testing.T) {
	cases := []struct {
		name   string
		change func(c *Config)
		fault  string // part of the error, "" = none
	}{
		{"defaults", func(*Config) {}, ""},
		{"no ID", func(c *Config) { c.Self = "" }, "peer ID of 0 bytes"},
		{"longest ID", func(c *Config) { c.Self = PeerID(strings.Repeat("x", MaxPeerID)) }, ""},
		{"ID too long", func(c *Config) { c.Self = PeerID(strings.Repeat("x", MaxPeerID+1)) }, "peer ID of 65 bytes"},
		{"no network", func(c *Config) { c.Network = "" }, "network name"},
		{"longest network", func(c *Config) { c.Network = strings.Repeat("n", MaxNetwork) }, ""},
		{"network too long", func(c *Config) { c.Network = strings.Repeat("n", MaxNetwork+1) }, "network name"},
		{"epoch 0", func(c *Config) { c.Epoch = 0 }, "epoch"},
		{"last epoch", func(c *Config) { c.Epoch = math.MaxUint64 }, ""},
		{"longest agent", func(c *Config) { c.Agent = strings.Repeat("a", maxAgent) }, ""},
		{"agent too long", func(c *Config) { c.Agent = strings.Repeat("a", maxAgent+1) }, "agent name of 65 bytes"},
		{"most ports", func(c *Config) { c.Ports = somePorts(MaxPorts) }, ""},
		{"too many ports", func(c *Config) { c.Ports = somePorts(MaxPorts + 1) }, "ports of 17 applications"},
		{"a port twice", func(c *Config) { c.Ports = []Port{{560, 1}, {560, 2}} }, "different"},
		{"no chance", func(c *Config) { c.Rand = nil }, "source of chance"},
		{"no verifier", func(c *Config) { c.Verifier = nil }, "verifier"},
		{"degree 0", func(c *Config) { c.Degree = 0 }, "degree 0"},
		{"degree 1", func(c *Config) { c.Degree = 1 }, ""},
		{"cache 0", func(c *Config) { c.CacheSize = 0 }, "cache size 0"},
		{"smallest cache", func(c *Config) { c.CacheSize, c.CacheBytes = 1, MaxSigned }, ""},
		{"cache too small for one rumor", func(c *Config) { c.CacheBytes = MaxSigned - 1 }, "cache of"},
		{"no lifetime", func(c *Config) { c.Lifetime = 0 }, "lifetime 0s"},
		{"longest lifetime", func(c *Config) { c.Lifetime = MaxLifetime }, ""},
		{"lifetime too long", func(c *Config) { c.Lifetime = MaxLifetime + 1 }, "lifetime 24h"},
		{"no time to vote", func(c *Config) { c.ValidationTimeout = 0 }, "validation time-out 0s"},
		{"everything off", func(c *Config) {
			c.Replay, c.AckTimeout, c.Heartbeat, c.AntiEntropy, c.ContinueMongering = 0, 0, 0, 0, 0
		}, ""},
		{"negative replay", func(c *Config) { c.Replay = -1 }, "negative"},
		{"negative receipts", func(c *Config) { c.AckTimeout = -1 }, "negative"},
		{"negative heartbeat", func(c *Config) { c.Heartbeat = -1 }, "negative"},
		{"negative anti-entropy", func(c *Config) { c.AntiEntropy = -1 }, "negative"},
		{"certain mongering", func(c *Config) { c.ContinueMongering = 1 }, ""},
		{"mongering over 1", func(c *Config) { c.ContinueMongering = 1.1 }, "continue-mongering 1.1"},
		{"negative mongering", func(c *Config) { c.ContinueMongering = -0.1 }, "continue-mongering -0.1"},
	}
	for _, c := range cases {
		cfg := quietConfig("M")
		c.change(&cfg)
		s, err := New(cfg)
		switch {
		case c.fault == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.fault != "" && (err == nil || s != nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: error %v, want one about %q", c.name, err, c.fault)
		}
	}
	// All faults are told at once.
	_, err := New(Config{})
	for _, c := range cases {
		if c.fault != "" && strings.HasPrefix(c.name, "no ") && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("the error about an empty configuration does not say %q", c.fault)
		}
	}
}

// A core without links, modules or presence has nothing to do, ever.
func TestIdleNodeSleeps(t *testing.T) {
	n := alone(t)
	if at := n.s.Deadline(); !at.IsZero() {
		t.Errorf("a new core wants a tick at %v", at)
	}
	n.do(Tick{})
	n.module(1, 7)
	n.do(ModuleGone{1})
	n.wait(time.Second)
	if at := n.s.Deadline(); !at.IsZero() || len(actions[Send](n)) != 0 {
		t.Errorf("a core that nothing is around wants a tick at %v", at)
	}
}

// A machine that sleeps wakes up to a clock that jumped ahead: nothing is told
// twice, what expired meanwhile is gone, and gossip goes on.
func TestSuspend(t *testing.T) {
	for _, pause := range []time.Duration{time.Minute, time.Hour, 25 * time.Hour} {
		w := newWorld(t)
		a, b := w.add("A"), w.add("B")
		a.module(1, 7)
		b.module(1, 7)
		a.record()
		b.record()
		w.link("A", "B")
		a.publish(7, "before")
		w.wait(time.Second)
		w.now = w.now.Add(pause) // no tick in all that time
		a.publish(7, "after")
		w.wait(time.Minute)
		mustEqual(t, "told", b.told(1), []string{"before", "after"})
		want := 1
		if pause < a.s.cfg.Lifetime {
			want = 2
		}
		if got := len(b.s.store.entries); got != want {
			t.Errorf("%d rumors after a pause of %v, want %d", got, pause, want)
		}
	}
}
