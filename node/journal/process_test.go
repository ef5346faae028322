package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The test binary runs itself as another process, in one of these roles.
const (
	childRole   = "HEARSAY_JOURNAL_CHILD"
	childFolder = "HEARSAY_JOURNAL_FOLDER"

	roleEpochs = "epochs" // take epochs and print them until killed
	roleLock   = "lock"   // take the lock, say so, wait for the end of input
	roleFull   = "full"   // see TestFullDisk
)

func start(t *testing.T, role, folder string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Reader) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childFolder+"="+folder)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewReader(stdout)
}

func child(role, folder string) (exit int) {
	var err error
	switch role {
	case roleEpochs:
		err = takeEpochs(folder)
	case roleLock:
		if _, err = Lock(folder); err == nil {
			fmt.Println("locked")
			_, err = io.Copy(io.Discard, os.Stdin)
		}
	case roleFull:
		err = fillDisk(folder)
	default:
		err = errors.New("unknown role " + role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		return 1
	}
	return 0
}

func takeEpochs(folder string) error {
	if _, err := Lock(folder); err != nil {
		return err
	}
	j, err := Open(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	if q := j.Quarantined(); q != "" {
		return errors.New("quarantined " + q)
	}
	for n := 0; ; n++ {
		epoch, err := j.NextEpoch()
		if err != nil {
			return err
		}
		if _, err := fmt.Println(epoch); err != nil { // one write, unbuffered
			return err
		}
		if err := j.SavePeers(testPeers(n%1000, n%1000+3)); err != nil {
			return err
		}
	}
}

// A link in the place of the lock is not followed: what it leads to would be emptied.
func TestLockIsNoLink(t *testing.T) {
	folder, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(folder, "lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(folder); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a lock that is a link: %v", err)
	}
	if text, err := os.ReadFile(other); string(text) != "precious" {
		t.Errorf("it holds %q, %v", text, err)
	}
}

// A node killed at any instant, again and again: no epoch that anybody has
// seen comes twice, and no file is ever damaged.
func TestKilledProcesses(t *testing.T) {
	kills := 50
	if long {
		kills = 1000
	}
	folder := t.TempDir()
	random := rand.New(rand.NewPCG(9, 10))
	var last uint64
	var total int
	for kill := range kills {
		cmd, _, out := start(t, roleEpochs, folder)
		// Some epochs, and a random part of the way to the next one.
		lines := random.IntN(8)
		for n := 0; ; n++ {
			if n == lines {
				for range random.IntN(20_000) {
					syscall.Getppid() // some 100 ns
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			line, err := out.ReadString('\n')
			if err != nil {
				break // what it had printed before it died has been read
			}
			epoch, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if epoch <= last {
				t.Fatalf("kill %d: epoch %d after %d", kill, epoch, last)
			}
			last = epoch
			total++
		}
		err := cmd.Wait()
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("kill %d: the process ended by itself: %v", kill, err)
		}
	}
	if total < kills {
		t.Errorf("only %d epochs in %d lives: too few to mean something", total, kills)
	}
	t.Logf("%d kills, %d epochs", kills, total)
	if entries, err := filepath.Glob(filepath.Join(folder, "*.corrupt-*")); err != nil || len(entries) > 0 {
		t.Errorf("damaged files: %v, %v", entries, err)
	}
	j := open(t, folder)
	if e := must(j.NextEpoch()); e <= last {
		t.Errorf("in the end: epoch %d after %d", e, last)
	}
}

func TestLock(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	cmd, in, out := start(t, roleLock, folder)
	if line, err := out.ReadString('\n'); line != "locked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, err := Lock(folder)
	if !errors.Is(err, ErrInUse) {
		t.Errorf("error %v is not ErrInUse", err)
	}
	for _, part := range []string{folder, fmt.Sprintf("(number %d)", cmd.Process.Pid)} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}

	// The lock ended with the process although nobody called unlock.
	unlock, err := Lock(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(folder); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("a second lock in one process: %v", err)
	}
	for range 2 {
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
	}
	again, err := Lock(folder)
	if err != nil {
		t.Fatal(err)
	}
	// Calling the first unlock once more must not give away the second lock.
	if err := unlock(); err != nil {
		t.Errorf("unlock: %v", err)
	}
	if _, err := Lock(folder); !errors.Is(err, ErrInUse) {
		t.Errorf("an old unlock gave away a new lock: %v", err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

// Whether a folder is locked can be seen, without changing anything.
func TestLocked(t *testing.T) {
	parent := t.TempDir()
	folder := filepath.Join(parent, "state")
	is := func(want bool, when string) {
		t.Helper()
		if got, err := Locked(folder); got != want || err != nil {
			t.Errorf("%s: locked %v, %v", when, got, err)
		}
	}
	is(false, "no folder")
	if all := must(os.ReadDir(parent)); len(all) != 0 {
		t.Errorf("looking has made %v", all)
	}
	unlock := must(Lock(folder))
	is(true, "locked")
	text := must(os.ReadFile(filepath.Join(folder, "lock")))
	if string(text) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("after looking the lock says %q", text)
	}
	unlock()
	is(false, "unlocked")
	cmd, in, out := start(t, roleLock, folder)
	if line, err := out.ReadString('\n'); line != "locked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	is(true, "locked by another process")
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	is(false, "ended")
}

// Those who look are in nobody's way.
func TestLockedIsNoLock(t *testing.T) {
	folder := t.TempDir()
	unlock := must(Lock(folder)) // makes the file
	unlock()
	stop := make(chan struct{})
	var lookers sync.WaitGroup
	defer lookers.Wait()
	defer close(stop)
	for range 2 {
		lookers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := Locked(folder); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 100 {
		unlock, err := Lock(folder)
		if err != nil {
			t.Fatal(err)
		}
		if locked, err := Locked(folder); !locked || err != nil {
			t.Fatalf("locked %v, %v", locked, err)
		}
		unlock()
	}
}

func TestLockWithoutPID(t *testing.T) {
	folder := t.TempDir()
	unlock, err := Lock(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for _, text := range []string{"", "x", "-1", strings.Repeat("9", 40)} {
		if err := os.WriteFile(filepath.Join(folder, "lock"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Lock(folder); !errors.Is(err, ErrInUse) || strings.Contains(err.Error(), "number") {
			t.Errorf("lock file %q: %v", text, err)
		}
	}
}

// A full disk: every operation either succeeds for good or is an error, and
// what was there before stays. A limit on the size of files stands in for the
// disk, in a process of its own, as it would also hit the test framework.
func TestFullDisk(t *testing.T) {
	cmd, _, out := start(t, roleFull, t.TempDir())
	text, err := io.ReadAll(out)
	if err := errors.Join(err, cmd.Wait()); err != nil || string(text) != "done\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func fillDisk(folder string) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	unlimited := limit.Cur
	room := func(n uint64) {
		limit.Cur = n
		must(0, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	}
	path := filepath.Join(folder, name)
	j := must(Open(path))
	last := must(j.NextEpoch())
	must(0, j.SavePeers(testPeers(0, 10)))

	for _, n := range []uint64{0, 1, uint64(epochSize) - 1, uint64(epochSize), 4096, 8192, 32768} {
		room(n)
		if epoch, err := j.NextEpoch(); err == nil {
			if epoch <= last {
				return fmt.Errorf("room for %d: epoch %d after %d", n, epoch, last)
			}
			last = epoch
		} else if epoch != 0 {
			return fmt.Errorf("room for %d: both epoch %d and error %w", n, epoch, err)
		} else if n == 0 && !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("room for %d: %w", n, err)
		}
		if err := j.SavePeers(testPeers(10, 900)); err == nil {
			return fmt.Errorf("room for %d: 890 peers fit into it", n)
		}
		if peers, err := j.Peers(); err != nil || len(peers) != 10 {
			return fmt.Errorf("room for %d: %d peers, %w", n, len(peers), err)
		}
		room(unlimited)
		epoch, err := j.NextEpoch()
		if err != nil || epoch <= last {
			return fmt.Errorf("after room for %d: epoch %d after %d, %w", n, epoch, last, err)
		}
		last = epoch
	}
	must(0, j.Close())
	j = must(Open(path))
	if q := j.Quarantined(); q != "" {
		return errors.New("quarantined " + q)
	}
	if peers := must(j.Peers()); len(peers) != 10 {
		return fmt.Errorf("%d peers in the end", len(peers))
	}
	if epoch := must(j.NextEpoch()); epoch <= last {
		return fmt.Errorf("epoch %d after %d in the end", epoch, last)
	}
	_, err := fmt.Println("done")
	return errors.Join(err, j.Close())
}
