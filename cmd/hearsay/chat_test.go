package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hearsay/node/control"
	"hearsay/node/folder"
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

// startNode runs a node that is alone, until the test's end; hearsay are commands of it.
func startNode(t *testing.T) (run *exec.Cmd, hearsay func(args ...string) *exec.Cmd) {
	t.Helper()
	dir := t.TempDir()
	ini := filepath.Join(dir, "node.ini")
	err := os.WriteFile(ini, []byte("[hearsay]\nnetwork = terminal-test\nstate_dir = "+dir+"\nmdns = false\nkademlia = false\n[gossip]\np2p_address = 127.0.0.1:0\napi_address = off\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	hearsay = func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "hearsay", append(args, "-c", ini)...)
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.WaitDelay = 10 * time.Second
		cmd.Env = append(os.Environ(), "HOME="+dir, "TERM=xterm", "NO_COLOR=")
		return cmd
	}
	run = hearsay("run")
	node := new(screen)
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Wait() }) // the end of the test's context interrupts it
	go node.follow(out.(*os.File))
	node.await(t, "Ctrl-C ends it")
	return run, hearsay
}

// startChat runs a chat on a terminal and waits until it is ready. end awaits its end,
// for which what is said is the reason.
func startChat(t *testing.T, chat *exec.Cmd, ours, theirs *os.File) (shown *screen, end func(reason string)) {
	t.Helper()
	chat.Stdin, chat.Stdout, chat.Stderr = theirs, theirs, theirs
	if err := chat.Start(); err != nil {
		t.Fatal(err)
	}
	shown = new(screen)
	go shown.follow(ours)
	ended := make(chan error, 1)
	go func() { ended <- chat.Wait() }()
	shown.await(t, "You are 12D3KooW")
	shown.await(t, "> ")
	return shown, func(reason string) {
		t.Helper()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("chat ended with %v", err)
			}
		case <-time.After(patience):
			t.Fatalf("%s does not end it", reason)
		}
	}
}

// On a terminal a line is edited before it is sent, a rumor that comes meanwhile
// does not disturb it, and the terminal is given back as it was: at once, --linger or not.
func TestChatOnTerminal(t *testing.T) {
	_, hearsay := startNode(t)
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
	shown, end := startChat(t, hearsay("chat", "--linger", "1h"), ours, theirs)
	ours.WriteString("hello wrld\x1b[D\x1b[D\x1b[D") // and three to the left
	shown.await(t, "wrld")
	ours.WriteString("o\r")
	if err := listen.Wait(); err != nil || !strings.Contains(heard.String(), `"hello world"`) {
		t.Errorf("heard %q, %v", heard, err)
	}
	ours.WriteString("/help\r")
	shown.await(t, "/msg PEER TEXT   say it to one node only")
	ours.WriteString("\x04")
	end("Ctrl-D")
	after, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is %+v, was %+v (%v)", after, before, err)
	}
}

// Ctrl-C ends a chat whose node hangs, also if more lines were typed meanwhile.
func TestChatWithHungNode(t *testing.T) {
	node, hearsay := startNode(t)
	ours, theirs := openTerminal(t)
	shown, end := startChat(t, hearsay("chat"), ours, theirs)
	node.Process.Signal(unix.SIGSTOP)
	defer node.Process.Signal(unix.SIGCONT)
	if err := unix.Waitid(unix.P_PID, node.Process.Pid, nil, unix.WSTOPPED, nil); err != nil { // none of its threads goes on
		t.Fatal(err)
	}
	ours.WriteString("one\rtwo\rthree\r\x03")
	end("Ctrl-C")
	shown.await(t, "! the chat ended before the node answered")
}

// A node that does not answer does not keep a chat from the next line.
func TestChatTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // where nobody accepts anything
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	file := fmt.Sprintf(`{"version": 1, "address": %q, "token": "x", "pid": 1}`, l.Addr())
	if err := os.WriteFile(filepath.Join(dir, control.FileName), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	unlock, err := folder.Lock(dir) // as a node that runs does
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	c, err := control.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, line := range []string{"hello", "/msg somebody hello", "/peers"} {
		out := new(bytes.Buffer)
		chat := &chat{app: &app{}, c: c, answer: time.Millisecond, prompt: true, out: out}
		told := make(chan bool)
		go func() { told <- chat.obey(t.Context(), line) }()
		select {
		case <-told:
		case <-time.After(patience):
			t.Fatalf("%s: waits for ever", line)
		}
		if want := "! the node has not answered in 1ms (see how it is: hearsay health)\n"; out.String() != want {
			t.Errorf("%s: %q", line, out)
		}
	}
}
