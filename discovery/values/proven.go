package values

import (
	"crypto/sha256"
	"sync"
	"time"
)

// proven are the digests of the records whose signature one look-up has found right: it
// gets the same ones from many holders, and to check a signature is what costs most.
// Digests are of all of a record, so that one with anything changed is another one.
type proven struct {
	mu    sync.Mutex // the searches at a key's places share it
	right map[[sha256.Size]byte]bool
}

// check is the record's Check, which looks at no signature that was found right before.
func (p *proven) check(r *Record, network string, key Key, now time.Time) error {
	if err := r.checkUnder(network, key, now); err != nil {
		return err
	}
	p.mu.Lock()
	known := p.right[r.digest]
	p.mu.Unlock()
	if known {
		return nil
	}
	if err := r.checkSignature(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.right == nil {
		p.right = make(map[[sha256.Size]byte]bool)
	}
	p.right[r.digest] = true
	return nil
}
