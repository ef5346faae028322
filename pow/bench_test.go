package pow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// Verify is what every hop pays per rumor, valid or forged.
func BenchmarkVerify(b *testing.B) {
	id := sha256.Sum256([]byte("benchmark"))
	b.ReportAllocs()
	var nonce uint64
	for b.Loop() {
		Verify(id, nonce, 16)
		nonce++
	}
}

// HashRate is the speed of the search itself on -cpu cores.
func BenchmarkHashRate(b *testing.B) {
	id := sha256.Sum256([]byte("benchmark"))
	var solved atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		h := newHasher(id)
		for nonce := uint64(0); pb.Next(); nonce++ {
			if meets(h.head(nonce), 64) {
				solved.Add(1)
			}
		}
	})
	if solved.Load() != 0 {
		b.Fatal("a digest with 64 leading zero bits: not in this universe")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "MH/s")
}

// Solve is what an origin waits for, on average over many rumors.
func BenchmarkSolve(b *testing.B) {
	for _, bits := range []int{4, 8, 12, 16, 20} {
		b.Run(fmt.Sprintf("bits=%d", bits), func(b *testing.B) {
			var id [32]byte
			var i uint64
			for b.Loop() {
				i++
				binary.BigEndian.PutUint64(id[:], i)
				if _, err := Solve(b.Context(), id, bits); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Cancel is the time from the end of the context to Solve's return.
func BenchmarkCancel(b *testing.B) {
	var late time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		var ended time.Time
		time.AfterFunc(2*time.Millisecond, func() { ended = time.Now(); cancel() })
		if _, err := Solve(ctx, [32]byte{1}, MaxBits); err == nil {
			b.Fatal("solved 40 bits in 2 ms")
		}
		late += time.Since(ended)
	}
	b.ReportMetric(float64(late.Microseconds())/float64(b.N), "µs-late/op")
}
