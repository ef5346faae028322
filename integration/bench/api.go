package main

import (
	"context"
	"errors"
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

const (
	// Each loop goes round blocks times blockRounds, in turns with the others, so
	// that what slows the machine for a while slows all of them.
	blocks      = 6
	blockRounds = 500
	// workRounds is how often is announced with proof of work.
	workRounds = 200
	// announcing is for how long is announced as fast as can be.
	announcing = 1500 * time.Millisecond
)

// course is something whose rounds are timed.
type course struct {
	name string
	round
	took []float64 // µs
}

// round is timed, but for what comes after it, which may be nothing.
type round struct{ step, after func() error }

func (c *course) run(rounds int) error {
	for range rounds {
		began := time.Now()
		err := c.step()
		c.took = append(c.took, float64(time.Since(began))/1e3)
		if err == nil && c.after != nil {
			err = c.after()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// note notes median and 99th percentile.
func (c *course) note(figures map[string]float64) {
	slices.Sort(c.took)
	figures[c.name+"_us"] = quantile(c.took, 0.5)
	figures[c.name+"_p99_us"] = quantile(c.took, 0.99)
}

// runAPI measures the way from one module's ANNOUNCE to another one's
// NOTIFICATION, beside the same bytes there and back over a bare TCP connection
// and over a bare libp2p stream. Proof of work is off but where the name says
// otherwise. The clock stops when the NOTIFICATION has been read; its VALIDATION is
// written then, at once, and the next round begins.
func runAPI(c cell) (map[string]float64, error) {
	var courses []*course
	for _, make := range []func(*cell) (r round, name string, end func(), err error){tcpEcho, streamEcho, oneNode, twoNodes} {
		r, name, end, err := make(&c)
		if err != nil {
			return nil, err
		}
		defer end()
		courses = append(courses, &course{name: name, round: r})
	}
	for _, c := range courses {
		if err := c.run(2 * blockRounds); err != nil {
			return nil, err
		}
		c.took = nil // it was to warm up
	}
	for range blocks {
		for _, c := range courses {
			if err := c.run(blockRounds); err != nil {
				return nil, err
			}
		}
	}
	figures := make(map[string]float64)
	for _, c := range courses {
		c.note(figures)
	}
	figures["one_node_ratio"] = figures["one_node_us"] / figures["tcp_echo_us"]
	// "two raw TCP hops" are one echo.
	figures["two_nodes_ratio"] = figures["two_nodes_us"] / (figures["stream_echo_us"] + figures["tcp_echo_us"])
	if err := announceWithWork(&c, figures); err != nil {
		return nil, err
	}
	return figures, announceRates(&c, figures)
}

func tcpEcho(c *cell) (r round, name string, end func(), err error) {
	const named = "tcp_echo"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return r, named, nil, err
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
		return r, named, nil, err
	}
	return pingPong(conn, c.Payload), named, func() { conn.Close() }, nil
}

func streamEcho(c *cell) (r round, name string, end func(), err error) {
	const named = "stream_echo"
	s := &setting{cell: cell{Hosts: 2}, traffic: new(traffic)}
	f, err := newFleet(s)
	if err != nil {
		return r, named, nil, err
	}
	f[1].SetStreamHandler("/bench/echo/1", func(s network.Stream) { echo(s, c.Payload) })
	if err := f.connect([][]int{{1}, {0}}); err != nil {
		f.close()
		return r, named, nil, err
	}
	stream, err := f[0].NewStream(background, f[1].ID(), "/bench/echo/1")
	if err != nil {
		f.close()
		return r, named, nil, err
	}
	return pingPong(stream, c.Payload), named, func() { stream.Reset(); f.close() }, nil
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

func pingPong(rw io.ReadWriter, size int) round {
	b := make([]byte, size)
	return round{step: func() error {
		if _, err := rw.Write(b); err != nil {
			return err
		}
		_, err := io.ReadFull(rw, b)
		return err
	}}
}

// bridged is a node with its module API.
type bridged struct {
	node   *node.Node
	api    string
	cancel func()
}

func newBridged(bits int) (*bridged, error) {
	cfg := node.DefaultConfig()
	cfg.MDNS, cfg.Kademlia, cfg.DifficultyBits = false, false, bits
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
		ctx, stop := context.WithTimeout(background, time.Second)
		defer stop()
		server.Close(ctx)
		cancel()
		<-ended
	}}, nil
}

func oneNode(c *cell) (r round, name string, end func(), err error) {
	const named = "one_node"
	n, err := newBridged(0)
	if err != nil {
		return r, named, nil, err
	}
	r, hangUp, err := announceLoop(n, n, c.Payload)
	if err != nil {
		n.cancel()
		return r, named, nil, err
	}
	return r, named, func() { hangUp(); n.cancel() }, nil
}

func twoNodes(c *cell) (r round, name string, end func(), err error) {
	const named = "two_nodes"
	a, err := newBridged(0)
	if err != nil {
		return r, named, nil, err
	}
	b, err := newBridged(0)
	if err != nil {
		a.cancel()
		return r, named, nil, err
	}
	both := func() { a.cancel(); b.cancel() }
	a.node.Introduce(peer.AddrInfo{ID: b.node.ID(), Addrs: b.node.Host().Addrs()})
	err = until("two nodes to be neighbours", func() bool { return a.node.Status().Neighbours == 1 && b.node.Status().Neighbours == 1 })
	if err != nil {
		both()
		return r, named, nil, err
	}
	r, hangUp, err := announceLoop(a, b, c.Payload)
	if err != nil {
		both()
		return r, named, nil, err
	}
	return r, named, func() { hangUp(); both() }, nil
}

// announceWithWork is the way on one node with the default proof of work.
func announceWithWork(c *cell, figures map[string]float64) error {
	n, err := newBridged(workBits)
	if err != nil {
		return err
	}
	defer n.cancel()
	r, hangUp, err := announceLoop(n, n, c.Payload)
	if err != nil {
		return err
	}
	defer hangUp()
	with := course{name: "one_node_work", round: r}
	if err := with.run(workRounds); err != nil {
		return err
	}
	with.note(figures)
	return nil
}

// announceLoop has a module at one node announce and waits until one at the
// other is told, which finds it valid after that.
func announceLoop(from, to *bridged, size int) (r round, end func(), err error) {
	ctx := background // the echoes have no time-out either
	speaks, err := client.Dial(ctx, from.api)
	if err != nil {
		return r, nil, err
	}
	hears, err := client.Dial(ctx, to.api)
	if err != nil {
		speaks.Close()
		return r, nil, err
	}
	end = func() { speaks.Close(); hears.Close() }
	if err = hears.Notify(ctx, dataType); err == nil {
		err = until("the subscription", func() bool { return slices.Contains(to.node.Status().Interests, dataType) })
	}
	if err != nil {
		end()
		return r, nil, err
	}
	data := make([]byte, size)
	var told client.Notification
	r.step = func() error {
		err := speaks.Announce(ctx, 0, dataType, data)
		if err == nil {
			told, err = hears.Next(ctx)
		}
		return err
	}
	r.after = func() error { return hears.Validate(ctx, told.ID, true) }
	return r, end, nil
}

// announceRates measures how many announcements a second one node takes through
// one connection and through 50.
func announceRates(c *cell, figures map[string]float64) error {
	n, err := newBridged(0)
	if err != nil {
		return err
	}
	defer n.cancel()
	for _, conns := range []int{1, 50} {
		if err := announceRate(figures, fmt.Sprintf("announced_per_s_%d", conns), n, conns, c.Payload); err != nil {
			return err
		}
	}
	return nil
}

// unheard and unheardBytes are how much may be on its way to the subscriber: half
// of what a bridge keeps for a connection at most. It hangs up on a module that
// reads more slowly than it is told, so who announced without end would measure
// that, and not what a node can take.
const (
	unheard      = 256
	unheardBytes = 4 << 20
)

// announceRate has modules announce as fast as they can for a while and counts
// what one subscriber is told.
func announceRate(figures map[string]float64, name string, n *bridged, conns, size int) error {
	ctx, cancel := context.WithTimeout(background, settle)
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
	speakers := make([]*client.Client, conns)
	for i := range speakers {
		if speakers[i], err = client.Dial(ctx, n.api); err != nil {
			return err
		}
		defer speakers[i].Close()
	}
	speaking, quiet := context.WithTimeout(ctx, announcing)
	defer quiet()
	room := make(chan struct{}, min(unheard, unheardBytes/size))
	failed := make(chan error, conns)
	var wg sync.WaitGroup
	began := time.Now()
	for _, c := range speakers {
		wg.Go(func() {
			data := make([]byte, size)
			for {
				select {
				case room <- struct{}{}:
				case <-speaking.Done():
					return
				}
				if err := c.Announce(speaking, 0, kind, data); err != nil && speaking.Err() == nil {
					failed <- err
					quiet()
					return
				}
			}
		})
	}
	told := 0
	for err == nil {
		var note client.Notification
		if note, err = hears.Next(speaking); err == nil {
			told++
			<-room
			err = hears.Validate(ctx, note.ID, true)
		}
	}
	took := time.Since(began)
	quiet()
	wg.Wait()
	close(failed)
	if e := <-failed; e != nil {
		return fmt.Errorf("announcing over %d connections: %w", conns, e)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("hearing what comes over %d connections: %w", conns, err)
	}
	figures[name] = float64(told) / took.Seconds()
	return nil
}
