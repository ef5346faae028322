package journal

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// put and drop are changes of own state.
func put(i int) Change  { return Change{Bucket: OwnState, Key: fmt.Append(nil, i), Value: i} }
func drop(i int) Change { return Change{Bucket: OwnState, Key: fmt.Append(nil, i)} }

// kept is how many values a bucket has.
func kept(t *testing.T, j *Journal, bucket Bucket) (n int) {
	t.Helper()
	if err := j.Values(bucket, func([]byte, json.RawMessage) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// A bucket has at most as many values as it holds after any call. What is in it can
// be replaced, and deleted for something else in the same call.
func TestSaveValuesHoldsToTheLimit(t *testing.T) {
	j := open(t, t.TempDir())
	limit := valueBuckets[OwnState]
	var all []Change
	for i := range limit + 1 {
		all = append(all, put(i))
	}
	full := func(what string, changes ...Change) {
		t.Helper()
		if err := j.SaveValues(changes...); err == nil || !strings.Contains(err.Error(), "at most 256 are kept") {
			t.Errorf("%s: %v", what, err)
		}
	}
	fits := func(what string, changes ...Change) {
		t.Helper()
		if err := j.SaveValues(changes...); err != nil || kept(t, j, OwnState) > limit {
			t.Errorf("%s: %v, and %d values", what, err, kept(t, j, OwnState))
		}
	}
	full("one too many at once", all...)
	fits("all that it holds", all[:limit]...)
	full("one more", put(limit))
	fits("the same anew", put(3))
	fits("one for another", put(limit), drop(3))
	full("one for nothing", put(3), drop(5000))
	fits("two fewer", drop(1), drop(2))
	fits("one more again", put(1))
	if n := kept(t, j, OwnState); n != limit-1 {
		t.Errorf("%d values, want %d", n, limit-1)
	}
}

// A bucket that has too many, as earlier versions let it, can be emptied.
func TestTooManyValuesCanBeDeleted(t *testing.T) {
	j := open(t, t.TempDir())
	many := valueBuckets[OwnState] + 44
	if err := j.update(func(tx *bbolt.Tx) error {
		for i := range many {
			value, err := seal(fmt.Append(nil, i), i)
			if err == nil {
				err = tx.Bucket([]byte(OwnState)).Put(fmt.Append(nil, i), value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := j.SaveValues(put(many)); err == nil {
		t.Error("one more is kept")
	}
	if err := j.SaveValues(drop(0)); err != nil {
		t.Error(err)
	}
	if err := j.SaveValues(put(1)); err != nil { // anew
		t.Error(err)
	}
	if n := kept(t, j, OwnState); n != many-1 {
		t.Errorf("%d values, want %d", n, many-1)
	}
}
