package gossip

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
)

func (p Point) compare(q Point) int {
	if c := cmp.Compare(p.Created, q.Created); c != 0 {
		return c
	}
	return bytes.Compare(p.ID[:], q.ID[:])
}

func pointOf(r *Rumor) Point { return Point{r.Created, r.ID} }

// index holds a group's rumors in reconciliation order. Rumors mostly arrive in
// the order of their creation, so insertion is mostly an append.
type index []Point

func (x index) search(p Point) (int, bool) {
	return slices.BinarySearchFunc(x, p, Point.compare)
}

func (x *index) add(p Point) {
	if i, ok := x.search(p); !ok {
		*x = slices.Insert(*x, i, p)
	}
}

func (x *index) remove(p Point) {
	switch i, ok := x.search(p); {
	case !ok:
	case i < len(*x)/2: // as when one of the oldest is evicted: few are to be moved
		copy((*x)[1:], (*x)[:i])
		*x = (*x)[1:]
	default:
		*x = slices.Delete(*x, i, i+1)
	}
}

// fingerprint sums up the rumors of x. Adding the IDs modulo 2^256 makes the
// sum independent of order; hashing it with the number of rumors keeps it short
// and hides its linearity (Meyer, "Range-Based Set Reconciliation", 2022).
func (x index) fingerprint() Fingerprint {
	var sum [4]uint64
	for i := range x {
		id := &x[i].ID
		var carry uint64
		for w := range sum {
			sum[w], carry = bits.Add64(sum[w], binary.LittleEndian.Uint64(id[8*w:]), carry)
		}
	}
	var b [40]byte
	for w, v := range sum {
		binary.LittleEndian.PutUint64(b[8*w:], v)
	}
	binary.LittleEndian.PutUint64(b[32:], uint64(len(x)))
	h := sha256.Sum256(b[:])
	return Fingerprint(h[:16])
}
