package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	mrand "math/rand/v2"
	"sync"
	"testing"
	"time"

	"hearsay/node/envelope"
	"hearsay/node/gossip"
	"hearsay/node/identity"
	"hearsay/node/wire"
	"hearsay/pow"

	"bufio"
)

// micros are measurements of parts: "work" (work.go), "rumor" (what is done to
// one rumor), "core", "relay" and "bare" (what it takes to hand one on; relay.go).
var micros = map[string]func(cell) (map[string]float64, error){
	"work":  runWork,
	"rumor": runRumor,
	"core":  runCore,
	"relay": runRelay,
	"bare":  runRelay,
}

func runMicro(c cell) (map[string]float64, error) {
	run, ok := micros[c.System]
	if !ok {
		return nil, fmt.Errorf("system %q: micro has work, rumor, core, relay and bare", c.System)
	}
	return run(c)
}

// workBits is the difficulty that a node asks for by default.
const workBits = 16

var setBenchTime = sync.OnceValue(func() error {
	testing.Init()
	return flag.Set("test.benchtime", "300ms")
})

// timed runs a benchmark and notes its time and allocations.
func timed(figures map[string]float64, name string, step func() error) error {
	if err := setBenchTime(); err != nil {
		return err
	}
	var failed error
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := step(); err != nil {
				failed = err
				b.FailNow()
			}
		}
	})
	if failed != nil {
		return fmt.Errorf("%s: %w", name, failed)
	}
	figures[name+"_us"] = float64(r.T.Nanoseconds()) / float64(r.N) / 1e3
	figures[name+"_allocs"] = float64(r.AllocsPerOp())
	return nil
}

// sealedRumor is an event with its proof of work and signature.
func sealedRumor(id *identity.Identity, seq uint64, size, bits int) (*gossip.Rumor, error) {
	now := time.Now().UnixMilli()
	r, err := gossip.NewRumor(gossip.Header{Network: gossip.DefaultConfig().Network, Kind: gossip.KindEvent, Origin: gossip.PeerID(id.ID()),
		Epoch: 1, Seq: seq, DataType: dataType, Created: now, Expires: now + time.Hour.Milliseconds()}, numbered(int(seq), size, 1))
	if err != nil {
		return nil, err
	}
	if r.Nonce, err = pow.Solve(background, r.ID, bits); err != nil {
		return nil, err
	}
	r.Signature, err = id.Sign(r.ID)
	return r, err
}

// runRumor times what is done to one rumor of some size: laying it out and
// signing it (seal, without proof of work), encoding it for a stream, decoding
// it, all that a node checks before it believes one (verify: the frame, the proof
// of 16 bits, the signature), and sealing it to one recipient and opening that;
// beside a bare Ed25519 signature and its verification.
func runRumor(c cell) (map[string]float64, error) {
	id, err := identity.New()
	if err != nil {
		return nil, err
	}
	r, err := sealedRumor(id, 1, c.Payload, workBits)
	if err != nil {
		return nil, err
	}
	push := &gossip.Push{Rumor: r, Hops: 1}
	frame, err := wire.AppendFrame(nil, push)
	if err != nil {
		return nil, err
	}
	body, err := wire.ReadFrame(bufio.NewReader(bytes.NewReader(frame)))
	if err != nil {
		return nil, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signature := ed25519.Sign(private, r.ID[:])
	buf := make([]byte, 0, 2*len(frame))
	figures := map[string]float64{"frame_bytes": float64(len(frame))}
	steps := []struct {
		name string
		step func() error
	}{
		{"ed25519_sign", func() error { ed25519.Sign(private, r.ID[:]); return nil }},
		{"ed25519_verify", func() error { return must(ed25519.Verify(public, r.ID[:], signature)) }},
		{"sign", func() error { _, err := id.Sign(r.ID); return err }},
		{"verify_signature", func() error { return identity.Verify(id.ID(), nil, r.ID, r.Signature) }},
		{"verify_work", func() error { return must(pow.Verify(r.ID, r.Nonce, workBits)) }},
		{"seal", func() error { _, err := sealedRumor(id, 1, c.Payload, 0); return err }},
		{"encode", func() error { _, err := wire.AppendFrame(buf[:0], push); return err }},
		{"decode", func() error { _, err := wire.Decode(body); return err }},
		{"verify", func() error {
			m, err := wire.Decode(body)
			if err != nil {
				return err
			}
			r := m.(*gossip.Push).Rumor
			if err := must(pow.Verify(r.ID, r.Nonce, workBits)); err != nil {
				return err
			}
			return identity.Verify(id.ID(), r.PublicKey, r.ID, r.Signature)
		}},
	}
	for _, s := range steps {
		if err := timed(figures, s.name, s.step); err != nil {
			return nil, err
		}
	}
	return figures, timedEnvelope(figures, id, min(c.Payload, envelope.MaxText))
}

func must(ok bool) error {
	if !ok {
		return errors.New("what is valid was refused")
	}
	return nil
}

func timedEnvelope(figures map[string]float64, id *identity.Identity, size int) error {
	key, err := envelope.NewKey()
	if err != nil {
		return err
	}
	to, err := envelope.Certify(id, key, 1, time.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	about := envelope.About{Network: gossip.DefaultConfig().Network, Origin: id.ID(), DataType: dataType}
	text := numbered(1, size, 1)
	sealed, err := envelope.Seal(about, id, []*envelope.Certificate{to}, text)
	if err != nil {
		return err
	}
	if err := timed(figures, "envelope_seal", func() error {
		_, err := envelope.Seal(about, id, []*envelope.Certificate{to}, text)
		return err
	}); err != nil {
		return err
	}
	return timed(figures, "envelope_open", func() error {
		_, err := envelope.Open(about, id.ID(), key, sealed)
		return err
	})
}

// trusting stands in for cryptography, which runRumor measures.
type trusting struct{}

func (trusting) Work(gossip.RumorID, uint64) bool { return true }
func (trusting) Signature(*gossip.Rumor) bool     { return true }

// runCore counts what the core alone allocates for a rumor that it hands on: it
// comes from one neighbour, is told to a module, which finds it valid, is pushed
// to all the other Links-1, and these answer. Counted are those of
// gossip.State.Handle and of the events that it is given; reading, decoding,
// verifying and writing are not in it.
func runCore(c cell) (map[string]float64, error) {
	cfg := gossip.DefaultConfig()
	cfg.Self, cfg.Epoch, cfg.Verifier = "M", 1, trusting{}
	cfg.Rand = mrand.New(mrand.NewPCG(c.Seed, 0))
	cfg.Heartbeat, cfg.AntiEntropy, cfg.Shuffle, cfg.PeerExchange = 0, 0, 0, false
	core, err := gossip.New(cfg)
	if err != nil {
		return nil, err
	}
	id, err := identity.New()
	if err != nil {
		return nil, err
	}
	const module = 1
	now := time.Now()
	out := make(gossip.Actions, 0, 64)
	handle := func(ev gossip.Event) { out = out[:0]; core.Handle(now, ev, &out) }
	handle(gossip.Subscribe{Module: module, DataType: dataType, Votes: true})
	peers := make([]gossip.PeerID, c.Links)
	for i := range peers {
		peers[i] = gossip.PeerID(fmt.Sprint("peer", i))
		handle(gossip.LinkUp{Peer: peers[i]})
		handle(gossip.Received{From: peers[i], Msg: &gossip.Interests{Types: []uint16{dataType}}})
	}
	const warm, count = 2000, 5000
	rumors := make([]gossip.Event, 0, warm+count)
	ids := make([]gossip.RumorID, 0, warm+count)
	for i := range warm + count {
		r, err := sealedRumor(id, uint64(i+1), c.Payload, 0)
		if err != nil {
			return nil, err
		}
		rumors = append(rumors, gossip.Received{From: peers[0], Msg: &gossip.Push{Rumor: r, Hops: 1}})
		ids = append(ids, r.ID)
	}
	receipt := &gossip.Receipt{Verdicts: []gossip.Verdict{gossip.VerdictNew}}
	pushed := 0
	var before consumption
	for i, ev := range rumors {
		if i == warm {
			before, pushed = used(), 0
		}
		handle(ev)
		handle(gossip.Vote{Module: module, ID: ids[i], Valid: true})
		for _, a := range out {
			if s, ok := a.(gossip.Send); ok {
				if _, ok := s.Msg.(*gossip.Push); ok {
					pushed++
				}
			}
		}
		for _, p := range peers[1:] {
			handle(gossip.Received{From: p, Msg: receipt})
		}
	}
	if want := count * (c.Links - 1); pushed != want {
		return nil, fmt.Errorf("%d pushes, not %d: something else was measured", pushed, want)
	}
	figures := used().per(before, count)
	return figures, nil
}
