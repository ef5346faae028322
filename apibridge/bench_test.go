package apibridge_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// fastest are options under which nothing is held back.
func fastest() apibridge.Options {
	o := unpaced()
	o.Rate = rate.Inf
	return o
}

// benchPeer starts a peer that keeps no record of events.
func benchPeer(b *testing.B, opts apibridge.Options) *peer {
	p := serve(b, opts)
	p.CountOnly = true
	return p
}

// nothing is a node that does nothing, quickly.
type nothing struct{ announced atomic.Int64 }

func (*nothing) Open(func([32]byte, uint16, []byte)) (uint64, error) { return 1, nil }
func (*nothing) Close(uint64)                                        {}
func (*nothing) Subscribe(uint64, uint16) error                      { return nil }
func (*nothing) Vote(uint64, [32]byte, bool)                         {}
func (n *nothing) Announce(context.Context, uint64, uint8, uint16, []byte) error {
	n.announced.Add(1)
	return nil
}

// BenchmarkAnnounceToNotification is the time from one module's ANNOUNCE to
// another one's NOTIFICATION on the same node, and back to the VALIDATION,
// which the next round does not wait for. "paced" is the default, where each
// NOTIFICATION waits for the VALIDATION before. The metric raw-ns is what a
// message of that size takes there and back through a server that does nothing
// else: the price of the sockets.
func BenchmarkAnnounceToNotification(b *testing.B) {
	for _, n := range []int{100, 1024, 60_000} {
		for _, pace := range []time.Duration{0, apibridge.DefaultOptions().Pace} {
			b.Run(fmt.Sprintf("bytes=%d/paced=%v", n, pace > 0), func(b *testing.B) {
				opts := fastest()
				opts.Pace = pace
				p := benchPeer(b, opts)
				from, to := p.module(), p.subscriber(1)
				frame := encode(b, &apimsg.Announce{DataType: 1, Data: make([]byte, n)})
				answer := encode(b, &apimsg.Validation{Valid: true})
				b.ReportAllocs()
				for b.Loop() {
					from.Write(frame)
					m, err := to.in.Next()
					if err != nil {
						b.Fatal(err)
					}
					id := m.(*apimsg.Notification).ID
					answer[4], answer[5] = byte(id>>8), byte(id)
					to.Write(answer)
				}
				raw := rawEcho(b, len(frame), b.N)
				b.ReportMetric(float64(raw.Nanoseconds())/float64(b.N), "raw-ns")
				b.ReportMetric(float64(b.Elapsed())/float64(raw), "×raw")
			})
		}
	}
}

// rawEcho sends n bytes to a server that sends them back, times times.
func rawEcho(b *testing.B, n, times int) time.Duration {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, n)
		for {
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			c.Write(buf)
		}
	})
	c, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, n)
	start := time.Now()
	for range times {
		c.Write(buf)
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

// BenchmarkAnnounce is how fast one connection is read, by a node that costs
// nothing. "each" sends every message with a write of its own, "joined" 100.
func BenchmarkAnnounce(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
	}{{"each", 1}, {"joined", 100}} {
		for _, n := range []int{100, 1024} {
			b.Run(fmt.Sprintf("%s/bytes=%d", c.name, n), func(b *testing.B) {
				node := new(nothing)
				p := serveNode(b, node, bridgetest.New(), fastest())
				conn := p.dial()
				defer conn.Close()
				frame := encode(b, &apimsg.Announce{DataType: 1, Data: make([]byte, n)})
				var frames []byte
				for range c.n {
					frames = append(frames, frame...)
				}
				b.ReportAllocs()
				sent := 0
				start := time.Now()
				for b.Loop() {
					if sent%c.n == 0 {
						conn.Write(frames)
					}
					sent++
				}
				// The last write may hold more messages than b.N asked for.
				for all := int64((sent + c.n - 1) / c.n * c.n); node.announced.Load() < all; {
					time.Sleep(10 * time.Microsecond)
				}
				b.ReportMetric(float64(sent)/time.Since(start).Seconds(), "announcements/s")
			})
		}
	}
}

// BenchmarkStrayValidation is what a VALIDATION costs that answers nothing.
func BenchmarkStrayValidation(b *testing.B) {
	p := serveNode(b, new(nothing), bridgetest.New(), fastest())
	conn := p.dial()
	defer conn.Close()
	frame := encode(b, &apimsg.Validation{ID: 1})
	var frames []byte
	for range 1000 {
		frames = append(frames, frame...)
	}
	sent := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		if sent%1000 == 0 {
			conn.Write(frames)
		}
		sent++
	}
	for p.srv.Stats().Strays < sent {
		time.Sleep(10 * time.Microsecond)
	}
}

// BenchmarkNotifications is how fast one module that reads and does nothing
// else is told, without pace.
func BenchmarkNotifications(b *testing.B) {
	for _, n := range []int{100, 1024} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			p := benchPeer(b, fastest())
			m := p.subscriber(1)
			data := make([]byte, n)
			b.ReportAllocs()
			open := 0
			for b.Loop() {
				p.Receive(1, data)
				if open++; open == 2048 { // half of the queue
					for ; open > 0; open-- {
						if _, err := m.in.Next(); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			for ; open > 0; open-- {
				if _, err := m.in.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
