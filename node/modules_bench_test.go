package node

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/time/rate"

	"hearsay/apibridge"
	"hearsay/apibridge/client"
)

// BenchmarkModules is the way from one module's ANNOUNCE to another one's
// NOTIFICATION, through one node and through two, without proof of work; its VALIDATION
// is sent after that, and not timed. Beside it runs the same number of bytes there and back over
// what lies below: a TCP connection, and for two nodes a libp2p stream too. They take
// turns, so that what slows the machine slows both; ×raw is the median of the one over
// that of the other.
func BenchmarkModules(b *testing.B) {
	const size = 1024
	b.Run("one node", func(b *testing.B) {
		n := benchNode(b)
		takeTurns(b, announcing(b, n, n, size), tcpEcho(b, size))
	})
	b.Run("two nodes", func(b *testing.B) {
		from, to := benchNode(b), benchNode(b)
		link(b, from, to)
		takeTurns(b, announcing(b, from, to, size), tcpEcho(b, size), streamEcho(b, from, to, size))
	})
}

// round is timed, but for what comes after it, which may be nothing.
type round struct{ step, after func() }

// takeTurns has a number of rounds of each course go by turns. The first is compared with
// all others together.
func takeTurns(b *testing.B, courses ...round) {
	const turn = 200
	took := make([][]time.Duration, len(courses))
	b.ResetTimer()
	for done := 0; done < b.N; done += turn {
		for i, c := range courses {
			for range min(turn, b.N-done) {
				began := time.Now()
				c.step()
				took[i] = append(took[i], time.Since(began))
				if c.after != nil {
					c.after()
				}
			}
		}
	}
	var below time.Duration
	for _, t := range took {
		slices.Sort(t)
	}
	for _, t := range took[1:] {
		below += t[len(t)/2]
	}
	p50 := took[0][b.N/2]
	b.ReportMetric(0, "ns/op") // it would be that of all together
	b.ReportMetric(float64(p50)/1e3, "µs-p50")
	b.ReportMetric(float64(took[0][b.N*99/100])/1e3, "µs-p99")
	b.ReportMetric(float64(below)/1e3, "µs-raw")
	b.ReportMetric(float64(p50)/float64(below), "×raw")
}

// announcing has a module at one node announce, and one at the other be told and find
// it valid.
func announcing(b *testing.B, from, to *Node, size int) (r round) {
	speaks, hears := attach(b, from), attach(b, to)
	if err := hears.Notify(b.Context(), 7); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, size)
	var told client.Notification
	r.step = func() {
		err := speaks.Announce(b.Context(), 0, 7, data)
		if err == nil {
			told, err = hears.Next(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	r.after = func() {
		if err := hears.Validate(b.Context(), told.ID, true); err != nil {
			b.Fatal(err)
		}
	}
	for !slices.Contains(to.Status().Interests, 7) {
		time.Sleep(time.Millisecond)
	}
	for range 1000 {
		r.step() // the first one until the interest is known at the other node, all to warm up
		r.after()
	}
	return r
}

// attach connects a module to a node by the module API.
func attach(b *testing.B, n *Node) *client.Client {
	ln, err := apibridge.Listen("127.0.0.1:0", false)
	if err != nil {
		b.Fatal(err)
	}
	opts := apibridge.DefaultOptions()
	opts.Rate, opts.Pace = rate.Inf, 0
	server := apibridge.NewGossip(n.Modules(), opts)
	served := make(chan struct{})
	go func() { server.Serve(ln); close(served) }()
	c, err := client.Dial(b.Context(), ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.Close()
		server.Close(context.Background())
		<-served
	})
	return c
}

func tcpEcho(b *testing.B, size int) round {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	go echo(s, size)
	b.Cleanup(func() { c.Close() })
	return pingPong(b, c, size)
}

func streamEcho(b *testing.B, from, to *Node, size int) round {
	to.Host().SetStreamHandler("/echo", func(s network.Stream) { echo(s, size) })
	s, err := from.Host().NewStream(b.Context(), to.ID(), "/echo")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Reset() })
	return pingPong(b, s, size)
}

// echo gives back what comes until the other side has enough.
func echo(c io.ReadWriteCloser, size int) {
	defer c.Close()
	buf := make([]byte, size)
	for {
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

func pingPong(b *testing.B, c io.ReadWriter, size int) round {
	buf := make([]byte, size)
	return round{step: func() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}}
}
