package main

import "time"

// group is cells that are read side by side: systems under the same load.
type group struct {
	Name  string
	Title string
	Cells []cell
}

// base is the load of the goals: 50 hosts, 16 links each, 1 KiB, 10 a second.
func base() cell {
	return cell{Kind: "spread", Hosts: 50, Links: 16, Payload: 1024, Rate: 10, Warm: 5 * time.Second, For: 15 * time.Second, Seed: 1}
}

// each makes a cell for each system.
func each(c cell, systems ...string) []cell {
	cells := make([]cell, 0, len(systems))
	for _, s := range systems {
		c.System = s
		cells = append(cells, c)
	}
	return cells
}

func with(change func(*cell)) cell {
	c := base()
	change(&c)
	return c
}

var (
	all   = []string{"hearsay", "gossipsub", "floodsub", "flood", "tree"}
	peers = []string{"hearsay", "gossipsub", "tree"}
)

// slowLinks is the one-way time of the slow links.
const slowLinks = 20 * time.Millisecond

// plan is everything that is measured, in the order of BENCHMARKS.md.
func plan() []group {
	slow := func(c *cell) { c.Delay = slowLinks }
	groups := []group{
		{"main", "50 hosts, 1 KiB, 10 messages a second, loopback", each(base(), append(all, "serf")...)},
		{"slow", "The same over links of 20 ms", each(with(slow), all...)},
		{"few", "The same, links of 20 ms, five hosts that publish", each(with(func(c *cell) { slow(c); c.Origins = 5 }), all...)},
		{"kill", "A quarter of the hosts is killed meanwhile", each(with(func(c *cell) { c.Kill = 12; c.For = 20 * time.Second; c.Rate = 20 }), peers[:2]...)},
		{"large", "60 KiB, 2 messages a second", each(with(func(c *cell) { c.Payload, c.Rate = 60<<10, 2 }), all...)},
		{"middle", "16 KiB, 5 messages a second", each(with(func(c *cell) { c.Payload, c.Rate = 16<<10, 5 }), all...)},
		{"small", "64 bytes, 10 messages a second", each(with(func(c *cell) { c.Payload = 64 }), all...)},
		{"twenty", "20 hosts with 8 links each", each(with(func(c *cell) { c.Hosts, c.Links = 20, 8 }), all...)},
		{"hundred", "100 hosts in one process", each(with(func(c *cell) { c.Hosts = 100 }), all...)},
		{"members", "50 hosts join, one leaves, one dies",
			each(cell{Kind: "members", Hosts: 50, Warm: 15 * time.Second, For: 20 * time.Second, Seed: 1}, "hearsay", "memberlist", "serf")},
	}
	for _, n := range []int{100, 1024, 16 << 10, 60000} {
		groups = append(groups, group{"api", "From ANNOUNCE to NOTIFICATION", each(cell{Kind: "api", Payload: n, Seed: 1}, "hearsay")})
	}
	for _, rate := range saturating {
		groups = append(groups, group{"saturation", "20 hosts, 1 KiB: how much gets through",
			each(with(func(c *cell) { c.Hosts, c.Links, c.Rate, c.For = 20, 8, rate, 6*time.Second }), all...)})
	}
	return groups
}

// saturating are the rates at which is looked for the highest that gets through.
var saturating = []float64{100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 4000}
