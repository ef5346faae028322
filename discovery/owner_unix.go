//go:build unix

package discovery

import (
	"io/fs"
	"os"
	"syscall"
)

// isPrivate reports whether a folder is this user's and closed to all others.
func isPrivate(folder fs.FileInfo) bool {
	stat, ok := folder.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && folder.Mode().Perm()&0o077 == 0
}
