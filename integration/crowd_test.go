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

	mu    sync.Mutex
	known map[string]bool // peer IDs of those that somebody has told of
	fresh []string        // of them, those that were not asked for their status since
}

func newCrowd(t testing.TB) *crowd {
	return &crowd{t: t, changed: make(chan struct{}, 1), known: make(map[string]bool)}
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
		case len(line) == 3 && line[0] == "joined":
			c.meet(line[1])
		}
		m.mu.Unlock()
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
}

// meet notes that a node knows another one. Nodes say by themselves how they are when
// something has happened to others; of itself each is a member too, of which nothing
// tells but that others hear of it.
func (c *crowd) meet(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known[id] {
		c.known[id] = true
		c.fresh = append(c.fresh, id)
	}
}

// greet asks those for their status that somebody has heard of for the first time.
func (c *crowd) greet() {
	c.mu.Lock()
	fresh := c.fresh
	c.fresh = nil
	c.mu.Unlock()
	for _, m := range c.members {
		if slices.Contains(fresh, m.id.String()) {
			m.tell("status")
		}
	}
}

// await waits until a condition holds for every node, and returns how long that took.
func (c *crowd) await(what string, limit time.Duration, cond func(m *crowdMember) bool) time.Duration {
	c.t.Helper()
	began := time.Now()
	late := time.After(limit)
	for {
		c.greet()
		lacking := slices.IndexFunc(c.members, func(m *crowdMember) bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return !cond(m)
		})
		if lacking < 0 {
			return time.Since(began)
		}
		select {
		case <-c.changed:
		case <-late:
			m := c.members[lacking]
			m.mu.Lock()
			defer m.mu.Unlock()
			c.t.Fatalf("after %v not every node %s: node %d has %d neighbours, knows %d members, and has heard %d rumors",
				limit, what, lacking, m.links, m.members, len(m.heard))
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
	c := newCrowd(t)
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
