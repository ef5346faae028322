package apibridge

import (
	"math/rand/v2"
	"slices"
)

// pending are the NOTIFICATIONs of one connection whose VALIDATION is awaited.
//
// Message IDs are a random bijection of a counter. They look random and, what
// random numbers cannot promise, an ID comes back only after 65,535 others,
// so a late or repeated VALIDATION does not hit another NOTIFICATION.
type pending struct {
	max    int
	open   map[uint16]asked
	order  []issued // oldest first, with answered ones in between until swept
	head   int      // order[:head] is done with
	serial uint64   // of the last ID
	key    [4]uint16
}

// asked is what an open ID stands for.
type asked struct {
	rumor  [32]byte
	serial uint64
}

type issued struct {
	id     uint16
	serial uint64
}

// newPending awaits up to max answers, 1 to maxMessageIDs.
func newPending(max int) *pending {
	p := &pending{max: max, open: make(map[uint16]asked)}
	for i := range p.key {
		p.key[i] = uint16(rand.Uint32())
	}
	return p
}

// issue gives a rumor an ID that no open one has. If too many are open, the
// oldest one is given up, and evicted says so.
func (p *pending) issue(rumor [32]byte) (id uint16, evicted bool) {
	if len(p.open) >= p.max {
		p.evictOldest()
		evicted = true
	}
	for {
		p.serial++
		id = p.mix(uint16(p.serial))
		if _, taken := p.open[id]; !taken {
			break
		}
	}
	p.open[id] = asked{rumor, p.serial}
	if len(p.order) >= 2*p.max { // more than half of them are done with
		p.order = slices.DeleteFunc(slices.Delete(p.order, 0, p.head), p.answered)
		p.head = 0
	}
	p.order = append(p.order, issued{id, p.serial})
	return id, evicted
}

// answer closes an ID and returns the rumor it stood for; ok is false for an
// ID that is not open.
func (p *pending) answer(id uint16) (rumor [32]byte, ok bool) {
	a, ok := p.open[id]
	delete(p.open, id)
	return a.rumor, ok
}

// evictOldest gives up the oldest open ID; there must be one.
func (p *pending) evictOldest() {
	for p.answered(p.order[p.head]) {
		p.head++
	}
	delete(p.open, p.order[p.head].id)
	p.head++
}

func (p *pending) answered(o issued) bool {
	a, open := p.open[o.id]
	return !open || a.serial != o.serial
}

// mix is a bijection on 16 bits: each step can be undone. The factors are fixed,
// for among random ones are some that mix badly: with one key in a thousand the
// IDs rose or fell most of the time.
func (p *pending) mix(x uint16) uint16 {
	for _, k := range p.key {
		x += k
		x ^= x >> 7
		x *= 0x2c1b
		x ^= x >> 9
		x *= 0xa2d3
	}
	return x ^ x>>8
}
