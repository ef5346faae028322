package mail

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"hearsay/node/journal"
)

// catchUpPause is the least time between two attempts to make up for what the store
// did not take. Each reads all that the store has.
const catchUpPause = time.Second

// disk is what is known of the store.
type disk struct {
	// behind says that the store does not have what is in memory: it did not take a
	// change, or what was loaded was not all taken.
	behind bool
	tried  time.Time // the last attempt to make up for it
}

// load reads what the store has. A record that cannot be read is left out, and
// deleted with what there is no room for any more: what is in it comes from others,
// and must not keep this node from starting. A message whose record is lost may be
// told again, or not be kept for readers.
func (m *Mail) load() error {
	defer m.inbox.loaded()
	if m.cfg.Store == nil {
		return nil
	}
	var left int
	var why error
	all := func(take func([]byte, json.RawMessage) error) func([]byte, json.RawMessage) error {
		return func(key []byte, value json.RawMessage) error {
			if err := take(key, value); err != nil {
				why = cmp.Or(why, err)
				left++
			}
			return nil
		}
	}
	if err := errors.Join(m.cfg.Store.Values(journal.Told, all(m.told.load)), m.cfg.Store.Values(journal.Letters, all(m.inbox.load))); err != nil {
		return err
	}
	if left > 0 {
		log.Warnf("private messages: %d records in the journal cannot be read and are deleted; the first: %v", left, why)
	}
	m.disk.behind = left > 0 || m.inbox.cut
	m.save(nil)
	return nil
}

// save makes changes in the store that were made in memory. If it does not take them
// it is behind, and one of the next calls, of which there is one with each message and
// each sweep, makes it have what is in memory. m.mu is held.
func (m *Mail) save(changes []change) {
	if m.cfg.Store == nil || len(changes) == 0 && !m.disk.behind {
		return
	}
	var err error
	if m.disk.behind {
		now := time.Now()
		if now.Sub(m.disk.tried) < catchUpPause {
			m.count.unsaved.Add(1)
			return
		}
		m.disk.tried = now
		changes, err = m.difference()
	}
	if err == nil && len(changes) > 0 {
		err = m.cfg.Store.SaveValues(changes...)
	}
	if m.disk.behind = err != nil; m.disk.behind {
		m.count.unsaved.Add(1)
		err = fmt.Errorf("private messages cannot be written down, so a restart loses them or tells them again: %w", err)
	}
	m.trouble(&m.troubles.disk, err)
}

// difference is what has to change in the store for it to have what is in memory,
// which is bounded, whatever was not saved.
func (m *Mail) difference() (changes []change, err error) {
	for _, of := range []struct {
		bucket journal.Bucket
		want   map[string]any
	}{{journal.Told, m.told.records()}, {journal.Letters, m.inbox.records()}} {
		err := m.cfg.Store.Values(of.bucket, func(key []byte, value json.RawMessage) error {
			want, ok := of.want[string(key)]
			switch {
			case !ok:
				changes = append(changes, change{Bucket: of.bucket, Key: key})
			case has(value, want):
				delete(of.want, string(key))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for key, value := range of.want {
			changes = append(changes, change{Bucket: of.bucket, Key: []byte(key), Value: value})
		}
	}
	return changes, nil
}

// has reports whether a record says what it is to say. A letter never changes.
func has(record json.RawMessage, want any) bool {
	switch want := want.(type) {
	case toldTimes:
		return says(record, want)
	case uint64:
		return says(record, want)
	}
	return true
}

func says[T comparable](record json.RawMessage, want T) bool {
	var is T
	return json.Unmarshal(record, &is) == nil && is == want
}
