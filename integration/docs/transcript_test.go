package docs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hearsay/apibridge"
	"hearsay/integration"
	"hearsay/node"
)

// patience is for what takes milliseconds on an idle machine.
const patience = 30 * time.Second

// TestTranscripts replays what pages show of the module API, each transcript
// against nodes of its own.
func TestTranscripts(t *testing.T) {
	n := 0
	for _, path := range pages(t) {
		for _, s := range steps(t, path) {
			if s.kind != "transcript" {
				continue
			}
			n++
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(path), s.line), func(t *testing.T) { replay(t, s.text) })
		}
	}
	if n == 0 {
		t.Error("there are no transcripts")
	}
}

// spoken is one line of a transcript.
var spoken = regexp.MustCompile(`^([A-Z])(?:([<>]) ((?:(?:[0-9a-f]{2}|id|\.\.) {0,2})+)| closed)(?: .*)?$`)

func replay(t *testing.T, text string) {
	// Only module D uses the table of values, which needs Kademlia.
	table := integration.WithConfig(func(_ int, cfg *node.Config) {
		cfg.Kademlia = strings.Contains(text, "\nD>") || strings.HasPrefix(text, "D>")
	})
	c := integration.New(t, 2, table)
	modules := make(map[string]*module)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, " ") { // words
			continue
		}
		m := spoken.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no idea what this means: %q", line)
		}
		mod := modules[m[1]]
		if mod == nil {
			var address string
			switch m[1] {
			case "B":
				address = c.Node(1).API()
			case "D":
				address = serve(t, apibridge.NewDHT(c.Node(0).Running().ValueModules(), apibridge.DHTOptions{}))
			case "E":
				c.AwaitMembers(0, 2)
				address = serve(t, apibridge.NewNSE(c.Node(0).Running(), apibridge.DefaultLimits()))
			default:
				address = c.Node(0).API()
			}
			mod = dial(t, address)
			modules[m[1]] = mod
		}
		switch m[2] {
		case ">":
			mod.send(t, m[3])
		case "<":
			mod.expect(t, line, m[3])
		default:
			if n, err := mod.in.Peek(1); err != io.EOF {
				t.Fatalf("%q: it is not, but sends % x, or there is an error: %v", line, n, err)
			}
		}
	}
	for name, mod := range modules {
		mod.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if b, _ := mod.in.Peek(1); len(b) > 0 {
			rest, _ := io.ReadAll(mod.in)
			t.Errorf("%s is told what the transcript does not show: % x", name, rest)
		}
	}
}

// server is one of the APIs beside Gossip.
type server interface {
	Serve(net.Listener) error
	Close(context.Context) error
}

// serve serves an API on a port of its own.
func serve(t *testing.T, s server) string {
	ln, err := apibridge.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(context.Background()), <-done); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// module is a connection to a node's API.
type module struct {
	net.Conn
	in *bufio.Reader
	id []byte // that the node chose last
}

func dial(t *testing.T, address string) *module {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &module{Conn: conn, in: bufio.NewReader(conn)}
}

func (m *module) send(t *testing.T, tokens string) {
	t.Helper()
	text := strings.ReplaceAll(tokens, "id id", hex.EncodeToString(m.id))
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatalf("%q: %v", tokens, err)
	}
	if _, err := m.Write(b); err != nil {
		t.Fatal(err)
	}
}

// expect reads as many bytes as there are to be.
func (m *module) expect(t *testing.T, line, tokens string) {
	t.Helper()
	want := strings.Fields(tokens)
	got := make([]byte, len(want))
	if n, err := io.ReadFull(m.in, got); err != nil {
		t.Fatalf("%q: only % x came: %v", line, got[:n], err)
	}
	var id bytes.Buffer
	for i, w := range want {
		switch {
		case w == "..":
		case w == "id":
			id.WriteByte(got[i])
		case w != hex.EncodeToString(got[i:i+1]):
			t.Fatalf("%q: this came: % x", line, got)
		}
	}
	if id.Len() == 2 {
		m.id = id.Bytes()
	}
}

// TestExample: the example program at two nodes, one of which has something to say.
func TestExample(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	c := integration.New(t, 2)
	program := filepath.Join(root, "docs/examples/module.py")
	listener := exec.Command(python, program, c.Node(1).API(), "1000")
	out, err := listener.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	listener.Stderr = &complaint
	if err := listener.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { listener.Process.Kill() })
	defer late.Stop()
	c.AwaitInterest(1, 1000)
	speaker := exec.Command(python, program, c.Node(0).API(), "1000", "hello from Python")
	if err := speaker.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "hello from Python\n" {
		t.Errorf("it printed %q: %v\n%s", line, err, &complaint)
	}
	for _, program := range []*exec.Cmd{speaker, listener} {
		program.Process.Kill()
		program.Wait()
	}
}
