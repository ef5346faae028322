package journal

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.etcd.io/bbolt"
)

// Limits on first contacts. They come from the configuration.
const (
	MaxContacts    = 256 // addresses
	MaxAddressSize = 512 // bytes of one address; a host name with port takes at most 259
)

// contactRecord is one first contact on the disk; the address is the key.
type contactRecord struct {
	ID    string `json:"id"`
	Saved int64  `json:"saved"` // Unix milliseconds
}

func decodeContact(key, value []byte) (c contactRecord, err error) {
	if err := unseal(key, value, &c); err != nil {
		return c, err
	}
	if _, err := peer.Decode(c.ID); err != nil {
		return c, fmt.Errorf("%w: contact %q: %w", errDamaged, key, err)
	}
	return c, nil
}

// SaveContact remembers which peer answered at an address that was configured
// without a peer ID (trust on first use), on the disk when it returns. It
// replaces what was remembered for the address, so the caller decides whether
// a contact may change its identity. Of more than [MaxContacts] those saved
// longest ago are forgotten.
func (j *Journal) SaveContact(address string, id peer.ID) error {
	if address == "" || len(address) > MaxAddressSize {
		return fmt.Errorf("contact address of %d bytes, and 1 to %d are kept", len(address), MaxAddressSize)
	}
	if _, err := peer.IDFromBytes([]byte(id)); err != nil || len(id) > maxPeerIDBytes {
		return errors.Join(fmt.Errorf("contact %q: %q is no peer ID", address, string(id)), err)
	}
	return j.update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketContacts)
		value, err := seal([]byte(address), contactRecord{id.String(), j.now().UnixMilli()})
		if err != nil {
			return err
		}
		if err := bucket.Put([]byte(address), value); err != nil {
			return err
		}

		var count int
		var oldest []byte
		var saved int64
		err = bucket.ForEach(func(k, v []byte) error {
			c, err := decodeContact(k, v)
			if string(k) != address && (oldest == nil || c.Saved < saved) {
				oldest, saved = k, c.Saved
			}
			count++
			return err
		})
		if err != nil || count <= MaxContacts {
			return err
		}
		return bucket.Delete(oldest) // one came, so one is too many
	})
}

// Contacts returns the remembered first contacts by address.
func (j *Journal) Contacts() (map[string]peer.ID, error) {
	contacts := map[string]peer.ID{}
	err := j.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketContacts).ForEach(func(k, v []byte) error {
			c, err := decodeContact(k, v)
			if err != nil {
				return err
			}
			id, err := peer.Decode(c.ID)
			contacts[string(k)] = id
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return contacts, nil
}
