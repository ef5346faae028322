package gossip

import (
	"fmt"
	"testing"
	"time"
)

// grow inserts members that do not speak.
func (n *tnode) grow(to int) {
	r := presenceOf(n.w.t, "dummy", 1, Presence{}, func(h *Header) { h.Expires = h.Created + MaxLifetime.Milliseconds() })
	for i := len(n.s.members); i < to; i++ {
		n.s.members[PeerID(fmt.Sprint("member ", i))] = &member{r: r, p: new(Presence)}
	}
}

// renewals lists the presences that a node sealed since forget.
func renewals(n *tnode) (list []*Rumor) {
	for _, a := range actions[Seal](n) {
		if a.Rumor.Kind == KindPresence {
			list = append(list, a.Rumor)
		}
	}
	return list
}

// However many members there are, all of them together renew about renewalRate
// presences a second at most, and each lives for three of its owner's heartbeats.
func TestHeartbeatGrowsWithMembers(t *testing.T) {
	for members, heartbeat := range map[int]time.Duration{10: time.Minute, 1000: 100 * time.Second, 10_000: 1000 * time.Second} {
		n := alone(t, func(c *Config) { c.Heartbeat = time.Minute })
		n.grow(members - 1)
		n.record()
		n.forget()
		const pauses = 40
		n.wait(pauses * heartbeat)
		list := renewals(n)
		if got := len(list); got < pauses*9/10 || got > pauses*11/10 {
			t.Errorf("%d members: %d renewals in %d pauses of %v", members, got, pauses, heartbeat)
		}
		if all := float64(members*len(list)) / (pauses * heartbeat).Seconds(); all > 1.1*renewalRate {
			t.Errorf("%d members: %.1f renewals a second at each", members, all)
		}
		for i, r := range list {
			if life := time.Duration(r.Expires-r.Created) * time.Millisecond; life != 3*heartbeat+MaxSkew/2 {
				t.Errorf("%d members: a presence lives for %v", members, life)
			}
			if i > 0 {
				if d := time.Duration(r.Created-list[i-1].Created) * time.Millisecond; d < heartbeat*3/4-time.Second || d > heartbeat*5/4+time.Second {
					t.Errorf("%d members: a pause of %v", members, d)
				}
			}
		}
	}
}

// While a network grows nobody renews by the pause of when it was small, except
// that no presence may expire before the next.
func TestHeartbeatWhileGrowing(t *testing.T) {
	n := alone(t, func(c *Config) { c.Heartbeat = time.Minute })
	n.record()
	n.wait(10 * time.Second)
	n.grow(10_000)
	n.wait(2 * time.Hour)
	list := renewals(n)
	// One that replaces the first before it expires, then one in 1,000 s.
	if got := len(list); got < 6 || got > 11 {
		t.Errorf("%d presences in two hours", got)
	}
	for i, r := range list[1:] {
		if r.Created >= list[i].Expires {
			t.Errorf("presence %d comes %d ms after the one before has expired", i+1, r.Created-list[i].Expires)
		}
	}
	if d := list[1].Created - list[0].Created; d < (2*time.Minute).Milliseconds() || len(n.s.members) != 10_000 {
		t.Errorf("the second presence comes after %d ms, of %d members", d, len(n.s.members))
	}
}

// When most members are gone the pause is short again.
func TestHeartbeatWhileShrinking(t *testing.T) {
	n := alone(t, func(c *Config) { c.Heartbeat = time.Minute })
	n.grow(10_000)
	n.record()
	n.up("B")
	n.push("B", presenceOf(t, "Z", 1, Presence{}, func(h *Header) { h.Expires = h.Created + 1000 }))
	n.forget()
	for id := range n.s.members {
		if id != "M" && id != "Z" {
			delete(n.s.members, id)
		}
	}
	n.wait(3 * time.Minute) // Z expires, which is when it looks
	if got := len(renewals(n)); got < 2 {
		t.Errorf("%d renewals in three minutes", got)
	}
}
