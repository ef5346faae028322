package journal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// sample is a database with pages of all kinds: it has grown, shrunk and been
// reopened. Its pages are small so that many references fit into few bytes.
func sample(t testing.TB, pageSize int) []byte {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, name)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	j := open(t, folder, WithClock(newClock().Now))
	must(j.NextEpoch())
	big := testPeer(1)
	big.Record = make([]byte, min(3*pageSize, MaxRecordSize)) // a page that overflows
	if err := errors.Join(j.SavePeers(testPeers(2, 20)), j.SavePeers([]KnownPeer{big})); err != nil {
		t.Fatal(err)
	}
	for n := 4; n < 16; n++ {
		if err := j.ForgetPeer(testID(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.SaveContact("node.example:7000", testID(7)); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	return must(os.ReadFile(path))
}

// survives opens a database with the given content, whatever it is, and wants
// a working journal and an epoch above the one in the epoch file.
func survives(t testing.TB, folder string, data []byte) *Journal {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	before := must(readEpochFile(filepath.Join(folder, "epoch")))
	j, err := Open(path, WithClock(newClock().Now))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer j.Close()
	if epoch, err := j.NextEpoch(); err != nil || epoch <= before {
		t.Fatalf("epoch %d, %v, before it was %d", epoch, err, before)
	}
	if err := errors.Join(j.SavePeers(testPeers(1, 5)), j.SaveContact("a", testID(1))); err != nil {
		t.Fatalf("saving: %v", err)
	}
	if peers, err := j.Peers(); err != nil || len(peers) < 4 {
		t.Fatalf("%d peers, %v", len(peers), err)
	}
	if contacts, err := j.Contacts(); err != nil || contacts["a"] != testID(1) {
		t.Fatalf("contacts %v, %v", contacts, err)
	}
	if q := j.Quarantined(); q != "" {
		if kept := must(os.ReadFile(q)); !bytes.Equal(kept, data) {
			t.Fatalf("%s is not the damaged file", q)
		}
		if err := os.Remove(q); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, j)
	return j
}

func TestSampleIsSound(t *testing.T) {
	for _, pageSize := range []int{1024, 4096, 16384} {
		data := sample(t, pageSize)
		if err := checkImage(data); err != nil {
			t.Errorf("page size %d: %v", pageSize, err)
		}
		if j := survives(t, t.TempDir(), data); j.Quarantined() != "" {
			t.Errorf("page size %d: quarantined", pageSize)
		}
	}
}

// Flipped bits anywhere in the database: never a crash, never an epoch twice.
func TestDatabaseWithFlippedBits(t *testing.T) {
	data := sample(t, 1024)
	used := int(must(findMeta(data)).pages) * 1024
	folder := t.TempDir()
	step := used*8/200 | 1
	if long {
		step = 3 // each byte two or three times, each bit of bytes in turn
	}
	if os.Getenv("HEARSAY_LONG") == "all" {
		step = 1
	}
	noticed, tried := 0, 0
	for bit := 0; bit < used*8; bit += step {
		damaged := bytes.Clone(data)
		damaged[bit/8] ^= 1 << (bit % 8)
		j := survives(t, folder, damaged)
		tried++
		if j.Quarantined() != "" {
			noticed++
		}
	}
	t.Logf("%d of %d flips noticed; the others hit unused bytes or the older meta page", noticed, tried)
	if noticed == 0 {
		t.Error("no flip was noticed")
	}
}

// Every byte that is a record of ours is covered by a checksum.
func TestFlippedRecordsAreNoticed(t *testing.T) {
	data := sample(t, 1024)
	folder := t.TempDir()
	for _, text := range []string{`"source":"test"`, `/ip4/192.0.2.19/`, `"seen":17`, "hearsay epoch v1", "node.example:7000", `"saved":18`} {
		if !bytes.Contains(data, []byte(text)) {
			t.Fatalf("the sample does not hold %q", text)
		}
		// Old versions of a page stay in the file: damage them all.
		damaged := bytes.ReplaceAll(data, []byte(text), append([]byte{text[0] ^ 0x40}, text[1:]...))
		if j := survives(t, folder, damaged); j.Quarantined() == "" {
			t.Errorf("damage to %q was not noticed", text)
		}
	}
}

func TestTruncatedDatabase(t *testing.T) {
	data := sample(t, 1024)
	folder := t.TempDir()
	used := int(must(findMeta(data)).pages) * 1024
	sizes := []int{0, 1, 15, 16, 80, 87, 88}
	for size := 512; size <= used; size += 1024 {
		sizes = append(sizes, size, size+511, size+512, size+513)
	}
	for _, size := range sizes {
		size = min(size, len(data))
		j := survives(t, folder, data[:size])
		if noticed := j.Quarantined() != ""; noticed != (size > 0 && size < used) {
			t.Errorf("%d of %d bytes: quarantined %v", size, used, noticed)
		}
	}
}

// Whole pages lost or mixed up are what a failing disk makes of a file.
func TestDatabaseWithMixedUpPages(t *testing.T) {
	const size = 1024
	data := sample(t, size)
	folder := t.TempDir()
	random := rand.New(rand.NewPCG(7, 8))
	pages := int(must(findMeta(data)).pages)
	for range 60 {
		damaged := bytes.Clone(data)
		to := damaged[size*random.IntN(pages):][:size]
		switch random.IntN(3) {
		case 0:
			clear(to)
		case 1:
			copy(to, data[size*random.IntN(pages):])
		default:
			for i := range to {
				to[i] = byte(random.Uint32())
			}
		}
		survives(t, folder, damaged)
	}
}

// One of the two meta pages may be lost in a crash: bbolt goes on with the other.
func TestOneMetaPageIsEnough(t *testing.T) {
	data := sample(t, 1024)
	for _, at := range []int{pageHeader, 1024 + pageHeader} {
		damaged := bytes.Clone(data)
		damaged[at+48] ^= 1 // its transaction number
		if j := survives(t, t.TempDir(), damaged); j.Quarantined() != "" {
			t.Errorf("meta page at %d lost: quarantined", at)
		}
	}
}

// A file that is cut while it is open: an error, not a crash, now and later.
func TestDatabaseCutWhileOpen(t *testing.T) {
	folder := t.TempDir()
	j := open(t, folder)
	if err := j.SavePeers(testPeers(0, 500)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(folder, name), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Peers(); err == nil || !strings.Contains(err.Error(), "restart the node") {
		t.Errorf("Peers: %v", err)
	}
	if err := j.SavePeers(testPeers(0, 1)); err == nil {
		t.Error("SavePeers: no error")
	}
	if _, err := j.NextEpoch(); err == nil {
		t.Error("NextEpoch: no error")
	}
	if err := j.Close(); err == nil {
		t.Error("Close: no error")
	}
	open(t, folder) // and the lock on the file is free
}

func TestQuarantineKeepsEarlierFiles(t *testing.T) {
	folder := t.TempDir()
	c := newClock()
	var seen []string
	for range 3 {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("not a database"), 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, folder, WithClock(c.Now))
		seen = append(seen, j.Quarantined())
		shut(t, j)
	}
	if want := filepath.Join(folder, name) + ".corrupt-1800000000"; seen[0] != want {
		t.Errorf("quarantined to %q, want %q", seen[0], want)
	}
	for _, path := range seen {
		if text, err := os.ReadFile(path); err != nil || string(text) != "not a database" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}

// FuzzDatabase: whatever the database file holds, Open gives a journal that works.
func FuzzDatabase(f *testing.F) {
	data := sample(f, 1024)
	f.Add(data[:must(findMeta(data)).pages*1024])
	f.Add([]byte{})
	f.Add([]byte("not a database"))
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) { survives(t, folder, data) })
}
