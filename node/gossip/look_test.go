package gossip

import (
	"fmt"
	"testing"
	"time"
)

// looking is a node with three neighbours that say they take its type, as many as
// it needs, and with ten more members that do.
func looking(t *testing.T) *tnode {
	n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 8, true })
	n.module(1, 7)
	for _, p := range []PeerID{"A", "B", "C"} {
		n.up(p, 7)
		n.s.links[p].dialled = true
	}
	for _, p := range []PeerID{"S", "T", "U", "V", "W"} {
		n.up(p)
		n.s.links[p].dialled = true
	}
	for i := range 10 {
		p := PeerID(fmt.Sprint("taker", i))
		n.push("B", presenceOf(t, p, 1, Presence{Record: []byte("r"), Interests: []uint16{5, 7}}))
		n.push("B", presenceOf(t, p+"not", 1, Presence{Record: []byte("r"), Interests: []uint16{5}}))
	}
	n.forget()
	return n
}

// look waits for the next look, which may have begun since the last one, and links with
// whom it chose.
func (n *tnode) look(t *testing.T, pause time.Duration) PeerID {
	t.Helper()
	for range pause / time.Second {
		if len(n.dials()) > 0 {
			break
		}
		n.wait(time.Second)
	}
	got := n.dials()
	if len(got) != 1 {
		t.Fatalf("%d neighbours that take the type: dialled %q within %v, want one more", n.s.linkedTakers(7), got, pause)
	}
	n.forget()
	n.do(LinkUp{Peer: got[0], Dialled: true})
	n.recv(got[0], &Interests{Types: []uint16{7}})
	return got[0]
}

// Neighbours enough that take a rare type are no reason to stop looking for others:
// those may be silent because they withhold what they have.
func TestLooksForMoreTakers(t *testing.T) {
	n := looking(t)
	before := n.s.count.Looks
	for range takersEnough - takersWanted {
		p := n.look(t, lookPause*5/4)
		if len(p) != len("taker0") {
			t.Errorf("looked at %q, which does not take the type", p)
		}
		n.wait(lookLimit)
		if n.s.links[p] == nil {
			t.Fatalf("the link to %q ended, and there are %d neighbours that take the type", p, n.s.linkedTakers(7))
		}
	}
	// From now on a look is only a look, and after this one more seldom.
	p := n.look(t, lookPause*5/4)
	n.wait(lookLimit + time.Second)
	if n.s.links[p] != nil || len(sent[*Bye](n, p)) != 1 {
		t.Errorf("%q had nothing new and is still a neighbour", p)
	}
	n.forget()
	n.wait(lookPause)
	mustEqual(t, "dialled soon after there were enough", n.dials(), nil)
	// One that has what should long have been here stays.
	p = n.look(t, lookSeldom*5/4)
	n.recv(p, &Fill{rumorOf(t, "Z", 1, "old news"), 1})
	n.wait(lookLimit + time.Second)
	if n.s.links[p] == nil {
		t.Errorf("%q had old news, and is no neighbour any more", p)
	}
	if n.s.count.Looks-before != takersEnough-takersWanted+2 || n.s.count.LooksFound != 1 {
		t.Errorf("counted %d looks, of which %d found something", n.s.count.Looks-before, n.s.count.LooksFound)
	}
}

// A type that many neighbours take is not looked for.
func TestCommonTypesNeedNoLook(t *testing.T) {
	n := looking(t)
	for i := range takersMany - 3 {
		n.up(PeerID(fmt.Sprint("neighbour", i)), 7)
	}
	n.forget()
	n.wait(2 * lookSeldom)
	mustEqual(t, "looked at", n.dials(), nil)
}

// Who had no rare type looks seldom, and so soon as it has one.
func TestLooksSoonForNewType(t *testing.T) {
	for name, begin := range map[string]func(n *tnode){
		"a module takes it": func(n *tnode) { n.module(1, 7) },
		"a module speaks":   func(n *tnode) { n.publish(7, "first") },
	} {
		n := alone(t, func(c *Config) { c.Degree, c.PeerExchange = 3, true })
		for _, p := range []PeerID{"A", "B", "C"} {
			n.up(p, 7)
		}
		for i := range 10 {
			p := PeerID(fmt.Sprint("taker", i))
			n.push("B", presenceOf(t, p, 1, Presence{Record: []byte("r"), Interests: []uint16{7}}))
			n.push("B", presenceOf(t, p+"not", 1, Presence{Record: []byte("r"), Interests: []uint16{5}}))
			n.push("B", presenceOf(t, p+"nor", 1, Presence{Record: []byte("r"), Interests: []uint16{5}}))
		}
		n.wait(lookPause * 5 / 4) // a look at nothing
		if got := n.s.lookAt.Sub(n.w.now); got <= lookPause*5/4 {
			t.Fatalf("%s: the next look is in %v", name, got)
		}
		n.forget()
		begin(n)
		n.wait(lookPause * 5 / 4)
		if n.s.count.Looks == 0 {
			t.Errorf("%s: no look within %v", name, lookPause*5/4)
		}
	}
}

// A look that finds no room is none: another follows soon.
func TestLooksAgainWhenRefused(t *testing.T) {
	n := looking(t)
	for n.s.linkedTakers(7) < takersEnough {
		n.look(t, lookPause*5/4)
		n.wait(lookLimit)
	}
	p := n.look(t, lookSeldom*5/4)
	if n.s.lookAt.Sub(n.w.now) <= lookPause*5/4 {
		t.Fatalf("the next look is in %v without a refusal", n.s.lookAt.Sub(n.w.now))
	}
	n.recv(p, &Bye{ByeFull})
	n.do(LinkDown{p})
	n.look(t, lookPause*5/4)
}
