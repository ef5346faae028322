package apimsg

import (
	"fmt"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{0, 1024, MaxData} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			m := &Notification{ID: 1, DataType: 2, Data: make([]byte, n)}
			buf := make([]byte, 0, MaxSize)
			b.SetBytes(int64(m.Size()))
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = Append(buf[:0], m)
			}
		})
	}
}

// BenchmarkReader is the time per message, copying into the buffer included.
func BenchmarkReader(b *testing.B) {
	for _, n := range []int{0, 1024, MaxData} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			frame, _ := Append(nil, &Announce{DataType: 2, Data: make([]byte, n)})
			r := NewReader(&endless{frame: frame}, TypeAnnounce, TypeNotify, TypeValidation)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
