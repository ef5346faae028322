package apibridge

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkPending is an ID given out and answered, with so many others open.
func BenchmarkPending(b *testing.B) {
	for _, open := range []int{0, 4095} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			p := newPending(4096)
			for i := range open {
				p.issue(rumorID(i))
			}
			b.ReportAllocs()
			for b.Loop() {
				id, _ := p.issue([32]byte{})
				p.answer(id)
			}
		})
	}
}

// BenchmarkEchoGuard is what a NOTIFICATION and an ANNOUNCE of so many bytes
// cost for it together.
func BenchmarkEchoGuard(b *testing.B) {
	for _, n := range []int{1024, 65527} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			g := newEchoGuard(10 * time.Second)
			data := make([]byte, n)
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				g.told(now, g.content(1, data))
				g.pass(now, g.content(1, data))
			}
		})
	}
}
