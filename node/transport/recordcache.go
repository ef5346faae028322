package transport

import (
	"bytes"
	"crypto/sha256"
	"slices"

	lru "github.com/hashicorp/golang-lru"

	"hearsay/node/gossip"
	"hearsay/node/identity"
)

// knownRecords is how many good peer records are remembered. Exchanges of peers
// bring the same ones again and again, and to verify one takes tens of times as
// long as to find it here. At about half a KiB each that is 2 MiB, and 17 at most.
const knownRecords = 4096

// recordCache remembers the records whose signatures were good, by SHA-256 of
// the envelope, and those that were in a presence, which its peer signed: they need no
// other signature. Who gives a record that is known is given the copy that is known,
// so that each is in memory once, and once more in its presence.
type recordCache struct{ good *lru.Cache } // of gossip.PeerRecord or vouched

// vouched is a record that its peer signed as part of a presence, not read yet.
type vouched gossip.PeerRecord

func newRecordCache() recordCache {
	good, err := lru.New(knownRecords)
	if err != nil {
		panic(err) // only for a size of 0 or less
	}
	return recordCache{good}
}

// vouch notes that a peer signed its record as part of something else. It keeps a copy: a
// presence and its frame may have 10 KiB, and are renewed long before a record is.
func (c recordCache) vouch(p gossip.PeerID, envelope []byte) {
	if len(envelope) == 0 || len(envelope) > gossip.MaxRecord {
		return
	}
	if sum := sha256.Sum256(envelope); !c.good.Contains(sum) {
		c.good.ContainsOrAdd(sum, vouched{Peer: p, Bytes: bytes.Clone(envelope)})
	}
}

// known is the record with this hash, if it needs no verification.
func (c recordCache) known(sum [sha256.Size]byte) (gossip.PeerRecord, bool) {
	switch r, _ := c.good.Get(sum); r := r.(type) {
	case gossip.PeerRecord:
		return r, true
	case vouched:
		read, err := readRecord(r.Bytes)
		if err == nil && read.Peer == r.Peer {
			c.good.Add(sum, read.PeerRecord)
			return read.PeerRecord, true
		}
	}
	return gossip.PeerRecord{}, false
}

// freshRecord is the i-th of a list, which is not known yet.
type freshRecord struct {
	signedRecord
	i   int
	sum [sha256.Size]byte
}

// verify is VerifyRecord for each of a list. It leaves the good ones, in their order and
// their place, and tells what is wrong with each of the others. The signatures of those
// that are not known are checked together (identity.VerifyMessages); only if one is bad
// each is checked by itself.
func (c recordCache) verify(list []gossip.PeerRecord) (good []gossip.PeerRecord, bad []error) {
	var fresh []freshRecord
	var batch []identity.Message
	for i := range list {
		envelope := list[i].Bytes
		list[i] = gossip.PeerRecord{}
		f := freshRecord{i: i}
		if len(envelope) <= gossip.MaxRecord {
			f.sum = sha256.Sum256(envelope)
			if known, ok := c.known(f.sum); ok {
				list[i] = known
				continue
			}
		}
		var err error
		if f.signedRecord, err = readRecord(envelope); err != nil {
			bad = append(bad, err)
			continue
		}
		if f.batchable() {
			batch = append(batch, f.signed)
		}
		fresh = append(fresh, f)
	}
	together := len(batch) > 1 && identity.VerifyMessages(batch)
	for k := range fresh {
		f := &fresh[k]
		if !together || !f.batchable() {
			if err := f.verify(); err != nil {
				bad = append(bad, err)
				continue
			}
		}
		list[f.i] = f.PeerRecord
		c.good.Add(f.sum, f.PeerRecord)
	}
	return slices.DeleteFunc(list, func(r gossip.PeerRecord) bool { return r.Peer == "" }), bad
}
