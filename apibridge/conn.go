package apibridge

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"hearsay/apibridge/apimsg"
)

// conn is a module's connection: whole messages in, whole messages out, each
// under its deadline. One goroutine reads, one writes, any may stop it.
type conn struct {
	nc     net.Conn
	limits *Limits
	in     *apimsg.Reader
	ctx    context.Context // ends with the connection

	// Only the reading goroutine uses these.
	timed bool  // the message being read has its deadline
	armed bool  // there is a deadline, be it of an earlier message
	last  error // what next or hear failed with

	mu       sync.Mutex
	cancel   context.CancelFunc
	drained  chan struct{} // closed by drain
	draining bool          // no more waiting: read what is there, then stop
	writeBy  time.Time     // deadline of writes
	cause    error         // why it stopped; nil while it runs
}

func newConn(ctx context.Context, nc net.Conn, limits *Limits, accept ...apimsg.Type) *conn {
	c := &conn{nc: nc, limits: limits, drained: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.in = apimsg.NewReader(c, accept...)
	return c
}

// next returns the next message, valid until the following call. An error is
// final. io.EOF, when the module has no more to say, and errClosing, when the
// server closes, leave the connection to be written to; any other has stopped
// it. None follows a stop.
func (c *conn) next() (apimsg.Message, error) {
	m, err := c.hear()
	if violates(err) {
		return nil, c.stop(err)
	}
	return m, err
}

func violates(err error) bool {
	_, violation := errors.AsType[*apimsg.Violation](err)
	return violation
}

// hear is next, but a violation leaves the connection to be written to as well: it
// ends with finish.
func (c *conn) hear() (apimsg.Message, error) {
	if c.ctx.Err() != nil {
		return nil, c.stop(errClosing)
	}
	c.timed = false
	m, err := c.in.Next()
	switch {
	case err == nil:
		return m, nil
	case err == io.EOF, violates(err):
		c.last = err
		return nil, c.last
	case timedOut(err) && c.isDraining():
		c.last = errClosing
		return nil, c.last
	case timedOut(err):
		err = errStalled
	}
	return nil, c.stop(err)
}

func (c *conn) isDraining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// Read is called by the Reader when it needs more bytes: for the rest of a
// message within FrameTimeout, for the first byte of one whenever it comes.
func (c *conn) Read(p []byte) (int, error) {
	switch partial := c.in.Partial(); {
	case partial && !c.timed:
		c.setReadDeadline(time.Now().Add(c.limits.FrameTimeout))
		c.timed, c.armed = true, true
	case !partial && c.armed:
		c.setReadDeadline(time.Time{})
		c.armed = false
	}
	return c.nc.Read(p)
}

func (c *conn) setReadDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && !c.draining {
		c.nc.SetReadDeadline(t)
	}
}

// write sends one whole message. errUnread is final; after any other error the
// module may still have sent something that counts.
func (c *conn) write(frame []byte) error {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return c.cause
	}
	// Not each time, as it moves a timer: seven eighths of the time are enough.
	if now := time.Now(); c.writeBy.Sub(now) < c.limits.WriteTimeout*7/8 {
		c.writeBy = now.Add(c.limits.WriteTimeout)
		c.nc.SetWriteDeadline(c.writeBy)
	}
	c.mu.Unlock()
	_, err := c.nc.Write(frame)
	if timedOut(err) {
		return c.stop(errUnread)
	}
	return err
}

// stop ends the connection at once and returns why it ended: for this cause,
// or for an earlier one. It never blocks.
func (c *conn) stop(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = cause
		c.cancel()
		c.nc.SetDeadline(time.Unix(1, 0)) // wakes reader and writer; Close would wait for them
	}
	return c.cause
}

// finish stops a connection that nobody reads any more, and returns why it ended.
func (c *conn) finish() error {
	if c.last != nil {
		return c.stop(c.last)
	}
	return c.stop(errClosing)
}

// drain lets the connection read what has been sent so far, and then stop.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && !c.draining {
		c.draining = true
		close(c.drained)
		c.nc.SetReadDeadline(time.Now().Add(drainTime))
	}
}
