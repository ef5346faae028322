package main

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine is where and with what was measured.
type machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	Go       string            `json:"go"`
	Versions map[string]string `json:"versions"`
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Versions: map[string]string{"hearsay": hearsayVersion()}}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/libp2p/go-libp2p", "github.com/libp2p/go-libp2p-pubsub", "github.com/hashicorp/memberlist", "github.com/hashicorp/serf":
				m.Versions[d.Path[strings.LastIndexByte(d.Path, '/')+1:]] = d.Version
			}
		}
	}
	return m
}

// measured are the directories of Hearsay that figures depend on.
var measured = []string{"../../node", "../../pow", "../../apibridge", "../../discovery"}

// hearsayVersion is the last commit that changed what is measured, with a plus
// if there are changes that are not committed; "" where git does not tell.
func hearsayVersion() string {
	git := func(args ...string) (string, error) {
		out, err := exec.Command("git", append(args, measured...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	version, err := git("log", "-1", "--abbrev=10", "--format=%h", "--")
	if err != nil {
		return ""
	}
	if changes, err := git("status", "--porcelain", "--"); err != nil || changes != "" {
		version += "+"
	}
	return version
}

// cpuTime is the processor time of this process so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memory is the resident set, in bytes, after the garbage is gone, and the part
// of it that is Go's heap.
func memory() (resident, heap float64) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(text); len(fields) > 1 {
			pages, _ := strconv.Atoi(string(fields[1]))
			resident = float64(pages * os.Getpagesize())
		}
	}
	return resident, float64(m.HeapAlloc)
}
