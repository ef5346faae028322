package transport

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// benchPair is a link between two transports whose receiver counts.
func benchPair(b *testing.B, received func(gossip.Received)) (from, to *Transport) {
	up := make(chan struct{}, 2)
	make1 := func() *Transport {
		tr, err := New(Config{Host: newHost(b), Network: "bench", Emit: func(ev gossip.Event) {
			switch ev := ev.(type) {
			case gossip.LinkUp:
				up <- struct{}{}
			case gossip.Received:
				received(ev)
			}
		}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { tr.Close() })
		return tr
	}
	x, y := make1(), make1()
	introduce(x.host, y.host)
	x.Dial(gossip.PeerID(y.host.ID()))
	<-up
	<-up
	return x, y
}

// Push is rumors one after the other down one link over loopback TCP, read,
// decoded and emitted by the other side. When the queue is full it waits.
func BenchmarkPush(b *testing.B) {
	for _, size := range []int{64, 1024, 16 << 10, gossip.MaxPayload} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var got atomic.Int64
			progress := make(chan struct{}, 1)
			from, to := benchPair(b, func(gossip.Received) {
				got.Add(1)
				select {
				case progress <- struct{}{}:
				default:
				}
			})
			id := gossip.PeerID(to.host.ID())
			m := &gossip.Push{Rumor: newRumor(b, 1, size), Hops: 1}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			start := time.Now()
			for b.Loop() {
				for from.Send(id, m, false) {
					<-progress
				}
			}
			for got.Load() < int64(b.N) {
				<-progress
			}
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "msg/s")
		})
	}
}

// RoundTrip is a ping and its pong: what two hops cost.
func BenchmarkRoundTrip(b *testing.B) {
	arrived := make(chan struct{}, 1)
	var from, to *Transport
	from, to = benchPair(b, func(ev gossip.Received) {
		if _, ok := ev.Msg.(*gossip.Ping); ok {
			to.Send(ev.From, &gossip.Pong{}, false)
		} else {
			arrived <- struct{}{}
		}
	})
	id := gossip.PeerID(to.host.ID())
	for b.Loop() {
		from.Send(id, &gossip.Ping{}, false)
		<-arrived
	}
}

// Send is what queueing costs the core's loop, writing not included.
func BenchmarkSend(b *testing.B) {
	n := newLane(gossipLane)
	m := &gossip.Push{Rumor: newRumor(b, 1, 1024), Hops: 1}
	b.ReportAllocs()
	batch := make([]gossip.Message, 0, 1024)
	for b.Loop() {
		if !n.push(m, false) {
			for batch, _ = n.take(batch[:0]); len(batch) > 0; batch, _ = n.take(batch[:0]) {
			}
		}
	}
}

// LinkUp is a link from the dial to both LinkUp and back to both LinkDown, over
// a connection that is there, where no peer is held up for beginning links all the time.
func BenchmarkLinkUp(b *testing.B) {
	x, y := newNode(b, newHost(b)), newNode(b, newHost(b), withTiming(unpaced))
	connect(b, x, y)
	for b.Loop() {
		x.Hangup(y.id, "for the benchmark", false)
		x.awaitDown(y.id)
		y.awaitDown(x.id)
		x.forget()
		y.forget()
		x.Dial(y.id)
		x.awaitUp(y.id)
		y.awaitUp(x.id)
	}
}
