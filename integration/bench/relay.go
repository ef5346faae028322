package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// consumption is what a process has used so far.
type consumption struct {
	Mallocs, Bytes uint64
	CPU            time.Duration
	Told           int64 // messages, to the module
}

func used() consumption {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return consumption{Mallocs: m.Mallocs, Bytes: m.TotalAlloc, CPU: cpuTime()}
}

// per is what one of count took since before.
func (u consumption) per(before consumption, count int) map[string]float64 {
	n := float64(count)
	return map[string]float64{
		"allocs_per_relayed":      float64(u.Mallocs-before.Mallocs) / n,
		"alloc_bytes_per_relayed": float64(u.Bytes-before.Bytes) / n,
		"cpu_us_per_relayed":      float64(u.CPU-before.CPU) / 1e3 / n,
	}
}

// relaySystem is something that hands messages on.
type relaySystem struct {
	// serve makes a host that does, which tells of each message that it has.
	serve func(s *setting, hears func([]byte)) (info peer.AddrInfo, neighbours func() int, end func(), err error)
	// around makes Links neighbours of that host, linked with nobody else. The
	// first publishes, the others tell of what they hear.
	around func(s *setting, relay peer.AddrInfo, hears func([]byte)) (publish func([]byte) error, end func(), err error)
}

var relaySystems = map[string]relaySystem{
	"relay": {serveNode, nodesAround},
	"bare":  {serveFlooder, floodersAround},
}

// runRelay counts what a host allocates for a message that it hands on: it comes
// from one neighbour, is verified, and pushed to the other Links-1. The host has a
// process of its own; everything that it allocates while the load runs is in the
// figure, libp2p, Noise, yamux, and what goes on in the background included. System
// "relay" is a whole node, which also tells it to a module and waits for its vote;
// "bare" is one host of system flood, the least that libp2p can do it with.
func runRelay(c cell) (map[string]float64, error) {
	if c.Links < 2 || c.Rate <= 0 || c.For <= 0 {
		return nil, errors.New("a relay needs two links or more, a rate and a time")
	}
	relay, err := startRelay(c)
	if err != nil {
		return nil, err
	}
	defer relay.stop()
	s := &setting{cell: c, traffic: new(traffic), gater: onlyPeer(relay.info.ID)}
	var told atomic.Int64
	say, end, err := relaySystems[c.System].around(s, relay.info, func([]byte) { told.Add(1) })
	if err != nil {
		return nil, err
	}
	defer end()
	if err := until("the relay's neighbours", func() bool {
		n, err := relay.neighbours()
		return err == nil && n == c.Links
	}); err != nil {
		return nil, err
	}
	published := 0
	publish := func(count int) error {
		pause := time.Duration(float64(time.Second) / c.Rate)
		began := time.Now()
		for m := range count {
			time.Sleep(time.Until(began.Add(time.Duration(m) * pause)))
			if err := say(numbered(published+m, c.Payload, c.Seed)); err != nil {
				return err
			}
		}
		published += count
		return until("all that was published", func() bool { return told.Load() >= int64(published*(c.Links-1)) })
	}
	if err := publish(int(c.Rate * c.Warm.Seconds())); err != nil {
		return nil, err
	}
	rest, err := relay.usage()
	if err != nil {
		return nil, err
	}
	const resting = 2 * time.Second
	time.Sleep(resting)
	before, err := relay.usage()
	if err != nil {
		return nil, err
	}
	count := int(c.Rate * c.For.Seconds())
	if err := publish(count); err != nil {
		return nil, err
	}
	time.Sleep(time.Second) // the last receipts
	after, err := relay.usage()
	if err != nil {
		return nil, err
	}
	if got := after.Told - before.Told; got != int64(count) || told.Load() != int64(published*(c.Links-1)) {
		return nil, fmt.Errorf("the relay was told %d of %d, its neighbours %d of %d", got, count, told.Load(), published*(c.Links-1))
	}
	figures := after.per(before, count)
	figures["idle_allocs_per_s"] = float64(before.Mallocs-rest.Mallocs) / resting.Seconds()
	return figures, nil
}

// relayProcess is a host in a process of its own that answers what it has used.
type relayProcess struct {
	cmd     *exec.Cmd
	ask     io.WriteCloser
	answers *json.Decoder
	info    peer.AddrInfo
}

func startRelay(c cell) (*relayProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &relayProcess{cmd: exec.Command(program, "relay")}
	p.cmd.Stderr = os.Stderr
	if p.ask, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.answers = json.NewDecoder(out)
	err = json.NewEncoder(p.ask).Encode(c)
	if err == nil {
		err = p.answers.Decode(&p.info)
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("the relay: %w", err)
	}
	return p, nil
}

// What a relay can be asked for.
const (
	askUsage      = "usage\n"
	askNeighbours = "neighbours\n" // a node allocates for this answer
)

func (p *relayProcess) usage() (u consumption, err error) {
	if _, err := io.WriteString(p.ask, askUsage); err != nil {
		return u, err
	}
	return u, p.answers.Decode(&u)
}

func (p *relayProcess) neighbours() (n int, err error) {
	if _, err := io.WriteString(p.ask, askNeighbours); err != nil {
		return 0, err
	}
	return n, p.answers.Decode(&n)
}

// stop ends the process: it sees the end of its input.
func (p *relayProcess) stop() {
	p.ask.Close()
	timer := time.AfterFunc(10*time.Second, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	p.cmd.Wait()
}

// relayCommand is that process.
func relayCommand(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var c cell
	if err := json.Unmarshal(first, &c); err != nil {
		return err
	}
	var told atomic.Int64
	info, neighbours, end, err := relaySystems[c.System].serve(&setting{cell: c, traffic: new(traffic)}, func([]byte) { told.Add(1) })
	if err != nil {
		return err
	}
	defer end()
	answers := json.NewEncoder(out)
	if err := answers.Encode(info); err != nil {
		return err
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil // the end
		}
		if line == askNeighbours {
			err = answers.Encode(neighbours())
		} else {
			u := used()
			u.Told = told.Load()
			err = answers.Encode(u)
		}
		if err != nil {
			return err
		}
	}
}

func serveNode(s *setting, hears func([]byte)) (info peer.AddrInfo, neighbours func() int, end func(), err error) {
	n, cancel, ended, err := newNode(s, hearsayConfig(s))
	if err != nil {
		return info, nil, nil, err
	}
	end = func() { cancel(); <-ended }
	if _, err := listen(n.Modules(), hears); err != nil {
		end()
		return info, nil, nil, err
	}
	return peer.AddrInfo{ID: n.ID(), Addrs: n.Host().Addrs()}, func() int { return n.Status().Neighbours }, end, nil
}

func nodesAround(s *setting, relay peer.AddrInfo, hears func([]byte)) (publish func([]byte) error, end func(), err error) {
	var ends []func()
	end = func() {
		for _, f := range ends {
			f()
		}
	}
	for i := range s.Links {
		n, cancel, ended, err := newNode(s, hearsayConfig(s))
		if err != nil {
			end()
			return nil, nil, err
		}
		ends = append(ends, func() { cancel(); <-ended })
		deliver := hears
		if i == 0 {
			deliver = func([]byte) {}
		}
		session, err := listen(n.Modules(), deliver)
		if err != nil {
			end()
			return nil, nil, err
		}
		if i == 0 {
			publish = func(b []byte) error { return n.Modules().Announce(background, session, 0, dataType, b) }
		}
		n.Introduce(relay)
	}
	return publish, end, nil
}

func serveFlooder(s *setting, hears func([]byte)) (info peer.AddrInfo, neighbours func() int, end func(), err error) {
	one := *s
	one.Hosts = 1
	f, err := newFleet(&one)
	if err != nil {
		return info, nil, nil, err
	}
	sys := &floodSystem{fleet: f}
	n, err := sys.add(f[0], hears)
	if err != nil {
		f.close()
		return info, nil, nil, err
	}
	// A stream is not seen at its other end before something is written to it, so
	// whoever is linked is a neighbour.
	f[0].Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		go n.open(c.RemotePeer())
	}})
	return f.info(0), n.links, f.close, nil
}

func floodersAround(s *setting, relay peer.AddrInfo, hears func([]byte)) (publish func([]byte) error, end func(), err error) {
	all := *s
	all.Hosts = s.Links
	f, err := newFleet(&all)
	if err != nil {
		return nil, nil, err
	}
	sys := &floodSystem{fleet: f}
	for i, h := range f {
		deliver := hears
		if i == 0 {
			deliver = func([]byte) {}
		}
		n, err := sys.add(h, deliver)
		if err == nil {
			if err = h.Connect(background, relay); err == nil {
				err = n.open(relay.ID)
			}
		}
		if err != nil {
			f.close()
			return nil, nil, err
		}
	}
	return func(b []byte) error { return sys.publish(0, b) }, f.close, nil
}

// onlyPeer lets a host speak with one peer alone.
type onlyPeer peer.ID

func (o onlyPeer) InterceptPeerDial(p peer.ID) bool                  { return p == peer.ID(o) }
func (onlyPeer) InterceptAddrDial(peer.ID, multiaddr.Multiaddr) bool { return true }
func (onlyPeer) InterceptAccept(network.ConnMultiaddrs) bool         { return true }
func (o onlyPeer) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	return p == peer.ID(o)
}
func (onlyPeer) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
