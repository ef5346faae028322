package identity

import (
	"fmt"
	"testing"
)

func BenchmarkSign(b *testing.B)   { eachKey(b, benchmarkSign) }
func BenchmarkVerify(b *testing.B) { eachKey(b, benchmarkVerify) }

func eachKey(b *testing.B, run func(*testing.B, *Identity)) {
	for _, name := range []string{"ed25519-pkcs8.pem", "rsa2048-pkcs1.pem", "rsa4096-pkcs1.pem"} {
		b.Run(name, func(b *testing.B) { run(b, parsed(b, name)) })
	}
}

func benchmarkSign(b *testing.B, id *Identity) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := id.Sign(rumorID); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkVerify(b *testing.B, id *Identity) {
	sig, err := id.Sign(rumorID)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := Verify(id.ID(), id.Public(), rumorID, sig); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatch gives the time of one signature of origins that are known, beside
// BenchmarkVerify.
func BenchmarkBatch(b *testing.B) {
	for _, n := range []int{1, 2, 3, 4, 8, 16, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			batch, v := signedBatch(b, n), NewVerifier()
			b.ReportAllocs()
			for b.Loop() {
				if !v.All(batch) {
					b.Fatal("refused")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/signature")
		})
	}
}

// RejectKey is a forged origin: a public key that is not the origin's.
func BenchmarkRejectKey(b *testing.B) {
	id, other := parsed(b, "rsa4096-pkcs1.pem"), parsed(b, "rsa2048-pkcs1.pem")
	b.ReportAllocs()
	for b.Loop() {
		if Verify(id.ID(), other.Public(), rumorID, nil) == nil {
			b.Fatal("a foreign key passes")
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, name := range []string{"ed25519-pkcs8.pem", "rsa4096-pkcs1.pem"} {
		b.Run(name, func(b *testing.B) {
			path := private(b, name)
			for b.Loop() {
				if _, err := Load(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
