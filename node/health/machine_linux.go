package health

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// DiskFree is what this process may still write where dir is, in bytes; -1 = not
// known.
func DiskFree(dir string) int64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return -1
	}
	return int64(min(s.Bavail, 1<<62/uint64(max(s.Bsize, 1)))) * int64(s.Bsize) // 32 bits on some machines
}

// Files is how many files this process has open, and how many it may; 0, 0 = not
// known.
func Files() (open, most int) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0, 0
	}
	// Since Linux 6.2 the folder's size is that number; reading it costs a call for
	// every few hundred files.
	if info, err := os.Stat("/proc/self/fd"); err == nil && info.Size() > 0 {
		return int(info.Size()), int(min(limit.Cur, 1<<31-1))
	}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, 0
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, 0
	}
	return len(names) - 1, int(min(limit.Cur, 1<<31-1)) // without dir itself
}
