package folder

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// childFolder has the test binary lock that folder as another process, say so, and wait
// for the end of its input.
const childFolder = "HEARSAY_FOLDER_CHILD"

func TestMain(m *testing.M) {
	dir := os.Getenv(childFolder)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := Lock(dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// start starts the other process and waits until it has the lock.
func start(t *testing.T, dir string) (cmd *exec.Cmd, in io.WriteCloser) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd, in
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
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

func TestLock(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	cmd, in := start(t, folder)
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
	cmd, in := start(t, folder)
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
