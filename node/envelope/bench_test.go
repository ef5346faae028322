package envelope

import (
	"fmt"
	"testing"
)

// BenchmarkSeal, to some recipients.
func BenchmarkSeal(b *testing.B) {
	all := parties(b, MaxRecipients+1)
	for _, n := range []int{1, 8, MaxRecipients} {
		to := certificates(all[1 : 1+n])
		b.Run(fmt.Sprint("recipients=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Seal(about(all[0]), all[0].id, to, make([]byte, 1000)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen is what a recipient spends, and what everybody does who finds that
// an envelope is for others: a try for each slot.
func BenchmarkOpen(b *testing.B) {
	all := parties(b, MaxRecipients+2)
	for _, n := range []int{1, 8, MaxRecipients} {
		sealed := seal(b, about(all[0]), all[0], all[2:2+n], make([]byte, 1000))
		b.Run(fmt.Sprint("recipients=", n, "/ours"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Open(about(all[0]), all[2].id.ID(), all[2].key, sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("recipients=", n, "/others"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Open(about(all[0]), all[1].id.ID(), all[1].key, sealed); err != ErrNotForUs {
					b.Fatal(err)
				}
			}
		})
	}
}
