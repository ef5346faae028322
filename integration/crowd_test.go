package integration_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"hearsay/integration"
)

// crowd is many nodes, each a process.
type crowd struct {
	t       testing.TB
	members []*crowdMember
	changed chan struct{} // capacity 1
}

// crowdMember is one of them, and what it has said so far.
type crowdMember struct {
	*child
	mu      sync.Mutex
	heard   map[string]bool
	links   int // at its last status
	members int
}

// join starts n nodes at once, which know one that is there already, and returns
// when all of them can be talked to.
func (c *crowd) join(n, degree int) {
	c.t.Helper()
	var dirs []string
	for range n {
		dirs = append(dirs, c.t.TempDir())
	}
	for _, dir := range dirs {
		m := &crowdMember{heard: make(map[string]bool)}
		m.child = start(c.t, childConfig{Role: roleNode, Dir: dir, Types: []uint16{dataType}, Open: degree})
		c.members = append(c.members, m)
	}
	for _, m := range c.members[len(c.members)-n:] {
		m.ready()
		go c.follow(m)
		if m != c.members[0] {
			m.tell("meet", c.members[0].addr)
		}
	}
}

// follow notes what a node says, until it ends.
func (c *crowd) follow(m *crowdMember) {
	for line := range m.lines {
		m.mu.Lock()
		switch {
		case len(line) == 2 && line[0] == "heard":
			m.heard[line[1]] = true
		case len(line) == 3 && line[0] == "status":
			m.links, _ = strconv.Atoi(line[1])
			m.members, _ = strconv.Atoi(line[2])
		}
		m.mu.Unlock()
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}

// await waits until a condition holds for every node, which is asked for its
// status now and then, and returns how long that took.
func (c *crowd) await(what string, limit time.Duration, cond func(m *crowdMember) bool) time.Duration {
	c.t.Helper()
	began := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		lacking := slices.IndexFunc(c.members, func(m *crowdMember) bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return !cond(m)
		})
		if lacking < 0 {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			m := c.members[lacking]
			m.mu.Lock()
			defer m.mu.Unlock()
			c.t.Fatalf("after %v not every node %s: node %d has %d neighbours, knows %d members, and has heard %d rumors",
				limit, what, lacking, m.links, m.members, len(m.heard))
		}
		select {
		case <-c.changed:
		case <-tick.C:
			for _, m := range c.members {
				m.tell("status")
			}
		}
	}
}

// announce has every node announce something, and returns what they announce.
func (c *crowd) announce(what string) (all []string) {
	for i, m := range c.members {
		text := fmt.Sprint(what, "-", i)
		m.tell("announce", text)
		all = append(all, text)
	}
	return all
}

// hasHeard reports whether a node was told all of these.
func hasHeard(all []string) func(m *crowdMember) bool {
	return func(m *crowdMember) bool {
		return !slices.ContainsFunc(all, func(text string) bool { return !m.heard[text] })
	}
}

// Fifty processes on one machine: 25 join at once those that are there, and later
// 40 are killed at once, the first contact of all among them. The others hear
// everything of each other again within 15 s: what they say while they have not
// noticed, and what they say afterwards.
func TestCrowdSurvivesMassJoinAndKill(t *testing.T) {
	if !long {
		t.Skip("50 processes; HEARSAY_LONG=1 runs them")
	}
	const half, killed, degree = 25, 40, 6
	const limit = 15 * time.Second
	c := &crowd{t: t, changed: make(chan struct{}, 1)}
	knows := func(n int) func(m *crowdMember) bool {
		return func(m *crowdMember) bool { return m.members == n }
	}
	c.join(half, degree)
	first := c.await("knows 25 members", integration.DefaultPatience, knows(half))
	before := c.announce("before")
	c.await("has heard the others", integration.DefaultPatience, hasHeard(before))

	c.join(half, degree)
	joined := c.await("knows 50 members", integration.DefaultPatience, knows(2*half))
	late := c.await("has heard what was said before it came", integration.DefaultPatience, hasHeard(before))
	t.Logf("25 nodes knew each other after %v; 25 more, that all joined at once, after %v, and had heard what was said before after %v",
		first.Round(time.Millisecond), joined.Round(time.Millisecond), (joined + late).Round(time.Millisecond))

	chance := rand.New(rand.NewPCG(rand.Uint64(), 50))
	chance.Shuffle(2*half-1, func(i, j int) { c.members[i+1], c.members[j+1] = c.members[j+1], c.members[i+1] })
	victims := slices.Clone(c.members[:killed])
	c.members = c.members[killed:]
	for _, m := range victims {
		m.cmd.Process.Kill()
	}
	began := time.Now()
	during := c.announce("during")
	c.await("has heard what was said while 40 were killed", limit, hasHeard(during))
	complete := time.Since(began)
	after := c.announce("after")
	c.await("has heard what was said afterwards", limit-complete, hasHeard(after))
	t.Logf("40 of 50 were killed: what the others said at that moment was everywhere after %v, and what they said then after %v",
		complete.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	least := degree
	for _, m := range c.members {
		m.mu.Lock()
		least = min(least, m.links)
		m.mu.Unlock()
	}
	t.Logf("the least neighbours that a survivor had at its last word were %d", least)
	for _, m := range victims {
		m.kill()
	}
}
