package apibridge

import (
	"context"
	"net"
	"sync"
	"time"

	"hearsay/apibridge/apimsg"
)

// conn is a module's connection: whole messages in, whole messages out, each
// under its deadline. One goroutine reads, one writes, any may stop it.
type conn struct {
	nc   net.Conn
	opts *Options
	in   *apimsg.Reader
	ctx  context.Context // ends with the connection

	// Only the reading goroutine uses these.
	timed bool // the message being read has its deadline
	armed bool // there is a deadline, be it of an earlier message

	mu       sync.Mutex
	cancel   context.CancelFunc
	draining bool  // no more waiting: read what is there, then stop
	cause    error // why it stopped; nil while it runs
}

func newConn(ctx context.Context, nc net.Conn, opts *Options, accept ...apimsg.Type) *conn {
	c := &conn{nc: nc, opts: opts}
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.in = apimsg.NewReader(c, accept...)
	return c
}

// next returns the next message, valid until the following call. An error is
// final and has stopped the connection, and none follows a stop.
func (c *conn) next() (apimsg.Message, error) {
	if c.ctx.Err() != nil {
		return nil, c.stop(errClosing)
	}
	c.timed = false
	m, err := c.in.Next()
	if err != nil {
		return nil, c.stop(c.readError(err))
	}
	return m, nil
}

// readError tells the deadlines apart.
func (c *conn) readError(err error) error {
	if !timedOut(err) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return errClosing
	}
	return errStalled
}

// Read is called by the Reader when it needs more bytes: for the rest of a
// message within FrameTimeout, for the first byte of one whenever it comes.
func (c *conn) Read(p []byte) (int, error) {
	switch partial := c.in.Partial(); {
	case partial && !c.timed:
		c.setReadDeadline(time.Now().Add(c.opts.FrameTimeout))
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
	c.nc.SetWriteDeadline(time.Now().Add(c.opts.WriteTimeout))
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

// drain lets the connection read what has been sent so far, and then stop.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && !c.draining {
		c.draining = true
		c.nc.SetReadDeadline(time.Now().Add(drainTime))
	}
}
