package discovery

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Whatever comes when, no minute has more than its share.
func TestWindowHoldsAnywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := window{limit: 32, period: time.Minute}
	now := time.Unix(0, 0)
	var admitted []time.Time
	for range 20_000 {
		now = now.Add(time.Duration(r.ExpFloat64() * float64(time.Second) / 2))
		if w.admit(now) {
			admitted = append(admitted, now)
		}
	}
	for i := range len(admitted) - 32 {
		if gap := admitted[i+32].Sub(admitted[i]); gap < time.Minute {
			t.Fatalf("33 admissions in %v", gap)
		}
	}
	if minutes := now.Sub(time.Unix(0, 0)).Minutes(); float64(len(admitted)) < 0.9*32*minutes {
		t.Errorf("%d admissions in %.0f minutes of plenty: the window gives less than it has", len(admitted), minutes)
	}
}

func TestIntake(t *testing.T) {
	in := newIntake(mdnsNewPeers, mdnsRepeats, mdnsPeriod)
	now := time.Unix(1000, 0)
	friend := peer.ID("friend")
	if !in.admit(friend, now) {
		t.Fatal("the first peer is refused")
	}
	// A flood of made-up peers gets its 31 others, then nothing.
	passed := 0
	for i := range 10_000 {
		if in.admit(peer.ID(fmt.Sprint(i)), now) {
			passed++
		}
	}
	if passed != mdnsNewPeers-1 {
		t.Errorf("%d made-up peers passed, want %d", passed, mdnsNewPeers-1)
	}
	if !in.admit(friend, now.Add(time.Second)) {
		t.Error("a known peer is not heard during a flood")
	}
	// However long a flood lasts, memory stays what the constants say.
	small := newIntake(4, 8, mdnsPeriod)
	for i := range 5 * 60 * 60 {
		small.admit(peer.ID(fmt.Sprint("x", i)), now.Add(time.Duration(i)*time.Second))
	}
	if n, most := len(small.known), 4*int(intakeMemory/mdnsPeriod); n > most || n < most*9/10 {
		t.Errorf("%d peers remembered, want %d", n, most)
	}
	// One peer that repeats itself is heard mdnsRepeats times a minute.
	now = now.Add(48 * time.Hour)
	passed = 0
	for range 10_000 {
		if in.admit(friend, now) {
			passed++
		}
	}
	if passed != 1+mdnsRepeats {
		t.Errorf("one peer passed %d times, want %d", passed, 1+mdnsRepeats)
	}
}
