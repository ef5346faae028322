package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// What a container may have is found in both versions of control groups, also where
// only a group further up, or the one that a container sees as its root, says it.
func TestContainerMemory(t *testing.T) {
	const none = math.MaxInt64
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no groups":        {nil, none},
		"nothing said":     {map[string]string{"proc/self/cgroup": "0::/a/b\n"}, none},
		"version 2":        {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "134217728\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 128 << 20},
		"further up":       {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1048576\n"}, 1 << 20},
		"in a container":   {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "2097152\n"}, 2 << 20},
		"a way out":        {map[string]string{"proc/self/cgroup": "0::/../..\n", "sys/fs/cgroup/memory.max": "2097152\n"}, 2 << 20},
		"version 1":        {map[string]string{"proc/self/cgroup": "4:memory:/a\n3:cpuset:/\n0::/\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4194304\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 4 << 20},
		"version 1, other": {map[string]string{"proc/self/cgroup": "3:cpuset:/a\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4194304\n"}, none},
		"nonsense":         {map[string]string{"proc/self/cgroup": "0:\n::::\n0::/a\n", "sys/fs/cgroup/a/memory.max": "-5\n"}, none},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := containerMemory(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		mebibytes       int
		container, want int64
	}{
		{256, math.MaxInt64, 256 << 20},
		{256, 128 << 20, 96 << 20},
		{64, 128 << 20, 64 << 20},
		{0, 128 << 20, 96 << 20},
	} {
		if got := memoryLimit(c.mebibytes, c.container); got != c.want {
			t.Errorf("%d MiB in a container of %d: %d, want %d", c.mebibytes, c.container, got, c.want)
		}
	}
	if got := memoryLimit(0, math.MaxInt64); got < math.MaxInt64/2 {
		t.Errorf("no limit is %d", got)
	}
}
