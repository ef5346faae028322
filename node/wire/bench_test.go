package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"testing"

	"hearsay/node/gossip"
)

func benchRumor(t testing.TB, size int) *gossip.Rumor {
	t.Helper()
	r, err := gossip.NewRumor(gossip.Header{Network: "hearsay", Kind: gossip.KindEvent, Origin: gossip.PeerID(bytes.Repeat([]byte("o"), 38)),
		Epoch: 1, Seq: 1, Created: 1, Expires: 2}, make([]byte, size))
	if err != nil {
		t.Fatal(err)
	}
	r.Nonce, r.Signature = 1, bytes.Repeat([]byte("s"), 64)
	return r
}

func benchFrame(t testing.TB, size int) []byte {
	t.Helper()
	frame, err := AppendFrame(nil, &gossip.Push{Rumor: benchRumor(t, size), Hops: 1})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func BenchmarkAppendPush(b *testing.B) {
	for _, size := range []int{64, 1024, gossip.MaxPayload} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m := &gossip.Push{Rumor: benchRumor(b, size), Hops: 1}
			buf, _ := AppendFrame(nil, m)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = AppendFrame(buf[:0], m)
			}
		})
	}
}

func BenchmarkDecodePush(b *testing.B) {
	for _, size := range []int{64, 1024, gossip.MaxPayload} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			body, err := ReadFrame(bufio.NewReader(bytes.NewReader(benchFrame(b, size))))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadFrame(b *testing.B) {
	for _, size := range []int{64, 1024, gossip.MaxPayload} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			frame := benchFrame(b, size)
			stream := bytes.NewReader(frame)
			r := bufio.NewReaderSize(stream, 16<<10)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				stream.Reset(frame)
				r.Reset(stream)
				if _, err := ReadFrame(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Largest is a frame of every kind at its limits, there and back.
func BenchmarkLargest(b *testing.B) {
	for _, m := range largest(b) {
		b.Run(fmt.Sprintf("%T", m)[len("*gossip."):], func(b *testing.B) {
			frame, err := AppendFrame(nil, m)
			if err != nil {
				b.Fatal(err)
			}
			body, err := ReadFrame(bufio.NewReader(bytes.NewReader(frame)))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				frame, _ = AppendFrame(frame[:0], m)
				if _, err := Decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
