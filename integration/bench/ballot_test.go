package main

import "testing"

// TestBallot: nothing that is put is lost or taken twice, whoever is faster.
func TestBallot(t *testing.T) {
	b := newBallot()
	const count = 20_000
	go func() {
		for i := range count {
			b.put([32]byte{byte(i), byte(i >> 8), byte(i >> 16)})
		}
	}()
	for i := 0; i < count; {
		for _, id := range b.take() {
			if want := [32]byte{byte(i), byte(i >> 8), byte(i >> 16)}; id != want {
				t.Fatalf("%x is taken, not %x", id[:3], want[:3])
			}
			i++
		}
	}
}
