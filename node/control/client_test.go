package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hearsay/node/folder"
)

// running starts a server on a real loopback port.
func running(t *testing.T, dir string, n Node) *Server {
	t.Helper()
	return serving(t, Config{StateDir: dir}, n)
}

func serving(t *testing.T, cfg Config, n Node) *Server {
	t.Helper()
	lock(t, cfg.StateDir)
	s, err := Listen(cfg, n)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// lock has a state folder locked until unlock, or the end of the test, as it is while
// a node runs.
func lock(t *testing.T, dir string) (unlock func() error) {
	t.Helper()
	unlock, err := folder.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unlock() })
	return unlock
}

func client(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestClientAsks(t *testing.T) {
	dir := t.TempDir()
	f := &fake{warnings: []string{"the clock is off"}}
	running(t, dir, f)
	c := client(t, dir)
	if got, err := c.Identity(t.Context()); err != nil || got.ID != alice.String() || got.PID != os.Getpid() {
		t.Errorf("Identity: %+v, %v", got, err)
	}
	if got, err := c.Status(t.Context()); err != nil || len(got.Warnings) != 1 || got.Counters["received"] != 7 {
		t.Errorf("Status: %+v, %v", got, err)
	}
	if got, err := c.Peers(t.Context()); err != nil || len(got.Peers) != 1 || got.Peers[0].ID != bob.String() {
		t.Errorf("Peers: %+v, %v", got, err)
	}
	stream, err := c.Listen(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if got, err := c.Announce(t.Context(), AnnounceRequest{Type: 7, Data: []byte("x")}); err != nil || got.Neighbours != 3 {
		t.Errorf("Announce: %+v, %v", got, err)
	}
	if got, err := stream.Next(); err != nil || string(got.Data) != "x" {
		t.Errorf("Next: %+v, %v", got, err)
	}
	var refused *Error
	if _, err := c.Announce(t.Context(), AnnounceRequest{Data: make([]byte, 65528)}); !errors.As(err, &refused) ||
		refused.Status != 413 || refused.What == "" || refused.Hint == "" {
		t.Errorf("too much data: %+v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestControlFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, []byte("left over"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(Config{StateDir: dir}, &fake{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("files %v", names)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// A node that ends late must not take away the file of its successor.
func TestControlFileOfAnother(t *testing.T) {
	dir := t.TempDir()
	first, err := Listen(Config{StateDir: dir}, &fake{})
	if err != nil {
		t.Fatal(err)
	}
	running(t, dir, &fake{})
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := client(t, dir).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// A server that listens on another loopback address is asked there, too.
func TestOtherLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("this machine has no 127.0.0.2:", err)
	}
	l.Close()
	dir := t.TempDir()
	serving(t, Config{StateDir: dir, Address: "127.0.0.2:0"}, &fake{})
	if _, err := client(t, dir).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestListenRefuses(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "localhost:0", "127.0.0.1", "127.0.0.1:x", "example.org:80"} {
		if s, err := Listen(Config{StateDir: t.TempDir(), Address: address}, &fake{}); err == nil {
			s.Close()
			t.Errorf("listens on %s", address)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := Listen(Config{StateDir: t.TempDir(), Address: taken.Addr().String()}, &fake{}); err == nil {
		t.Error("listens on a port that is taken")
	}
	if _, err := Listen(Config{StateDir: filepath.Join(t.TempDir(), "none")}, &fake{}); err == nil {
		t.Error("runs without its control file")
	}
}

// Everything that means "nobody is there" is ErrNoNode; what is broken is not.
func TestNoNode(t *testing.T) {
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNoNode) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNoNode) {
		t.Errorf("no folder: %v", err)
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	otherDir := t.TempDir()
	other := running(t, otherDir, &fake{})
	for name, address := range map[string]string{
		"refused connection": gone.Addr().String(),
		"a web server":       web.Listener.Addr().String(),
		"another node":       other.Addr(),
	} {
		dir := t.TempDir()
		if err := (file{Version: 1, Address: address, Token: "stale", PID: 1}).write(dir); err != nil {
			t.Fatal(err)
		}
		lock(t, dir)
		c := client(t, dir)
		if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoNode) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Listen(t.Context(), 1); !errors.Is(err, ErrNoNode) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who has the port of a node that was killed is asked nothing, whatever it answers.
func TestLeftOver(t *testing.T) {
	var asked atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set(versionHeader, "1")
		fmt.Fprint(w, "{}")
	}))
	defer stranger.Close()
	dir := t.TempDir()
	left := file{Version: Version, Address: stranger.Listener.Addr().String(), Token: "secret", PID: os.Getpid()}
	if err := left.write(dir); err != nil {
		t.Fatal(err)
	}
	says := func(when string, err error, words string) {
		t.Helper()
		if !errors.Is(err, ErrNoNode) || !strings.HasPrefix(err.Error(), "no node") || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", when, err)
		}
	}
	_, err := Open(dir)
	says("never locked", err, "left over")
	unlock := lock(t, dir)
	ended, anew := client(t, dir), client(t, dir)
	unlock()
	_, err = Open(dir)
	says("unlocked", err, "left over")
	_, err = ended.Send(t.Context(), SendRequest{Data: []byte("private")})
	says("ended since", err, "left over")
	lock(t, dir)
	left.Token = "another"
	if err := left.write(dir); err != nil {
		t.Fatal(err)
	}
	_, err = anew.Inbox(t.Context(), "")
	says("started anew", err, "anew")
	if err := Forget(dir); err != nil {
		t.Error(err)
	}
	_, err = Open(dir)
	says("forgotten", err, dir)
	if err := Forget(dir); err != nil {
		t.Errorf("forgotten twice: %v", err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the stranger was asked %d times", n)
	}
}

func TestDamagedControlFile(t *testing.T) {
	good, err := json.Marshal(file{Version: 1, Address: "127.0.0.1:1", Token: "x", PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "cut off": string(good[:len(good)-1]), "no token": `{"address":"127.0.0.1:1"}`, "null": "null",
		"huge": string(good) + strings.Repeat(" ", maxFile),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || errors.Is(err, ErrNoNode) || !strings.Contains(err.Error(), FileName) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || errors.Is(err, ErrNoNode) {
		t.Errorf("a folder: %v", err)
	}
}

// A node that hangs is neither gone nor waited for beyond the caller's deadline.
func TestHangingNode(t *testing.T) {
	hanging, err := net.Listen("tcp", "127.0.0.1:0") // accepts, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	dir := t.TempDir()
	if err := (file{Version: 1, Address: hanging.Addr().String(), Token: "x", PID: 1}).write(dir); err != nil {
		t.Fatal(err)
	}
	lock(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client(t, dir).Status(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
