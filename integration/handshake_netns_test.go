package integration_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/multiformats/go-multistream"

	"hearsay/integration"
)

// childDialer opens connections to a node, so many a second and each under another
// name, until ctx ends.
func childDialer(ctx context.Context, cfg childConfig) error {
	to, err := peer.Decode(cfg.Dir)
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second / time.Duration(cfg.Open))
	defer tick.Stop()
	var mu sync.Mutex
	var took []time.Duration // of those that came about
	dials := 0
	var wg sync.WaitGroup
	say("dialling")
	for open := true; open; {
		select {
		case <-tick.C:
			dials++
			wg.Go(func() {
				began := time.Now()
				if shakeHands(ctx, cfg.API, to) == nil {
					mu.Lock()
					defer mu.Unlock()
					took = append(took, time.Since(began))
				}
			})
		case <-ctx.Done():
			open = false
		}
	}
	wg.Wait()
	slices.Sort(took)
	p99 := time.Duration(0)
	if len(took) > 0 {
		p99 = took[len(took)*99/100]
	}
	say("dialled", dials, len(took), p99.Nanoseconds())
	return nil
}

// shakeHands opens a connection to a node, as a stranger, as far as both know who the
// other is.
func shakeHands(ctx context.Context, address string, to peer.ID) error {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	if err := multistream.SelectProtoOrFail(protocol.ID(noise.ID), conn); err != nil {
		return err
	}
	n, err := noise.New(noise.ID, key, nil)
	if err != nil {
		return err
	}
	_, err = n.SecureOutbound(ctx, conn, to)
	return err
}

// A machine that opens 300 connections a second gets 20 of them after the first 128,
// costs a node a fifth of a processor at most, and keeps nobody else from it. Loopback
// has no such limit, so there are machines.
func TestNetnsHandshakeFlood(t *testing.T) {
	const (
		flood = 300 // connections a second
		burst = 128
		pace  = 20 // a second, after them
		most  = 20 // percent of a processor
		slow  = time.Second
		lasts = 15 * time.Second
	)
	l := newLAN(t, 3)
	home := t.TempDir()
	ini := filepath.Join(home, "node.ini")
	if err := os.WriteFile(ini, []byte("[hearsay]\nmdns = false\nstate_dir = "+home+"\n[gossip]\np2p_address = 10.78.0.1:6001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &daemon{linked: make(map[string]time.Time)}
	d.child = run(t, os.Environ(), "ip", "netns", "exec", l.machines[0], l.program, "run", "--json", "-c", ini)
	t.Cleanup(func() { d.cmd.Process.Signal(syscall.SIGTERM) })
	awaitLinked(t, []*daemon{d}, integration.DefaultPatience)

	dialer := func(machine, rate int) *child {
		c := start(t, childConfig{Role: roleDialer, API: "10.78.0.1:6001", Dir: d.peer, Open: rate}, "ip", "netns", "exec", l.machines[machine])
		c.await("dialling")
		return c
	}
	dialled := func(c *child) (dials, made int, p99 time.Duration) {
		c.in.Close()
		said := c.await("dialled")
		for i, into := range []*int{&dials, &made} {
			*into, _ = strconv.Atoi(said[i])
		}
		nanos, _ := strconv.ParseInt(said[2], 10, 64)
		return dials, made, time.Duration(nanos)
	}
	attacker := dialer(1, flood)
	honest := dialer(2, 10)
	before, began := processorTime(t, d.cmd.Process.Pid), time.Now()
	time.Sleep(lasts)
	used, lasted := processorTime(t, d.cmd.Process.Pid)-before, time.Since(began)
	dials, made, _ := dialled(attacker)
	asked, let, p99 := dialled(honest)
	percent := 100 * used.Seconds() / lasted.Seconds()
	t.Logf("%d connections in %v, of which %d came about: %.1f %% of a processor; another machine had %d of %d, p99 %v",
		dials, lasted.Round(time.Second), made, percent, let, asked, p99.Round(time.Millisecond))
	if dials < flood*int(lasts.Seconds())/2 {
		t.Errorf("that was no flood")
	}
	if limit := burst + pace*int(lasted.Seconds()+2); made > limit {
		t.Errorf("that is over %d", limit)
	}
	if percent > most {
		t.Errorf("that is over %d %%", most)
	}
	if let*100 < asked*99 || p99 > slow {
		t.Errorf("the other machine was kept out")
	}
}

// processorTime is what a process has used so far.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		t.Fatalf("/proc/%d/stat: %q", pid, stat)
	}
	const hertz = 100 // of /proc, on every Linux
	return time.Duration(user+system) * time.Second / hertz
}
