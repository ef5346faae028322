package maelstrom

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

func frame(t testing.TB, number uint64) []byte {
	f, err := wire.AppendFrame(nil, &gossip.Ping{Number: number})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func number(t testing.TB, frame []byte) uint64 {
	m, err := wire.Decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	return m.(*gossip.Ping).Number
}

// TestLinkKeepsOrder: whatever a network loses, doubles and reorders, each frame
// comes once and in its order, both ways.
func TestLinkKeepsOrder(t *testing.T) {
	const retransmit, ackDelay, frames = 500 * time.Millisecond, 100 * time.Millisecond, 200
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		loss := 0.4 * rng.Float64()
		type flight struct {
			at time.Time
			to int
			d  *datagram
		}
		var air []flight
		ends := [2]link{{peer: "b"}, {peer: "a"}}
		var came [2][]uint64
		now, begin := start, start
		for i := range ends {
			ends[i].begin(1, open, now)
		}
		queued := 0
		for len(came[0])+len(came[1]) < 2*frames {
			if now = now.Add(time.Millisecond); now.Sub(begin) > 10*time.Minute {
				t.Fatalf("seed %d: after %v %d and %d of %d frames came", seed, now.Sub(begin), len(came[0]), len(came[1]), frames)
			}
			if queued < frames && rng.IntN(10) == 0 {
				queued++
				for i := range ends {
					if !ends[i].queue(frame(t, uint64(queued)), now, 0) {
						t.Fatal("no room for 200 frames")
					}
				}
			}
			for i := range ends {
				for d, _ := ends[i].due(now, retransmit); d != nil; d, _ = ends[i].due(now, retransmit) {
					for rng.Float64() > loss {
						air = append(air, flight{now.Add(time.Duration(rng.IntN(200)) * time.Millisecond), 1 - i, d})
						if rng.IntN(10) > 0 {
							break // else it comes twice
						}
					}
				}
			}
			for _, f := range air {
				if f.at.After(now) {
					continue
				}
				l := &ends[f.to]
				if err := l.acknowledged(f.d.Ack, now, retransmit); err != nil {
					t.Fatal(err)
				}
				ready, err := l.receive(f.d, now, ackDelay)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range ready {
					came[f.to] = append(came[f.to], number(t, r))
				}
			}
			air = slices.DeleteFunc(air, func(f flight) bool { return !f.at.After(now) })
		}
		for i := range came {
			for k, n := range came[i] {
				if n != uint64(k+1) {
					t.Fatalf("seed %d: frame %d came in place %d", seed, n, k+1)
				}
			}
		}
	}
}

// TestLinkIsBounded: neither a peer that answers nothing nor one that sends from
// far ahead makes a link keep more than it may.
func TestLinkIsBounded(t *testing.T) {
	l := link{peer: "b"}
	l.begin(1, open, start)
	for i := range maxQueue {
		if !l.queue(frame(t, uint64(i)), start, 0) {
			t.Fatalf("no room for frame %d", i)
		}
	}
	if l.queue(frame(t, 0), start, 0) {
		t.Errorf("room for more than %d frames", maxQueue)
	}
	l.begin(2, open, start)
	large := make([]byte, maxQueueBytes/4)
	for range 4 {
		l.queue(large, start, 0)
	}
	if l.queue([]byte{1}, start, 0) {
		t.Errorf("room for more than %d bytes", maxQueueBytes)
	}
	l.begin(3, open, start)
	many := bytes.Repeat(frame(t, 1), 2*maxEarly)
	if _, err := l.receive(&datagram{Link: 3, Seq: 2, Frames: many}, start, 0); err != nil || len(l.early) != maxEarly {
		t.Errorf("%d frames are kept before their turn, %v; want %d", len(l.early), err, maxEarly)
	}
}

// TestLinkWaits: acknowledgements wait for a ride, repeats for their time, and
// new frames for an answer once something had to be repeated.
func TestLinkWaits(t *testing.T) {
	const retransmit, ackDelay = 500 * time.Millisecond, 100 * time.Millisecond
	l := link{peer: "b"}
	l.begin(1, open, start)
	now := start
	at := func(d time.Duration) { now = start.Add(d) }
	expect := func(want string) {
		t.Helper()
		got := "nothing"
		if d, repeats := l.due(now, retransmit); d != nil {
			got = fmt.Sprintf("ack %d seq %d, %d bytes, repeats %v", d.Ack, d.Seq, len(d.Frames), repeats)
		}
		if got != want {
			t.Errorf("at %v: %s, want %s", now.Sub(start), got, want)
		}
	}
	size := len(frame(t, 1))
	if _, err := l.receive(&datagram{Link: 1, Seq: 1, Frames: frame(t, 1)}, now, ackDelay); err != nil {
		t.Fatal(err)
	}
	expect("nothing")
	at(100 * time.Millisecond)
	expect("ack 1 seq 0, 0 bytes, repeats false")
	l.queue(frame(t, 1), now, 0)
	expect(fmt.Sprintf("ack 1 seq 1, %d bytes, repeats false", size))
	expect("nothing")
	at(600 * time.Millisecond)
	expect(fmt.Sprintf("ack 1 seq 1, %d bytes, repeats true", size))
	l.queue(frame(t, 2), now, 0)
	expect("nothing")
	if want := start.Add(1100 * time.Millisecond); !l.deadline().Equal(want) {
		t.Errorf("deadline after %v, want %v", l.deadline().Sub(start), want.Sub(start))
	}
	at(1100 * time.Millisecond)
	expect(fmt.Sprintf("ack 1 seq 1, %d bytes, repeats true", 2*size))
	at(2 * time.Second)
	expect("nothing") // the pause has doubled
	if err := l.acknowledged(2, now, retransmit); err != nil {
		t.Fatal(err)
	}
	at(time.Hour)
	expect("nothing")
	// Who sends a frame again has missed its acknowledgement, and gets it at once.
	if _, err := l.receive(&datagram{Link: 1, Seq: 1, Frames: frame(t, 1)}, now, ackDelay); err != nil {
		t.Fatal(err)
	}
	expect("ack 1 seq 0, 0 bytes, repeats false")
	if err := l.acknowledged(3, now, retransmit); err == nil {
		t.Error("a frame is acknowledged that was never sent")
	}
}
