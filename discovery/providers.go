package discovery

import (
	"context"
	"path"

	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
)

const (
	// kadRecords is how many records of other nodes a node keeps for the DHT,
	// about 200 bytes each. The 20 nodes nearest to the rendezvous keep one of
	// every node; beyond 8,192 it is enough that searches find some.
	kadRecords = 8192
	// kadRecordsPerPeer is how many of them one peer may own, its data types (kadTypes)
	// with the network's place and some for change: so that whoever wants to fill the
	// shelf needs 114 identities with a connection each.
	kadRecordsPerPeer = 72
)

// providerShelf keeps provider records in memory, up to a limit. kad-dht has no
// limit of its own, and anybody may have any number of keys stored.
//
// What is over a limit is dropped without an error: kad-dht would log it, keep
// it and try again. Keys are /providers/<key>/<peer>, see kad-dht's records.
type providerShelf struct {
	*ds.MapDatastore
	limit, perPeer int
	all            int
	owned          map[string]int // records by peer
}

func newProviderShelf(limit, perPeer int) ds.Batching {
	return dssync.MutexWrap(&providerShelf{
		MapDatastore: ds.NewMapDatastore(),
		limit:        limit, perPeer: perPeer,
		owned: make(map[string]int),
	})
}

// Put implements ds.Datastore.
func (s *providerShelf) Put(ctx context.Context, key ds.Key, value []byte) error {
	if known, _ := s.Has(ctx, key); !known {
		owner := path.Base(key.String())
		if s.all >= s.limit || s.owned[owner] >= s.perPeer {
			return nil
		}
		s.all++
		s.owned[owner]++
	}
	return s.MapDatastore.Put(ctx, key, value)
}

// Delete implements ds.Datastore.
func (s *providerShelf) Delete(ctx context.Context, key ds.Key) error {
	if known, _ := s.Has(ctx, key); known {
		owner := path.Base(key.String())
		s.all--
		if s.owned[owner]--; s.owned[owner] == 0 {
			delete(s.owned, owner)
		}
	}
	return s.MapDatastore.Delete(ctx, key)
}

// Batch implements ds.Batching: its writes go through Put and Delete.
func (s *providerShelf) Batch(context.Context) (ds.Batch, error) {
	return ds.NewBasicBatch(s), nil
}
