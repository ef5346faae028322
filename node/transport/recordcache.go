package transport

import (
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru"

	"hearsay/node/gossip"
)

// knownRecords is how many good peer records are remembered. Exchanges of peers
// bring the same ones again and again, and to verify one takes a hundred times as
// long as to find it here. At about half a KiB each that is 2 MiB at most.
const knownRecords = 4096

// recordCache remembers the records whose signatures were good, by SHA-256 of
// the envelope. Who gives a record that is known is given the copy that is
// known, so that each is in memory once.
type recordCache struct{ good *lru.Cache }

func newRecordCache() recordCache {
	good, err := lru.New(knownRecords)
	if err != nil {
		panic(err) // only for a size of 0 or less
	}
	return recordCache{good}
}

// verify is VerifyRecord.
func (c recordCache) verify(envelope []byte) (gossip.PeerRecord, error) {
	if len(envelope) > gossip.MaxRecord {
		return VerifyRecord(envelope) // which refuses it
	}
	sum := sha256.Sum256(envelope)
	if known, ok := c.good.Get(sum); ok {
		return known.(gossip.PeerRecord), nil
	}
	r, err := VerifyRecord(envelope)
	if err == nil {
		c.good.Add(sum, r)
	}
	return r, err
}
