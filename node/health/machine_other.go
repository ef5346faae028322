//go:build !linux

package health

// DiskFree is not known here.
func DiskFree(string) int64 { return -1 }

// Files is not known here.
func Files() (open, most int) { return 0, 0 }
