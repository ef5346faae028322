package gossip

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// bench is a core with a listener and some neighbours, ready for traffic.
func bench(b *testing.B, neighbours int) (*State, *Actions) {
	cfg := quietConfig("M")
	cfg.AckTimeout = 0
	s, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	out := make(Actions, 0, 1024)
	s.Handle(epoch0, Subscribe{1, 7, false}, &out)
	for i := range neighbours {
		p := PeerID(fmt.Sprint("peer", i))
		s.Handle(epoch0, LinkUp{Peer: p}, &out)
		s.Handle(epoch0, Received{p, &Interests{Types: []uint16{7}}}, &out)
	}
	return s, &out
}

// made seals rumors beforehand.
func made(b *testing.B, count int) []*Rumor {
	list := make([]*Rumor, count)
	for i := range list {
		list[i] = rumorOf(b, "origin", uint64(i+1), "a payload of ordinary length", func(h *Header) {
			h.Created += int64(i / 10)
		})
	}
	return list
}

// BenchmarkAccept takes in a new rumor, tells it to a module, and pushes it to
// nine of ten neighbours, which answer.
func BenchmarkAccept(b *testing.B) {
	s, out := bench(b, 10)
	rumors := made(b, b.N)
	answer := &Receipt{[]Verdict{VerdictNew}}
	b.ReportAllocs()
	b.ResetTimer()
	for _, r := range rumors {
		*out = (*out)[:0]
		s.Handle(epoch0, Received{"peer0", &Push{Rumor: r, Hops: 1}}, out)
		for i := 1; i < 10; i++ {
			s.Handle(epoch0, Received{s.linkOrder[i].peer, answer}, out)
		}
	}
}

// BenchmarkFull takes in a new rumor of one of 20 origins where the store is full of
// theirs. A module votes on it, it is pushed to nine neighbours, which answer, and of
// ten more each tells that it has it.
func BenchmarkFull(b *testing.B) {
	const origins, size = 20, 10000
	s, out := bench(b, 20)
	s.store.limit = size
	rumors := make([]*Rumor, size+b.N)
	var said [origins]uint64
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range rumors {
		o := rnd.IntN(origins)
		said[o]++
		rumors[i] = rumorOf(b, PeerID(fmt.Sprintf("the peer ID of an origin has 38 bytes %02d", o)), said[o], "x", func(h *Header) {
			h.Created += int64(i)
		})
	}
	s.Handle(epoch0, Subscribe{1, 7, true}, out)
	for i := 10; i < 20; i++ {
		s.linkOrder[i].lazy[7] = true
	}
	answer := &Receipt{[]Verdict{VerdictNew}}
	b.ReportAllocs()
	for i, r := range rumors {
		if i == size {
			b.ResetTimer()
		}
		now := epoch0.Add(time.Duration(i) * time.Millisecond)
		*out = (*out)[:0]
		s.Handle(now, Received{"peer0", &Push{Rumor: r, Hops: 1}}, out)
		s.Handle(now, Vote{1, r.ID, true}, out)
		have := &Have{Group: 7, IDs: []ShortID{r.ID.Short()}, Held: []uint16{1}}
		for j := 1; j < 20; j++ {
			if j < 10 {
				s.Handle(now, Received{s.linkOrder[j].peer, answer}, out)
			} else {
				s.Handle(now, Received{s.linkOrder[j].peer, have}, out)
			}
		}
	}
}

// BenchmarkDuplicate drops what is known.
func BenchmarkDuplicate(b *testing.B) {
	s, out := bench(b, 2)
	r := made(b, 1)[0]
	msg := Received{"peer0", &Push{Rumor: r, Hops: 1}}
	b.ReportAllocs()
	for b.Loop() {
		*out = (*out)[:0]
		s.Handle(epoch0, msg, out)
	}
}

// BenchmarkForged drops what fails the verifier, whose own cost is not counted.
func BenchmarkForged(b *testing.B) {
	s, out := bench(b, 1)
	forged := *made(b, 1)[0]
	forged.Nonce++
	msg := Received{"peer0", &Push{Rumor: &forged, Hops: 1}}
	b.ReportAllocs()
	for b.Loop() {
		*out = (*out)[:0]
		s.links["peer0"].meter.invalid = allowance{}
		s.Handle(epoch0, msg, out)
	}
}

// BenchmarkFingerprint sums up the default cache.
func BenchmarkFingerprint(b *testing.B) {
	var x index
	for _, r := range made(b, 1000) {
		x.add(pointOf(r))
	}
	for b.Loop() {
		x.fingerprint()
	}
}
