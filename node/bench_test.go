package node

import (
	"context"
	"testing"
	"time"

	"github.com/multiformats/go-multiaddr"

	"hearsay/node/identity"
)

// benchNode runs a node that finds nobody by itself, without proof of work.
func benchNode(b *testing.B) *Node {
	b.Helper()
	id, err := identity.New()
	if err != nil {
		b.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Identity = id
	cfg.Listen = []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")}
	cfg.MDNS, cfg.Kademlia = false, false
	cfg.DifficultyBits = 0
	n, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { n.Run(ctx); close(ended) }()
	b.Cleanup(func() { cancel(); <-ended })
	<-n.Ready()
	return n
}

// link makes two nodes neighbours.
func link(b *testing.B, from, to *Node) {
	b.Helper()
	w := from.Watch()
	defer w.Close()
	introduce(from, to)
	for ev := range w.C() {
		if ev.What == "linked" {
			break
		}
	}
}

// pair runs two linked nodes; b listens to type 7.
func pair(b *testing.B) (from *Node, heard *Listener) {
	b.Helper()
	from, to := benchNode(b), benchNode(b)
	link(b, from, to)
	l, err := to.Listen([]uint16{7})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.Close)
	// The first one waits until the interest is known at the other node.
	if _, err := from.Announce(b.Context(), Announcement{DataType: 7}); err != nil {
		b.Fatal(err)
	}
	<-l.C()
	return from, l
}

// BenchmarkLatency is one announcement at a time: from Announce to the listener
// of the neighbour, signed and verified, without proof of work.
func BenchmarkLatency(b *testing.B) {
	from, heard := pair(b)
	a := Announcement{DataType: 7, Data: make([]byte, 1024)}
	for b.Loop() {
		if _, err := from.Announce(b.Context(), a); err != nil {
			b.Fatal(err)
		}
		<-heard.C()
	}
}

// BenchmarkThroughput is announcements as fast as one module can make them, with half
// a listener's queue of them under way: what does not fit into that is dropped, and
// would be waited for for ever.
func BenchmarkThroughput(b *testing.B) {
	from, heard := pair(b)
	session, err := from.Modules().Open(func([32]byte, uint16, []byte) {})
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 1024)
	b.SetBytes(int64(len(data)))
	began := time.Now()
	n := 0
	ahead := make(chan struct{}, listenerQueue/2)
	go func() {
		for range b.N {
			ahead <- struct{}{}
			if err := from.Modules().Announce(context.Background(), session, 0, 7, data); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	b.ResetTimer()
	for range b.N {
		<-heard.C()
		<-ahead
		n++
	}
	b.ReportMetric(float64(n)/time.Since(began).Seconds(), "rumors/s")
}
