package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"hearsay/node/gossip"
)

// Attack is something that a hostile node does. Several are joined with |.
type Attack uint16

const (
	// Withhold: it takes rumors and hands none on but its own.
	Withhold Attack = 1 << iota
	// Replay: it sends again what it heard at any time before.
	Replay
	// Forge: it makes rumors in others' names, with signatures that it saw.
	Forge
	// Equivocate: it signs two rumors with one number and tells each half of its
	// neighbours another one.
	Equivocate
	// LieHave: it offers rumors that do not exist, and some that it will not give.
	LieHave
	// LieSync: it compares sets that it does not have, and asks for what does
	// not exist.
	LieSync
	// LieReceipt: its verdicts are drawn by lot, and now and then there is one too many.
	LieReceipt
	// LiePeers: it names peers that do not exist.
	LiePeers
	// LieInterests: what it takes changes all the time.
	LieInterests
	// GraftAll: it asks for everything again, from everybody.
	GraftAll
	// Flood: it sends bursts of all of it.
	Flood

	// AllAttacks is all of these at once.
	AllAttacks = 1<<iota - 1
)

// Byzantine makes cores hostile, for Config.Wrap: inside is an honest one, so
// that they speak the protocol well enough to be listened to. What they forge
// has no valid signature, for they have no key but their own.
func Byzantine(seed uint64, attacks Attack, which func(i int) bool) func(i int, c Core) Core {
	return func(i int, c Core) Core {
		if !which(i) {
			return c
		}
		return &byzantine{Core: c, attacks: attacks, rng: rand.New(rand.NewPCG(seed, uint64(i)<<8|7)), twins: make(map[gossip.RumorID]bool)}
	}
}

type byzantine struct {
	Core
	attacks Attack
	rng     *rand.Rand
	heard   []*gossip.Rumor
	peers   []gossip.PeerID
	twins   map[gossip.RumorID]bool // of which there is another version
}

// heardMost bounds what a hostile node remembers for later.
const heardMost = 300

func (b *byzantine) Handle(now time.Time, ev gossip.Event, out *gossip.Actions) {
	from := len(*out)
	b.Core.Handle(now, ev, out)
	honest := slices.Clone((*out)[from:])
	*out = (*out)[:from]
	for _, a := range honest {
		b.twist(a, out)
	}
	switch ev := ev.(type) {
	case gossip.LinkUp:
		if !slices.Contains(b.peers, ev.Peer) {
			b.peers = append(b.peers, ev.Peer)
		}
	case gossip.Received:
		b.hear(ev.Msg)
	case gossip.Sealed:
		if b.twins[ev.Rumor.ID] {
			for _, p := range b.peers {
				if odd(p) {
					*out = append(*out, gossip.Send{To: p, Msg: &gossip.Push{Rumor: ev.Rumor, Hops: 1}})
				}
			}
		}
	}
	if len(b.peers) == 0 || b.rng.IntN(4) > 0 {
		return
	}
	bursts := 1
	if b.attacks&Flood != 0 && b.rng.IntN(50) == 0 {
		bursts = 100
	}
	for range bursts {
		if msg := b.invent(); msg != nil {
			*out = append(*out, gossip.Send{To: b.peers[b.rng.IntN(len(b.peers))], Msg: msg})
		}
	}
}

// odd says which half of its neighbours a node that equivocates tells what.
func odd(p gossip.PeerID) bool { return p[0]&1 == 1 }

func (b *byzantine) hear(msg gossip.Message) {
	var r *gossip.Rumor
	switch m := msg.(type) {
	case *gossip.Push:
		r = m.Rumor
	case *gossip.Fill:
		r = m.Rumor
	default:
		return
	}
	if len(b.heard) < heardMost {
		b.heard = append(b.heard, r)
	} else {
		b.heard[b.rng.IntN(heardMost)] = r
	}
}

// twist passes on what the honest core wants done, or something else.
func (b *byzantine) twist(a gossip.Action, out *gossip.Actions) {
	switch a := a.(type) {
	case gossip.Seal:
		*out = append(*out, a)
		if b.attacks&Equivocate != 0 && a.Rumor.Kind == gossip.KindEvent {
			if r, err := gossip.NewRumor(a.Rumor.Header, append(slices.Clone(a.Rumor.Payload), '!')); err == nil {
				b.twins[r.ID], b.twins[a.Rumor.ID] = true, false
				*out = append(*out, gossip.Seal{Rumor: r})
			}
		}
		return
	case gossip.Send:
		switch m := a.Msg.(type) {
		case *gossip.Push:
			_, split := b.twins[m.Rumor.ID]
			if b.attacks&Withhold != 0 && m.Hops > 1 || split && odd(a.To) {
				return
			}
		case *gossip.Fill, *gossip.Have:
			if b.attacks&Withhold != 0 {
				return
			}
		case *gossip.Receipt:
			if b.attacks&LieReceipt != 0 {
				lie := make([]gossip.Verdict, len(m.Verdicts))
				for i := range lie {
					lie[i] = gossip.Verdict(b.rng.IntN(int(gossip.VerdictInvalid) + 1))
				}
				if b.rng.IntN(500) == 0 {
					lie = append(lie, gossip.VerdictNew)
				}
				a.Msg = &gossip.Receipt{Verdicts: lie}
			}
		}
		*out = append(*out, a)
		return
	}
	*out = append(*out, a)
}

func (b *byzantine) id() (id gossip.RumorID) {
	for i := 0; i < len(id); i += 8 {
		binary.BigEndian.PutUint64(id[i:], b.rng.Uint64())
	}
	return id
}

// ids are IDs of rumors, half of which exist.
func (b *byzantine) ids() []gossip.RumorID {
	ids := make([]gossip.RumorID, 1+b.rng.IntN(8))
	for i := range ids {
		ids[i] = b.id()
		if len(b.heard) > 0 && b.rng.IntN(2) == 0 {
			ids[i] = b.heard[b.rng.IntN(len(b.heard))].ID
		}
	}
	return ids
}

// short are ids as they are told on the gossip lane.
func (b *byzantine) short() (ids []gossip.ShortID) {
	for _, id := range b.ids() {
		ids = append(ids, id.Short())
	}
	return ids
}

// invent is a message that no honest node would send now, or nil.
func (b *byzantine) invent() gossip.Message {
	group := gossip.GroupPresence
	var some *gossip.Rumor
	if len(b.heard) > 0 {
		some = b.heard[b.rng.IntN(len(b.heard))]
		group = gossip.GroupOf(some.DataType)
		if some.Kind == gossip.KindPresence {
			group = gossip.GroupPresence
		}
	}
	attack := Attack(1) << b.rng.IntN(11)
	if b.attacks&attack == 0 {
		return nil
	}
	switch attack {
	case Replay:
		if some != nil {
			if b.rng.IntN(2) == 0 {
				return &gossip.Fill{Rumor: some, Hops: 1}
			}
			return &gossip.Push{Rumor: some, Hops: 1}
		}
	case Forge:
		if some == nil || b.rng.IntN(20) > 0 { // after some it is cut off
			return nil
		}
		h := some.Header
		h.Seq += uint64(b.rng.IntN(1000))
		forged, err := gossip.NewRumor(h, []byte("forged"))
		if err != nil {
			return nil
		}
		forged.Nonce, forged.Signature = some.Nonce, some.Signature
		return &gossip.Push{Rumor: forged, Hops: 1}
	case LieHave:
		return &gossip.Have{Group: group, IDs: b.short()}
	case LieSync:
		switch b.rng.IntN(3) {
		case 0:
			return &gossip.Want{Group: group, IDs: b.ids()}
		case 1:
			return &gossip.Sync{Group: group, Ranges: []gossip.Range{{Mode: gossip.RangeFingerprint, Fingerprint: gossip.Fingerprint{byte(b.rng.Uint32())}}}}
		}
		return &gossip.Sync{Group: group, Ranges: []gossip.Range{
			{End: gossip.Point{Created: b.rng.Int64(), ID: b.id()}, Mode: gossip.RangeIDs, IDs: b.ids()},
			{Mode: gossip.RangeFingerprint, Fingerprint: gossip.Fingerprint{1}},
		}}
	case LiePeers:
		id := b.id()
		return &gossip.PeerList{Records: []gossip.PeerRecord{{Peer: gossip.PeerID(id[:]), Seq: 1, Bytes: id[:]}}}
	case LieInterests:
		return &gossip.Interests{Types: [][]uint16{{7}, {7, 8}, {7, 9}}[b.rng.IntN(3)]}
	case GraftAll:
		return &gossip.Graft{Group: group, IDs: b.short()}
	}
	return nil
}
