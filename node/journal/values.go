package journal

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"
)

// Bucket names a set of values that other packages keep here. What they mean is
// theirs to know.
type Bucket string

const (
	// Told are the private messages that were told to whoever reads here.
	Told Bucket = "told 1"
	// Letters are the last of them, to be read.
	Letters Bucket = "letters 1"
	// OwnState is what this node says of itself.
	OwnState Bucket = "state 1"
)

// valueBuckets has the most values that each bucket holds. They come from others
// in part, so whoever saves more has to delete some in the same call.
var valueBuckets = map[Bucket]int{Told: 20_000, Letters: 512, OwnState: 256}

// MaxValue bounds a value, as JSON, in bytes.
const MaxValue = 128 << 10

// Change is a value to be kept, or deleted if Value is nil.
type Change struct {
	Bucket Bucket
	Key    []byte // 1 to 256 bytes
	Value  any    // JSON
}

func decodeValue(key, value []byte) (raw json.RawMessage, err error) {
	err = unseal(key, value, &raw)
	return raw, err
}

// SaveValues makes changes, all or none of them, on the disk when it returns. It
// fails if they would leave a bucket with more values than it holds and than it had.
func (j *Journal) SaveValues(changes ...Change) error {
	return j.update(func(tx *bbolt.Tx) error {
		type count struct{ before, now int }
		counts := make(map[Bucket]*count)
		for _, c := range changes {
			if valueBuckets[c.Bucket] == 0 || len(c.Key) == 0 || len(c.Key) > 256 {
				return fmt.Errorf("nothing is kept in %q under a key of %d bytes", c.Bucket, len(c.Key))
			}
			b := tx.Bucket([]byte(c.Bucket))
			n := counts[c.Bucket]
			if n == nil {
				// Counting walks the pages, not the values. They have what was before.
				before := b.Stats().KeyN
				n = &count{before, before}
				counts[c.Bucket] = n
			}
			had := b.Get(c.Key) != nil
			if c.Value == nil {
				if err := b.Delete(c.Key); err != nil {
					return err
				}
				if had {
					n.now--
				}
				continue
			}
			value, err := seal(c.Key, c.Value)
			if err == nil && len(value) > MaxValue {
				err = fmt.Errorf("a value of %d bytes, and at most %d are kept", len(value), MaxValue)
			}
			if err == nil {
				err = b.Put(c.Key, value)
			}
			if err != nil {
				return err
			}
			if !had {
				n.now++
			}
		}
		for name, n := range counts {
			if n.now > valueBuckets[name] && n.now > n.before {
				return fmt.Errorf("%d values in %q, and at most %d are kept", n.now, name, valueBuckets[name])
			}
		}
		return nil
	})
}

// Values visits a bucket's values, ascending by key. key and value are the
// visitor's to keep.
func (j *Journal) Values(bucket Bucket, visit func(key []byte, value json.RawMessage) error) error {
	return j.view(func(tx *bbolt.Tx) error {
		return eachRecord(tx.Bucket([]byte(bucket)), func(k, v []byte) error {
			value, err := decodeValue(k, v)
			if err != nil {
				return err
			}
			return visit(bytes.Clone(k), bytes.Clone(value))
		})
	})
}
