package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"hearsay/apibridge"
	"hearsay/apibridge/client"
	"hearsay/node"
)

// rounds of each closed loop, after as many to warm up.
const rounds = 3000

// runAPI measures the way from one module's ANNOUNCE to another one's
// NOTIFICATION, beside the same bytes there and back over a bare TCP connection
// and over a bare libp2p stream.
func runAPI(c cell) (map[string]float64, error) {
	if c.Payload < headerSize || c.Payload > 65000 {
		return nil, fmt.Errorf("payload of %d bytes: %d to 65000 are possible", c.Payload, headerSize)
	}
	figures := make(map[string]float64)
	for _, part := range []func(*cell, map[string]float64) error{tcpEcho, streamEcho, oneNode, twoNodes} {
		if err := part(&c, figures); err != nil {
			return nil, err
		}
	}
	figures["one_node_ratio"] = figures["one_node_us"] / figures["tcp_echo_us"]
	// "two raw TCP hops" are one echo.
	figures["two_nodes_ratio"] = figures["two_nodes_us"] / (figures["stream_echo_us"] + figures["tcp_echo_us"])
	return figures, nil
}

// loop times rounds of step and notes median and 99th percentile in µs.
func loop(figures map[string]float64, name string, step func() error) error {
	took := make([]float64, 0, rounds)
	for i := range 2 * rounds {
		began := time.Now()
		if err := step(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if i >= rounds {
			took = append(took, float64(time.Since(began))/1e3)
		}
	}
	slices.Sort(took)
	figures[name+"_us"] = quantile(took, 0.5)
	figures[name+"_p99_us"] = quantile(took, 0.99)
	return nil
}

func tcpEcho(c *cell, figures map[string]float64) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		echo(conn, c.Payload)
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	return pingPong(figures, "tcp_echo", conn, c.Payload)
}

func streamEcho(c *cell, figures map[string]float64) error {
	s := &setting{cell: cell{Hosts: 2}, traffic: new(traffic)}
	f, err := newFleet(s)
	if err != nil {
		return err
	}
	defer f.close()
	f[1].SetStreamHandler("/bench/echo/1", func(s network.Stream) { echo(s, c.Payload) })
	if err := f.connect([][]int{{1}, {0}}); err != nil {
		return err
	}
	stream, err := f[0].NewStream(context.Background(), f[1].ID(), "/bench/echo/1")
	if err != nil {
		return err
	}
	defer stream.Reset()
	return pingPong(figures, "stream_echo", stream, c.Payload)
}

func echo(rw io.ReadWriter, size int) {
	b := make([]byte, size)
	for {
		if _, err := io.ReadFull(rw, b); err != nil {
			return
		}
		if _, err := rw.Write(b); err != nil {
			return
		}
	}
}

func pingPong(figures map[string]float64, name string, rw io.ReadWriter, size int) error {
	b := make([]byte, size)
	return loop(figures, name, func() error {
		if _, err := rw.Write(b); err != nil {
			return err
		}
		_, err := io.ReadFull(rw, b)
		return err
	})
}

// bridged is a node with its module API.
type bridged struct {
	node   *node.Node
	api    string
	cancel func()
}

func newBridged() (*bridged, error) {
	cfg := node.DefaultConfig()
	cfg.MDNS, cfg.Kademlia, cfg.DifficultyBits = false, false, 0
	n, cancel, ended, err := newNode(&setting{traffic: new(traffic)}, cfg)
	if err != nil {
		return nil, err
	}
	l, err := apibridge.Listen("127.0.0.1:0", false)
	if err != nil {
		return nil, err
	}
	opts := apibridge.DefaultOptions()
	opts.Rate, opts.Pace = rate.Inf, 0
	server := apibridge.NewGossip(n.Modules(), opts)
	go server.Serve(l)
	return &bridged{n, l.Addr().String(), func() {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		server.Close(ctx)
		cancel()
		<-ended
	}}, nil
}

func oneNode(c *cell, figures map[string]float64) error {
	n, err := newBridged()
	if err != nil {
		return err
	}
	defer n.cancel()
	if err := announceLoop(figures, "one_node", n, n, c.Payload); err != nil {
		return err
	}
	for _, conns := range []int{1, 50} {
		if err := announceRate(figures, fmt.Sprintf("announced_per_s_%d", conns), n, conns, c.Payload); err != nil {
			return err
		}
	}
	return nil
}

func twoNodes(c *cell, figures map[string]float64) error {
	a, err := newBridged()
	if err != nil {
		return err
	}
	defer a.cancel()
	b, err := newBridged()
	if err != nil {
		return err
	}
	defer b.cancel()
	a.node.Introduce(peer.AddrInfo{ID: b.node.ID(), Addrs: b.node.Host().Addrs()})
	if err := until("two nodes to be neighbours", func() bool { return a.node.Status().Neighbours == 1 && b.node.Status().Neighbours == 1 }); err != nil {
		return err
	}
	return announceLoop(figures, "two_nodes", a, b, c.Payload)
}

// announceLoop has a module at one node announce and waits until one at the
// other is told, which finds it valid.
func announceLoop(figures map[string]float64, name string, from, to *bridged, size int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*settle)
	defer cancel()
	speaks, err := client.Dial(ctx, from.api)
	if err != nil {
		return err
	}
	defer speaks.Close()
	hears, err := client.Dial(ctx, to.api)
	if err != nil {
		return err
	}
	defer hears.Close()
	if err := hears.Notify(ctx, dataType); err != nil {
		return err
	}
	if err := until("the subscription", func() bool { return slices.Contains(to.node.Status().Interests, dataType) }); err != nil {
		return err
	}
	data := make([]byte, size)
	return loop(figures, name, func() error {
		if err := speaks.Announce(ctx, 0, dataType, data); err != nil {
			return err
		}
		n, err := hears.Next(ctx)
		if err != nil {
			return err
		}
		return hears.Validate(ctx, n.ID, true)
	})
}

// announceRate has modules announce as fast as they can for two seconds and
// counts what one subscriber is told.
func announceRate(figures map[string]float64, name string, n *bridged, conns, size int) error {
	ctx, cancel := context.WithTimeout(context.Background(), settle)
	defer cancel()
	hears, err := client.Dial(ctx, n.api)
	if err != nil {
		return err
	}
	defer hears.Close()
	kind := uint16(dataType + 1 + conns)
	if err := hears.Notify(ctx, kind); err != nil {
		return err
	}
	if err := until("the subscription", func() bool { return slices.Contains(n.node.Status().Interests, kind) }); err != nil {
		return err
	}
	speaking, quiet := context.WithTimeout(ctx, 2*time.Second)
	defer quiet()
	var wg sync.WaitGroup
	for range conns {
		c, err := client.Dial(ctx, n.api)
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer c.Close()
			data := make([]byte, size)
			for speaking.Err() == nil && c.Announce(speaking, 0, kind, data) == nil {
			}
		})
	}
	told, began := 0, time.Now()
	for speaking.Err() == nil {
		note, err := hears.Next(speaking)
		if err != nil {
			break
		}
		told++
		if err := hears.Validate(ctx, note.ID, true); err != nil {
			return err
		}
	}
	figures[name] = float64(told) / time.Since(began).Seconds()
	wg.Wait()
	return nil
}
