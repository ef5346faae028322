package journal

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	state "hearsay/node/folder"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role, os.Getenv(childFolder)))
	}
	if !long {
		flag.Parse()
		flag.Set("rapid.checks", "15")
	}
	// Thousands of syncs to a disk would prove nothing: they only matter when
	// the power fails. Where there is a file system in memory, use it.
	if _, set := os.LookupEnv("TMPDIR"); !set {
		if memory, err := os.MkdirTemp("/dev/shm", "hearsay-test-"); err == nil {
			os.Remove(memory)
			os.Setenv("TMPDIR", "/dev/shm")
		}
	}
	goleak.VerifyTestMain(m)
}

// long is set for campaigns that are too slow for every run.
var long = os.Getenv("HEARSAY_LONG") != ""

const name = "journal.db"

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.UnixMilli(1_800_000_000_000)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t testing.TB, folder string, options ...Option) *Journal {
	t.Helper()
	j, err := Open(filepath.Join(folder, name), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() }) // again, if the test has closed it
	return j
}

func shut(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testPeer makes the n-th of a series of peers.
func testPeer(n int) KnownPeer {
	return KnownPeer{
		ID:       testID(n),
		Record:   bytes.Repeat([]byte{byte(n)}, 100),
		Addrs:    []ma.Multiaddr{ma.StringCast(fmt.Sprintf("/ip4/192.0.2.%d/tcp/%d", n%256, 1+n%65535))},
		LastSeen: time.UnixMilli(1_700_000_000_000 + int64(n)),
		Source:   "test",
	}
}

// testID makes a peer ID of the form that Ed25519 keys have.
func testID(n int) peer.ID {
	return peer.ID(fmt.Appendf([]byte("\x00\x24\x08\x01\x12\x20"), "%032d", n))
}

func testPeers(from, to int) (peers []KnownPeer) {
	for n := from; n < to; n++ {
		peers = append(peers, testPeer(n))
	}
	return peers
}

func TestOpenMakesWhatIsMissing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "b")
	j := open(t, folder)
	for path, want := range map[string]fs.FileMode{
		folder:                      0o700 | fs.ModeDir,
		filepath.Join(folder, name): 0o600,
	} {
		if mode := must(os.Stat(path)).Mode(); mode != want {
			t.Errorf("%s has mode %v, want %v", path, mode, want)
		}
	}
	if peers, err := j.Peers(); err != nil || len(peers) != 0 {
		t.Errorf("a new journal knows %v, %v", peers, err)
	}
	if contacts, err := j.Contacts(); err != nil || len(contacts) != 0 {
		t.Errorf("a new journal has contacts %v, %v", contacts, err)
	}
	if q := j.Quarantined(); q != "" {
		t.Errorf("a new journal has quarantined %q", q)
	}
	must(j.NextEpoch())
	if mode := must(os.Stat(filepath.Join(folder, "epoch"))).Mode(); mode != 0o600 {
		t.Errorf("the epoch file has mode %v", mode)
	}
}

func TestOpenTwice(t *testing.T) {
	folder := t.TempDir()
	j := open(t, folder)
	if _, err := Open(filepath.Join(folder, name)); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open: %v", err)
	}
	must(j.NextEpoch())
	shut(t, j)
	open(t, folder)
}

func TestClosedJournal(t *testing.T) {
	j := open(t, t.TempDir())
	shut(t, j)
	_, epochErr := j.NextEpoch()
	_, peersErr := j.Peers()
	_, contactsErr := j.Contacts()
	for _, err := range []error{epochErr, peersErr, contactsErr, j.SavePeers(nil), j.SaveContact("a", testID(1)), j.ForgetPeer(testID(1)), j.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(folder, name), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{folder, filepath.Join(folder, name), os.DevNull} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	j := open(t, t.TempDir())
	var users sync.WaitGroup
	var mu sync.Mutex
	epochs := map[uint64]bool{}
	for user := range 4 {
		users.Go(func() {
			for i := range 10 {
				e, err := j.NextEpoch()
				_, peersErr := j.Peers()
				_, contactsErr := j.Contacts()
				err = errors.Join(err, peersErr, contactsErr,
					j.SavePeers(testPeers(10*user, 10*user+i)),
					j.SaveContact(fmt.Sprint(user, i), testID(user)),
					j.ForgetPeer(testID(10*user+i)))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				if epochs[e] {
					t.Errorf("epoch %d twice", e)
				}
				epochs[e] = true
				mu.Unlock()
			}
		})
	}
	users.Wait()
	if got := len(must(j.Contacts())); got != 40 {
		t.Errorf("%d contacts, want 40", got)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	folder := t.TempDir()
	j := open(t, folder)
	first := must(j.NextEpoch())
	if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(folder, 0o700)
	asOrdinaryUser(t, func() {
		if e, err := j.NextEpoch(); e != 0 || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("NextEpoch in a read-only folder: %d, %v", e, err)
		}
		if _, err := Open(filepath.Join(folder, "other.db")); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Open in a read-only folder: %v", err)
		}
		if _, err := state.Lock(filepath.Join(folder, "sub")); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Lock in a read-only folder: %v", err)
		}
	})
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if e := must(j.NextEpoch()); e <= first {
		t.Errorf("afterwards epoch %d, before it was %d", e, first)
	}
}

// asOrdinaryUser runs fn without root's right to pass over file modes.
func asOrdinaryUser(t *testing.T, fn func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		fn()
		return
	}
	runtime.LockOSThread() // capabilities belong to threads
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before [2]unix.CapUserData
	if err := unix.Capget(&header, &before[0]); err != nil {
		t.Skip(err)
	}
	after := before
	after[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&header, &after[0]); err != nil {
		t.Skip(err)
	}
	fn()
	if err := unix.Capset(&header, &before[0]); err != nil {
		t.Fatal(err)
	}
}
