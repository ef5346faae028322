package wire

import (
	"bufio"
	"bytes"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hearsay/node/gossip"
)

// messages draws any message that the core may send.
func messages() *rapid.Generator[gossip.Message] {
	return rapid.Custom(func(t *rapid.T) gossip.Message {
		switch rapid.IntRange(0, 12).Draw(t, "kind") {
		case 0:
			types := rapid.SliceOfNDistinct(rapid.Uint16(), 0, gossip.MaxInterests, rapid.ID[uint16]).Draw(t, "types")
			slices.Sort(types)
			return &gossip.Interests{Types: emptyIsNil(types), Carries: rapid.Bool().Draw(t, "carries")}
		case 1:
			return &gossip.Push{Rumor: rumors().Draw(t, "rumor"), Hops: rapid.Uint8().Draw(t, "hops"), Rooted: rapid.Bool().Draw(t, "rooted"), Landmark: rapid.Uint64().Draw(t, "landmark")}
		case 2:
			return &gossip.Fill{Rumor: rumors().Draw(t, "rumor"), Hops: rapid.Uint8().Draw(t, "hops")}
		case 3:
			v := rapid.Map(rapid.Uint8Range(0, 5), func(b uint8) gossip.Verdict { return gossip.Verdict(b) })
			return &gossip.Receipt{Verdicts: emptyIsNil(rapid.SliceOfN(v, 0, 100).Draw(t, "verdicts"))}
		case 4:
			return &gossip.Ping{Number: rapid.Uint64().Draw(t, "number")}
		case 5:
			return &gossip.Pong{Number: rapid.Uint64().Draw(t, "number")}
		case 6:
			return &gossip.Bye{Reason: gossip.ByeReason(rapid.Uint8Range(1, 255).Draw(t, "reason"))}
		case 7:
			m := &gossip.PeersRequest{}
			for range rapid.IntRange(0, 5).Draw(t, "records") {
				m.Records = append(m.Records, gossip.PeerRecord{Bytes: chunks(1, 300).Draw(t, "record")})
			}
			return m
		case 8:
			m := &gossip.PeerList{}
			for range rapid.IntRange(0, 5).Draw(t, "records") {
				m.Records = append(m.Records, gossip.PeerRecord{Bytes: chunks(1, 300).Draw(t, "record")})
			}
			return m
		case 9:
			return syncs().Draw(t, "sync")
		case 10:
			m := &gossip.Have{Group: groups().Draw(t, "group"), IDs: shorts(0, 20).Draw(t, "ids"), Ask: rapid.Bool().Draw(t, "ask")}
			if rapid.Bool().Draw(t, "times") {
				m.Held = emptyIsNil(rapid.SliceOfN(rapid.Uint16(), len(m.IDs), len(m.IDs)).Draw(t, "held"))
			}
			for range rapid.IntRange(0, 5).Draw(t, "distances") {
				m.Near = append(m.Near, gossip.Near{
					Landmark: rapid.Uint64().Draw(t, "landmark"), Number: rapid.Uint32().Draw(t, "number"),
					Distance: rapid.Uint16().Draw(t, "distance"), Parent: rapid.Bool().Draw(t, "parent"),
				})
			}
			return m
		case 11:
			return &gossip.Graft{Group: groups().Draw(t, "group"), IDs: shorts(0, 20).Draw(t, "ids"), Origins: shorts(0, 20).Draw(t, "origins")}
		default:
			return &gossip.Want{Group: groups().Draw(t, "group"), IDs: emptyIsNil(rapid.SliceOfN(ids(), 0, 20).Draw(t, "ids"))}
		}
	})
}

func shorts(least, most int) *rapid.Generator[[]gossip.ShortID] {
	return rapid.Custom(func(t *rapid.T) []gossip.ShortID {
		var list []gossip.ShortID
		for _, id := range rapid.SliceOfN(ids(), least, most).Draw(t, "ids") {
			list = append(list, id.Short())
		}
		return list
	})
}

func emptyIsNil[E any](s []E) []E {
	if len(s) == 0 {
		return nil
	}
	return s
}

func chunks(least, most int) *rapid.Generator[[]byte] {
	return rapid.SliceOfN(rapid.Byte(), least, most)
}

func groups() *rapid.Generator[gossip.Group] {
	return rapid.Map(rapid.Uint32Range(0, uint32(gossip.MaxGroup)), func(g uint32) gossip.Group { return gossip.Group(g) })
}

// ids draws rumor IDs with few and with many zeros at the end.
func ids() *rapid.Generator[gossip.RumorID] {
	return rapid.Custom(func(t *rapid.T) (id gossip.RumorID) {
		copy(id[:], chunks(0, len(id)).Draw(t, "id"))
		return id
	})
}

func rumors() *rapid.Generator[*gossip.Rumor] {
	return rapid.Custom(func(t *rapid.T) *gossip.Rumor {
		created := rapid.Int64Range(0, 1<<50).Draw(t, "created")
		h := gossip.Header{
			Network:  string(chunks(1, gossip.MaxNetwork).Draw(t, "network")),
			Kind:     gossip.Kind(rapid.Uint8Range(1, 4).Draw(t, "kind")),
			Origin:   gossip.PeerID(chunks(1, gossip.MaxPeerID).Draw(t, "origin")),
			Epoch:    rapid.Uint64Min(1).Draw(t, "epoch"),
			Seq:      rapid.Uint64Min(1).Draw(t, "seq"),
			DataType: rapid.Uint16().Draw(t, "type"),
			Created:  created,
			Expires:  created + rapid.Int64Range(1, gossip.MaxLifetime.Milliseconds()).Draw(t, "lifetime"),
			TTL:      rapid.Uint8().Draw(t, "ttl"),
		}
		if h.Kind == gossip.KindState {
			h.Key = string(chunks(0, gossip.MaxKey).Draw(t, "key"))
		}
		r, err := gossip.NewRumor(h, chunks(0, 300).Draw(t, "payload"))
		if err != nil {
			t.Fatal(err)
		}
		r.Nonce = rapid.Uint64().Draw(t, "nonce")
		r.Signature = chunks(0, 200).Draw(t, "signature")
		r.PublicKey = chunks(0, 200).Draw(t, "public key")
		return r
	})
}

func syncs() *rapid.Generator[*gossip.Sync] {
	return rapid.Custom(func(t *rapid.T) *gossip.Sync {
		m := &gossip.Sync{Group: groups().Draw(t, "group"), Floor: rapid.Int64Min(0).Draw(t, "floor")}
		ends := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) gossip.Point {
			return gossip.Point{Created: rapid.Int64Range(1, 1<<62).Draw(t, "created"), ID: ids().Draw(t, "id")}
		}), 0, 20).Draw(t, "ends")
		slices.SortFunc(ends, func(p, q gossip.Point) int {
			if before(p, q) {
				return -1
			}
			return 1
		})
		ends = slices.Compact(ends)
		for i := range len(ends) + 1 {
			r := gossip.Range{Mode: gossip.RangeMode(rapid.Uint8Range(0, 2).Draw(t, "mode"))}
			if i < len(ends) {
				r.End = ends[i]
			}
			switch r.Mode {
			case gossip.RangeFingerprint:
				copy(r.Fingerprint[:], chunks(0, 16).Draw(t, "fingerprint"))
			case gossip.RangeIDs:
				r.IDs = emptyIsNil(rapid.SliceOfN(ids(), 0, 3).Draw(t, "ids"))
			}
			m.Ranges = append(m.Ranges, r)
		}
		return m
	})
}

// same reports whether two messages say the same, empty and absent being one.
func same(a, b gossip.Message) bool {
	return reflect.DeepEqual(normal(a), normal(b))
}

func normal(m gossip.Message) gossip.Message {
	rumor := func(r *gossip.Rumor) *gossip.Rumor {
		c := *r
		c.Payload, c.Signature, c.PublicKey = emptyIsNil(c.Payload), emptyIsNil(c.Signature), emptyIsNil(c.PublicKey)
		return &c
	}
	switch m := m.(type) {
	case *gossip.Push:
		return &gossip.Push{Rumor: rumor(m.Rumor), Hops: m.Hops, Rooted: m.Rooted, Landmark: m.Landmark}
	case *gossip.Fill:
		return &gossip.Fill{Rumor: rumor(m.Rumor), Hops: m.Hops}
	}
	return m
}

// TestRoundTrip: whatever is sent arrives as it was, wherever in a buffer it is
// put, and in no more bytes than a frame may have.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := messages().Draw(t, "message")
		before := chunks(0, 20).Draw(t, "before")
		stream, err := AppendFrame(slices.Clone(before), m)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(stream, before) {
			t.Fatalf("what was in the buffer has changed")
		}
		r := bufio.NewReader(bytes.NewReader(stream[len(before):]))
		body, err := ReadFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		if r.Buffered() != 0 {
			t.Fatalf("%d bytes are left", r.Buffered())
		}
		got, err := Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		if !same(got, m) {
			t.Fatalf("sent %s, received %s", describe(m), describe(got))
		}
	})
}

// TestHelloRoundTrip is the same for hellos.
func TestHelloRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Hello{
			Version: rapid.Uint32Min(1).Draw(t, "version"),
			Network: rapid.StringN(1, -1, gossip.MaxNetwork).Draw(t, "network"),
			Agent:   rapid.StringN(-1, -1, MaxAgent).Draw(t, "agent"),
			Session: rapid.Uint64Min(1).Draw(t, "session"),
			Answers: rapid.Uint64().Draw(t, "answers"),
			Time:    rapid.Uint64().Draw(t, "time"),
			Work:    rapid.Uint32Max(MaxWork).Draw(t, "work"),
		}
		stream, err := AppendHello(nil, h)
		if err != nil {
			t.Fatal(err)
		}
		body, err := ReadFrame(bufio.NewReader(bytes.NewReader(stream)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodeHello(body); err != nil || got != h {
			t.Fatalf("sent %+v, received %+v, %v", h, got, err)
		}
		if _, err := Decode(body); err == nil {
			t.Fatal("Decode took a hello")
		}
	})
}

// TestDamage: a damaged frame is refused or means something that survives a
// round trip; it never panics.
func TestDamage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream, err := AppendFrame(nil, messages().Draw(t, "message"))
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 4).Draw(t, "damages") {
			i := rapid.IntRange(0, len(stream)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				stream[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			case 1:
				stream = append(stream[:i:i], stream[i+1:]...)
			case 2:
				stream = slices.Insert(stream, i, rapid.Byte().Draw(t, "byte"))
			}
			if len(stream) == 0 {
				return
			}
		}
		body, err := ReadFrame(bufio.NewReader(bytes.NewReader(stream)))
		if err == nil {
			checkBody(t, body)
		}
	})
}

// checkBody checks what holds for any body at all.
func checkBody(t interface {
	Helper()
	Fatalf(string, ...any)
}, body []byte) {
	t.Helper()
	m, err := Decode(bytes.Clone(body))
	if err != nil || m == nil {
		if m != nil {
			t.Fatalf("an error and a message: %v", err)
		}
		return
	}
	if kept, limit := retained(m), 2*len(body)+overhead(m); kept > limit {
		t.Fatalf("%d bytes of body are kept in %d bytes, at most %d: %s", len(body), kept, limit, describe(m))
	}
	stream, err := AppendFrame(nil, m)
	if err != nil {
		t.Fatalf("decoded but not encoded again: %v: %s", err, describe(m))
	}
	again, err := ReadFrame(bufio.NewReader(bytes.NewReader(stream)))
	if err != nil {
		t.Fatalf("encoded but not read again: %v: %s", err, describe(m))
	}
	if len(again) > len(body) {
		t.Fatalf("%d bytes have become %d: %s", len(body), len(again), describe(m))
	}
	m2, err := Decode(again)
	if err != nil || !same(m, m2) {
		t.Fatalf("%s has become %s, %v", describe(m), describe(m2), err)
	}
}

// retained is what a message keeps from being collected, in bytes, without
// Go's fixed part for each.
func retained(m gossip.Message) int {
	rumor := func(r *gossip.Rumor) int {
		n := len(r.Network) + len(r.Origin) + len(r.Key) + cap(r.Signed)
		// These are mostly parts of the same block; each is counted as its own.
		return n + cap(r.Signature) + cap(r.PublicKey)
	}
	switch m := m.(type) {
	case *gossip.Interests:
		return 2 * cap(m.Types)
	case *gossip.Push:
		return rumor(m.Rumor)
	case *gossip.Fill:
		return rumor(m.Rumor)
	case *gossip.Receipt:
		return cap(m.Verdicts)
	case *gossip.PeersRequest:
		return retained(&gossip.PeerList{Records: m.Records})
	case *gossip.PeerList:
		n := 0
		for _, r := range m.Records {
			n += cap(r.Bytes)
		}
		return n
	case *gossip.Sync:
		n := 0
		for _, r := range m.Ranges {
			n += idSize * cap(r.IDs)
		}
		return n
	case *gossip.Want:
		return idSize * cap(m.IDs)
	case *gossip.Have:
		return shortSize*cap(m.IDs) + 2*cap(m.Held) + nearSize*cap(m.Near)
	case *gossip.Graft:
		return shortSize * (cap(m.IDs) + cap(m.Origins))
	}
	return 0
}

// overhead is what Go's structures for a message take beside its bytes: it
// grows with the lists that are limited to 64 records and 1024 ranges.
func overhead(m gossip.Message) int {
	const fixed = 512
	switch m := m.(type) {
	case *gossip.PeersRequest:
		return fixed + 64*cap(m.Records)
	case *gossip.PeerList:
		return fixed + 64*cap(m.Records)
	case *gossip.Sync:
		return fixed + 96*cap(m.Ranges)
	}
	return fixed
}
