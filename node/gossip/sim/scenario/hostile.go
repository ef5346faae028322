package scenario

import (
	"math/rand/v2"
	"slices"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/gossip/sim"
)

// Hostile nodes speak the protocol and keep no promises. All kinds are cores
// that something is done to, so that they find neighbours and answer as others do.
//
//   - mute: takes everything and passes nothing of others on.
//   - replay: keeps all rumors that it ever saw; "replay" has it push them again
//     to all its neighbours. Otherwise it is honest.
//   - liar: mute, and offers and asks for what does not exist, forges, repeats
//     what it heard, and misstates what it has.
const (
	hostileMute   = "mute"
	hostileReplay = "replay"
	hostileLiar   = "liar"
)

var hostileKinds = []string{hostileMute, hostileReplay, hostileLiar}

// maxHeard bounds what a hostile node keeps of what it saw.
const maxHeard = 10_000

// adversary is a hostile node, through all its runs.
type adversary struct {
	kind      string
	rng       *rand.Rand
	heard     []*gossip.Rumor
	known     map[gossip.RumorID]bool
	replaying bool
	replayed  int // rumors pushed again, once for each neighbour

	core sim.Core
	// sent has for each neighbour whose pushes wait for their verdict there: ours
	// or the core's, which must not see verdicts on what it did not send.
	sent  map[gossip.PeerID][]bool
	peers []gossip.PeerID // linked
}

func newAdversary(kind string, seed uint64, i int) *adversary {
	return &adversary{kind: kind, rng: rand.New(rand.NewPCG(seed, uint64(i)<<16|0xbad)), known: make(map[gossip.RumorID]bool)}
}

// wrap begins a run.
func (a *adversary) wrap(core sim.Core) sim.Core {
	a.core, a.sent, a.peers = core, make(map[gossip.PeerID][]bool), nil
	return a
}

// Deadline and Status are the core's.
func (a *adversary) Deadline() time.Time   { return a.core.Deadline() }
func (a *adversary) Status() gossip.Status { return a.core.Status() }

// Handle lets the core decide, and then does otherwise.
func (a *adversary) Handle(now time.Time, ev gossip.Event, out *gossip.Actions) {
	switch e := ev.(type) {
	case gossip.LinkUp:
		a.sent[e.Peer] = nil
		a.peers = append(slices.DeleteFunc(a.peers, func(p gossip.PeerID) bool { return p == e.Peer }), e.Peer)
	case gossip.LinkDown:
		a.unlinked(e.Peer)
	case gossip.SendDropped:
		if _, ok := e.Msg.(*gossip.Push); ok && len(a.sent[e.To]) > 0 {
			a.sent[e.To] = a.sent[e.To][:len(a.sent[e.To])-1]
		}
	case gossip.Received:
		switch m := e.Msg.(type) {
		case *gossip.Push:
			a.hear(m.Rumor)
		case *gossip.Fill:
			a.hear(m.Rumor)
		case *gossip.Receipt:
			ev = gossip.Received{From: e.From, Msg: a.filter(e.From, m)}
		}
	}
	from := len(*out)
	a.core.Handle(now, ev, out)
	a.sift(out, from)
	if a.replaying {
		a.replaying = false
		for _, p := range a.peers {
			for _, r := range a.heard {
				a.replayed++
				a.push(out, p, r)
			}
		}
	}
	if a.kind == hostileLiar && len(a.peers) > 0 && a.rng.IntN(4) == 0 {
		a.lie(out)
	}
}

func (a *adversary) unlinked(p gossip.PeerID) {
	delete(a.sent, p)
	a.peers = slices.DeleteFunc(a.peers, func(q gossip.PeerID) bool { return q == p })
}

func (a *adversary) hear(r *gossip.Rumor) {
	if !a.known[r.ID] && len(a.heard) < maxHeard {
		a.known[r.ID] = true
		a.heard = append(a.heard, r)
	}
}

// filter leaves out the verdicts on what the core did not send.
func (a *adversary) filter(p gossip.PeerID, m *gossip.Receipt) *gossip.Receipt {
	core := new(gossip.Receipt)
	waiting := a.sent[p]
	for i, v := range m.Verdicts {
		if i >= len(waiting) || !waiting[i] {
			core.Verdicts = append(core.Verdicts, v)
		}
	}
	a.sent[p] = waiting[min(len(waiting), len(m.Verdicts)):]
	return core
}

// sift takes out of the core's actions what this node does not do.
func (a *adversary) sift(out *gossip.Actions, from int) {
	kept := (*out)[:from]
	for _, act := range (*out)[from:] {
		switch act := act.(type) {
		case gossip.Hangup:
			a.unlinked(act.Peer)
		case gossip.Send:
			push, isPush := act.Msg.(*gossip.Push)
			if a.kind != hostileReplay {
				switch act.Msg.(type) {
				case *gossip.Fill, *gossip.Have:
					continue
				}
				if isPush && push.Hops > 1 {
					continue
				}
			}
			if isPush {
				a.sent[act.To] = append(a.sent[act.To], false)
			}
		}
		kept = append(kept, act)
	}
	*out = kept
}

func (a *adversary) push(out *gossip.Actions, p gossip.PeerID, r *gossip.Rumor) {
	a.sent[p] = append(a.sent[p], true)
	*out = append(*out, gossip.Send{To: p, Msg: &gossip.Push{Rumor: r, Hops: 1}})
}

// lie says one thing that is not so.
func (a *adversary) lie(out *gossip.Actions) {
	p := a.peers[a.rng.IntN(len(a.peers))]
	group := gossip.GroupPresence
	var some *gossip.Rumor
	if len(a.heard) > 0 {
		some = a.heard[a.rng.IntN(len(a.heard))]
		if some.Kind != gossip.KindPresence {
			group = gossip.GroupOf(some.DataType)
		}
	}
	id := func() (id gossip.RumorID) {
		for i := range id {
			id[i] = byte(a.rng.Uint32())
		}
		return id
	}
	var msg gossip.Message
	switch a.rng.IntN(6) {
	case 0:
		msg = &gossip.Have{Group: group, IDs: []gossip.ShortID{id().Short(), id().Short()}, Held: []uint16{0, 1000}}
	case 1:
		msg = &gossip.Graft{Group: group, IDs: []gossip.ShortID{id().Short()}}
	case 2:
		msg = &gossip.Want{Group: group, IDs: []gossip.RumorID{id()}}
	case 3:
		msg = &gossip.Sync{Group: group, Ranges: []gossip.Range{{Mode: gossip.RangeFingerprint, Fingerprint: gossip.Fingerprint{byte(a.rng.Uint32())}}}}
	case 4:
		if some != nil {
			a.push(out, p, some)
		}
		return
	default:
		if some == nil || a.rng.IntN(20) > 0 {
			return // forgeries get it cut off
		}
		h := some.Header
		h.Seq += 1000
		forged, err := gossip.NewRumor(h, some.Payload)
		if err != nil {
			return
		}
		forged.Signature = some.Signature
		a.push(out, p, forged)
		return
	}
	*out = append(*out, gossip.Send{To: p, Msg: msg})
}
