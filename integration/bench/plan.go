package main

import "time"

// group is cells that are read side by side: systems under the same load.
type group struct {
	Name  string
	Title string
	// Climb says that the highest rate that gets through is looked for, with each
	// cell's rate as the first guess.
	Climb bool
	Cells []cell
}

// base is the load of the goals: 50 hosts, 16 links each, 1 KiB, 10 a second. The
// warm-up is what GossipSub's meshes need until they have grown. Hearsay's trees are
// laid after fifty messages and used three seconds later, so they are as old as that.
func base() cell {
	return cell{Kind: "spread", Hosts: 50, Links: 16, Payload: 1024, Rate: 10,
		Warm: 12 * time.Second, For: 8 * time.Second, Drain: 10 * time.Second, Seed: 1}
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

// all are the systems that spread messages over links.
var all = []string{"hearsay", "gossipsub", "floodsub", "flood", "tree"}

// slowLinks is the one-way time of the slow links.
const slowLinks = 20 * time.Millisecond

// some are those of the groups by size: what is measured, what it is compared
// with, and the limit of cost.
var some = []string{"hearsay", "gossipsub", "tree"}

// short is a load of the groups that the goals' most delicate figures do not
// come from.
func short(c *cell) { c.Warm, c.For = 2*time.Second, 5*time.Second }

// plan is everything that is measured, in the order of BENCHMARKS.md.
func plan() []group {
	slow := func(c *cell) { c.Delay = slowLinks }
	groups := []group{
		{Name: "main", Title: "50 hosts, 1 KiB, 10 messages a second, loopback", Cells: each(base(), append(all[:len(all):len(all)], "serf")...)},
		{Name: "slow", Title: "The same over links of 20 ms", Cells: each(with(slow), "hearsay", "gossipsub", "flood", "tree")},
		{Name: "few", Title: "The same over links of 20 ms, five hosts that publish", Cells: each(with(func(c *cell) { slow(c); c.Origins = 5 }), "hearsay", "gossipsub", "flood")}, // each has spoken often
		{Name: "kill", Title: "A quarter of the hosts is killed meanwhile",
			Cells: each(with(func(c *cell) { c.Kill, c.Rate = 12, 20 }), "hearsay", "gossipsub", "flood")},
		{Name: "small", Title: "64 bytes, 10 messages a second", Cells: each(with(func(c *cell) { c.Payload = 64; short(c) }), some...)},
		{Name: "middle", Title: "16 KiB, 5 messages a second", Cells: each(with(func(c *cell) { c.Payload, c.Rate = 16<<10, 5; short(c); c.Warm = base().Warm }), some...)},
		{Name: "large", Title: "60 KiB, 2 messages a second", Cells: each(with(func(c *cell) { c.Payload, c.Rate = 60<<10, 2; short(c); c.Warm = 4 * time.Second }), some...)},
		{Name: "twenty", Title: "20 hosts with 8 links each", Cells: each(with(func(c *cell) { c.Hosts, c.Links = 20, 8; short(c) }), some...)},
		{Name: "hundred", Title: "100 hosts in one process", Cells: each(with(func(c *cell) { c.Hosts = 100; short(c) }), "hearsay", "gossipsub", "flood", "tree")}, // a flood keeps nothing
		{Name: "saturation", Title: "20 hosts, 1 KiB: how much gets through", Climb: true, Cells: saturation()},
		{Name: "members", Title: "50 hosts join, one leaves, one dies",
			Cells: each(cell{Kind: "members", Hosts: 50, Warm: 6 * time.Second, For: 5 * time.Second, Seed: 1}, "hearsay", "memberlist", "serf")},
	}
	api := group{Name: "api", Title: "From ANNOUNCE to NOTIFICATION"}
	for _, n := range payloads {
		api.Cells = append(api.Cells, cell{Kind: "api", System: "hearsay", Payload: n, Seed: 1})
	}
	work := group{Name: "work", Title: "Proof of work",
		Cells: []cell{{Kind: "micro", System: "work", Payload: headerSize, Seed: 1}}}
	rumor := group{Name: "rumor", Title: "What is done to one rumor"}
	for _, n := range payloads {
		rumor.Cells = append(rumor.Cells, cell{Kind: "micro", System: "rumor", Payload: n, Seed: 1})
	}
	relay := group{Name: "relay", Title: "What it takes to hand a rumor on"}
	for _, links := range []int{2, 6} {
		c := cell{Kind: "micro", Links: links, Payload: 1024, Rate: 200, Warm: 2 * time.Second, For: 3 * time.Second, Seed: 1}
		relay.Cells = append(relay.Cells, each(c, "core", "relay", "bare")...)
	}
	growth := group{Name: "growth", Title: "From 10 to 10,000 nodes"}
	for _, n := range []int{10, 100, 1000, 10_000} {
		c := cell{Kind: "growth", Hosts: n, Links: 6, Payload: 1024, Rate: 5, Warm: 60 * time.Second, For: 5 * time.Second, Seed: 1}
		growth.Cells = append(growth.Cells, each(c, "quiet")...)
		if n <= maxAnnouncing {
			growth.Cells = append(growth.Cells, each(c, "announcing")...)
		}
	}
	return append(groups, api, work, rumor, relay, growth)
}

// payloads of the tables by size.
var payloads = []int{64, 1 << 10, 16 << 10, 60 << 10}

// maxAnnouncing is up to how many simulated nodes all announce themselves to all:
// ten thousand would be a hundred million presences.
const maxAnnouncing = 1000

// saturation begins at rates that the systems were seen to reach.
func saturation() []cell {
	var cells []cell
	for _, s := range some {
		guess := 1000.0
		if s == "gossipsub" {
			guess = 300
		}
		cells = append(cells, with(func(c *cell) {
			c.System, c.Hosts, c.Links, c.Rate = s, 20, 8, guess
			c.Warm, c.For, c.Drain = 2*time.Second, 4*time.Second, 2*time.Second
		}))
	}
	return cells
}

// tries is how many cells a climb is taken to need: two, if the first guess is
// right, and some more for when it is not.
const tries = 3

// takes is about how long a cell takes, hosts that are made and linked included,
// as seen on two idle cores.
func (c *cell) takes() time.Duration {
	const second = time.Second
	switch c.Kind {
	case "spread":
		d := c.Warm + c.For + second + time.Duration(c.Hosts)*40*time.Millisecond
		if c.System == "gossipsub" || c.System == "floodsub" {
			d += 3 * second
		}
		return d
	case "members":
		return c.Warm + c.For + 10*second
	case "api":
		return 6 * second
	case "growth":
		return second + time.Duration(c.Hosts)*14*time.Millisecond
	}
	switch c.System {
	case "work":
		return 12 * second
	case "rumor":
		return 5 * second
	case "core":
		return second
	}
	return c.Warm + c.For + 5*second
}

// limit is after how long a cell is given up.
func (c *cell) limit() time.Duration { return max(2*time.Minute, 6*c.takes()) }

// planned is how many cells a run has, about, and how long they take.
func planned(groups []group, repeat int) (cells int, takes time.Duration) {
	for _, g := range groups {
		for _, c := range g.Cells {
			n := repeat
			if g.Climb {
				n *= tries
			}
			cells += n
			takes += time.Duration(n) * c.takes()
		}
	}
	return cells, takes
}
