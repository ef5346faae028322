// Package client lets a Go program be a module: it speaks the module APIs to a
// node, each over a TCP connection (package apimsg has the messages, package
// apibridge the rules that the node follows). Client is for the Gossip API, DHT
// for the DHT API.
//
//	c, err := client.Dial(ctx, "127.0.0.1:7001")
//	err = c.Notify(ctx, 1337)                          // tell me of this type
//	err = c.Announce(ctx, 0, 1337, []byte("a rumor"))  // tell everybody
//	n, err := c.Next(ctx)                              // what others have announced
//	err = c.Validate(ctx, n.ID, true)                  // well-formed: pass it on
//
// A module that has asked for a type must call Next again and again and
// Validate what it gets: rumors that it does not vouch for go no further, and
// a connection that is not read is closed by the node.
//
// The Gossip API knows no answers and no errors. A node that does not like a message,
// or that stops, closes the connection; Next then fails, and sooner or later
// the other methods do. Dial and Notify again.
package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"hearsay/apibridge/apimsg"
)

// Notification is data that the node tells of, from another module or peer.
type Notification struct {
	ID       uint16 // for Validate; means nothing on another connection
	DataType uint16
	Data     []byte // the caller's own
}

// Client is a module's connection to a node's Gossip API. All methods may be
// called at the same time; messages are sent whole, one after the other.
type Client struct{ link }

// link is a connection to a module API.
type link struct {
	conn net.Conn
	in   *apimsg.Reader

	reading chan struct{} // holds one token: the right to read
	writing chan struct{} // and to write
	buf     []byte        // of the writer

	closing *sync.Once
	err     error // of Close
}

// Dial connects to the node's API address, host:port.
func Dial(ctx context.Context, address string) (*Client, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return New(conn), nil
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("client: is a node running with its API on %s? %w", address, err)
	}
	return conn, nil
}

// New returns a client that speaks over conn, which then is the client's.
func New(conn net.Conn) *Client { return &Client{newLink(conn, apimsg.TypeNotification)} }

func newLink(conn net.Conn, accept ...apimsg.Type) link {
	l := link{
		conn:    conn,
		in:      apimsg.NewReader(conn, accept...),
		reading: make(chan struct{}, 1),
		writing: make(chan struct{}, 1),
		closing: new(sync.Once),
	}
	l.reading <- struct{}{}
	l.writing <- struct{}{}
	return l
}

// Announce asks the node to spread up to apimsg.MaxData bytes. TTL is the
// number of hops, 0 = unlimited. That it returns nil means that the data are
// on their way to the node. It blocks while the node takes no more.
func (c *Client) Announce(ctx context.Context, ttl uint8, dataType uint16, data []byte) error {
	return c.send(ctx, &apimsg.Announce{TTL: ttl, DataType: dataType, Data: data})
}

// Notify asks to be told of data of a type, until the connection ends.
// Repeating it changes nothing.
func (c *Client) Notify(ctx context.Context, dataType uint16) error {
	return c.send(ctx, &apimsg.Notify{DataType: dataType})
}

// Validate says whether what a Notification told is well-formed, which decides
// whether the node passes it on. IDs that the node does not wait for are
// ignored by it.
func (c *Client) Validate(ctx context.Context, id uint16, valid bool) error {
	return c.send(ctx, &apimsg.Validation{ID: id, Valid: valid})
}

// Next waits for the next notification. When ctx ends it returns the
// context's error, and nothing is lost: Next can be called again. io.EOF means
// that the node has closed the connection, net.ErrClosed that Close did.
func (c *Client) Next(ctx context.Context) (Notification, error) {
	select {
	case <-c.reading:
		defer func() { c.reading <- struct{}{} }()
	case <-ctx.Done():
		return Notification{}, ctx.Err()
	}
	m, err := interruptible(ctx, c.conn.SetReadDeadline, c.in.Next)
	if err == io.EOF {
		return Notification{}, err
	}
	if err != nil {
		return Notification{}, fmt.Errorf("client: next notification: %w", err)
	}
	n := m.(*apimsg.Notification)
	return Notification{n.ID, n.DataType, bytes.Clone(n.Data)}, nil
}

// Close ends the connection and with it what Notify asked for. Announcements and
// values that were sent still count.
func (c *link) Close() error {
	c.closing.Do(func() { c.err = c.conn.Close() })
	return c.err
}

// send writes a message at one go.
func (c *link) send(ctx context.Context, m apimsg.Message) error {
	select {
	case <-c.writing:
		defer func() { c.writing <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	frame, err := apimsg.Append(c.buf[:0], m)
	if err != nil {
		return err
	}
	c.buf = frame
	n, err := interruptible(ctx, c.conn.SetWriteDeadline, func() (int, error) { return c.conn.Write(frame) })
	if err != nil && n > 0 {
		c.Close() // with half a message sent, nothing sensible can follow
	}
	if err != nil {
		return fmt.Errorf("client: %v: %w", m.Type(), err)
	}
	return nil
}

// interruptible calls f, which does I/O that setDeadline applies to, and
// breaks it off with the context's error when ctx ends.
func interruptible[T any](ctx context.Context, setDeadline func(time.Time) error, f func() (T, error)) (T, error) {
	if ctx.Done() == nil { // nothing will end it
		return f()
	}
	if err := ctx.Err(); err != nil {
		var none T
		return none, err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		setDeadline(time.Unix(1, 0))
	})
	v, err := f()
	if !stop() {
		<-interrupted
		setDeadline(time.Time{})
		if err != nil {
			err = ctx.Err()
		}
	}
	return v, err
}
