package identity

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sys/unix"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func rsaFixture(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(fixture(t, name))
	return must(x509.ParsePKCS8PrivateKey(block.Bytes)).(*rsa.PrivateKey)
}

// private copies a test key into a file that only we may read.
func private(t testing.TB, name string) string {
	t.Helper()
	return write(t, fixture(t, name), 0o600)
}

func write(t testing.TB, text []byte, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hostkey.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // past the umask
		t.Fatal(err)
	}
	return path
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestLoadChecksTheMode(t *testing.T) {
	key := fixture(t, "ed25519-pkcs8.pem")
	for _, mode := range []fs.FileMode{0o600, 0o400, 0o700} {
		if _, err := Load(write(t, key, mode)); err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o604, 0o620, 0o602, 0o660, 0o666, 0o777} {
		path := write(t, key, mode)
		_, err := Load(path)
		wantError(t, err, "others may access it", "chmod 600 "+path)
	}
}

func TestLoadChecksTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := private(t, "ed25519-pkcs8.pem")
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Skip(err) // a user namespace without that user
	}
	_, err := Load(path)
	wantError(t, err, "belongs to user 65534", "this process runs as user 0", "chown")

	// Root may look at it for who is to run with it, and for nobody else.
	if _, err := LoadFor(path, 65534); err != nil {
		t.Error(err)
	}
	_, err = LoadFor(path, 65533)
	wantError(t, err, "belongs to user 65534", "the node is to run as user 65533")
	network := filepath.Join(t.TempDir(), "swarm.key")
	if err := errors.Join(NewNetworkKey().Write(network), os.Chown(network, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadNetworkKey(network, 65534); err != nil {
		t.Error(err)
	}
	_, err = LoadNetworkKey(network, os.Geteuid())
	wantError(t, err, "belongs to user 65534")
}

func TestLoadTakesRegularFilesOnly(t *testing.T) {
	key := private(t, "ed25519-pkcs8.pem")
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }

	if err := os.Symlink(key, at("link")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(at("link")); err != nil {
		t.Errorf("a symbolic link to a key: %v", err)
	}

	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(at("pipe"))
	wantError(t, err, "named pipe", at("pipe"))

	if err := os.Symlink(at("pipe"), at("link to pipe")); err != nil {
		t.Fatal(err)
	}
	_, err = Load(at("link to pipe"))
	wantError(t, err, "named pipe")

	_, err = Load(folder)
	wantError(t, err, "a folder")

	_, err = Load(os.DevNull)
	wantError(t, err, "a device")

	socket, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	_, err = Load(at("socket"))
	wantError(t, err, "a socket")

	if err := os.Symlink(at("loop"), at("loop")); err != nil {
		t.Fatal(err)
	}
	_, err = Load(at("loop"))
	wantError(t, err, "too many levels of symbolic links")
}

func TestLoadMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's mine.pem")
	_, err := Load(path)
	wantError(t, err, `hearsay key new '`, `it'\''s mine.pem'`)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}

	if err := os.Symlink("nowhere", path); err != nil {
		t.Fatal(err)
	}
	_, err = Load(path)
	wantError(t, err, `symbolic link to "nowhere"`)
	// A key must not be made where the link points to, perhaps by mistake.
	_, created, err := LoadOrCreate(path)
	wantError(t, err, `symbolic link to "nowhere"`)
	if created {
		t.Error("a key was made")
	}
}

func TestLoadCapsTheSize(t *testing.T) {
	key := fixture(t, "ed25519-pkcs8.pem")
	padded := append(bytes.Clone(key), bytes.Repeat([]byte(" "), maxFileSize-len(key))...)
	if _, err := Load(write(t, padded, 0o600)); err != nil {
		t.Errorf("64 KiB: %v", err)
	}
	_, err := Load(write(t, append(padded, ' '), 0o600))
	wantError(t, err, "more than 64 KiB")
}

func TestLoadNamesTheFileAndTheFault(t *testing.T) {
	path := private(t, "refused-ec.pem")
	_, err := Load(path)
	wantError(t, err, path, "kind EC")
	before := must(os.ReadFile(path))
	if _, created, err := LoadOrCreate(path); err == nil || created {
		t.Errorf("LoadOrCreate on a file with a fault: created %v, error %v", created, err)
	}
	if !bytes.Equal(before, must(os.ReadFile(path))) {
		t.Error("the file was changed")
	}
}

func TestLoadOrCreate(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "state", "node", "hostkey.pem")
	id, created, err := LoadOrCreate(path)
	if err != nil || !created {
		t.Fatalf("created %v, error %v", created, err)
	}
	if id.Kind() != Ed25519 {
		t.Errorf("made a key of kind %s", id.Kind())
	}
	for path, want := range map[string]fs.FileMode{
		path:                             0o600,
		filepath.Dir(path):               0o700 | fs.ModeDir,
		filepath.Dir(filepath.Dir(path)): 0o700 | fs.ModeDir,
	} {
		if mode := must(os.Stat(path)).Mode(); mode != want {
			t.Errorf("%s has mode %v, want %v", path, mode, want)
		}
	}
	again, created, err := LoadOrCreate(path)
	if err != nil || created || again.ID() != id.ID() {
		t.Errorf("second call: %v, created %v, error %v", again, created, err)
	}
	onlyFile(t, path)
}

// onlyFile checks that no temporary file is left beside path.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	var names []string
	for _, e := range must(os.ReadDir(filepath.Dir(path))) {
		names = append(names, e.Name())
	}
	if len(names) != 1 || names[0] != filepath.Base(path) {
		t.Errorf("the folder holds %q", names)
	}
}

// However many start at once, one key results, one of them made it, and
// nobody ever sees a part of it.
func TestLoadOrCreateRaces(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "new", "hostkey.pem")
		var (
			race    sync.WaitGroup
			mu      sync.Mutex
			ids     = map[peer.ID]int{}
			creates int
		)
		for range 8 {
			race.Go(func() {
				id, created, err := LoadOrCreate(path)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				ids[id.ID()]++
				if created {
					creates++
				}
			})
		}
		race.Wait()
		if len(ids) != 1 || creates != 1 {
			t.Fatalf("%d keys, made by %d", len(ids), creates)
		}
		onlyFile(t, path)
	}
}

func TestWriteNeverOverwrites(t *testing.T) {
	path := private(t, "rsa2048-pkcs1.pem")
	before := must(os.ReadFile(path))
	err := must(New()).Write(path)
	wantError(t, err, path, "never overwritten", "move it away")
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v is not fs.ErrExist", err)
	}
	if !bytes.Equal(before, must(os.ReadFile(path))) {
		t.Error("the file was changed")
	}
	onlyFile(t, path)
}

func TestWriteKeepsAnRSAKey(t *testing.T) {
	id := parsed(t, "rsa2048-pkcs1.pem")
	path := filepath.Join(t.TempDir(), "copy.pem")
	if err := id.Write(path); err != nil {
		t.Fatal(err)
	}
	if again, err := Load(path); err != nil || again.ID() != id.ID() {
		t.Errorf("%v, %v", again, err)
	}
}

// A disk that fills up at any byte leaves neither a part of a key nor a
// temporary file. A limit on file sizes stands in for the disk, in a process of
// its own, as it would also hit what the test framework writes.
func TestWriteOnAFullDisk(t *testing.T) {
	const marker = "HEARSAY_TEST_FULL_DISK"
	folder := os.Getenv(marker)
	if folder == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestWriteOnAFullDisk$")
		child.Env = append(os.Environ(), marker+"="+t.TempDir())
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	room := func(n int) {
		limit.Cur = uint64(n)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	id := must(New())
	size := len(must(id.MarshalPEM()))
	path := filepath.Join(folder, "hostkey.pem")
	for n := range size {
		room(n)
		if err := id.Write(path); !errors.Is(err, syscall.EFBIG) {
			t.Fatalf("room for %d of %d bytes: %v", n, size, err)
		}
		if left := must(os.ReadDir(folder)); len(left) != 0 {
			t.Fatalf("room for %d of %d bytes: left behind %v", n, size, left)
		}
	}
	room(size)
	if err := id.Write(path); err != nil {
		t.Errorf("room for all: %v", err)
	}
}

func TestWriteIntoAReadOnlyFolder(t *testing.T) {
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(folder, 0o700)
	asOrdinaryUser(t)
	path := filepath.Join(folder, "hostkey.pem")
	_, created, err := LoadOrCreate(path)
	if !errors.Is(err, fs.ErrPermission) || created {
		t.Errorf("created %v, error %v", created, err)
	}
	wantError(t, err, path, "cannot be written")
}

// asOrdinaryUser takes root's right to pass over file modes away from this
// thread until the test ends.
func asOrdinaryUser(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread()
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
	t.Cleanup(func() {
		if err := unix.Capset(&header, &before[0]); err != nil {
			panic(err)
		}
		runtime.UnlockOSThread()
	})
}
