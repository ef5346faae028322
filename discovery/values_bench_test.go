package discovery

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/discovery/values"
)

// benchNodes are hosts on loopback that found each other through the first one.
func benchNodes(b *testing.B, n int) (hosts []host.Host, services []*values.Service) {
	b.Helper()
	var all []*Discovery
	for i := range n {
		h := newHost(b, "/ip4/127.0.0.1/tcp/0")
		d := running(b, Config{Host: h, Network: "bench", Found: func(Candidate) {}, Kademlia: true})
		if i > 0 {
			if err := h.Connect(b.Context(), peer.AddrInfo{ID: hosts[0].ID(), Addrs: hosts[0].Addrs()}); err != nil {
				b.Fatal(err)
			}
		}
		hosts, services, all = append(hosts, h), append(services, d.Values()), append(all, d)
	}
	for i, d := range all {
		eventually(b, fmt.Sprintf("node %d knows the others", i), func() bool {
			if d.DHT().RoutingTable().Size() < min(n-1, 15) {
				<-d.DHT().RefreshRoutingTable()
				return false
			}
			return true
		})
	}
	return hosts, services
}

func benchKey(i int) (key values.Key) {
	binary.BigEndian.PutUint64(key[:], uint64(i))
	key[31] = 1
	return key
}

// BenchmarkValues: 30 nodes on loopback, over TCP, Noise and yamux. A put ends when
// the nodes that should have the value have said so; a get is made by another node.
func BenchmarkValues(b *testing.B) {
	for _, size := range []int{1 << 10, 60_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			_, nodes := benchNodes(b, 30)
			value := make([]byte, size)
			rand.Read(value)
			// The values of one node take 1 MiB at most; and the first ones make
			// connections.
			perNode := values.MaxSignerBytes / (size + 1024) / 2
			next := 0
			put := func() time.Duration {
				began := time.Now()
				if _, others, err := nodes[next%30].PutNow(b.Context(), benchKey(next%(perNode*30)), value, time.Hour, 0); err != nil || others < 8 {
					b.Fatalf("%d others have it, %v", others, err)
				}
				next++
				return time.Since(began)
			}
			get := func(i int) time.Duration {
				began := time.Now()
				if r := nodes[(i*7+3)%30].Get(b.Context(), benchKey(i)); r == nil {
					b.Fatal("not found")
				}
				return time.Since(began)
			}
			for range 60 {
				put()
			}
			for i := range 60 {
				get(i)
			}
			var puts, gets []time.Duration
			for i := 0; b.Loop(); i++ {
				puts = append(puts, put())
				gets = append(gets, get(i%60))
			}
			report(b, "put", puts)
			report(b, "get", gets)
		})
	}
}

func report(b *testing.B, what string, took []time.Duration) {
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[len(took)*p/100])/1e6, fmt.Sprintf("%s-p%d-ms", what, p))
	}
}

// BenchmarkValuesSilent: 9 of 30 nodes take connections, or streams, and never
// answer.
func BenchmarkValuesSilent(b *testing.B) {
	hosts, nodes := benchNodes(b, 30)
	for i := range 9 {
		if i%2 == 0 { // streams are accepted
			hosts[i].SetStreamHandler(values.Protocol("bench"), func(s network.Stream) { io.Copy(io.Discard, s) })
			continue
		}
		// Connections are accepted, and nobody says a word.
		at := hosts[i].Network().ListenAddresses()[0]
		hosts[i].Close()
		ln, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", portOf(at)))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { ln.Close() })
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				b.Cleanup(func() { c.Close() })
			}
		}()
	}
	honest := nodes[9:]
	value := make([]byte, 1<<10)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() { // each waits for silent nodes
			if _, others, err := honest[i%21].PutNow(b.Context(), benchKey(i), value, time.Hour, 0); err != nil || others == 0 {
				b.Errorf("%d others have it, %v", others, err)
			}
		})
	}
	wg.Wait()
	var gets []time.Duration
	right, i := 0, 0
	for ; b.Loop(); i++ {
		began := time.Now()
		found := honest[(i*5+2)%21].Get(context.Background(), benchKey(i%70)) != nil // 10 of 70 there are not
		gets = append(gets, time.Since(began))
		if found == (i%70 < 60) {
			right++
		}
	}
	report(b, "get", gets)
	b.ReportMetric(100*float64(right)/float64(i), "%right")
}
