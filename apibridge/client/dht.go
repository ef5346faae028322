package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"

	"hearsay/apibridge/apimsg"
)

// ErrNotFound is what Get fails with when the node knows no value of the key.
var ErrNotFound = errors.New("client: no value under this key")

// DHT is a module's connection to a node's DHT API. All methods may be called at
// the same time: several Gets travel together, and each has its own answer.
type DHT struct {
	link

	mu      sync.Mutex
	waiting map[[apimsg.KeySize]byte][]chan []byte // by key, oldest first
}

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
	return &DHT{link: newLink(conn, apimsg.TypeSuccess, apimsg.TypeFailure), waiting: make(map[[apimsg.KeySize]byte][]chan []byte)}
}

// Put asks the node to keep 1 to apimsg.MaxValue bytes for ttl seconds (at most
// 12 h count, 0 = an hour) in about so many copies (0 = as many as the node finds
// right). That it returns nil means that they are on their way to the node, which
// does not confirm.
func (d *DHT) Put(ctx context.Context, key [apimsg.KeySize]byte, value []byte, ttl uint16, replication uint8) error {
	return d.send(ctx, &apimsg.Put{TTL: ttl, Replication: replication, Key: key, Value: value})
}

// Get asks for a value and waits for the answer, which takes the node 10 s at
// most. It fails with ErrNotFound if there is none.
func (d *DHT) Get(ctx context.Context, key [apimsg.KeySize]byte) ([]byte, error) {
	answer := make(chan []byte, 1)
	d.mu.Lock()
	d.waiting[key] = append(d.waiting[key], answer)
	d.mu.Unlock()
	defer d.forget(key, answer)
	if err := d.send(ctx, &apimsg.Get{Key: key}); err != nil {
		return nil, err
	}
	for {
		select {
		case value := <-answer:
			if value == nil {
				return nil, ErrNotFound
			}
			return value, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-d.reading: // it is on us to read, for all that wait
			var err error
			if len(answer) == 0 { // nobody has read ours meanwhile
				err = d.hear(ctx)
			}
			d.reading <- struct{}{}
			if err != nil {
				return nil, err
			}
		}
	}
}

// hear reads one answer and hands it to who has waited for it longest.
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
		d.deliver(m.Key, bytes.Clone(m.Value))
	case *apimsg.Failure:
		d.deliver(m.Key, nil)
	}
	return nil
}

// deliver hands over an answer; to a Get that was given up it is of no use.
func (d *DHT) deliver(key [apimsg.KeySize]byte, value []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if list := d.waiting[key]; len(list) > 0 {
		list[0] <- value
		d.drop(key, list[0])
	}
}

func (d *DHT) forget(key [apimsg.KeySize]byte, answer chan []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(key, answer)
}

func (d *DHT) drop(key [apimsg.KeySize]byte, answer chan []byte) {
	if list := slices.DeleteFunc(d.waiting[key], func(c chan []byte) bool { return c == answer }); len(list) > 0 {
		d.waiting[key] = list
	} else {
		delete(d.waiting, key)
	}
}
