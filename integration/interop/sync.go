package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// Reconciliation; see docs/protocol/reconciliation.md.

// point is the end of a range.
type point struct {
	Created uint64 `json:"created"`
	ID      octets `json:"id"`
}

func (p point) before(q point) bool {
	return p.Created < q.Created || p.Created == q.Created && bytes.Compare(p.ID, q.ID) < 0
}

// span is one range of a Sync.
type span struct {
	End         *point   `json:"end"` // nil: the end of the order
	Mode        string   `json:"mode"`
	Fingerprint octets   `json:"fingerprint"`
	IDs         []octets `json:"ids"`
}

var modes = []string{"SKIP", "FINGERPRINT", "IDS"}

func readSync(m *message, unknown *int) (any, error) {
	g, floor, ranges, left := m.number(1), m.number(2), m.all(3), maxIDs
	if g > maxGroup || floor > maxMillis || len(ranges) > 1024 {
		return nil, errors.New("a sync out of its limits")
	}
	spans := []span{}
	from := point{ID: make(octets, 32)}
	for i, b := range ranges {
		r, err := fields(b, unknown, form{1: number, 2: chunk, 3: number, 4: chunk, 5: chunk})
		if err != nil {
			return nil, err
		}
		if r.number(3) >= uint64(len(modes)) {
			return nil, fmt.Errorf("mode %d", r.number(3))
		}
		s := span{Mode: modes[r.number(3)], Fingerprint: r.bytes(4)}
		if s.IDs, err = split(r.bytes(5), 32, left); err != nil {
			return nil, err
		}
		left -= len(s.IDs)
		switch {
		case r.has(4) != (s.Mode == "FINGERPRINT") || r.has(4) && len(s.Fingerprint) != 16:
			return nil, errors.New("a fingerprint out of place")
		case len(s.IDs) > 0 && s.Mode != "IDS":
			return nil, errors.New("IDs out of place")
		}
		delta, prefix := r.number(1), r.bytes(2)
		if i == len(ranges)-1 {
			if delta != 0 || len(prefix) > 0 {
				return nil, errors.New("the last range has an end")
			}
		} else {
			if len(prefix) > 32 || len(prefix) > 0 && prefix[len(prefix)-1] == 0 || delta > maxMillis-from.Created {
				return nil, errors.New("an end out of form")
			}
			s.End = &point{from.Created + delta, append(slices.Clone(prefix), make([]byte, 32-len(prefix))...)}
			if !from.before(*s.End) {
				return nil, errors.New("ends do not ascend")
			}
			from = *s.End
		}
		spans = append(spans, s)
	}
	return map[string]any{"group": g, "floor": floor, "ranges": spans}, nil
}

// fingerprint sums IDs up.
func fingerprint(ids []octets) octets {
	sum := new(big.Int)
	for _, id := range ids {
		n := slices.Clone(id)
		slices.Reverse(n)
		sum.Add(sum, new(big.Int).SetBytes(n))
	}
	sum.Mod(sum, new(big.Int).Lsh(big.NewInt(1), 256))
	b := sum.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	h := sha256.Sum256(binary.LittleEndian.AppendUint64(b, uint64(len(ids))))
	return h[:16]
}

// decodeFingerprintVector sums up IDs that stand one behind the other.
func decodeFingerprintVector(v *vector) (any, error) {
	ids, err := split(v.Bytes, 32, len(v.Bytes))
	return map[string]any{"ids": len(ids), "fingerprint": fingerprint(ids)}, err
}
