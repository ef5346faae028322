package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"hearsay/node"
	"hearsay/node/health"
)

// Limits of a server.
const (
	// MaxStreams is how many event streams are open at once; further ones get 503.
	MaxStreams = 16
	// MaxTypes is how many data types one stream may listen to.
	MaxTypes = 256

	maxConns   = 128       // open connections; further ones are closed at once
	maxHeader  = 8 << 10   // bytes of a request's header
	maxBody    = 128 << 10 // bytes of a request's body: 65,527 bytes in base64 are 87,372
	maxPending = 16        // announcements and messages being worked on at once
	maxWaiting = 64        // messages that wait for keys or receipts at once

	headerTimeout = 5 * time.Second  // for a request's header
	bodyTimeout   = 10 * time.Second // for its body
	writeTimeout  = 5 * time.Second  // for an answer, and for each event of a stream
	idleTimeout   = 60 * time.Second // between two requests of a connection
	keepAlive     = 15 * time.Second // between two signs of life of a quiet stream
	closeTimeout  = time.Second      // for running requests when the server stops
)

// Node is what the server needs of the node.
type Node interface {
	Self() node.Status // what of Status is known without the loop
	Status() node.Status
	Findings() []health.Finding
	Reach() health.Reach
	Peers() []node.Peer
	Routes() []node.Route
	// Announce fails with an [Error] if the announcement itself was at fault.
	Announce(ctx context.Context, a node.Announcement) (node.Announced, error)
	// Listen takes rumors of these data types, without a vote on them.
	Listen(types []uint16) (Listener, error)
	// PutValue fails with an [Error] if the value itself was at fault.
	PutValue(ctx context.Context, key node.ValueKey, data []byte, ttl time.Duration) (node.Value, error)
	GetValues(ctx context.Context, key node.ValueKey) []node.Value
	Watch() Watcher
	Observe() Observer
	Mail
	State
}

// Listener is a bounded queue of rumors that never makes the node wait.
type Listener interface {
	C() <-chan node.Rumor // may be closed when the node stops, which ends the stream
	Dropped() uint64      // rumors lost so far because C was full
	Close()
}

// Watcher is a bounded queue of peer events that never makes the node wait.
type Watcher interface {
	C() <-chan node.PeerEvent // may be closed when the node stops, which ends the stream
	Close()
}

// Config says where a server listens.
type Config struct {
	// Address is a loopback IP address with a port, 0 for any free one.
	// Empty means 127.0.0.1:0.
	Address string
	// StateDir is the node's state folder, which gets the control file.
	StateDir string
	// TTL is how many hops announcements go that do not say it, 0 = unlimited.
	TTL uint8
	// Lab has the server take the gossip lab's messages, without a token (lab.go).
	Lab bool
	// Dashboard serves the page at / and what it needs below /dashboard/, to
	// anybody on this machine; nil = there is none.
	Dashboard http.Handler
	// Metrics serves /metrics, to anybody on this machine; nil = there are none.
	Metrics http.Handler
	// Log takes the server's complaints; nil discards them.
	Log *slog.Logger
}

// Server is the control API of one node.
type Server struct {
	node               Node
	dir                string
	ttl                uint8
	file               file
	hosts              []string // allowed Host headers
	listener           net.Listener
	log                *slog.Logger
	hub                *hub
	figures            figures
	sessions           *sessions
	lab                *lab         // nil = off
	dashboard, metrics http.Handler // nil = none

	conns     atomic.Int64
	streams   chan struct{} // holds one element per open stream
	announces chan struct{} // holds one element per announcement or message that is worked on
	waits     chan struct{} // holds one element per message that may wait
}

// Listen opens the port and writes the control file. Requests wait until
// [Server.Serve] runs; whoever never calls it must call [Server.Close].
func Listen(cfg Config, n Node) (*Server, error) {
	address := cfg.Address
	if address == "" {
		address = "127.0.0.1:0"
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("control_address %q: must be a loopback address with a port, like 127.0.0.1:0", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("control_address: %w", err)
	}
	s := newServer(cfg, n, l)
	if err := s.file.write(s.dir); err != nil {
		l.Close()
		return nil, fmt.Errorf("control file: %w", err)
	}
	return s, nil
}

func newServer(cfg Config, n Node, l net.Listener) *Server {
	s := &Server{
		node:      n,
		dir:       cfg.StateDir,
		ttl:       cfg.TTL,
		file:      file{Version: Version, Address: l.Addr().String(), Token: rand.Text(), PID: os.Getpid()},
		listener:  l,
		log:       cfg.Log,
		sessions:  newSessions(),
		dashboard: cfg.Dashboard,
		metrics:   cfg.Metrics,
		streams:   make(chan struct{}, MaxStreams),
		announces: make(chan struct{}, maxPending),
		waits:     make(chan struct{}, maxWaiting),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.hub = newHub(s.log, func(emit emitter) (func(), error) { return startAll(s, feeds, emit) })
	_, port, _ := net.SplitHostPort(s.file.Address)
	if n, err := strconv.ParseUint(port, 10, 16); cfg.Lab && err == nil {
		s.lab = newLab(s, uint16(n))
	}
	s.hosts = []string{s.file.Address} // which can be any loopback one, such as 127.0.0.2
	for _, host := range []string{"127.0.0.1", "::1", "localhost"} {
		s.hosts = append(s.hosts, net.JoinHostPort(host, port))
	}
	return s
}

// Addr is the address that the server listens on, host:port.
func (s *Server) Addr() string { return s.file.Address }

// Serve answers requests, from when the first figures are taken, until ctx ends;
// then it ends all streams, gives running requests a second, and removes the
// control file.
func (s *Server) Serve(ctx context.Context) error {
	requests, end := context.WithCancel(ctx)
	defer end()
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.countConns,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	var background sync.WaitGroup
	defer background.Wait()
	taken := make(chan struct{})
	background.Go(func() { s.keepFigures(requests, taken) })
	if s.lab != nil {
		background.Go(func() { s.lab.run(requests) })
	}
	// So that the probes are right from the first answer on. That a node hangs from its
	// start must be told, too.
	select {
	case <-taken:
	case <-time.After(figurePause):
	case <-ctx.Done():
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	end()
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if server.Shutdown(patience) != nil {
		server.Close()
	}
	return errors.Join(err, s.Close())
}

// Close frees the port and removes the control file. Closing twice is no error.
func (s *Server) Close() error {
	s.hub.end(true)
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, s.file.remove(s.dir))
}

// countConns closes connections beyond maxConns before anything is read from
// them. It is the http.Server's ConnState hook.
func (s *Server) countConns(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if s.conns.Add(1) > maxConns {
			c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	}
}
