// Package folder keeps a state folder to one process at a time, and tells others whether
// one has it.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrInUse means that another process works in the same folder, or with the same file.
var ErrInUse = errors.New("in use by another process")

const lockName = "lock"

// lookPatience is how long Lock waits for those who only look whether a folder is
// locked, which takes microseconds.
const lookPatience = time.Second

// Lock makes the calling process the only one to work in the folder dir, which
// is made (mode 0700) if it is missing, until unlock is called or the process
// ends, however it ends. It does not wait: if another process, or this one, has
// the lock, the error satisfies errors.Is(err, [ErrInUse]) and names the folder
// and, when it is known, the process. Whoever asks [Locked] is not in its way.
//
// The lock is flock(2) on the file "lock" in dir, which also tells the number
// of the process; the file stays when the lock is gone, since deleting it would
// let two processes lock two files of that name. Calling unlock again does
// nothing.
func Lock(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder %q: %w", dir, err)
	}
	// O_NONBLOCK, lest somebody's named pipe makes us wait, and O_NOFOLLOW, lest somebody's
	// link has us empty another file.
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("folder %q: %w", dir, err)
	}
	if err := flockAmongLookers(f); err != nil {
		if pid, ok := readPID(f); ok && errors.Is(err, ErrInUse) {
			err = fmt.Errorf("%w (number %d); stop it or choose another folder", err, pid)
		} else if errors.Is(err, ErrInUse) {
			err = fmt.Errorf("%w; stop it or choose another folder", err)
		}
		return nil, errors.Join(fmt.Errorf("folder %q: %w", dir, err), f.Close())
	}
	// The number is for people only; failing to write it, for example on a
	// full disk, does not weaken the lock.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	return sync.OnceValue(func() error {
		_ = f.Truncate(0)
		return f.Close() // gives the lock back
	}), nil
}

// flockAmongLookers is LockFile for a file that Locked looks at.
func flockAmongLookers(f *os.File) error {
	began := time.Now()
	for {
		err := LockFile(f)
		// Who looks shares the lock with all who would. An owner does not.
		if !errors.Is(err, ErrInUse) || time.Since(began) > lookPatience || syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
			return err
		}
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
		time.Sleep(time.Millisecond)
	}
}

// LockFile locks an open file against everybody else, without waiting, until it is
// closed: if somebody has it, the error is [ErrInUse].
func LockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return ErrInUse
	case err != nil:
		return fmt.Errorf("locking: %w; choose a folder on a local disk", err)
	}
	return nil
}

// Locked reports whether a process, this one included, has the lock of the folder
// dir. It makes and changes nothing: without the folder, or without a lock in it,
// nobody has it.
func Locked(dir string) (bool, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("folder %q: %w", dir, err)
	}
	defer f.Close() // which gives it back, too
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("folder %q: looking at its lock: %w", dir, err)
	}
	return false, nil
}

// readPID reads the number of the process that has the lock, if it tells one.
func readPID(f *os.File) (pid int, ok bool) {
	text := make([]byte, 32)
	n, _ := f.ReadAt(text, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	return pid, err == nil && pid > 0
}
