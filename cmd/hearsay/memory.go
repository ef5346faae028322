package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory has Go's collector keep to so many MiB, 0 = any number, or to less in a
// container that has less. $GOMEMLIMIT, where it is set, has the last word.
func limitMemory(mebibytes int) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(memoryLimit(mebibytes, containerMemory("/")))
}

// memoryLimit is what the collector keeps to, in bytes. A container keeps a quarter
// for what Go does not count: the program itself, and what the system buffers for it.
func memoryLimit(mebibytes int, container int64) int64 {
	limit := int64(math.MaxInt64)
	if mebibytes > 0 {
		limit = int64(mebibytes) << 20
	}
	return min(limit, container/4*3)
}

// containerMemory is how much memory the control group of this process may have, in
// bytes: the least that is said on the way up to the root. Where nothing is said, or
// there are no groups, it is no limit.
func containerMemory(root string) int64 {
	least := int64(math.MaxInt64)
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:path; the second version of groups has no controllers here.
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		if f[1] != "" {
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
			if f[1] != "memory" {
				continue
			}
		}
		for path := filepath.Clean("/" + f[2]); ; path = filepath.Dir(path) {
			if text, err := os.ReadFile(filepath.Join(root, base, path, file)); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
					least = min(least, n)
				}
			}
			if path == "/" {
				break
			}
		}
	}
	return least
}
