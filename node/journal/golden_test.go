package journal

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// A journal that an earlier version has written stays readable: testdata holds
// one, made with the steps of sample. A change that breaks this needs new
// bucket names, not a new file here.
func TestGoldenJournal(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		t.Skip("bbolt files are in the byte order of the machine, and this one is little-endian")
	}
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "golden"))); err != nil {
		t.Fatal(err)
	}
	c := newClock()
	j := open(t, folder, WithClock(c.Now))
	if q := j.Quarantined(); q != "" {
		t.Fatalf("quarantined %s", q)
	}
	peers := must(j.Peers())
	if len(peers) != 7 {
		t.Fatalf("%d peers, want 7", len(peers))
	}
	if got, want := peers[0], testPeer(19); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if id := must(j.Contacts())["node.example:7000"]; id != testID(7) {
		t.Errorf("contact %s, want %s", id, testID(7))
	}
	if e := must(j.NextEpoch()); e != 1_800_000_000_001 {
		t.Errorf("epoch %d", e)
	}
}
