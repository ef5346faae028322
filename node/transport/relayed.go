package transport

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
)

// Links through a relay. A relay cuts a connection off after 128 KiB in one
// direction or two minutes, and what is under way is lost with it. So a link ends
// itself in an orderly way before that, and at once when there is a direct
// connection, which the next link to the peer then uses.

const (
	// relayData and relayTime are what relays allow where they do not say it.
	relayData = 128 << 10
	relayTime = 2 * time.Minute
	// rationPause is how often a link looks at what it has carried. With three
	// quarters of the quota used it ends when all that is queued has got through;
	// what would go beyond seven eighths is not written any more, and the link is
	// over at once.
	rationPause = 250 * time.Millisecond
)

// allowance is what a connection may carry in each direction and how long it
// lasts: 0, 0 unless it goes through a relay.
func allowance(conn network.Conn) (data int64, lifetime time.Duration) {
	if !conn.Stat().Limited {
		return 0, 0
	}
	data, lifetime = relayData, relayTime
	if d, ok := conn.Stat().Extra[client.StatLimitData].(uint64); ok && d > 0 {
		data = int64(min(d, 1<<62))
	}
	if d, ok := conn.Stat().Extra[client.StatLimitDuration].(time.Duration); ok && d > 0 {
		lifetime = d
	}
	return data, lifetime
}

// ration ends a link that goes through a relay in an orderly way before the relay
// would, and when there is a direct connection.
func (l *link) ration(conn network.Conn) {
	direct := make(chan struct{}, 1)
	stop := l.t.onDirect(l.peer, direct)
	defer stop()
	over := time.NewTimer(l.lifetime*3/4 - time.Since(conn.Stat().Opened))
	defer over.Stop()
	look := time.NewTicker(rationPause)
	defer look.Stop()
	for {
		err := errRationed
		select {
		case <-l.ending:
			return
		case <-direct:
			err = errDirect
		case <-over.C:
		case <-look.C:
			if max(l.carried[Out].Load(), l.carried[In].Load()) < l.quota*3/4 {
				continue
			}
		}
		l.t.mu.Lock()
		l.end(endRelay, err, drain)
		l.t.mu.Unlock()
		return
	}
}

// onDirect has c told when there is, or comes, a connection to a peer that goes
// through no relay, until stop.
func (t *Transport) onDirect(p peer.ID, c chan<- struct{}) (stop func()) {
	tell := func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	notifiee := &network.NotifyBundle{ConnectedF: func(_ network.Network, conn network.Conn) {
		if conn.RemotePeer() == p && !conn.Stat().Limited {
			tell()
		}
	}}
	t.host.Network().Notify(notifiee)
	if t.host.Network().Connectedness(p) == network.Connected {
		tell()
	}
	return func() { t.host.Network().StopNotify(notifiee) }
}

// awaitDirect gives a connection that goes through a relay some time to be
// replaced by a direct one, as hole punching does. It returns the peer's gossip
// stream if that comes meanwhile.
func (l *link) awaitDirect(ctx context.Context) (in *inbound) {
	select {
	case in := <-l.inbound:
		return in
	default:
	}
	if l.t.host.Network().Connectedness(l.peer) != network.Limited {
		return nil
	}
	direct := make(chan struct{}, 1)
	stop := l.t.onDirect(l.peer, direct)
	defer stop()
	patience := time.NewTimer(l.t.timing.punch)
	defer patience.Stop()
	select {
	case in := <-l.inbound:
		return in
	case <-direct:
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}
