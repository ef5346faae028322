//go:build unix

package apibridge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"hearsay/apibridge/bridgetest"
	"hearsay/apibridge/client"
)

// With no file descriptors left the server lives on, and serves again as soon
// as there are some. The limit is a real one, in a process of its own.
func TestServer_NoFileDescriptorsLeft(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerWithFewFileDescriptors$")
	cmd.Env = append(os.Environ(), "HEARSAY_TEST_FEW_FILES=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close() // ends it
	lines := bufio.NewScanner(stdout)
	line := func(prefix string) string {
		t.Helper()
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				return rest
			}
		}
		t.Fatalf("the server ended without saying %q", prefix)
		return ""
	}
	address := line("address ")

	var conns []net.Conn
	for range 200 {
		c, err := net.Dial("tcp", address) // the kernel takes it, accepted or not
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	line("no files left")
	for _, c := range conns {
		c.Close()
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Announce(ctx, 0, 1, []byte("served again")); err != nil {
		t.Fatal(err)
	}
	if heard := line("heard "); heard != "served again" {
		t.Errorf("heard %q", heard)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("served again after %v", took)
	}
}

// retried is a listener that tells of a failure to accept when it is asked again:
// the server has counted it by then.
type retried struct {
	net.Listener
	last   error      // what Accept said last
	failed chan error // has room for the first
}

func (l *retried) Accept() (net.Conn, error) {
	if l.last != nil {
		select {
		case l.failed <- l.last:
		default:
		}
	}
	c, err := l.Listener.Accept()
	l.last = err
	return c, err
}

// TestServerWithFewFileDescriptors is the process that the test above starts.
func TestServerWithFewFileDescriptors(t *testing.T) {
	if os.Getenv("HEARSAY_TEST_FEW_FILES") == "" {
		t.Skip("only a part of another test")
	}
	opts := unpaced()
	opts.MaxConns = 1000
	ln := listen(t)
	told := &retried{Listener: ln, failed: make(chan error, 1)}
	g := bridgetest.New()
	p := serveOn(t, told, g, g, opts)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("address", ln.Addr())
	select {
	case err := <-told.failed:
		if s := p.srv.Stats(); !errors.Is(err, syscall.EMFILE) || s.AcceptErrors == 0 || s.Connections <= 20 {
			t.Fatalf("%v: %+v", err, s)
		}
	case <-time.After(patience):
		t.Fatalf("files are left: %+v", p.srv.Stats())
	}
	fmt.Println("no files left")
	fmt.Printf("heard %s\n", p.await(bridgetest.Announced, 1)[0].Data)
	io.Copy(io.Discard, os.Stdin)
}
