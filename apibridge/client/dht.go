package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"hearsay/apibridge/apimsg"
)

// ErrNotFound is what Get fails with when the node knows no value of the key.
var ErrNotFound = errors.New("client: no value under this key")

// DHT is a module's connection to a node's DHT API. All methods may be called at
// the same time. Gets of several keys travel together; of one key a single GET is
// on its way at a time, for answers say no more than their key, and come in any
// order.
type DHT struct {
	link

	mu    sync.Mutex
	asked map[[apimsg.KeySize]byte]*question
}

// question is a GET on its way. It is there until its answer is, also when nobody
// waits for it any more.
type question struct {
	since    time.Time
	outdated bool // it went out before a Put of its key; DHT.mu guards this

	out    chan struct{} // closed when it is sent, or cannot be
	unsent bool          // known then

	done  chan struct{} // closed when it is answered
	value []byte        // known then; nil if there is none
}

// answerTime is the longest that a node takes for an answer. The answer to what
// was asked longer ago has been waiting to be read for nobody knows how long.
const answerTime = 10 * time.Second

// DialDHT connects to the node's DHT API address, host:port.
func DialDHT(ctx context.Context, address string) (*DHT, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return NewDHT(conn), nil
}

// NewDHT returns a client that speaks over conn, which then is the client's.
func NewDHT(conn net.Conn) *DHT {
	return &DHT{link: newLink(conn, apimsg.TypeSuccess, apimsg.TypeFailure), asked: make(map[[apimsg.KeySize]byte]*question)}
}

// Put asks the node to keep 1 to apimsg.MaxValue bytes for ttl seconds (at most
// 12 h count, 0 = an hour) in about so many copies (0 = as many as the node finds
// right). That it returns nil means that they are on their way to the node, which
// does not confirm.
func (d *DHT) Put(ctx context.Context, key [apimsg.KeySize]byte, value []byte, ttl uint16, replication uint8) error {
	err := d.send(ctx, &apimsg.Put{TTL: ttl, Replication: replication, Key: key, Value: value})
	d.mu.Lock()
	defer d.mu.Unlock()
	if q := d.asked[key]; q != nil {
		q.outdated = true
	}
	return err
}

// Get asks for a value and waits for the answer, which takes the node 10 s at
// most. If an earlier Get of the same key was given up, Get waits for that answer
// first, which tells it nothing if a Put came in between. It fails with
// ErrNotFound if there is no value.
func (d *DHT) Get(ctx context.Context, key [apimsg.KeySize]byte) ([]byte, error) {
	again := false // whoever asks from now on asks after this call began
	for {
		q, mine, recent := d.ask(key)
		if mine {
			if err := d.send(ctx, &apimsg.Get{Key: key}); err != nil {
				d.withdraw(key, q)
				return nil, err
			}
			close(q.out)
		}
		if err := d.await(ctx, q); err != nil {
			return nil, err
		}
		switch {
		case q.unsent: // by another
		case q.value != nil && (again || recent):
			return bytes.Clone(q.value), nil // others return it, too
		case q.value == nil && (again || mine): // else it may have been put since
			return nil, ErrNotFound
		}
		again = true
	}
}

// ask returns the question about a key. If it is mine, the caller has to send it.
// If it is not recent, a value that answers it may have been replaced already.
func (d *DHT) ask(key [apimsg.KeySize]byte) (q *question, mine, recent bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q = d.asked[key]; q != nil {
		return q, false, !q.outdated && time.Since(q.since) < answerTime
	}
	q = &question{since: time.Now(), out: make(chan struct{}), done: make(chan struct{})}
	d.asked[key] = q
	return q, true, true
}

// withdraw takes back a question that could not be sent.
func (d *DHT) withdraw(key [apimsg.KeySize]byte, q *question) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.asked, key)
	q.unsent = true
	close(q.out)
}

// settle gives the question about a key its answer. To one that nobody waits for
// it is of no use.
func (d *DHT) settle(key [apimsg.KeySize]byte, value []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q := d.asked[key]; q != nil {
		delete(d.asked, key)
		q.value = value
		close(q.done)
	}
}

// await waits until a question is answered, or known to be unsent. All that wait
// for answers take turns reading, for all of them.
func (d *DHT) await(ctx context.Context, q *question) error {
	select {
	case <-q.out:
	case <-ctx.Done():
		return ctx.Err()
	}
	for !q.unsent {
		select {
		case <-q.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-d.reading:
			var err error
			select {
			case <-q.done: // another has read it meanwhile
			default:
				err = d.hear(ctx)
			}
			d.reading <- struct{}{}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// hear reads one answer and hands it to who waits for it.
func (d *DHT) hear(ctx context.Context) error {
	m, err := interruptible(ctx, d.conn.SetReadDeadline, d.in.Next)
	if err == io.EOF {
		return err
	}
	if err != nil {
		return fmt.Errorf("client: waiting for an answer: %w", err)
	}
	switch m := m.(type) {
	case *apimsg.Success:
		d.settle(m.Key, bytes.Clone(m.Value))
	case *apimsg.Failure:
		d.settle(m.Key, nil)
	}
	return nil
}
