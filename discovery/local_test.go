package discovery

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// aMachine returns one node's view of a folder, and what it handed over.
func aMachine(t *testing.T, listen ...string) (*machine, *[]Candidate) {
	t.Helper()
	got := new([]Candidate)
	m := &machine{
		mechanism: &mechanism{source: SourceLocal, self: newID(t), hand: func(c Candidate) { *got = append(*got, c) }},
		network:   "test",
		watch:     newWatcher(func() (surroundings, error) { return surroundings{key: "x", listen: addrs(listen...)}, nil }),
		connected: func(peer.ID) bool { return false },
	}
	m.watch.look()
	return m, got
}

func aFolder(t *testing.T) string {
	t.Helper()
	folder, err := localFolder(filepath.Join(t.TempDir(), "hearsay"), "test")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func files(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLocalNodesMeet(t *testing.T) {
	folder := aFolder(t)
	a, gotA := aMachine(t, "/ip4/10.0.0.7/tcp/1", "/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1")
	b, gotB := aMachine(t, "/ip4/10.0.0.7/tcp/2")
	deaf, _ := aMachine(t)
	do(t, a.publish(folder))
	do(t, b.publish(folder))
	do(t, deaf.publish(folder))
	if n := len(files(t, folder)); n != 2 {
		t.Errorf("%d files of 2 nodes that listen", n)
	}
	do(t, a.read(folder))
	do(t, b.read(folder))
	if len(*gotA) != 1 || (*gotA)[0].Info.ID != b.self || fmt.Sprint((*gotA)[0].Info.Addrs) != "[/ip4/10.0.0.7/tcp/2]" {
		t.Errorf("a found %v", *gotA)
	}
	if len(*gotB) != 1 || (*gotB)[0].Info.ID != a.self || fmt.Sprint((*gotB)[0].Info.Addrs) != "[/ip4/127.0.0.1/tcp/1 /ip6/::1/tcp/1]" {
		t.Errorf("b found %v, want a's loopback addresses alone", *gotB)
	}

	// Not again at once, but when there is something new, and after a while.
	do(t, a.read(folder))
	if len(*gotA) != 1 {
		t.Error("handed over twice in a row")
	}
	b.watch.observe = func() (surroundings, error) {
		return surroundings{key: "y", listen: addrs("/ip4/127.0.0.1/tcp/3")}, nil
	}
	b.watch.look()
	do(t, b.publish(folder))
	do(t, a.read(folder))
	if len(*gotA) != 2 || fmt.Sprint((*gotA)[1].Info.Addrs) != "[/ip4/127.0.0.1/tcp/3]" {
		t.Errorf("a new address is not handed over: %v", *gotA)
	}
	h := a.handed[b.self.String()]
	h.at = h.at.Add(-localAgain)
	a.handed[b.self.String()] = h
	do(t, a.read(folder))
	if len(*gotA) != 3 {
		t.Error("not handed over again later")
	}

	// Not while it is connected, but at once when it no longer is.
	a.connected = func(peer.ID) bool { return true }
	do(t, a.read(folder))
	a.connected = func(peer.ID) bool { return false }
	n := len(*gotA)
	do(t, a.read(folder))
	if n != 3 || len(*gotA) != 4 {
		t.Errorf("%d candidates while connected, %d after", n-3, len(*gotA)-n)
	}
}

func TestLocalLeftovers(t *testing.T) {
	folder := aFolder(t)
	a, gotA := aMachine(t, "/ip4/127.0.0.1/tcp/1")
	b, gotB := aMachine(t, "/ip4/127.0.0.1/tcp/2")
	do(t, a.publish(folder))
	do(t, b.publish(folder))
	killed := time.Now().Add(-localStale - time.Second)
	do(t, os.Chtimes(b.file(folder), killed, killed))
	do(t, os.WriteFile(filepath.Join(folder, "1.tmp"), nil, 0o600))
	do(t, os.Chtimes(filepath.Join(folder, "1.tmp"), killed, killed))
	do(t, a.read(folder))
	if got := files(t, folder); len(*gotA) != 0 || len(got) != 1 {
		t.Errorf("found %v, left %v; want nobody and our own file", *gotA, got)
	}
	// b was only asleep, or the clock was set.
	do(t, b.publish(folder))
	do(t, b.read(folder))
	do(t, a.read(folder))
	if len(*gotA) != 1 || len(*gotB) != 1 {
		t.Errorf("found %v and %v after waking up", *gotA, *gotB)
	}
	// The beat keeps a file fresh.
	old := time.Now().Add(-localBeat)
	do(t, os.Chtimes(a.file(folder), old, old))
	a.beat = old
	do(t, a.publish(folder))
	info, err := os.Stat(a.file(folder))
	do(t, err)
	if time.Since(info.ModTime()) > localBeat/2 {
		t.Error("the file's time is not renewed")
	}
}

func TestLocalNonsense(t *testing.T) {
	folder := aFolder(t)
	a, got := aMachine(t, "/ip4/127.0.0.1/tcp/1")
	id := func() string { return filepath.Join(folder, newID(t).String()+localSuffix) }
	do(t, os.WriteFile(filepath.Join(folder, "nobody.addrs"), []byte("/ip4/127.0.0.1/tcp/1"), 0o600))
	do(t, os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("/ip4/127.0.0.1/tcp/1"), 0o600))
	do(t, os.WriteFile(id(), nil, 0o600))
	do(t, os.WriteFile(id(), []byte("\x00\xff\n/ip4/0.0.0.0/tcp/1\n/dns/x/tcp/1\n"), 0o600))
	do(t, os.Mkdir(id(), 0o700))
	do(t, os.Symlink("/dev/zero", id()))
	do(t, a.read(folder))
	if len(*got) != 0 {
		t.Errorf("handed over %v", *got)
	}
	do(t, os.WriteFile(id(), []byte(strings.Repeat("/ip4/127.0.0.1/tcp/1\n", 1_000_000)), 0o600))
	do(t, a.read(folder))
	if len(*got) != 1 || len((*got)[0].Info.Addrs) != maxAddrs {
		t.Errorf("of a huge file, %d candidates", len(*got))
	}
	for range 2 * localFiles {
		do(t, os.WriteFile(id(), []byte("/ip4/127.0.0.1/tcp/1"), 0o600))
	}
	*got = nil
	do(t, a.read(folder))
	if len(*got) > localFiles || len(a.handed) > localFiles {
		t.Errorf("%d candidates, %d remembered", len(*got), len(a.handed))
	}
}

func TestLocalFolderIsPrivate(t *testing.T) {
	tmp := t.TempDir()
	open := filepath.Join(tmp, "open")
	do(t, os.Mkdir(open, 0o700))
	do(t, os.Chmod(open, 0o777))
	link := filepath.Join(tmp, "link")
	do(t, os.Symlink(t.TempDir(), link))
	file := filepath.Join(tmp, "file")
	do(t, os.WriteFile(file, nil, 0o600))
	for _, bad := range []string{open, link, file, filepath.Join(tmp, "no", "where")} {
		if folder, err := localFolder(bad, "test"); err == nil {
			t.Errorf("%s is taken: %s", bad, folder)
		}
	}
	if os.Geteuid() == 0 {
		foreign := filepath.Join(tmp, "foreign")
		do(t, os.Mkdir(foreign, 0o700))
		do(t, os.Chown(foreign, 12345, 12345))
		if _, err := localFolder(foreign, "test"); err == nil {
			t.Error("a folder of somebody else is taken")
		}
	}

	t.Setenv("XDG_RUNTIME_DIR", tmp)
	t.Setenv("TMPDIR", t.TempDir())
	folder, err := localFolder("", "..")
	if err != nil || !strings.HasPrefix(folder, filepath.Join(tmp, "hearsay")+"/hearsay--") {
		t.Errorf("got %s, %v", folder, err)
	}
	// A runtime folder of somebody else, as after su, is not used.
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(tmp, "missing"))
	if folder, err = localFolder("", "test"); err != nil || !strings.HasPrefix(folder, os.Getenv("TMPDIR")) {
		t.Errorf("got %s, %v", folder, err)
	}
	other, err := localFolder("", "test2")
	if err != nil || other == folder {
		t.Errorf("two networks share %s, %v", folder, err)
	}
}

func TestLocalStatusAndCleanUp(t *testing.T) {
	m, _ := aMachine(t, "/ip4/127.0.0.1/tcp/1")
	m.base = filepath.Join(t.TempDir(), "hearsay")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { m.run(ctx); close(done) }()
	eventually(t, "the file is there", func() bool {
		s := m.snapshot()
		return s.Running && len(files(t, s.Where)) == 1
	})
	cancel()
	<-done
	if s := m.snapshot(); s.Running || s.LastError != "" || len(files(t, s.Where)) != 0 {
		t.Errorf("after the end: %+v, files %v", s, files(t, s.Where))
	}

	m.base = filepath.Join(t.TempDir(), "no", "where")
	ctx, cancel = context.WithCancel(t.Context())
	done = make(chan struct{})
	go func() { m.run(ctx); close(done) }()
	eventually(t, "the status says what is wrong", func() bool { return m.snapshot().LastError != "" })
	cancel()
	<-done
}
