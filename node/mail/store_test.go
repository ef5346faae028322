package mail

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/journal"
)

// records are the keys of what a store has in a bucket, ascending.
func records(t *testing.T, s Store, bucket journal.Bucket) (keys []string) {
	t.Helper()
	if err := s.Values(bucket, func(key []byte, _ json.RawMessage) error {
		keys = append(keys, string(key))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return keys
}

// sameAsStore fails unless a node's store has what it remembers, and nothing else.
func sameAsStore(t *testing.T, n *person) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	told, letters := make(map[string]bool), make(map[string]bool)
	for k := range n.told.of {
		told[string(k.bytes())] = true
	}
	for of := range n.told.floors {
		told[string(floorKey(of))] = true
	}
	for _, e := range n.inbox.events {
		if e.Letter != nil {
			letters[string(letterKey(e.Seq))] = true
		}
	}
	for bucket, want := range map[journal.Bucket]map[string]bool{journal.Told: told, journal.Letters: letters} {
		if got, want := records(t, n.cfg.Store, bucket), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
			t.Errorf("%s: %d records, want %d: %q, want %q", bucket, len(got), len(want), got, want)
		}
	}
}

// A node starts with a journal in which records cannot be read, keeps the others, and
// deletes those. There may be letters whose recipients are none, of a time at which
// their names were not looked at.
func TestUnreadableRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "journal.db")
		p := &post{t: t}
		a := p.add("", nil)
		j := openJournal(t, path)
		b := p.add(dir, j)
		p.send(a, "before", Options{Relay: true}, b)
		b.end()
		last := b.inbox.seq + 1
		if err := j.SaveValues(
			change{Bucket: journal.Letters, Key: letterKey(last), Value: Letter{From: a.id.ID(), To: []peer.ID{"", b.id.ID()}, Text: []byte("bad")}},
			change{Bucket: journal.Letters, Key: letterKey(3), Value: "no letter"},
			change{Bucket: journal.Letters, Key: []byte("short"), Value: Letter{From: a.id.ID(), To: []peer.ID{b.id.ID()}}},
			toldChange(toldKey{a.id.ID(), ID{9}}.bytes(), "no times"),
			toldChange([]byte("?"), toldTimes{}),
			toldChange([]byte("m"), toldTimes{}),
		); err != nil {
			t.Fatal(err)
		}
		j.Close()
		j = openJournal(t, path)
		p.start(b, dir, j)
		if b.inbox.seq < last {
			t.Errorf("events are counted from %d, and a reader may have seen %d", b.inbox.seq, last)
		}
		sameAsStore(t, b)
		p.tell(p.carried[0])
		want(t, b, "before")
		p.send(a, "after", Options{}, b)
		want(t, b, "after")
		sameAsStore(t, b)
		if told, letters := records(t, j, journal.Told), records(t, j, journal.Letters); len(told) != 2 || len(letters) != 2 {
			t.Errorf("%d told messages and %d letters are on the disk, want 2 each", len(told), len(letters))
		}
	})
}
