package health

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Holder is the process that listens on a port.
type Holder struct {
	PID  int    // 0 = nobody, or it is not known: other users' processes hide theirs
	Name string // of its program, as the system has it
}

// PortHolder finds out which process listens on a TCP port, by /proc: the socket
// there has a number, and so have the files of each process.
func PortHolder(port int) Holder {
	sockets := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err == nil {
			addListeners(text, port, sockets)
		}
	}
	if len(sockets) == 0 {
		return Holder{}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return Holder{}
	}
	for _, dir := range processes {
		files, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			continue // another user's, or it has ended
		}
		for _, f := range files {
			target, err := os.Readlink(filepath.Join(dir, "fd", f.Name()))
			if err != nil || !sockets[target] {
				continue
			}
			name, _ := os.ReadFile(filepath.Join(dir, "comm"))
			pid, _ := strconv.Atoi(filepath.Base(dir))
			return Holder{PID: pid, Name: strings.TrimSpace(string(name))}
		}
	}
	return Holder{}
}

// addListeners adds the sockets that listen on a port, as /proc/PID/fd names them,
// from a table of /proc/net.
func addListeners(table []byte, port int, into map[string]bool) {
	const listening = "0A"
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != listening {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
			into["socket:["+f[9]+"]"] = true
		}
	}
}
