package journal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"go.etcd.io/bbolt"
)

// Limits on what is remembered of peers. All of it comes from others.
const (
	MaxPeers       = 1000     // peers
	MaxRecordSize  = 16 << 10 // bytes of a signed peer record
	MaxAddrs       = 16       // addresses of one peer
	MaxAddrSize    = 256      // bytes of one address in binary form
	MaxSourceSize  = 64       // bytes of KnownPeer.Source
	maxPeerIDBytes = 64       // Ed25519 38, RSA 34
)

// KnownPeer is what the journal remembers of one peer.
type KnownPeer struct {
	ID       peer.ID
	Record   []byte         // signed peer record, an envelope; may be empty
	Addrs    []ma.Multiaddr // where it was reachable
	LastSeen time.Time      // kept to the millisecond; zero: never
	Anchor   bool           // among the oldest neighbours when it was saved: the first to dial again
	Source   string         // how it was learnt, for people
}

// peerRecord is KnownPeer on the disk, without the ID, which is the key.
type peerRecord struct {
	Seen   int64    `json:"seen,omitempty"` // Unix milliseconds; 0: never
	Anchor bool     `json:"anchor,omitempty"`
	Source string   `json:"source,omitempty"`
	Addrs  []string `json:"addrs,omitempty"`
	Record []byte   `json:"record,omitempty"`
}

func decodePeer(key, value []byte) (peerRecord, error) {
	var r peerRecord
	if err := unseal(key, value, &r); err != nil {
		return r, err
	}
	if _, err := peer.IDFromBytes(key); err != nil {
		return r, fmt.Errorf("%w: peer ID %q: %w", errDamaged, key, err)
	}
	return r, nil
}

// SavePeers remembers peers, on the disk when it returns. What is already known
// of a peer is replaced by news that are not older (by LastSeen) and completed
// by older ones; an empty Record, Source or list of addresses replaces nothing.
// A time in the future is taken as now. Of more than [MaxPeers] the longest
// unseen are forgotten, anchors last.
//
// A peer outside the limits of this package is left out and named in the error;
// the others are saved all the same.
func (j *Journal) SavePeers(peers []KnownPeer) error {
	var refused error
	err := j.update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketPeers)
		refused = nil
		for _, p := range peers {
			if err := p.check(); err != nil {
				refused = errors.Join(refused, fmt.Errorf("peer %q is not saved: %w", p.ID, err))
				continue
			}
			if err := j.merge(bucket, p); err != nil {
				return err
			}
		}
		return j.forgetOldest(bucket)
	})
	return errors.Join(err, refused)
}

func (p *KnownPeer) check() error {
	if _, err := peer.IDFromBytes([]byte(p.ID)); err != nil {
		return fmt.Errorf("not a peer ID: %w", err)
	}
	switch {
	case len(p.ID) > maxPeerIDBytes:
		return fmt.Errorf("an ID of %d bytes, and at most %d are kept", len(p.ID), maxPeerIDBytes)
	case len(p.Record) > MaxRecordSize:
		return fmt.Errorf("a record of %d bytes, and at most %d are kept", len(p.Record), MaxRecordSize)
	case len(p.Addrs) > MaxAddrs:
		return fmt.Errorf("%d addresses, and at most %d are kept", len(p.Addrs), MaxAddrs)
	case len(p.Source) > MaxSourceSize:
		return fmt.Errorf("a source of %d bytes, and at most %d are kept", len(p.Source), MaxSourceSize)
	}
	for _, a := range p.Addrs {
		if n := len(a.Bytes()); n == 0 || n > MaxAddrSize {
			return fmt.Errorf("an address of %d bytes, and 1 to %d are kept", n, MaxAddrSize)
		}
	}
	return nil
}

// merge puts news of one peer into its record.
func (j *Journal) merge(bucket *bbolt.Bucket, p KnownPeer) error {
	key := []byte(p.ID)
	news := peerRecord{Seen: j.milliseconds(p.LastSeen), Anchor: p.Anchor, Source: p.Source, Record: p.Record}
	for _, a := range p.Addrs {
		news.Addrs = append(news.Addrs, a.String())
	}
	if value := bucket.Get(key); value != nil {
		known, err := decodePeer(key, value)
		if err != nil {
			return err
		}
		newer, older := &news, &known
		if j.clamp(known.Seen) > news.Seen {
			newer, older = &known, &news
		}
		news = newer.completedBy(older)
	}
	value, err := seal(key, news)
	if err != nil {
		return err
	}
	return bucket.Put(key, value)
}

func (r *peerRecord) completedBy(older *peerRecord) peerRecord {
	merged := *r
	if len(merged.Record) == 0 {
		merged.Record = older.Record
	}
	if len(merged.Addrs) == 0 {
		merged.Addrs = older.Addrs
	}
	if merged.Source == "" {
		merged.Source = older.Source
	}
	return merged
}

// forgetOldest deletes what is above MaxPeers.
func (j *Journal) forgetOldest(bucket *bbolt.Bucket) error {
	type candidate struct {
		key    []byte
		seen   int64
		anchor bool
	}
	var all []candidate
	err := bucket.ForEach(func(k, v []byte) error {
		r, err := decodePeer(k, v)
		all = append(all, candidate{k, j.clamp(r.Seen), r.Anchor})
		return err
	})
	if err != nil || len(all) <= MaxPeers {
		return err
	}
	// Ordinary peers before anchors, the longest unseen first.
	slices.SortStableFunc(all, func(a, b candidate) int {
		if a.anchor != b.anchor {
			if b.anchor {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.seen, b.seen)
	})
	for _, c := range all[:len(all)-MaxPeers] {
		if err := bucket.Delete(c.key); err != nil {
			return err
		}
	}
	return nil
}

// Peers returns what is remembered, the last seen first. Addresses that this
// version of the program cannot parse are left out.
func (j *Journal) Peers() ([]KnownPeer, error) {
	var peers []KnownPeer
	err := j.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketPeers).ForEach(func(k, v []byte) error {
			r, err := decodePeer(k, v)
			if err != nil {
				return err
			}
			p := KnownPeer{ID: peer.ID(k), Record: r.Record, Anchor: r.Anchor, Source: r.Source}
			if r.Seen > 0 {
				p.LastSeen = time.UnixMilli(j.clamp(r.Seen))
			}
			for _, text := range r.Addrs {
				if a, err := ma.NewMultiaddr(text); err == nil {
					p.Addrs = append(p.Addrs, a)
				}
			}
			peers = append(peers, p)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(peers, func(a, b KnownPeer) int { return b.LastSeen.Compare(a.LastSeen) })
	return peers, nil
}

// ForgetPeer forgets a peer, known or not.
func (j *Journal) ForgetPeer(id peer.ID) error {
	return j.update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketPeers).Delete([]byte(id)) })
}

// milliseconds is t as it is kept: 0 for never, and never in the future.
func (j *Journal) milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return j.clamp(max(0, t.UnixMilli()))
}

// clamp keeps what was saved while the clock was wrong from being the newest
// for years.
func (j *Journal) clamp(milliseconds int64) int64 {
	return max(0, min(milliseconds, j.now().UnixMilli()))
}
