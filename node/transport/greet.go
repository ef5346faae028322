package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"hearsay/node/wire"
)

// inbound is a stream of a peer whose hello has been read.
type inbound struct {
	stream network.Stream
	frames *frames
	hello  wire.Hello
	clock  clock // of the peer
}

// dial sees to it that there is a link or a DialFailed.
func (t *Transport) dial(p peer.ID, rem *remote) {
	for {
		t.mu.Lock()
		l, changed := rem.link, rem.changed
		switch {
		case t.closed || t.leaving:
			t.mu.Unlock()
			return
		case l == nil:
			t.newLink(p, rem, nil)
			t.mu.Unlock()
			return
		case l.stage == greeting: // the peer was first
			l.dialled = true
			t.mu.Unlock()
			return
		case l.stage == up:
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		select {
		case <-changed:
		case <-t.ctx.Done():
			return
		}
	}
}

// greet opens this node's gossip lane and waits for the peer's.
func (l *link) greet() (*inbound, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.t.timing.greet)
	defer cancel()
	go func() { // the end of the link ends the waiting
		select {
		case <-l.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	in, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	var answers uint64
	if in != nil {
		answers = in.hello.Session
	}
	s, err := l.open(ctx, gossipLane, answers)
	if err == nil && in != nil && l.relic(s.Conn(), in.stream.Conn()) {
		abort(s, network.StreamSupplanted)
		l.t.forget(s.Conn())
		s, err = l.open(ctx, gossipLane, answers)
	}
	if err != nil {
		return nil, err
	}
	l.adoptOut(l.out[gossipLane], s)
	if in != nil {
		return in, nil
	}
	select {
	case in := <-l.inbound:
		return in, nil
	case <-ctx.Done():
		// A live peer answers. The next dial shall not use this connection.
		l.t.mu.Lock()
		l.hangUp = l.hangUp || l.stage != over
		l.t.mu.Unlock()
		return nil, errNoAnswer
	}
}

// forget closes a connection and returns when no new stream can land on it. The
// close itself may go on for some seconds, trying to tell a peer that is dead.
func (t *Transport) forget(c network.Conn) {
	closed := make(chan struct{})
	go func() {
		c.Close()
		close(closed)
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for slices.Contains(t.host.Network().ConnsToPeer(c.RemotePeer()), c) {
		select {
		case <-closed:
			return
		case <-tick.C:
		}
	}
}

// relic reports whether a connection that a peer did not use for its stream is
// so much older than the one that it used that the peer must have lost it.
func (l *link) relic(old, used network.Conn) bool {
	return old != used && used.Stat().Opened.Sub(old.Stat().Opened) > l.t.timing.relic
}

// connect returns when there is a connection to the peer, with the peer's
// gossip stream if that was first.
//
// Two nodes that dial each other at the same instant, each from the port that it
// listens on, meet in one TCP connection of which both think that they dialled
// it, and its handshake fails. So a failed handshake is tried again, by the
// larger peer ID after the smaller one. If time ends while that goes on, what came
// of the last one is the answer.
func (l *link) connect(ctx context.Context) (*inbound, error) {
	select {
	case in := <-l.inbound:
		return in, nil
	default:
	}
	var last error // of a handshake
	for {
		attempt, cancel := context.WithCancel(network.WithAllowLimitedConn(ctx, LinkTag))
		failed := make(chan error, 1)
		go func() {
			l.t.insist(l.peer)
			failed <- l.t.host.Connect(attempt, peer.AddrInfo{ID: l.peer})
		}()
		var in *inbound
		var err error
		select {
		case in = <-l.inbound:
			cancel()
			<-failed
			return in, nil
		case err = <-failed:
			cancel()
		}
		if err == nil {
			return l.awaitDirect(ctx), nil
		}
		switch {
		case ctx.Err() != nil && last != nil:
			return nil, last
		case ctx.Err() != nil || !handshakeFailed(err):
			return nil, noConnection(err)
		}
		last = noConnection(err)
		pause := 50*time.Millisecond + rand.N(100*time.Millisecond)
		if l.t.host.ID() > l.peer {
			pause += time.Second
		}
		timer := time.NewTimer(pause)
		select {
		case in = <-l.inbound:
			timer.Stop()
			return in, nil
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, last
		}
	}
}

// insist has the swarm dial a peer though a dial has just failed: the core paces its
// dials itself.
func (t *Transport) insist(p peer.ID) {
	if sw, ok := t.host.Network().(*swarm.Swarm); ok {
		sw.Backoff().Clear(p)
	}
}

// noConnection words a failed dial, and says so if the peer's address was reached
// and nobody there could be understood.
func noConnection(err error) error {
	var de *swarm.DialError
	if errors.As(err, &de) {
		for _, te := range de.DialErrors {
			// The upgrader's error has no type.
			if other := new(sec.ErrPeerIDMismatch); te.Cause != nil && !errors.As(te.Cause, other) && strings.Contains(te.Cause.Error(), "failed to negotiate security protocol") {
				return fmt.Errorf("%w: %w", ErrHandshake, err)
			}
		}
	}
	return fmt.Errorf("no connection: %w", err)
}

// handshakeFailed reports whether the peer's address was reached and something
// went wrong then, except that another peer was there.
func handshakeFailed(err error) bool {
	var de *swarm.DialError
	if !errors.As(err, &de) {
		return false
	}
	failed := false
	for _, te := range de.DialErrors {
		var op *net.OpError
		var other sec.ErrPeerIDMismatch
		switch {
		case errors.As(te.Cause, &other):
			return false
		case errors.Is(te.Cause, context.DeadlineExceeded) || errors.As(te.Cause, &op) && op.Op == "dial":
		default:
			failed = true
		}
	}
	return failed
}

// open opens a stream on a connection that is there and writes this node's
// hello.
func (l *link) open(ctx context.Context, id laneID, answers uint64) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, l.t.timing.greet)
	defer cancel()
	ctx = network.WithNoDial(network.WithAllowLimitedConn(ctx, LinkTag), "a lane goes over a link's connection")
	s, err := l.t.host.NewStream(ctx, l.peer, protocols[id])
	if err != nil {
		return nil, fmt.Errorf("no stream for %s: %w", protocols[id], err)
	}
	hello, err := wire.AppendHello(nil, wire.Hello{
		Version: wire.Version, Network: l.t.cfg.Network, Agent: l.t.cfg.Agent, Session: l.session, Answers: answers,
		Time: uint64(time.Now().UnixMilli()), Work: l.t.cfg.Work,
	})
	if err == nil {
		stop := context.AfterFunc(ctx, func() { abort(s, codeSlow) })
		_, err = s.Write(hello)
		stop()
	}
	if err != nil {
		abort(s, network.StreamNoError)
		return nil, fmt.Errorf("no greeting on %s: %w", protocols[id], explain(err))
	}
	return s, nil
}

// accept takes a stream that a peer has opened.
func (t *Transport) accept(id laneID, s network.Stream) {
	p := s.Conn().RemotePeer()
	rem := t.enter(p)
	if rem == nil {
		abort(s, network.StreamShutdown)
		return
	}
	defer t.exit(p, rem)
	defer func() {
		if r := recover(); r != nil {
			t.stats.panics.Add(1)
			log.Errorf("fault in greeting %s: %v\n%s", p, r, debug.Stack())
			abort(s, network.StreamNoError)
		}
	}()
	t.mu.Lock()
	full := rem.greeters >= maxGreeters
	if !full {
		rem.greeters++
	}
	t.mu.Unlock()
	if full {
		t.refuse(s, refusedMany, network.StreamRateLimited, errors.New("too many streams at once"))
		return
	}
	defer func() {
		t.mu.Lock()
		rem.greeters--
		t.mu.Unlock()
	}()

	in, err := t.readHello(s)
	switch {
	case err != nil:
		t.refuse(s, refusedHello, network.StreamProtocolViolation, err)
	case in.hello.Network != t.cfg.Network:
		t.refuse(s, refusedNet, codeNetwork, fmt.Errorf("%w: %q, this one is %q", ErrNetwork, in.hello.Network, t.cfg.Network))
	case id == gossipLane:
		t.offer(p, rem, in)
	default:
		t.join(rem, id, in)
	}
}

// refuse resets a stream that becomes part of no link.
func (t *Transport) refuse(s network.Stream, why cause, code network.StreamErrorCode, err error) {
	p := s.Conn().RemotePeer()
	t.stats.ends[why].Add(1)
	t.mu.Lock()
	news := t.failed(p, err)
	t.mu.Unlock()
	abort(s, code)
	if news && why == refusedNet && t.mayWarn() {
		log.Warnf("refused %s: %v", p, err)
	} else {
		log.Debugf("refused a stream of %s: %v", p, err)
	}
}

// readHello reads the first frame of a peer's stream, within the time for a
// greeting.
func (t *Transport) readHello(s network.Stream) (*inbound, error) {
	fuse := time.AfterFunc(t.timing.greet, func() { abort(s, codeStalled) })
	defer fuse.Stop()
	src := newFrames(s)
	r, err := src.await()
	if err != nil {
		return nil, fmt.Errorf("no hello: %w", err)
	}
	body, err := wire.ReadFrame(r)
	if err != nil {
		return nil, fmt.Errorf("no hello: %w", err)
	}
	src.rest()
	hello, err := wire.DecodeHello(body)
	if err != nil {
		return nil, fmt.Errorf("no hello: %w", err)
	}
	return &inbound{stream: s, frames: src, hello: hello, clock: readClock(hello.Time, time.Now())}, nil
}

// offer makes a peer's gossip stream part of a link: of the one that it
// answers, of the one that both sides are making, or of a new one, which takes
// the place of a link that the peer has forgotten.
func (t *Transport) offer(p peer.ID, rem *remote, in *inbound) {
	patience := time.NewTimer(t.timing.greet)
	defer patience.Stop()
	for {
		t.mu.Lock()
		l, changed := rem.link, rem.changed
		var wait <-chan time.Time
		switch {
		case t.closed || t.leaving:
			t.mu.Unlock()
			abort(in.stream, network.StreamShutdown)
			return
		case l != nil && l.stage == greeting && !l.paired && (in.hello.Answers == 0 || in.hello.Answers == l.session):
			l.pair(in)
			t.mu.Unlock()
			return
		case in.hello.Answers != 0:
			t.mu.Unlock()
			t.refuse(in.stream, refusedStale, codeStale, errors.New("an answer to a greeting that is over"))
			return
		case l == nil:
			t.newLink(p, rem, in)
			t.mu.Unlock()
			return
		case l.stage != over:
			// A peer that begins anew all the time does so at this pace (and makeWay).
			if age := time.Since(l.created); age < t.timing.churn {
				wait = time.After(t.timing.churn - age)
				break
			}
			// What the old link ran over may be dead, and must not carry the answer.
			l.hangUp, l.keep = true, in.stream.Conn()
			l.end(endReplaced, errReplaced, reset)
		}
		t.mu.Unlock()
		select {
		case <-changed:
		case <-wait:
		case <-patience.C:
			t.refuse(in.stream, refusedStale, codeStale, errors.New("the link before it does not end"))
			return
		case <-t.ctx.Done():
		}
	}
}

// pair gives a link the peer's gossip stream. t.mu is held.
func (l *link) pair(in *inbound) {
	l.paired, l.theirs, l.clock = true, in.hello, in.clock
	l.own(in.stream)
	l.inbound <- in
}

// maxReplaced is how often a peer may open lanes of a link in the place of others. None
// of ours does; each reader that is replaced may wait with a message of up to 256 KiB.
const maxReplaced = 16

// join makes a peer's stream a lane of its link. It may have been faster than
// the hello that makes the link, so it waits a little.
func (t *Transport) join(rem *remote, id laneID, in *inbound) {
	patience := time.NewTimer(t.timing.greet)
	defer patience.Stop()
	for {
		t.mu.Lock()
		l, changed := rem.link, rem.changed
		if l != nil && l.stage != greeting && l.theirs.Session == in.hello.Session {
			// A link that ends in an orderly way takes lanes as long as the
			// peer's gossip lane is there.
			ok := l.in[gossipLane] != nil && l.how != reset && l.how != cut
			if l.in[id] != nil && l.replaced >= maxReplaced {
				t.mu.Unlock()
				t.refuse(in.stream, refusedMany, network.StreamRateLimited, errors.New("it opens its lanes again and again"))
				return
			}
			if ok = (ok || l.stage == up) && l.own(in.stream); ok {
				if old := l.in[id]; old != nil {
					l.replaced++
					l.disown(old)
					abort(old, network.StreamSupplanted)
				}
				l.startReading(id, in)
			}
			t.mu.Unlock()
			if !ok {
				t.refuse(in.stream, refusedStale, codeStale, errors.New("a lane of a link that is over"))
			}
			return
		}
		t.mu.Unlock()
		select {
		case <-changed:
		case <-patience.C:
			t.refuse(in.stream, refusedStale, codeStale, errors.New("a lane without a link"))
			return
		case <-t.ctx.Done():
			abort(in.stream, network.StreamShutdown)
			return
		}
	}
}
