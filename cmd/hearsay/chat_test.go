package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo-terminal: what is written to ours is typed at theirs.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// screen is everything that was written to a terminal.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // while somebody waits: closed when there is more
}

func (s *screen) follow(f *os.File) {
	b := make([]byte, 4096)
	for {
		n, err := f.Read(b)
		s.mu.Lock()
		s.text.Write(b[:n])
		if s.more != nil {
			close(s.more)
			s.more = nil
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) await(t *testing.T, what string) {
	t.Helper()
	for late := time.After(patience); ; {
		s.mu.Lock()
		text := s.text.String()
		if s.more == nil {
			s.more = make(chan struct{})
		}
		more := s.more
		s.mu.Unlock()
		if strings.Contains(text, what) {
			return
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("%q does not appear in %q", what, text)
		}
	}
}

// On a terminal a line is edited before it is sent, a rumor that comes meanwhile
// does not disturb it, and the terminal is given back as it was.
func TestChatOnTerminal(t *testing.T) {
	dir := t.TempDir()
	ini := filepath.Join(dir, "node.ini")
	err := os.WriteFile(ini, []byte("[hearsay]\nnetwork = terminal-test\nstate_dir = "+dir+"\nmdns = false\nkademlia = false\n[gossip]\np2p_address = 127.0.0.1:0\napi_address = off\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	hearsay := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "hearsay", append(args, "-c", ini)...)
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.WaitDelay = 10 * time.Second
		cmd.Env = append(os.Environ(), "HOME="+dir, "TERM=xterm", "NO_COLOR=")
		return cmd
	}
	run := hearsay("run")
	node := new(screen)
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { run.Process.Signal(os.Interrupt); run.Wait() }()
	go node.follow(out.(*os.File))
	node.await(t, "Ctrl-C ends it")
	listen := hearsay("listen", "1000", "--count", "1")
	heard := new(bytes.Buffer)
	listen.Stdout = heard
	listening := new(screen)
	pipe, err := listen.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := listen.Start(); err != nil {
		t.Fatal(err)
	}
	go listening.follow(pipe.(*os.File))
	listening.await(t, "listening")

	ours, theirs := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	chat := hearsay("chat")
	chat.Stdin, chat.Stdout, chat.Stderr = theirs, theirs, theirs
	if err := chat.Start(); err != nil {
		t.Fatal(err)
	}
	shown := new(screen)
	go shown.follow(ours)
	shown.await(t, "You are 12D3KooW")
	shown.await(t, "> ")
	ours.WriteString("hello wrld\x1b[D\x1b[D\x1b[D") // and three to the left
	shown.await(t, "wrld")
	ours.WriteString("o\r")
	if err := listen.Wait(); err != nil || !strings.Contains(heard.String(), `"hello world"`) {
		t.Errorf("heard %q, %v", heard, err)
	}
	ours.WriteString("/help\r")
	shown.await(t, "/msg PEER TEXT   say it to one node only")
	ours.WriteString("\x04") // Ctrl-D
	ended := make(chan error, 1)
	go func() { ended <- chat.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("chat ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Ctrl-D does not end it")
	}
	after, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is %+v, was %+v (%v)", after, before, err)
	}
}
