package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"hearsay/node/config"
	"hearsay/node/control"
)

func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify("READY=1"); err != nil {
		t.Errorf("without systemd: %v", err)
	}
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@hearsay-test-" + filepath.Base(t.TempDir())} {
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		t.Setenv("NOTIFY_SOCKET", name)
		if err := notify("READY=1"); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 100)
		n, err := socket.Read(text)
		if err != nil || string(text[:n]) != "READY=1" {
			t.Errorf("%s: got %q, %v", name, text[:n], err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := notify("READY=1"); err == nil {
		t.Error("told a socket that is not there")
	}
}

// The program tells systemd when it can be used and when it ends, which it does
// in time.
func TestSystemd(t *testing.T) {
	cmd, dir, hears := service(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	hears("READY=1")
	answers(t, dir)
	cmd.Process.Signal(syscall.SIGTERM)
	hears("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// service prepares a node that takes what hears waits for to systemd, with its state
// in dir.
func service(t *testing.T) (cmd *exec.Cmd, dir string, hears func(want string)) {
	t.Helper()
	dir = t.TempDir()
	config := filepath.Join(dir, "hearsay.ini")
	if err := os.WriteFile(config, []byte("[hearsay]\nnetwork = systemd-test\nmdns = false\nstate_dir = state\n"+
		"[gossip]\np2p_address = 127.0.0.1:0\napi_address = 127.0.0.1:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	socket.SetReadDeadline(time.Now().Add(patience))
	cmd = exec.Command("hearsay", "run", "-c", config)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "GORACE=atexit_sleep_ms=0")
	return cmd, filepath.Join(dir, "state"), func(want string) {
		t.Helper()
		text := make([]byte, 100)
		if n, err := socket.Read(text); err != nil || string(text[:n]) != want {
			t.Fatalf("got %q, %v; want %s", text[:n], err, want)
		}
	}
}

// answers checks that the node with this state folder does.
func answers(t *testing.T, dir string) {
	t.Helper()
	c, err := control.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("ready, and does not answer: %v", err)
	}
}

// Whoever reads what a node prints may go away, or not read at all: it runs on, and
// ends in time.
func TestNobodyReads(t *testing.T) {
	for _, test := range []struct {
		name   string
		reader func(r, w *os.File)
		warns  bool
	}{
		{"gone", func(r, _ *os.File) { r.Close() }, true},
		{"asleep", func(_, w *os.File) { fill(t, w) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			test.reader(r, w)
			cmd, dir, hears := service(t)
			cmd.Stdout = w
			said, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
			defer late.Stop()
			defer cmd.Process.Kill()
			hears("READY=1")
			if test.warns {
				line, _ := bufio.NewReader(said).ReadString('\n')
				if !strings.HasPrefix(line, "warning: nothing more is printed, and the node runs on: ") {
					t.Errorf("it says %q", line)
				}
			}
			answers(t, dir)
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// fill writes to a pipe until it takes no more.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	pipe, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for some := make([]byte, 4096); err == nil; {
		pipe.Write(func(fd uintptr) bool {
			_, err = syscall.Write(int(fd), some)
			return true
		})
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
	}
}

// Once the lock says that a node runs, nothing leads to the port of one that was killed.
func TestClaimForgets(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, control.FileName)
	if err := os.WriteFile(left, []byte(`{"version": 1, "address": "127.0.0.1:1", "token": "x", "pid": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.StateDir, cfg.StateDirDefault = dir, false
	as := &assembly{cfg: cfg}
	if err := as.claim(); err != nil {
		t.Fatal(err)
	}
	defer as.close()
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is claimed, and its control file is left over: %v", err)
	}
}

func TestAPIPort(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := uint16(taken.Addr().(*net.TCPAddr).Port)
	cfg := config.Default()

	cfg.API = config.Endpoint{Host: "127.0.0.1", Port: port, Default: true}
	l, moved, err := listenAPI(cfg)
	if err != nil || !moved {
		t.Fatalf("default port taken: moved %v, %v", moved, err)
	}
	l.Close()

	cfg.API.Default = false
	if l, _, err := listenAPI(cfg); err == nil {
		l.Close()
		t.Error("a port that was asked for and is taken was replaced")
	}

	cfg.API = config.Endpoint{Off: true}
	if l, moved, err := listenAPI(cfg); l != nil || moved || err != nil {
		t.Errorf("off: %v, %v, %v", l, moved, err)
	}
}

func TestP2PPort(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := ma.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", taken.Addr().(*net.TCPAddr).Port))
	cfg := config.Default()

	cfg.Listen, cfg.ListenDefault = []ma.Multiaddr{addr}, false
	if got, _, err := p2pAddrs(cfg); err == nil {
		t.Errorf("a port that was asked for and is taken: %v", got)
	}

	cfg.ListenDefault = true
	got, moved, err := p2pAddrs(cfg)
	if err != nil || !moved || len(got) == 0 || got[0].Equal(addr) {
		t.Errorf("default port taken: %v, moved %v, %v", got, moved, err)
	}

	taken.Close()
	got, moved, err = p2pAddrs(cfg)
	if err != nil || moved || len(got) != 1 || !got[0].Equal(addr) {
		t.Errorf("free: %v, moved %v, %v", got, moved, err)
	}
}

func TestFolders(t *testing.T) {
	cfg := &config.Config{StateDir: "/x/hearsay"}
	if got := folders(cfg); len(got) != 1 || got[0] != "/x/hearsay" {
		t.Errorf("a folder that was asked for: %v", got)
	}
	cfg.StateDirDefault = true
	got := folders(cfg)
	if len(got) != 64 || got[0] != "/x/hearsay" || got[1] != "/x/hearsay-2" || got[63] != "/x/hearsay-64" {
		t.Errorf("default folders: %v", got)
	}
}
