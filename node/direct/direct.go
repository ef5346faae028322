package direct

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/encoding/protowire"

	"hearsay/node/wire"
)

var log = logging.Logger("hearsay/direct")

// Protocol is the protocol's name.
const Protocol protocol.ID = "/hearsay/direct/1.0.0"

// MaxSize bounds a message: what an envelope has at most (envelope.MaxSize).
const MaxSize = 65527

// Answer is what became of a message at its receiver.
type Answer byte

const (
	// Told: it was told to whoever reads there, or is kept for them.
	Told Answer = iota
	// Known: it was told before.
	Known
	// NotForUs: no key of the receiver opens it.
	NotForUs
	// Busy: too many messages came. It may come another way.
	Busy
	// Refused: it is malformed, forged or too old.
	Refused

	answers // how many there are
)

// String is one or a few words.
func (a Answer) String() string {
	if a >= answers {
		return "unknown"
	}
	return [...]string{"told", "known", "not for its key", "busy", "refused"}[a]
}

// Arrived reports whether the receiver has the message.
func (a Answer) Arrived() bool { return a == Told || a == Known }

const (
	maxStreams     = 64               // served at once: 4 MiB of frames
	maxPeerStreams = 4                // of one peer
	maxPeers       = 1024             // whose rates are remembered
	perPeer        = rate.Limit(10)   // messages a second from one peer,
	burst          = 40               // and so many at once
	overall        = rate.Limit(100)  // from all: opening one costs up to 3 ms
	overallBurst   = 400              //
	frameTime      = 10 * time.Second // for a message to come
	answerTime     = 5 * time.Second  // for the answer to be taken
)

// Receive takes a message from a peer and returns when it is settled. It is called
// by several goroutines at once.
type Receive func(from peer.ID, sealed []byte) Answer

// Direct sends and receives on a host.
type Direct struct {
	host    host.Host
	receive Receive
	wg      sync.WaitGroup
	closing context.Context // ended by close
	close   context.CancelFunc

	mu      sync.Mutex
	closed  bool
	streams int
	peers   map[peer.ID]*sender
	all     *rate.Limiter

	busy, bad atomic.Uint64
}

// sender is a peer that sends.
type sender struct {
	streams int
	rate    *rate.Limiter
}

// New starts to take messages on a host, which it never closes.
func New(h host.Host, receive Receive) *Direct {
	d := &Direct{host: h, receive: receive, peers: make(map[peer.ID]*sender), all: rate.NewLimiter(overall, overallBurst)}
	d.closing, d.close = context.WithCancel(context.Background())
	h.SetStreamHandler(Protocol, d.serve)
	return d
}

// Close takes no more messages and waits for those that are being taken. One that is still
// on its way is not awaited: its sender learns that it did not arrive.
func (d *Direct) Close() {
	d.host.RemoveStreamHandler(Protocol)
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.close()
	d.wg.Wait()
}

// Stats are counters of what was not taken.
type Stats struct {
	Busy uint64 // messages beyond the limits
	Bad  uint64 // streams that brought no whole message
}

// Stats tells what was not taken so far.
func (d *Direct) Stats() Stats { return Stats{d.busy.Load(), d.bad.Load()} }

// Send brings a message to a peer, over a connection that is there or one that it
// makes to the addresses that the host knows. It returns the peer's answer, or an
// error if there was none.
func (d *Direct) Send(ctx context.Context, to peer.ID, sealed []byte) (Answer, error) {
	if len(sealed) == 0 || len(sealed) > MaxSize {
		return 0, fmt.Errorf("direct: a message of %d bytes, allowed are 1 to %d", len(sealed), MaxSize)
	}
	s, err := d.host.NewStream(network.WithAllowLimitedConn(ctx, "hearsay"), to, Protocol)
	if err != nil {
		return 0, fmt.Errorf("direct: %w", err)
	}
	// In-memory networks have no deadlines, so the end of the context ends the stream.
	stop := context.AfterFunc(ctx, func() { s.Reset() })
	defer stop()
	if deadline, ok := ctx.Deadline(); ok {
		s.SetDeadline(deadline)
	}
	answer := make([]byte, 1)
	_, err = s.Write(append(protowire.AppendVarint(make([]byte, 0, len(sealed)+3), uint64(len(sealed))), sealed...))
	if err == nil {
		err = s.CloseWrite()
	}
	if err == nil {
		_, err = io.ReadFull(s, answer)
	}
	if err != nil {
		s.Reset()
		return 0, fmt.Errorf("direct: no answer: %w", errors.Join(context.Cause(ctx), err))
	}
	s.Close()
	if a := Answer(answer[0]); a < answers {
		return a, nil
	}
	return Refused, nil // a later version's reason
}

// serve takes one stream of a peer.
func (d *Direct) serve(s network.Stream) {
	from := s.Conn().RemotePeer()
	done := false
	stuck := time.AfterFunc(frameTime+answerTime, func() { s.Reset() })
	defer stuck.Stop()
	defer func() {
		if r := recover(); r != nil {
			log.Errorf("fault in a message of %s: %v\n%s", from, r, debug.Stack())
		}
		if !done {
			s.Reset()
		}
	}()
	ok, leave := d.admit(from, time.Now())
	defer leave()
	answer := Busy
	if ok {
		s.SetReadDeadline(time.Now().Add(frameTime))
		stop := context.AfterFunc(d.closing, func() { s.Reset() })
		sealed, err := wire.ReadFrameUpTo(bufio.NewReader(s), MaxSize)
		stop()
		if err != nil {
			d.bad.Add(1)
			log.Debugf("%s sent no message: %v", from, err)
			return
		}
		answer = d.receive(from, sealed)
	} else {
		d.busy.Add(1)
	}
	s.SetWriteDeadline(time.Now().Add(answerTime))
	if _, err := s.Write([]byte{byte(answer)}); err != nil {
		return
	}
	done = s.Close() == nil
}

// admit reports whether a peer may send one more message now. leave is called at
// its end in any case.
func (d *Direct) admit(from peer.ID, now time.Time) (ok bool, leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.streams >= maxStreams {
		return false, func() {}
	}
	p := d.peers[from]
	if p == nil {
		if len(d.peers) >= maxPeers {
			d.forgetQuiet(now)
		}
		if len(d.peers) >= maxPeers {
			return false, func() {}
		}
		p = &sender{rate: rate.NewLimiter(perPeer, burst)}
		d.peers[from] = p
	}
	// A peer's own limit first: who floods uses up nothing of the others'.
	if p.streams >= maxPeerStreams || !p.rate.AllowN(now, 1) || !d.all.AllowN(now, 1) {
		return false, func() {}
	}
	d.wg.Add(1)
	d.streams++
	p.streams++
	return true, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.streams--
		p.streams--
		d.wg.Done()
	}
}

// forgetQuiet forgets the peers that may send a whole burst again.
func (d *Direct) forgetQuiet(now time.Time) {
	for id, p := range d.peers {
		if p.streams == 0 && p.rate.TokensAt(now) >= burst {
			delete(d.peers, id)
		}
	}
}
