package bridgetest

import (
	"bytes"
	"context"
	"sync"
	"time"

	"hearsay/apibridge/apimsg"
)

// DHT implements apibridge.DHT in memory, for one node without a network. Use
// NewDHT. Safe for concurrent use.
type DHT struct {
	// Hold, when not nil, is called before each Get looks. It may block, as a look
	// into a network does, but must return when ctx ends. Set it before the first
	// use.
	Hold func(ctx context.Context, key [apimsg.KeySize]byte)
	// Refuse, when not nil, may return an error for Put.
	Refuse func(value []byte) error

	mu     sync.Mutex
	values map[[apimsg.KeySize]byte]held
	puts   []apimsg.Put
}

type held struct {
	value   []byte
	expires time.Time
}

// NewDHT returns a DHT without values.
func NewDHT() *DHT { return &DHT{values: make(map[[apimsg.KeySize]byte]held)} }

// Put implements apibridge.DHT. A ttl of 0 is an hour.
func (d *DHT) Put(ctx context.Context, key [apimsg.KeySize]byte, value []byte, ttl uint16, replication uint8) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.puts = append(d.puts, apimsg.Put{TTL: ttl, Replication: replication, Key: key, Value: value})
	if d.Refuse != nil {
		if err := d.Refuse(value); err != nil {
			return err
		}
	}
	life := time.Duration(ttl) * time.Second
	if ttl == 0 {
		life = time.Hour
	}
	d.values[key] = held{value, time.Now().Add(life)}
	return nil
}

// Get implements apibridge.DHT.
func (d *DHT) Get(ctx context.Context, key [apimsg.KeySize]byte) []byte {
	if d.Hold != nil {
		d.Hold(ctx, key)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.values[key]; time.Now().Before(h.expires) {
		return h.value
	}
	return nil
}

// TakePuts returns the PUTs so far, refused ones among them, and forgets them.
func (d *DHT) TakePuts() []apimsg.Put {
	d.mu.Lock()
	defer d.mu.Unlock()
	puts := d.puts
	d.puts = nil
	for i := range puts {
		puts[i].Value = bytes.Clone(puts[i].Value)
	}
	return puts
}
