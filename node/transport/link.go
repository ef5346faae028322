package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

// stage is how far a link is.
type stage uint8

const (
	greeting stage = iota // its gossip lanes are being opened
	up                    // messages can be sent
	over                  // it is ending, or has ended
)

// manner is how a link is ended.
type manner uint8

const (
	reset  manner = iota // at once
	cut                  // after what is urgent, hearing no more
	drain                // after what is queued
	follow               // the peer ended it: there is nobody to write to
)

// LinkTag is what protects a neighbour's connections from the connection manager, which
// therefore knows with whom there is a link.
const LinkTag = "hearsay"

// link is what makes a peer a neighbour: a gossip stream each way, and the
// other lanes when they are needed.
type link struct {
	t       *Transport
	peer    peer.ID
	rem     *remote
	session uint64
	created time.Time

	ctx    context.Context // until the streams are closed
	cancel context.CancelFunc

	out     [lanes]*lane
	inbound chan *inbound // the peer's gossip stream, once
	credit  atomic.Int32  // peer lists that the peer may send
	offered seldom        // are its offers of peers looked at

	announced chan struct{}   // closed when LinkUp has been emitted
	ending    chan struct{}   // closed when the link is over
	harder    chan struct{}   // closed when it has to end at once after all
	done      chan struct{}   // closed when the streams are closed
	carried   [2]atomic.Int64 // bytes, by Direction
	quota     int64           // of bytes each way, and
	lifetime  time.Duration   // of a connection through a relay; 0 = as much and long as one likes
	quiet     atomic.Bool     // all streams came to their proper end
	silenced  atomic.Bool     // nothing more is emitted

	readers sync.WaitGroup // of the peer's streams: they emit
	others  sync.WaitGroup // writers, and watchers of this node's streams

	// Under t.mu:
	stage    stage
	dialled  bool
	paired   bool                  // the peer's gossip stream is here
	since    time.Time             // when it came up
	conn     network.ConnStats     // of the connection below then,
	addr     string                // and the peer's address, "" = it has none
	theirs   wire.Hello            // of the peer's gossip stream
	clock    clock                 // of the peer
	in       [lanes]network.Stream // the peer's streams, while they are read
	streams  []network.Stream      // all, to be closed
	replaced int                   // of the peer's, by others
	how      manner
	why      cause
	err      error
	hangUp   bool           // close its connections too,
	keep     network.Conn   // except this one
	conns    []network.Conn // once the streams are closed
}

// newLink makes a link for a peer that has none and runs it: one that this node
// dials, or one that in asks for. t.mu is held.
func (t *Transport) newLink(p peer.ID, rem *remote, in *inbound) {
	l := &link{
		t:         t,
		peer:      p,
		rem:       rem,
		session:   rand.Uint64N(1<<64-1) + 1,
		created:   time.Now(),
		dialled:   in == nil,
		inbound:   make(chan *inbound, 1),
		announced: make(chan struct{}),
		ending:    make(chan struct{}),
		harder:    make(chan struct{}),
		done:      make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(t.ctx)
	l.credit.Store(1)
	for id := range lanes {
		l.out[id] = &lane{link: l, id: id, finished: make(chan struct{})}
	}
	if in != nil {
		l.pair(in)
	}
	rem.link = l
	rem.users++
	rem.notify()
	t.wg.Add(1)
	go l.run()
}

// run makes a link. It emits LinkUp or DialFailed, and conclude Broke and LinkDown; the link
// gives way to the peer's next one after the last of them.
func (l *link) run() {
	t := l.t
	in, err := l.greet()
	if err != nil {
		l.fail(endOpen, err) // unless it knows a reason already
	}
	t.mu.Lock()
	isUp := l.stage == greeting
	if isUp {
		l.stage, l.since = up, time.Now()
		conn := l.out[gossipLane].stream.Conn()
		l.quota, l.lifetime = allowance(conn)
		l.conn = conn.Stat()
		if a := conn.RemoteMultiaddr(); a != nil {
			l.addr = a.String()
		}
		l.startReading(gossipLane, in)
		l.rem.notify()
	}
	dialled := l.dialled
	t.mu.Unlock()

	if isUp {
		l.begin(dialled) // and conclude does the rest
		return
	}
	l.close()
	close(l.done)
	l.report(dialled)
	if dialled {
		t.cfg.Emit(gossip.DialFailed{Peer: gossip.PeerID(l.peer)})
	}
	l.makeWay()
}

// makeWay is the last thing that a link does. One that the peer asked for does it no sooner
// than the peer could have replaced it: who ends links gets new ones no faster.
func (l *link) makeWay() {
	l.disconnect()
	l.t.mu.Lock()
	dialled := l.dialled
	l.t.mu.Unlock()
	if left := l.t.timing.churn - time.Since(l.created); left > 0 && !dialled {
		select {
		case <-time.After(left):
		case <-l.t.ctx.Done():
		}
	}
	l.t.mu.Lock()
	l.rem.link = nil
	l.rem.notify()
	l.t.mu.Unlock()
	l.t.exit(l.peer, l.rem)
}

// begin tells that a link is up. From then until it ends nothing of it runs but
// the readers of the peer's streams, and one that watches this node's.
func (l *link) begin(dialled bool) {
	t := l.t
	log.Debugf("link to %s is up, agent %q", l.peer, l.theirs.Agent)
	t.host.ConnManager().Protect(l.peer, LinkTag)
	conn := l.out[gossipLane].stream.Conn()
	t.cfg.Emit(gossip.LinkUp{
		Peer:    gossip.PeerID(l.peer),
		Dialled: dialled,
		Net:     NetGroup(conn.RemoteMultiaddr()),
		Relayed: conn.Stat().Limited,
	})
	if conn.Stat().Limited {
		t.wg.Go(func() { l.ration(conn) })
	}
	close(l.announced)
}

// conclude is the end of a link that was up. It runs from end on.
func (l *link) conclude() {
	<-l.announced
	l.finish()
	close(l.done)
	l.readers.Wait()
	l.t.host.ConnManager().Unprotect(l.peer, LinkTag)
	l.report(false)
	if l.why.violation() {
		l.t.cfg.Emit(gossip.Broke{Peer: gossip.PeerID(l.peer)})
	}
	l.t.cfg.Emit(gossip.LinkDown{Peer: gossip.PeerID(l.peer)})
	l.makeWay()
}

// report counts and notes why a link ended, or did not come up.
func (l *link) report(dial bool) {
	t := l.t
	t.mu.Lock()
	news := t.failed(l.peer, l.err)
	why, err := l.why, l.err
	t.mu.Unlock()
	t.stats.ends[why].Add(1)
	broke := errors.Is(err, ErrNetwork) || why.violation()
	switch {
	case broke && news && t.mayWarn():
		log.Warnf("link to %s ended: %v", l.peer, err)
	case dial:
		log.Debugf("dial to %s failed: %v", l.peer, err)
	default:
		log.Debugf("link to %s ended: %v", l.peer, err)
	}
}

// end begins the end of a link. The first reason is the one that counts, but a
// link that ends in an orderly way can still be ended at once. t.mu is held.
func (l *link) end(why cause, err error, how manner) {
	if l.stage == over {
		if (how == reset || how == cut) && l.how != reset {
			l.how = reset
			close(l.harder)
		}
		return
	}
	if l.stage == greeting {
		how = reset
	} else {
		go l.conclude()
	}
	l.stage, l.why, l.err, l.how = over, why, err, how
	if how == reset {
		close(l.harder)
	}
	if how == reset || how == cut {
		l.silenced.Store(true)
	}
	close(l.ending)
	l.rem.notify()
}

// fail ends a link because of something that happened on one of its streams.
func (l *link) fail(why cause, err error) {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	how := reset
	if why == endPeer {
		how = follow
	}
	// A stream that breaks while the link is ending anyway changes nothing:
	// the others may still come to their proper end.
	if l.stage != over {
		l.end(why, err, how)
	}
}

// rescue keeps a fault in the handling of one stream from ending the program.
// It is deferred by every goroutine of a link that handles what a peer sent.
func (l *link) rescue() {
	if r := recover(); r != nil {
		l.t.stats.panics.Add(1)
		log.Errorf("fault on a stream of %s: %v\n%s", l.peer, r, debug.Stack())
		l.fail(endPanic, fmt.Errorf("fault in this program: %v", r))
	}
}

// finish closes the streams of a link that was up: in an orderly way if there
// is time, so that both sides read all that was written.
func (l *link) finish() {
	l.t.mu.Lock()
	how := l.how
	l.t.mu.Unlock()
	if how == reset {
		l.close()
		return
	}
	hurried := false
	for _, n := range l.out {
		if n.close(how) {
			hurried = true
		}
	}
	patience := l.t.timing.drain
	if how == cut {
		patience = l.t.timing.urgent
		if !hurried {
			l.close()
			return
		}
	}
	ended := make(chan struct{})
	l.t.wg.Go(func() {
		l.others.Wait()
		l.readers.Wait()
		close(ended)
	})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
		l.quiet.Store(true)
	case <-timer.C:
	case <-l.harder:
	}
	l.close()
}

// close ends all streams at once. On those that have come to their end in both
// directions it only frees what they hold.
func (l *link) close() {
	l.cancel()
	l.t.mu.Lock()
	streams, why := l.streams, l.why
	l.streams = nil
	for _, s := range streams {
		if !slices.Contains(l.conns, s.Conn()) {
			l.conns = append(l.conns, s.Conn())
		}
	}
	l.t.mu.Unlock()
	for _, s := range streams {
		abort(s, code(why))
	}
	l.disconnect()
}

// disconnect closes the connections of a link whose streams are closed, if that was asked
// for, before the peer's next link looks for one.
func (l *link) disconnect() {
	l.t.mu.Lock()
	conns, keep, hangUp := l.conns, l.keep, l.hangUp
	l.t.mu.Unlock()
	for _, c := range conns {
		if hangUp && c != keep {
			l.t.forget(c)
		}
	}
}

// own makes a stream the link's, to be closed with it. If that has happened
// already it is closed now. t.mu is held.
func (l *link) own(s network.Stream) bool {
	if l.ctx.Err() != nil {
		abort(s, network.StreamShutdown)
		return false
	}
	l.streams = append(l.streams, s)
	return true
}

// disown lets go of a stream that another one takes the place of. t.mu is held.
func (l *link) disown(s network.Stream) {
	l.streams = slices.DeleteFunc(l.streams, func(o network.Stream) bool { return o == s })
}

// adoptOut gives a lane its stream. That of the gossip lane is watched, and with
// it the link: what ends one of a peer's streams before its time ends all. On the
// others the peer's end is awaited when this node's is written.
func (l *link) adoptOut(n *lane, s network.Stream) {
	l.t.mu.Lock()
	n.stream = s
	l.own(s)
	if n.id != gossipLane {
		l.t.mu.Unlock()
		return
	}
	n.mu.Lock()
	n.used = true
	n.mu.Unlock()
	l.others.Add(1)
	l.t.wg.Add(1)
	l.t.mu.Unlock()
	go func() {
		defer l.t.wg.Done()
		defer l.others.Done()
		defer close(n.finished)
		l.watch(s)
	}()
}

// watch waits for the peer to close or reset a stream of this node's, on which
// it has nothing to say.
func (l *link) watch(s network.Stream) {
	switch n, err := s.Read(make([]byte, 1)); {
	case n > 0:
		l.fail(endLane, errors.New("the peer wrote on a stream that is not its own"))
	case err == io.EOF:
		l.fail(endPeer, errEnded)
	default:
		l.fail(endReset, explain(err))
	}
}
