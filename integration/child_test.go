package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/identity"
)

// The test binary runs itself as another process where it takes a process: to be
// killed, to get signals, to be in a network namespace.

// childEnv holds a childConfig as JSON in such a process.
const childEnv = "HEARSAY_INTEGRATION_CHILD"

// childConfig is what a child does.
type childConfig struct {
	Role  string
	Dir   string // state folder of a node; peer ID of one that is dialled
	Flood bool   // announce from the start
	API   string // address that a module, or a dialer, dials
	Types []uint16
	Open  int // > 0: it looks for so many neighbours itself, by peer exchange, and says what it hears; dials a second

	Speaks          string // what a router does: NAT-PMP or UPnP
	Inside, Outside string // addresses of a router
}

// The roles of a child, and what it prints and reads, line by line.
const (
	// A node with a state folder prints
	//	ready MULTIADDRESS        with the peer ID
	//	WHAT PEER NANOSECONDS     what happens to peers: linked, left … (Unix time)
	//	flooding                  after the first hundred announcements
	//	heard DATA                if it is open
	//	status NEIGHBOURS MEMBERS
	//	warnings WORDS            of all of them
	// and reads
	//	meet MULTIADDRESS
	//	announce DATA
	//	status
	//	warnings
	//	flood                     announce as fast as it can
	// until its input ends or a SIGTERM comes; then it leaves.
	roleNode = "node"
	// A module prints
	//	listening
	//	told TYPE "DATA"
	// and reads
	//	announce TYPE DATA
	// until its input ends.
	roleModule = "module"
	// A router prints
	//	listening
	//	mapped OUTSIDE INSIDE     ports, once
	//	unmapped OUTSIDE
	// until its input ends.
	roleRouter = "router"
	// A dialer opens Open connections a second to the node Dir at API, and prints
	//	dialling
	//	dialled ALL MADE NANOSECONDS   how many, and the 99th percentile of those made
	// until its input ends.
	roleDialer = "dialer"
)

func childMain(text string) error {
	var cfg childConfig
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	commands := make(chan []string)
	go func() {
		defer cancel()
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			commands <- strings.Fields(in.Text())
		}
	}()
	switch cfg.Role {
	case roleNode:
		return childNode(ctx, cfg, commands)
	case roleModule:
		return childModule(ctx, cfg, commands)
	case roleRouter:
		return childRouter(ctx, cfg)
	case roleDialer:
		return childDialer(ctx, cfg)
	}
	return errors.New("unknown role " + cfg.Role)
}

// say prints a line in one write.
func say(words ...any) { fmt.Println(words...) }

func childNode(ctx context.Context, cfg childConfig, commands <-chan []string) error {
	id, _, err := identity.LoadOrCreate(filepath.Join(cfg.Dir, "hostkey.pem"))
	if err != nil {
		return err
	}
	c := node.DefaultConfig()
	c.Identity, c.Network, c.StateDir = id, testNetwork, cfg.Dir
	c.Listen = []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")}
	c.MDNS, c.Kademlia, c.PeerExchange, c.DifficultyBits = false, false, false, 0
	if cfg.Open > 0 {
		c.PeerExchange, c.Degree = true, cfg.Open
	}
	n, err := node.New(c)
	if err != nil {
		return err
	}
	w := n.Watch()
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	<-n.Ready()
	l, err := n.Listen(cfg.Types)
	if err != nil {
		return err
	}
	go func() {
		for r := range l.C() { // so that it is never full
			if cfg.Open > 0 {
				say("heard", string(r.Data))
			}
		}
	}()
	say("ready", n.Status().Addrs[0])
	if cfg.Flood {
		flood(ctx, n)
	}
	for {
		select {
		case ev := <-w.C():
			say(ev.What, ev.Peer, ev.Time.UnixNano())
		case words := <-commands:
			switch words[0] {
			case "meet":
				info, err := peer.AddrInfoFromString(words[1])
				if err != nil {
					return err
				}
				n.Introduce(*info)
			case "announce":
				if _, err := n.Announce(ctx, node.Announcement{DataType: dataType, Data: []byte(words[1])}); err != nil {
					return err
				}
			case "status":
				st := n.Status()
				say("status", st.Neighbours, st.Members)
			case "warnings":
				say("warnings", strings.Join(n.Status().Warnings, " "))
			case "flood":
				flood(ctx, n)
			}
		case err := <-ended:
			return err
		}
	}
}

// flood announces as fast as the node takes it, until ctx ends.
func flood(ctx context.Context, n *node.Node) {
	data := make([]byte, 1<<10)
	var once sync.Once
	for range 8 {
		go func() {
			for i := 0; ctx.Err() == nil; i++ {
				n.Announce(ctx, node.Announcement{DataType: dataType, Data: data})
				if i == 100 {
					once.Do(func() { say("flooding") })
				}
			}
		}()
	}
}

// child is a process in one of the roles.
type child struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan []string
	addr  string  // of a node
	id    peer.ID // of a node

	once   sync.Once
	err    error // of its end
	last   []string
	stderr bytes.Buffer
}

// start starts a child, by way of another program if there is one to go by.
func start(t testing.TB, cfg childConfig, through ...string) *child {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, append(os.Environ(), childEnv+"="+string(text)), append(through, self)...)
}

// run runs a program whose output is read line by line. At the end of the test
// its input ends, and then it must.
func run(t testing.TB, env []string, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(args[0], args[1:]...), lines: make(chan []string, 10_000)}
	c.cmd.Env, c.cmd.Stderr = env, &c.stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- strings.Fields(s.Text())
		}
	}()
	t.Cleanup(func() {
		c.in.Close()
		if err := c.end(); err != nil {
			t.Errorf("%v ended with: %v\n%s\n%s", args, err, strings.Join(c.last, " "), &c.stderr)
		}
	})
	return c
}

// end waits for the end of the process, and kills it if that takes long.
func (c *child) end() error {
	c.once.Do(func() {
		late := time.AfterFunc(integration.DefaultPatience, func() { c.cmd.Process.Kill() })
		defer late.Stop()
		for c.last = range c.lines {
		}
		c.err = c.cmd.Wait()
	})
	return c.err
}

// kill ends the process as nothing else does, and returns when it is gone.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.end()
	c.err = nil // that it was killed is no failure
}

func (c *child) tell(words ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, words...); err != nil {
		c.t.Fatal(err)
	}
}

// await skips lines until one begins with the given words, and returns the rest
// of that one.
func (c *child) await(words ...string) []string {
	c.t.Helper()
	deadline := time.After(integration.DefaultPatience)
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the process ended before it said %v", words)
			}
			if len(line) >= len(words) && strings.Join(line[:len(words)], " ") == strings.Join(words, " ") {
				return line[len(words):]
			}
		case <-deadline:
			c.t.Fatalf("the process did not say %v within %v", words, integration.DefaultPatience)
		}
	}
}

// ready waits until a node can be met.
func (c *child) ready() *child {
	c.t.Helper()
	c.addr = c.await("ready")[0]
	info, err := peer.AddrInfoFromString(c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.id = info.ID
	return c
}
