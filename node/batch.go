package node

import (
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/gossip"
	"hearsay/node/identity"
	"hearsay/pow"
)

// Batches: most of what a rumor costs a node is its signature, and several Ed25519
// signatures are checked together at down to half the price of each (identity.Verifier). So
// when several events wait for the loop, it asks the core which signatures it is going
// to check for them, and has these checked at once; then the core gets the events one
// after the other, as ever, and the verifier knows the answers. Nothing waits for a
// batch to fill: a node that is idle checks each signature when it comes, and the more
// is to be done the less each costs.

// handleWaiting handles an event and some of those that wait behind it, for to look for
// them alone costs less than to look for anything.
func (n *Node) handleWaiting(ev gossip.Event) {
	defer func() { clear(n.waiting) }()
	for room := eventBatch + 1; ; {
		n.waiting = n.gather(append(n.waiting[:0], ev), room)
		if len(n.waiting) > 1 {
			n.verifyWaiting()
		}
		for _, ev := range n.waiting {
			if n.handle(ev); n.farewell {
				return
			}
		}
		n.verifier.forget()
		if room -= len(n.waiting); room == 0 {
			return
		}
		select {
		case ev = <-n.events: // it came meanwhile
		default:
			return
		}
	}
}

// gather adds what waits already, up to so many events in all.
func (n *Node) gather(events []gossip.Event, most int) []gossip.Event {
	for len(events) < most {
		select {
		case ev := <-n.events:
			events = append(events, ev)
		default:
			return events
		}
	}
	return events
}

// verifyWaiting checks the signatures that the core is going to ask for.
func (n *Node) verifyWaiting() {
	now := time.Now()
	for _, ev := range n.waiting {
		if ev, ok := ev.(gossip.Received); ok {
			if r := n.core.Foresee(now, ev.From, ev.Msg, len(n.verifier.batch)); r != nil {
				n.verifier.expect(r)
			}
		}
	}
	n.verifier.check()
}

// verifier checks what sealers of other nodes made. It gives the answers of a pure
// function, but for what it did beforehand; it belongs to the loop.
type verifier struct {
	bits   int
	signed *identity.Verifier

	rumors []*gossip.Rumor   // of the last batch
	batch  []identity.Signed // the same for the verifier of batches
	good   []*gossip.Rumor   // of them, those found good that were not asked for yet

	alone, batched, batches, spoilt atomic.Uint64
}

func newVerifier(bits int) *verifier { return &verifier{bits: bits, signed: identity.NewVerifier()} }

// Work reports whether a proof of work is as good as the network demands.
func (v *verifier) Work(id gossip.RumorID, nonce uint64) bool {
	return pow.Verify(id, nonce, v.bits)
}

// Signature reports whether a signature is the origin's.
func (v *verifier) Signature(r *gossip.Rumor) bool {
	for i, g := range v.good { // mostly the first
		if g == r { // rumors do not change
			v.good = v.good[i+1:]
			return true
		}
	}
	v.alone.Add(1)
	return identity.Verify(peer.ID(r.Origin), r.PublicKey, r.ID, r.Signature) == nil
}

// forget forgets a batch.
func (v *verifier) forget() {
	if len(v.rumors) == 0 {
		return
	}
	clear(v.rumors)
	clear(v.batch)
	v.rumors, v.batch, v.good = v.rumors[:0], v.batch[:0], nil
}

// expect adds a rumor to the batch, if its signature can be in one and none of those
// there has its number: of two the core would check one.
func (v *verifier) expect(r *gossip.Rumor) {
	origin := peer.ID(r.Origin)
	if !identity.Batchable(origin) || len(r.PublicKey) != 0 {
		return
	}
	for _, other := range v.rumors {
		if other.Seq == r.Seq && other.Epoch == r.Epoch && other.Origin == r.Origin {
			return
		}
	}
	v.rumors = append(v.rumors, r)
	v.batch = append(v.batch, identity.Signed{Origin: origin, ID: r.ID, Signature: r.Signature})
}

// check checks the batch. If one is bad, nothing is known: then each is checked when
// the core asks, which is the same work as to look for the bad one, and less if the
// core cuts off who sent it.
func (v *verifier) check() {
	if len(v.batch) < 2 {
		return
	}
	v.batches.Add(1)
	if !v.signed.All(v.batch) {
		v.spoilt.Add(1)
		return
	}
	v.batched.Add(uint64(len(v.batch)))
	v.good = v.rumors
}

// count adds how signatures were checked: alone, in batches without a bad one, how
// many such batches there were, and how many with a bad one, which are checked alone.
func (v *verifier) count(into map[string]uint64) {
	into["signatures_alone"] = v.alone.Load()
	into["signatures_batched"] = v.batched.Load()
	into["signature_batches"] = v.batches.Load() - v.spoilt.Load()
	into["signature_batches_spoilt"] = v.spoilt.Load()
}
