package node

import (
	"context"
	"reflect"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/discovery/values"
)

// ValueKey names a value; any 32 bytes are a key.
type ValueKey = [32]byte

// Value is a value of the network's distributed hash table.
type Value struct {
	Key     ValueKey
	Data    []byte // 1 to 65,495 bytes (values.MaxValue), not to be modified
	Signer  peer.ID
	Created time.Time
	Expires time.Time
	Copies  int // other nodes that have it, as far as PutValue knows
}

// newValues takes the service that goes with Kademlia or, without that, makes one
// that knows nobody: then values are kept here alone.
func (n *Node) newValues() (err error) {
	if n.values = n.finder.Values(); n.values == nil {
		n.values, err = values.New(values.Config{
			Network: n.cfg.Network,
			Self:    n.host.ID(),
			Key:     n.cfg.Identity.PrivKey(),
			Nearest: func([32]byte, int) []peer.AddrInfo { return nil },
			Call: func(context.Context, peer.AddrInfo, []byte) ([]byte, error) {
				return nil, ErrStopped // nobody is ever called
			},
		})
	}
	return err
}

// PutValue puts a value and spreads it. ttl is capped to 12 h; 0 = 1 h. It returns
// when the nodes that should have it have answered, or ctx ends: Copies may be 0,
// and the value goes to later nodes all the same. It fails if the value does not
// fit: package values has the limits.
func (n *Node) PutValue(ctx context.Context, key ValueKey, data []byte, ttl time.Duration) (Value, error) {
	if n.ctx.Err() != nil {
		return Value{}, ErrStopped
	}
	r, copies, err := n.values.PutNow(ctx, key, data, ttl, 0)
	if err != nil {
		return Value{}, err
	}
	v := valueOf(r)
	v.Copies = copies
	return v, nil
}

// GetValues looks a key up and returns the values of all its signers, up to 8, the
// one that counts first; package values has the order. It returns what it has
// found when ctx ends, and after 8 s.
func (n *Node) GetValues(ctx context.Context, key ValueKey) (all []Value) {
	for _, r := range n.values.All(ctx, key) {
		all = append(all, valueOf(r))
	}
	return all
}

func valueOf(r *values.Record) Value {
	return Value{Key: r.Key, Data: r.Value, Signer: r.Signer, Created: r.Created, Expires: r.Expires}
}

// ValueModules is the distributed hash table as local modules see it. It
// satisfies apibridge.DHT.
type ValueModules struct{ n *Node }

// ValueModules returns the side of the hash table that modules are attached to.
func (n *Node) ValueModules() ValueModules { return ValueModules{n} }

// Put keeps a value for ttl seconds, at most 12 h, 0 = 1 h, and has it spread to
// replication nodes at each of three places, 8 to 20.
func (m ValueModules) Put(_ context.Context, key [32]byte, data []byte, ttl uint16, replication uint8) error {
	if m.n.ctx.Err() != nil {
		return ErrStopped
	}
	_, err := m.n.values.Put(key, data, time.Duration(ttl)*time.Second, int(replication))
	return err
}

// Get returns the value that counts, nil if none is found before ctx ends.
func (m ValueModules) Get(ctx context.Context, key [32]byte) []byte {
	if r := m.n.values.Get(ctx, key); r != nil {
		return r.Value
	}
	return nil
}

// countValues adds the hash table's counters under names like dht_kept.
func countValues(into map[string]uint64, s values.Stats) {
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		name := "dht_" + snake(v.Type().Field(i).Name)
		if f := v.Field(i); f.CanUint() {
			into[name] = f.Uint()
		} else {
			into[name] = uint64(f.Int())
		}
	}
}
