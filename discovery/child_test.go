package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/zeroconf/v2"
)

// childEnv makes this test binary a node, or a liar, in a network namespace.
const childEnv = "HEARSAY_DISCOVERY_CHILD"

// childConfig is what the node shall do, as JSON in childEnv.
type childConfig struct {
	Network     string
	MDNS, Local bool
	LocalFolder string
	OccupyIPv6  bool     // somebody else has the mDNS port of IPv6 for himself
	Sessions    int      // begin and end that many mDNS sessions and do nothing else
	Spoof       []string // announce these peers, 8 at a time, and do nothing else
}

// childMain runs until its input ends. It prints a line per event:
//
//	self ID
//	links NAMES                    the interfaces in use have changed
//	found SOURCE ID MILLISECONDS   since the start
//	connected ID MILLISECONDS      the smaller ID dials
//	left N M                       goroutines and files after Sessions, more than before
//	ended
func childMain() {
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(words...)
	}
	var cfg childConfig
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	check(json.Unmarshal([]byte(os.Getenv(childEnv)), &cfg))
	if len(cfg.Spoof) > 0 {
		check(spoof(cfg))
		return
	}
	if cfg.OccupyIPv6 {
		c, err := net.ListenUDP("udp6", &net.UDPAddr{Port: 5353})
		check(err)
		defer c.Close()
	}
	h, err := minimalHost("/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0")
	check(err)
	defer h.Close()
	say("self", h.ID())

	begin := time.Now()
	since := func() int64 { return time.Since(begin).Milliseconds() }
	d, err := New(Config{
		Host: h, Network: cfg.Network, MDNS: cfg.MDNS, Local: cfg.Local, LocalFolder: cfg.LocalFolder,
		Found: func(c Candidate) {
			say("found", c.Source, c.Info.ID, since())
			if h.ID() < c.Info.ID {
				go func() {
					if h.Connect(context.Background(), c.Info) == nil {
						say("connected", c.Info.ID, since())
					}
				}()
			}
		},
	})
	check(err)
	if cfg.Sessions > 0 {
		say(append([]any{"left"}, sessions(d, cfg.Sessions)...)...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	go func() {
		last := ""
		for t := time.Tick(20 * time.Millisecond); ctx.Err() == nil; <-t {
			if now := strings.Join(d.Status().MDNS.Interfaces, ","); now != last {
				say("links", now)
				last = now
			}
		}
	}()
	check(d.Run(ctx))
	say("ended")
}

// sessions has n mDNS sessions of a few milliseconds, and returns how many
// goroutines and open files they left behind.
func sessions(d *Discovery, n int) []any {
	d.watch.look()
	around, changed := d.watch.current()
	used := func() (goroutines, files int) {
		open, _ := os.ReadDir("/proc/self/fd")
		return runtime.NumGoroutine(), len(open)
	}
	g, f := used()
	for range n {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		err := d.mdns.sessions(ctx, around, changed)
		cancel()
		if err != nil {
			return []any{err}
		}
	}
	nowG, nowF := used()
	for end := time.After(5 * time.Second); nowG > g || nowF > f; nowG, nowF = used() {
		select { // readers end a moment after their sockets
		case <-end:
			return []any{nowG - g, nowF - f}
		case <-time.After(time.Millisecond):
		}
	}
	return []any{0, 0}
}

// spoof announces peers that do not exist.
func spoof(cfg childConfig) error {
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	for begin := 0; begin < len(cfg.Spoof); begin += 8 {
		var texts []string
		for i, id := range cfg.Spoof[begin:min(begin+8, len(cfg.Spoof))] {
			texts = append(texts, fmt.Sprintf("%s/ip4/10.77.0.250/tcp/%d/p2p/%s", mdnsPrefix, begin+i+1, id))
		}
		name := instanceName()
		s, err := zeroconf.RegisterProxy(name, mdnsService(cfg.Network), "local", 1, name, []string{"10.77.0.250"}, texts, links)
		if err != nil {
			return err
		}
		defer s.Shutdown()
	}
	fmt.Println("self spoofer")
	io.Copy(io.Discard, os.Stdin)
	return nil
}
