package apibridge

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"hearsay/apibridge/apimsg"
)

// Stats are what every server counts. All but Connections count since its start.
type Stats struct {
	Connections  uint64 // open now
	Accepted     uint64 // connections served
	Refused      uint64 // connections beyond MaxConns, closed at once
	Failed       uint64 // connections that the node did not take
	AcceptErrors uint64 // failures to accept, each followed by a pause

	Violations Violations // connections closed because a module broke the rules
	Truncated  uint64     // connections that ended within a message
	Stalled    uint64     // connections closed: a message was not complete in time
	Overflowed uint64     // connections closed: their queue was full
	Unread     uint64     // connections closed: a write did not end in time
	Panics     uint64     // connections closed because serving them panicked
}

// GossipStats are the counters of a Gossip server.
type GossipStats struct {
	Stats

	Announces      uint64 // received, however they fared
	Echoes         uint64 // of them held back: repetitions of what was told
	AnnounceErrors uint64 // of them refused by the node
	Notifies       uint64 // received
	Notifications  uint64 // written
	Validations    uint64 // received for an open NOTIFICATION
	Strays         uint64 // VALIDATIONs with an unknown, late or repeated ID, ignored
	Evicted        uint64 // open NOTIFICATIONs given up for newer ones
	Dropped        uint64 // NOTIFICATIONs that were queued when their connection ended
	Oversize       uint64 // rumors too large for a NOTIFICATION
}

// DHTStats are the counters of a DHT server.
type DHTStats struct {
	Stats

	Puts      uint64 // received, however they fared
	PutErrors uint64 // of them refused by the node
	Gets      uint64 // received
	Successes uint64 // GETs answered with a value
	Failures  uint64 // GETs answered without one
	Oversize  uint64 // values too large for a SUCCESS, answered as if there were none
}

// Violations count closed connections by the rule that was broken.
type Violations struct {
	Size      uint64 // a size below the header's 4 bytes
	Type      uint64 // an unknown type
	Direction uint64 // a type of another API, or one that only the node sends
	Length    uint64 // a body of a wrong length
	Strict    uint64 // ANNOUNCE before NOTIFY, with StrictAnnounce
}

// counters are the live form of Stats.
type counters struct {
	connections                                    atomic.Int64
	accepted, refused, failed, acceptErrors        atomic.Uint64
	badSize, badType, badDirection, badLength      atomic.Uint64
	strict, truncated, stalled, overflowed, unread atomic.Uint64
	panics                                         atomic.Uint64
}

// gossipCounters are the live form of what GossipStats adds.
type gossipCounters struct {
	announces, echoes, announceErrors, notifies atomic.Uint64
	notifications, validations, strays, evicted atomic.Uint64
	dropped, oversize                           atomic.Uint64
}

// dhtCounters are the live form of what DHTStats adds.
type dhtCounters struct {
	puts, putErrors, gets, successes, failures, oversize atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Connections:  uint64(max(c.connections.Load(), 0)),
		Accepted:     c.accepted.Load(),
		Refused:      c.refused.Load(),
		Failed:       c.failed.Load(),
		AcceptErrors: c.acceptErrors.Load(),

		Violations: Violations{
			Size:      c.badSize.Load(),
			Type:      c.badType.Load(),
			Direction: c.badDirection.Load(),
			Length:    c.badLength.Load(),
			Strict:    c.strict.Load(),
		},
		Truncated:  c.truncated.Load(),
		Stalled:    c.stalled.Load(),
		Overflowed: c.overflowed.Load(),
		Unread:     c.unread.Load(),
		Panics:     c.panics.Load(),
	}
}

func (c *gossipCounters) stats(common Stats) GossipStats {
	return GossipStats{
		Stats:          common,
		Announces:      c.announces.Load(),
		Echoes:         c.echoes.Load(),
		AnnounceErrors: c.announceErrors.Load(),
		Notifies:       c.notifies.Load(),
		Notifications:  c.notifications.Load(),
		Validations:    c.validations.Load(),
		Strays:         c.strays.Load(),
		Evicted:        c.evicted.Load(),
		Dropped:        c.dropped.Load(),
		Oversize:       c.oversize.Load(),
	}
}

func (c *dhtCounters) stats(common Stats) DHTStats {
	return DHTStats{
		Stats:     common,
		Puts:      c.puts.Load(),
		PutErrors: c.putErrors.Load(),
		Gets:      c.gets.Load(),
		Successes: c.successes.Load(),
		Failures:  c.failures.Load(),
		Oversize:  c.oversize.Load(),
	}
}

// The reasons for which the bridge itself ends a connection.
var (
	errClosing    = errors.New("the server closes")
	errStrict     = errors.New("ANNOUNCE before NOTIFY")
	errOverflowed = errors.New("too much waits to be read by the module")
	errUnread     = errors.New("the module does not read")
	errStalled    = errors.New("a message was begun and not completed in time")
	errPanic      = errors.New("internal fault")
)

// ended counts why a connection ended.
func (c *counters) ended(cause error) {
	var v *apimsg.Violation
	switch {
	case errors.As(cause, &v):
		switch v.Kind {
		case apimsg.BadSize:
			c.badSize.Add(1)
		case apimsg.BadType:
			c.badType.Add(1)
		case apimsg.BadDirection:
			c.badDirection.Add(1)
		case apimsg.BadLength:
			c.badLength.Add(1)
		}
	case errors.Is(cause, io.ErrUnexpectedEOF):
		c.truncated.Add(1)
	case errors.Is(cause, errStrict):
		c.strict.Add(1)
	case errors.Is(cause, errStalled):
		c.stalled.Add(1)
	case errors.Is(cause, errOverflowed):
		c.overflowed.Add(1)
	case errors.Is(cause, errUnread):
		c.unread.Add(1)
	case errors.Is(cause, errPanic):
		c.panics.Add(1)
	}
}

// timedOut says whether an I/O error is a passed deadline.
func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
