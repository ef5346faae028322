package main

import (
	"crypto/sha256"
	"math/rand/v2"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

func rumorID(name string) gossip.RumorID { return sha256.Sum256([]byte(name)) }

func shorts(names ...string) (list []gossip.ShortID, says []octets) {
	says = []octets{}
	for _, n := range names {
		id := rumorID(n)
		list, says = append(list, id.Short()), append(says, id[:8])
	}
	return list, says
}

func ids(names ...string) (list []gossip.RumorID, says []octets) {
	says = []octets{}
	for _, n := range names {
		id := rumorID(n)
		list, says = append(list, id), append(says, id[:])
	}
	return list, says
}

// frameVector is a message of the core's as a frame.
func (m *maker) frameVector(what, kind, stream string, msg gossip.Message, says any) *vector {
	return m.rawFrame(what, kind, stream, must[[]byte](m)(wire.AppendFrame(nil, msg)), says, nil)
}

func (m *maker) rawFrame(what, kind, stream string, b []byte, says, skipped any) *vector {
	is := map[string]any{"kind": kind, "says": says, "skipped": skipped}
	if stream != "" {
		is["stream"] = stream
	}
	return &vector{What: what, Kind: "frame", Bytes: b, Is: m.json(is)}
}

func pushSays(r *gossip.Rumor, hops int, rooted bool) map[string]any {
	return map[string]any{"rumor": rumorSays(r), "nonce": nonceBytes(r.Nonce), "signature": octets(r.Signature), "public_key": octets(r.PublicKey),
		"hops": hops, "rooted": rooted, "zero_bits": zeros(r)}
}

func (m *maker) frames() []*vector {
	const g, s, p = gossipStream, syncStream, peersStream
	r := m.event()
	byRSA := m.seal(m.rsa, gossip.Header{Kind: gossip.KindState, Epoch: 1, Seq: 1, DataType: 7, Key: "mood"}, []byte("calm"))
	addrs := []string{"/ip4/192.0.2.7/tcp/6001"}
	records := []gossip.PeerRecord{{Bytes: m.record(m.alice, 1, addrs...)}, {Bytes: m.record(m.bob, 2, addrs...)}}
	recordsSay := []any{recordSays(m.alice, 1, addrs...), recordSays(m.bob, 2, addrs...)}
	haves, havesSay := shorts("a", "b")
	origins, originsSay := shorts("c")
	wants, wantsSay := ids("a", "b")
	viaLandmark := pushSays(r, 3, false)
	viaLandmark["landmark"] = octets{1, 2, 3, 4, 5, 6, 7, 8}
	list := []*vector{
		m.rawFrame("the first frame of a stream", "hello", "",
			must[[]byte](m)(wire.AppendHello(nil, wire.Hello{Version: 1, Network: "hearsay", Agent: "hearsay/1.0", Session: 0x1122334455667788})),
			map[string]any{"version": 1, "network": "hearsay", "agent": "hearsay/1.0", "session": "1122334455667788", "answers": "0000000000000000"}, nil),
		m.rawFrame("the answer to it", "hello", "",
			must[[]byte](m)(wire.AppendHello(nil, wire.Hello{Version: 1, Network: "n", Session: 1, Answers: 0x1122334455667788})),
			map[string]any{"version": 1, "network": "n", "agent": "", "session": "0000000000000001", "answers": "1122334455667788"}, nil),
		m.rawFrame("one that tells a clock and the work it asks for, 16 bits", "hello", "",
			must[[]byte](m)(wire.AppendHello(nil, wire.Hello{Version: 1, Network: "n", Session: 1, Time: 1764106000000, Work: 17})),
			map[string]any{"version": 1, "network": "n", "agent": "", "session": "0000000000000001", "answers": "0000000000000000", "time": 1764106000000, "work": 17}, nil),
		m.frameVector("a node that takes nothing", "interests", g, &gossip.Interests{}, map[string]any{"types": []int{}, "carries": false}),
		m.frameVector("data types take one to three bytes", "interests", g, &gossip.Interests{Types: []uint16{0, 1, 127, 128, 16384, 65535}},
			map[string]any{"types": []int{0, 1, 127, 128, 16384, 65535}, "carries": false}),
		m.frameVector("a node that carries what everybody carries", "interests", g, &gossip.Interests{Types: []uint16{7}, Carries: true},
			map[string]any{"types": []int{7}, "carries": true}),
		m.frameVector("an event", "push", g, &gossip.Push{Rumor: r, Hops: 1}, pushSays(r, 1, false)),
		m.frameVector("the same by a tree of its origin, from far away", "push", g, &gossip.Push{Rumor: r, Hops: 255, Rooted: true}, pushSays(r, 255, true)),
		m.frameVector("the same by the tree of a landmark", "push", g, &gossip.Push{Rumor: r, Hops: 3, Landmark: 0x0102030405060708}, viaLandmark),
		m.frameVector("a state by an origin whose key has to travel along", "push", g, &gossip.Push{Rumor: byRSA, Hops: 2}, pushSays(byRSA, 2, false)),
		m.frameVector("one of each verdict", "receipt", g, &gossip.Receipt{Verdicts: []gossip.Verdict{0, 1, 2, 3, 4, 5, 6, 7}}, []int{0, 1, 2, 3, 4, 5, 6, 7}),
		m.frameVector("a ping", "ping", g, &gossip.Ping{Number: 300}, map[string]any{"number": 300}),
		m.frameVector("zero is left out", "ping", g, &gossip.Ping{}, map[string]any{"number": 0}),
		m.frameVector("a pong", "pong", g, &gossip.Pong{Number: 1<<53 - 1}, map[string]any{"number": 1<<53 - 1}),
		m.frameVector("full", "bye", g, &gossip.Bye{Reason: gossip.ByeFull}, map[string]any{"reason": 1}),
		m.frameVector("leaving", "bye", g, &gossip.Bye{Reason: gossip.ByeLeaving}, map[string]any{"reason": 2}),
		m.frameVector("misbehaved", "bye", g, &gossip.Bye{Reason: gossip.ByeMisbehaved}, map[string]any{"reason": 3}),
		m.frameVector("a reason of a later version", "bye", g, &gossip.Bye{Reason: 200}, map[string]any{"reason": 200}),
		m.frameVector("IDs, and for how long they were held", "have", g, &gossip.Have{Group: 1000, IDs: haves, Held: []uint16{3, 65535}},
			map[string]any{"group": 1000, "ids": havesSay, "held": []int{3, 65535}, "ask": false}),
		m.frameVector("a large rumor", "have", g, &gossip.Have{Group: gossip.GroupPresence, IDs: haves[:1], Ask: true},
			map[string]any{"group": 65536, "ids": havesSay[:1], "held": []int{}, "ask": true}),
		m.frameVector("how far landmarks are", "have", g, &gossip.Have{Group: 1000, Near: []gossip.Near{
			{Landmark: 0x0102030405060708, Number: 258, Distance: 30, Parent: true}, {Landmark: 1<<64 - 1, Number: 1<<32 - 1, Distance: 65535}}},
			map[string]any{"group": 1000, "ids": []octets{}, "held": []int{}, "ask": false, "near": []any{
				map[string]any{"landmark": octets{1, 2, 3, 4, 5, 6, 7, 8}, "number": 258, "distance": 30, "next_hop": true},
				map[string]any{"landmark": octets{255, 255, 255, 255, 255, 255, 255, 255}, "number": 4294967295, "distance": 65535, "next_hop": false}}}),
		m.frameVector("rumors that are missing, and an origin", "graft", g, &gossip.Graft{Group: 1000, IDs: haves, Origins: origins},
			map[string]any{"group": 1000, "ids": havesSay, "origins": originsSay}),
		m.frameVector("only later ones", "graft", g, &gossip.Graft{Group: 1}, map[string]any{"group": 1, "ids": []octets{}, "origins": []octets{}}),
		m.frameVector("a request that offers one", "peers_request", p, &gossip.PeersRequest{Records: records[:1]}, recordsSay[:1]),
		m.frameVector("an answer", "peer_list", p, &gossip.PeerList{Records: records}, recordsSay),
		m.frameVector("an answer without any", "peer_list", p, &gossip.PeerList{}, []int{}),
		m.frameVector("IDs in full", "want", s, &gossip.Want{Group: 1000, IDs: wants}, map[string]any{"group": 1000, "ids": wantsSay}),
		m.frameVector("IDs of private messages", "want", s, &gossip.Want{Group: gossip.GroupPrivate, IDs: wants[:1]}, map[string]any{"group": 65537, "ids": wantsSay[:1]}),
		m.frameVector("a rumor that was lacking", "fill", s, &gossip.Fill{Rumor: byRSA, Hops: 4}, pushSays(byRSA, 4, false)),
	}
	return append(append(list, m.syncs()...), m.laterFrames()...)
}

func (m *maker) syncs() []*vector {
	all, allSay := ids("a", "b", "c")
	mark := gossip.Fingerprint(secret("a fingerprint")[:16])
	zero := gossip.RumorID{1: 2} // 00 02 and zeros
	return []*vector{
		m.frameVector("the end of an answer", "sync", syncStream, &gossip.Sync{Group: 7}, map[string]any{"group": 7, "floor": 0, "ranges": []int{}}),
		m.frameVector("an opening", "sync", syncStream, &gossip.Sync{Group: gossip.GroupPresence, Floor: moment, Ranges: []gossip.Range{{Mode: gossip.RangeFingerprint, Fingerprint: mark}}},
			map[string]any{"group": 65536, "floor": moment, "ranges": []any{map[string]any{"end": nil, "mode": "FINGERPRINT", "fingerprint": octets(mark[:]), "ids": []int{}}}}),
		m.frameVector("ranges of all modes; ends have the zero bytes of their IDs left out", "sync", syncStream, &gossip.Sync{Group: 7, Ranges: []gossip.Range{
			{End: gossip.Point{Created: moment}},
			{End: gossip.Point{Created: moment, ID: zero}, Mode: gossip.RangeFingerprint, Fingerprint: mark},
			{End: gossip.Point{Created: moment + 5, ID: all[0]}, Mode: gossip.RangeIDs, IDs: all},
			{Mode: gossip.RangeIDs},
		}}, map[string]any{"group": 7, "floor": 0, "ranges": []any{
			map[string]any{"end": map[string]any{"created": moment, "id": octets(make([]byte, 32))}, "mode": "SKIP", "fingerprint": "", "ids": []int{}},
			map[string]any{"end": map[string]any{"created": moment, "id": octets(zero[:])}, "mode": "FINGERPRINT", "fingerprint": octets(mark[:]), "ids": []int{}},
			map[string]any{"end": map[string]any{"created": moment + 5, "id": allSay[0]}, "mode": "IDS", "fingerprint": "", "ids": allSay},
			map[string]any{"end": nil, "mode": "IDS", "fingerprint": "", "ids": []int{}},
		}}),
	}
}

// laterFrames say what this version does not know.
func (m *maker) laterFrames() []*vector {
	return []*vector{
		m.rawFrame("a field of a later version is skipped", "ping", gossipStream, []byte{9, 0x2a, 7, 8, 5, 0x7a, 3, 'n', 'e', 'w'},
			map[string]any{"number": 5}, []any{map[string]any{"field": 15, "wire_type": 2, "value": octets("new")}}),
		m.rawFrame("a frame of a later version is ignored", "", "", []byte{7, 0xa2, 0x06, 4, 1, 2, 3, 4},
			nil, []any{map[string]any{"field": 100, "wire_type": 2, "value": octets{1, 2, 3, 4}}}),
	}
}

func (m *maker) fingerprints() []*vector {
	var rumors []*gossip.Rumor
	for seq := range uint64(5) {
		rumors = append(rumors, m.seal(m.alice, gossip.Header{Kind: gossip.KindEvent, Epoch: moment, Seq: seq + 1, DataType: 7}, nil))
	}
	return []*vector{
		m.fingerprintVector("no IDs"),
		m.fingerprintVector("one", rumors[0]),
		m.fingerprintVector("two", rumors[:2]...),
		m.fingerprintVector("five, whose sum is over 2^256", rumors...),
	}
}

func (m *maker) fingerprintVector(what string, rumors ...*gossip.Rumor) *vector {
	b := octets{}
	for _, r := range rumors {
		b = append(b, r.ID[:]...)
	}
	return &vector{What: what, Kind: "fingerprint", Bytes: b, Is: m.json(map[string]any{"ids": len(rumors), "fingerprint": m.fingerprintOf(rumors)})}
}

// credulous takes every rumor for good.
type credulous struct{}

func (credulous) Work(gossip.RumorID, uint64) bool { return true }
func (credulous) Signature(*gossip.Rumor) bool     { return true }

// fingerprintOf gives rumors to a core and looks at the first thing that it says
// to a neighbour which takes their type, too.
func (m *maker) fingerprintOf(rumors []*gossip.Rumor) octets {
	cfg := gossip.DefaultConfig()
	cfg.Self, cfg.Epoch, cfg.Rand, cfg.Verifier = "m", 1, rand.New(rand.NewPCG(1, 2)), credulous{}
	core := must[*gossip.State](m)(gossip.New(cfg))
	var out gossip.Actions
	now := time.UnixMilli(moment)
	handle := func(events ...gossip.Event) {
		for _, ev := range events {
			core.Handle(now, ev, &out)
		}
	}
	handle(gossip.Subscribe{Module: 1, DataType: 7}, gossip.LinkUp{Peer: "a"})
	for _, r := range rumors {
		handle(gossip.Received{From: "a", Msg: &gossip.Push{Rumor: r, Hops: 1}})
	}
	// The smaller peer ID begins to compare.
	handle(gossip.LinkUp{Peer: "z"})
	out = nil
	handle(gossip.Received{From: "z", Msg: &gossip.Interests{Types: []uint16{7}}})
	for _, a := range out {
		if send, ok := a.(gossip.Send); ok {
			if sync, ok := send.Msg.(*gossip.Sync); ok && sync.Group == 7 {
				return sync.Ranges[0].Fingerprint[:]
			}
		}
	}
	m.Fatal("the core did not begin to compare")
	return nil
}
