package apibridge

import (
	"time"

	"golang.org/x/time/rate"
)

// Limits are what the servers of all module APIs put on modules. The zero value
// of a field means its default.
type Limits struct {
	// MaxConns is the most connections open at a time (64). Further ones are
	// accepted and closed at once. The place of a connection is free when its module
	// sees it end.
	MaxConns int
	// FrameTimeout is the time from the first byte of a message to its last
	// (10 s). A connection without a message begun may be silent for ever.
	FrameTimeout time.Duration
	// WriteTimeout is the longest that the write of one message takes (5 s). It may
	// be up to an eighth shorter: of writes in a row one limit serves several.
	WriteTimeout time.Duration

	// Rate is how many messages that ask something of the node are read from one
	// connection per second in the long run (5000; rate.Inf = any number), and
	// Burst how many at once (5000). What exceeds it waits in the module's own
	// socket.
	Rate  rate.Limit
	Burst int
}

// Options are the limits of a Gossip server. The zero value of a field means its
// default, but for Pace and StrictAnnounce, where zero means off; DefaultOptions
// has Pace on.
type Options struct {
	Limits

	// MaxQueue is the most NOTIFICATIONs that wait for one connection (4096),
	// and MaxQueueBytes the most data in them (8 MiB; a single one of any size
	// always fits). A connection whose queue overflows is closed: its module
	// does not read, or not fast enough.
	//
	// What the node replays at a NOTIFY comes on top: it comes at once, and is
	// what the node itself keeps. While more than MaxQueue or MaxQueueBytes of
	// that waits, the connection's next NOTIFY is not acted upon, nor what is
	// behind it.
	MaxQueue      int
	MaxQueueBytes int
	// MaxPending is the most NOTIFICATIONs of one connection whose VALIDATION
	// is awaited (4096, at most 65,535). Beyond, the oldest one can no longer
	// be answered; a module that never answers costs no more than this.
	MaxPending int

	// Pace is the longest time that a NOTIFICATION waits for the VALIDATION of
	// the one before it (200 ms by default, 0 = does not wait). The more of
	// them wait, the shorter it is, so that also a module that never validates
	// is told everything within 8 × Pace, however much there is. While the queue
	// is more than half full none waits, so that a module which reads as fast as
	// rumors come never has one that overflows.
	Pace time.Duration

	// EchoWindow is the time within which a connection that re-announces
	// bytes which it was told is heard only once (10 s; negative = no limit),
	// unless it repeats them by itself.
	EchoWindow time.Duration

	// StrictAnnounce closes a connection that sends ANNOUNCE before its first
	// NOTIFY, as some implementations of the API do.
	StrictAnnounce bool
}

// maxMessageIDs is the most IDs that can be open at a time: one less than
// there are, so that a free one is always found.
const maxMessageIDs = 1<<16 - 1

// drainTime is how long a closing server reads on: what a module has sent is
// in this machine's memory already.
const drainTime = 50 * time.Millisecond

// DefaultLimits returns the limits that suit a node with a handful of modules.
func DefaultLimits() Limits {
	return Limits{
		MaxConns:     64,
		FrameTimeout: 10 * time.Second,
		WriteTimeout: 5 * time.Second,
		Rate:         5000,
		Burst:        5000,
	}
}

// DefaultOptions returns the options that suit a node with a handful of modules.
func DefaultOptions() Options {
	return Options{
		Limits:        DefaultLimits(),
		MaxQueue:      4096,
		MaxQueueBytes: 8 << 20,
		MaxPending:    4096,
		Pace:          200 * time.Millisecond,
		EchoWindow:    10 * time.Second,
	}
}

// withDefaults fills the fields that are zero, or below where that means nothing.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	positive(&l.MaxConns, d.MaxConns)
	positive(&l.FrameTimeout, d.FrameTimeout)
	positive(&l.WriteTimeout, d.WriteTimeout)
	positive(&l.Rate, d.Rate)
	positive(&l.Burst, d.Burst)
	return l
}

// withDefaults fills the fields that are zero, or below where that means nothing.
func (o Options) withDefaults() Options {
	d := DefaultOptions()
	o.Limits = o.Limits.withDefaults()
	positive(&o.MaxQueue, d.MaxQueue)
	positive(&o.MaxQueueBytes, d.MaxQueueBytes)
	positive(&o.MaxPending, d.MaxPending)
	if o.EchoWindow == 0 {
		o.EchoWindow = d.EchoWindow
	}
	o.MaxPending = min(o.MaxPending, maxMessageIDs)
	o.Pace = max(o.Pace, 0)
	return o
}

func positive[T int | time.Duration | rate.Limit](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}
